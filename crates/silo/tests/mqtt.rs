//! The flavour `mqtt`, over a real fabric, with tenants' real clients.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::time::{Duration, Instant};

use common::tenant::Tenant;
use common::*;
use morgana_model::Entity;
use morgana_silo::Silo;
use serde_json::{Value, json};

const DOOR: u16 = 1883;

struct Road {
    fabric: morgana_fabric::Server,
    platform: Platform,
    silo: Silo,
    data: tempfile::TempDir,
}

impl Road {
    async fn start(params: Value) -> Self {
        let fabric = start_fabric(any_port()).await;
        let platform = Platform::start(fabric.local_addr()).await;
        let data = tempfile::tempdir().unwrap();
        let silo =
            Silo::start("mqtt", environment(fabric.local_addr(), data.path(), DOOR, params)).await.unwrap();
        silo.ready().await;
        Self { fabric, platform, silo, data }
    }

    async fn visor(&self, id: &str, entities: Vec<Entity>) -> Visor {
        let visor = Visor::start(self.fabric.local_addr(), id, entities).await;
        self.platform.connect(&visor.id).await;
        visor
    }

    async fn tenant(&self) -> Tenant {
        Tenant::enter(self.silo.doors()[&DOOR], "tenant1", TOKEN, "#").await
    }
}

#[tokio::test]
async fn a_new_subscriber_sees_the_whole_entity_and_then_its_changes() {
    let road = Road::start(Value::Null).await;
    let lamp = Entity::builder("urn:ngsi-ld:lamp:1", "Lamp").property("value", 1).property("colour", "red");
    let visor = road.visor("lamp/one", vec![lamp.build().unwrap()]).await;
    let tenant = road.tenant().await;
    tenant.sees("tenant1/lamp/one/lamp:1", 1).await;
    visor.change(entity("urn:ngsi-ld:lamp:1", 2)).await;
    tenant.sees("tenant1/lamp/one/lamp:1", 2).await;

    let later = road.tenant().await;
    eventually("the later one sees all attributes", async || later.messages() == 1).await;
    assert_eq!(later.value("tenant1/lamp/one/lamp:1"), Some(json!(2)));
}

#[tokio::test]
async fn whole_context_is_there_after_connecting() {
    let road = Road::start(Value::Null).await;
    let tenant = road.tenant().await;
    let mut best = Duration::MAX;
    // The time is printed for people: the machine may be busy with something else.
    for round in 0..5 {
        let entities = (0..50).map(|n| entity(&format!("urn:ngsi-ld:{round}:{n}"), n)).collect();
        let visor = Visor::start(road.fabric.local_addr(), &format!("tv/{round}"), entities).await;
        let start = Instant::now();
        road.platform.connect(&visor.id).await;
        eventually("all entities", async || tenant.topics().len() == 50 * (round + 1)).await;
        best = best.min(start.elapsed());
    }
    println!("50 entities {best:?} after connecting");
}

#[tokio::test]
async fn disconnecting_removes_exactly_the_entities_of_that_vthing() {
    let road = Road::start(Value::Null).await;
    let shared = "urn:ngsi-ld:shared";
    let one = road.visor("tv/one", vec![entity("urn:ngsi-ld:1", 1), entity(shared, "of one")]).await;
    let _two = road.visor("tv/two", vec![entity("urn:ngsi-ld:2", 2), entity(shared, "of two")]).await;
    let tenant = road.tenant().await;
    let two = ["tenant1/tv/two/2", "tenant1/tv/two/shared"];
    tenant.sees_topics(&["tenant1/tv/one/1", "tenant1/tv/one/shared", two[0], two[1]]).await;
    road.platform.disconnect(&one.id).await;
    tenant.sees_topics(&two).await;
    assert_eq!(tenant.value(two[1]), Some(json!("of two")));

    one.change(entity("urn:ngsi-ld:1", 3)).await;
    _two.change(entity("urn:ngsi-ld:2", 4)).await;
    tenant.sees(two[0], 4).await;
    road.tenant().await.sees_topics(&two).await;
}

#[tokio::test]
async fn a_wrong_token_another_tenants_name_and_nobody_are_refused() {
    let road = Road::start(Value::Null).await;
    let door = road.silo.doors()[&DOOR];
    for (user, password) in
        [("tenant1", "wrong"), ("tenant2", TOKEN), ("tenant2", "token-of-tenant2"), ("", ""), ("tenant1", "")]
    {
        assert!(Tenant::enter(door, user, password, "#").await.refused(), "{user} {password}");
    }
    assert!(!road.tenant().await.refused());
}

#[tokio::test]
async fn open_access_asks_for_nothing() {
    let road = Road::start(json!({ "access": "open" })).await;
    let _visor = road.visor("tv/one", vec![entity("urn:ngsi-ld:1", 1)]).await;
    let tenant = Tenant::enter(road.silo.doors()[&DOOR], "whoever", "whatever", "#").await;
    tenant.sees("tenant1/tv/one/1", 1).await;
}

#[tokio::test]
async fn publishing_changes_is_as_viriot_does_it() {
    let road = Road::start(json!({ "publish": "changes" })).await;
    let tenant = road.tenant().await;
    let lamp = Entity::builder("urn:ngsi-ld:1", "Lamp").property("value", 1).property("colour", "red");
    let visor = road.visor("tv/one", vec![lamp.build().unwrap()]).await;
    tenant.sees("tenant1/tv/one/1", 1).await;
    visor.change(Entity::builder("urn:ngsi-ld:1", "Lamp").property("colour", "blue").build().unwrap()).await;
    tenant.sees("tenant1/tv/one/1", Value::Null).await;

    let later = road.tenant().await;
    visor.change(entity("urn:ngsi-ld:1", 2)).await;
    later.sees("tenant1/tv/one/1", 2).await;
    assert_eq!(later.messages(), 1, "nothing is retained");
}

#[tokio::test]
async fn bad_messages_are_dropped_and_the_good_ones_go_on() {
    let road = Road::start(Value::Null).await;
    let visor = road.visor("tv/one", vec![entity("urn:ngsi-ld:1", 1)]).await;
    let tenant = road.tenant().await;
    tenant.sees("tenant1/tv/one/1", 1).await;
    let data_out = "vThing/tv/one/data_out";
    for bad in [
        "{\"data\": [{\"id\"",
        "[]",
        r#"{"data":[{"type":"T","value":{"type":"Property","value":9}}],"meta":{"vThingID":"tv/one"}}"#,
        r#"{"data":[{"id":"urn:ngsi-ld:1","type":"T","value":{"value":9}}],"meta":{"vThingID":"tv/two"}}"#,
        "\u{0}\u{1}",
    ] {
        road.platform.say(data_out.to_owned(), bad.into()).await;
        road.platform.say(c_in(), bad.into()).await;
    }
    let big = "x".repeat(1 << 20);
    visor.change(entity("urn:ngsi-ld:big", big.as_str())).await;
    tenant.sees("tenant1/tv/one/big", big).await;
    visor.change(entity("http://a/b+c#d", 1)).await;
    tenant.sees("tenant1/tv/one/http:%2F%2Fa%2Fb%2Bc%23d", 1).await;
    assert_eq!(tenant.value("tenant1/tv/one/1"), Some(json!(1)));
    assert_eq!(tenant.topics().len(), 3);
}

#[tokio::test]
async fn after_the_fabric_was_away_the_silo_has_what_it_missed() {
    let Road { fabric, platform, silo, data: _data } = Road::start(Value::Null).await;
    let address = fabric.local_addr();
    let visor = Visor::start(address, "tv/one", vec![entity("urn:ngsi-ld:1", 1)]).await;
    platform.connect(&visor.id).await;
    let tenant = Tenant::enter(silo.doors()[&DOOR], "tenant1", TOKEN, "#").await;
    tenant.sees("tenant1/tv/one/1", 1).await;

    fabric.stop().await;
    visor.change(entity("urn:ngsi-ld:1", 2)).await;
    let meanwhile = Tenant::enter(silo.doors()[&DOOR], "tenant1", TOKEN, "#").await;
    meanwhile.sees("tenant1/tv/one/1", 1).await;

    let _fabric = start_fabric(address).await;
    tenant.sees("tenant1/tv/one/1", 2).await;
    visor.connected().await;
    visor.change(entity("urn:ngsi-ld:1", 3)).await;
    tenant.sees("tenant1/tv/one/1", 3).await;
}

#[tokio::test]
async fn a_thingvisor_that_comes_late_is_asked_until_it_answers() {
    let road = Road::start(Value::Null).await;
    road.platform.connect(&v_thing("tv/late")).await;
    let tenant = road.tenant().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let _visor = Visor::start(road.fabric.local_addr(), "tv/late", vec![entity("urn:ngsi-ld:1", 1)]).await;
    tenant.sees("tenant1/tv/late/1", 1).await;
}

#[tokio::test]
async fn without_a_fabric_a_silo_gets_ready_and_serves() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let data = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let mut silo = Silo::start("mqtt", environment(nobody, data.path(), DOOR, Value::Null)).await.unwrap();
    let tenant = Tenant::enter(silo.doors()[&DOOR], "tenant1", TOKEN, "#").await;
    tenant.client.publish("a/b", r#"{"value":{"value":7}}"#, morgana_fabric::Qos::AtLeastOnce).await.unwrap();
    tenant.sees("a/b", 7).await;
    silo.ready().await;
    assert!((Duration::from_secs(2)..PATIENCE).contains(&start.elapsed()), "{:?}", start.elapsed());
    silo.stop();
    within("the silo ends", silo.ended()).await.unwrap();
}

#[tokio::test]
async fn a_destroyed_silo_acknowledges_and_ends() {
    let mut road = Road::start(Value::Null).await;
    road.platform.destroy().await;
    road.platform.acknowledged().await;
    within("the silo ends", road.silo.ended()).await.unwrap();
}

#[tokio::test]
async fn a_silo_has_its_context_and_no_more_after_a_restart() {
    let mut road = Road::start(Value::Null).await;
    let visor = road.visor("tv/one", vec![entity("urn:ngsi-ld:1", 1)]).await;
    let gone = road.visor("tv/gone", vec![entity("urn:ngsi-ld:2", 2)]).await;
    road.tenant().await.sees_topics(&["tenant1/tv/gone/2", "tenant1/tv/one/1"]).await;
    road.silo.stop();
    within("the silo ends", road.silo.ended()).await.unwrap();
    visor.stop().await;
    // The silo misses this; the list tells it.
    road.platform.disconnect(&gone.id).await;
    let again = environment(road.fabric.local_addr(), road.data.path(), DOOR, Value::Null);
    road.silo = Silo::start("mqtt", again).await.unwrap();
    road.tenant().await.sees_topics(&["tenant1/tv/one/1"]).await;
}

#[tokio::test]
async fn a_taken_port_is_told_by_its_exit_status() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let data = tempfile::tempdir().unwrap();
    let mut environment = environment(any_port(), data.path(), DOOR, Value::Null);
    environment.doors = [(DOOR, taken.local_addr().unwrap().port())].into();
    let error = Silo::start("mqtt", environment).await.unwrap_err();
    assert_eq!(error.exit_code(), 69, "{error}");
}

#[tokio::test]
async fn mosquitto_sub_reads_the_state() {
    let road = Road::start(Value::Null).await;
    let _visor = road.visor("tv/one", vec![entity("urn:ngsi-ld:1", 1)]).await;
    road.tenant().await.sees("tenant1/tv/one/1", 1).await;
    let port = road.silo.doors()[&DOOR].port().to_string();
    for version in ["311", "5"] {
        let mut command = tokio::process::Command::new("mosquitto_sub");
        command.args(["-V", version, "-h", "127.0.0.1", "-p", &port, "-u", "tenant1", "-P", TOKEN]);
        command.args(["-t", "tenant1/#", "-C", "1", "-W", "5", "-v"]);
        let output = match command.output().await {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("mosquitto_sub is not installed: not tested");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            text.trim(),
            r#"tenant1/tv/one/1 {"id":"urn:ngsi-ld:1","type":"Sensor","value":{"type":"Property","value":1}}"#
        );
    }
}
