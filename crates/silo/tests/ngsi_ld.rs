//! The flavour `ngsi-ld`, over a real fabric and real HTTP.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::time::{Duration, Instant};

use common::*;
use morgana_model::Entity;
use morgana_silo::Silo;
use reqwest::{Client as Http, StatusCode};
use serde_json::{Value, json};

const DOOR: u16 = 9090;

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
        let environment = environment(fabric.local_addr(), data.path(), DOOR, params);
        let silo = Silo::start("ngsi-ld", environment).await.unwrap();
        silo.ready().await;
        Self { fabric, platform, silo, data }
    }

    async fn visor(&self, id: &str, entities: Vec<Entity>) -> Visor {
        let visor = Visor::start(self.fabric.local_addr(), id, entities).await;
        self.platform.connect(&visor.id).await;
        visor
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/ngsi-ld/v1{path}", self.silo.doors()[&DOOR])
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let answer = Http::new().get(self.url(path)).bearer_auth(TOKEN).send().await.unwrap();
        if answer.status() == StatusCode::OK { Some(answer.json().await.unwrap()) } else { None }
    }

    /// Waits until the entity is this, leaving out what the broker adds.
    async fn shows(&self, id: &str, expected: Option<Value>) {
        let mut last = None;
        let what = format!("{id} is {expected:?}");
        eventually(&what, async || {
            last = self.get(&format!("/entities/{id}")).await.map(|mut entity| {
                entity.as_object_mut().unwrap().remove("@context");
                entity
            });
            last == expected
        })
        .await;
    }
}

fn shown(id: &str, v_thing: &str, values: &[(&str, Value)]) -> Option<Value> {
    let mut entity = json!({ "id": id, "type": "Sensor" });
    for (name, value) in values {
        entity[*name] = json!({ "type": "Property", "value": value });
    }
    entity["generatedByVThing"] = json!({ "type": "Property", "value": v_thing });
    Some(entity)
}

#[tokio::test]
async fn an_application_reads_the_context_and_its_changes() {
    let road = Road::start(Value::Null).await;
    let lamp = Entity::builder("urn:ngsi-ld:1", "Sensor").property("value", 1).property("unit", "lx");
    let visor = road.visor("tv/one", vec![lamp.build().unwrap()]).await;
    road.shows(
        "urn:ngsi-ld:1",
        shown("urn:ngsi-ld:1", "tv/one", &[("value", json!(1)), ("unit", json!("lx"))]),
    )
    .await;
    visor.change(entity("urn:ngsi-ld:1", 2)).await;
    road.shows(
        "urn:ngsi-ld:1",
        shown("urn:ngsi-ld:1", "tv/one", &[("value", json!(2)), ("unit", json!("lx"))]),
    )
    .await;
}

#[tokio::test]
async fn whole_context_is_there_after_connecting() {
    let road = Road::start(Value::Null).await;
    let mut best = Duration::MAX;
    for round in 0..5 {
        let entities = (0..50).map(|n| entity(&format!("urn:ngsi-ld:{round}:{n:02}"), n)).collect();
        let visor = Visor::start(road.fabric.local_addr(), &format!("tv/{round}"), entities).await;
        let start = Instant::now();
        road.platform.connect(&visor.id).await;
        let path = format!("/entities/urn:ngsi-ld:{round}:49");
        eventually("the last entity", async || road.get(&path).await.is_some()).await;
        best = best.min(start.elapsed());
    }
    println!("50 entities {best:?} after connecting");
}

#[tokio::test]
async fn disconnecting_removes_what_only_that_vthing_gave() {
    let road = Road::start(Value::Null).await;
    let shared = |name: &str, both: &str| {
        Entity::builder("urn:ngsi-ld:shared", "Sensor")
            .property(name, 1)
            .property("both", both)
            .build()
            .unwrap()
    };
    let one = road.visor("tv/one", vec![entity("urn:ngsi-ld:1", 1), shared("one", "of one")]).await;
    road.shows("urn:ngsi-ld:1", shown("urn:ngsi-ld:1", "tv/one", &[("value", json!(1))])).await;
    let two = road.visor("tv/two", vec![entity("urn:ngsi-ld:2", 2), shared("two", "of two")]).await;
    let all = [("one", json!(1)), ("both", json!("of two")), ("two", json!(1))];
    let mut entity = shown("urn:ngsi-ld:shared", "tv/two", &all);
    road.shows("urn:ngsi-ld:shared", entity.clone()).await;

    road.platform.disconnect(&one.id).await;
    entity.as_mut().unwrap().as_object_mut().unwrap().remove("one");
    road.shows("urn:ngsi-ld:shared", entity).await;
    road.shows("urn:ngsi-ld:1", None).await;
    road.shows("urn:ngsi-ld:2", shown("urn:ngsi-ld:2", "tv/two", &[("value", json!(2))])).await;

    road.platform.disconnect(&two.id).await;
    road.shows("urn:ngsi-ld:shared", None).await;
    road.shows("urn:ngsi-ld:2", None).await;
}

#[tokio::test]
async fn what_the_tenant_made_itself_stays() {
    let road = Road::start(Value::Null).await;
    let own =
        json!({ "id": "urn:ngsi-ld:own", "type": "Note", "text": { "type": "Property", "value": "mine" } });
    let answer = Http::new().post(road.url("/entities")).bearer_auth(TOKEN).json(&own).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let visor = road.visor("tv/one", vec![entity("urn:ngsi-ld:1", 1)]).await;
    road.shows("urn:ngsi-ld:1", shown("urn:ngsi-ld:1", "tv/one", &[("value", json!(1))])).await;
    road.platform.disconnect(&visor.id).await;
    road.shows("urn:ngsi-ld:1", None).await;
    assert!(road.get("/entities/urn:ngsi-ld:own").await.is_some());
}

#[tokio::test]
async fn a_wrong_token_and_another_tenants_are_refused() {
    let road = Road::start(Value::Null).await;
    let url = road.url("/entities?type=Sensor");
    for request in [
        Http::new().get(&url),
        Http::new().get(&url).bearer_auth("wrong"),
        Http::new().get(&url).bearer_auth("token-of-tenant2"),
        Http::new().get(&url).header("X-Auth-Token", "wrong"),
    ] {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
    let right = Http::new().get(&url).header("X-Auth-Token", TOKEN).send().await.unwrap();
    assert_eq!(right.status(), StatusCode::OK);

    let open = Road::start(json!({ "access": "open" })).await;
    let answer = Http::new().get(open.url("/entities?type=Sensor")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn bad_entities_are_left_out_and_the_good_ones_go_on() {
    let road = Road::start(Value::Null).await;
    let visor = road.visor("tv/one", vec![entity("urn:ngsi-ld:1", 1)]).await;
    road.shows("urn:ngsi-ld:1", shown("urn:ngsi-ld:1", "tv/one", &[("value", json!(1))])).await;
    let data_out = "vThing/tv/one/data_out".to_owned();
    for bad in ["{\"data\": [", "{}", r#"{"data":[{"type":"T"}],"meta":{"vThingID":"tv/one"}}"#] {
        road.platform.say(data_out.clone(), bad.into()).await;
    }
    // Valid for the fabric, not for NGSI-LD: an id that is no URI, an attribute without a value.
    visor.change(entity("no uri", 1)).await;
    let empty = Entity::builder("urn:ngsi-ld:2", "Sensor").attribute("value", json!({ "type": "Property" }));
    visor.change(empty.build().unwrap()).await;
    let big = "x".repeat(1 << 20);
    visor.change(entity("urn:ngsi-ld:big", big.as_str())).await;
    road.shows("urn:ngsi-ld:big", shown("urn:ngsi-ld:big", "tv/one", &[("value", json!(big))])).await;
    assert!(road.get("/entities/urn:ngsi-ld:2").await.is_none());
    road.platform.disconnect(&visor.id).await;
    road.shows("urn:ngsi-ld:1", None).await;
}

#[tokio::test]
async fn a_silo_has_its_context_and_no_more_after_a_restart() {
    let mut road = Road::start(Value::Null).await;
    let visor = road.visor("tv/one", vec![entity("urn:ngsi-ld:1", 1)]).await;
    let gone = road.visor("tv/gone", vec![entity("urn:ngsi-ld:2", 2)]).await;
    let one = shown("urn:ngsi-ld:1", "tv/one", &[("value", json!(1))]);
    road.shows("urn:ngsi-ld:1", one.clone()).await;
    road.shows("urn:ngsi-ld:2", shown("urn:ngsi-ld:2", "tv/gone", &[("value", json!(2))])).await;
    road.silo.stop();
    within("the silo ends", road.silo.ended()).await.unwrap();
    visor.stop().await;
    road.platform.disconnect(&gone.id).await;
    let again = environment(road.fabric.local_addr(), road.data.path(), DOOR, Value::Null);
    road.silo = Silo::start("ngsi-ld", again).await.unwrap();
    road.shows("urn:ngsi-ld:2", None).await;
    road.shows("urn:ngsi-ld:1", one).await;
}

#[tokio::test]
async fn a_taken_port_is_told_by_its_exit_status() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let data = tempfile::tempdir().unwrap();
    let mut environment = environment(any_port(), data.path(), DOOR, Value::Null);
    environment.doors = [(DOOR, taken.local_addr().unwrap().port())].into();
    assert_eq!(Silo::start("ngsi-ld", environment).await.unwrap_err().exit_code(), 69);
}

#[tokio::test]
async fn the_past_is_kept_as_long_and_told_in_parts_as_large_as_the_flavour_says() {
    let past = async |params: Value| {
        let road = Road::start(params).await;
        let own = json!({ "id": "urn:ngsi-ld:own", "type": "Own", "level": 0 });
        let http = Http::new();
        let sent = http.post(road.url("/entities")).bearer_auth(TOKEN).json(&own).send().await.unwrap();
        assert_eq!(sent.status(), StatusCode::CREATED);
        for level in 1..5 {
            let url = road.url("/entities/urn:ngsi-ld:own/attrs");
            let sent =
                http.patch(url).bearer_auth(TOKEN).json(&json!({ "level": level })).send().await.unwrap();
            assert_eq!(sent.status(), StatusCode::NO_CONTENT);
        }
        road
    };
    let ask = async |road: &Road| {
        let url = road.url("/temporal/entities/urn:ngsi-ld:own?timeproperty=modifiedAt");
        Http::new().get(url).bearer_auth(TOKEN).send().await.unwrap()
    };
    let road = past(json!({ "history": 10 })).await;
    let all = ask(&road).await;
    assert_eq!(all.status(), StatusCode::OK);
    assert_eq!(all.json::<Value>().await.unwrap()["level"].as_array().map(Vec::len), Some(5));
    let road = past(json!({ "history": 10, "temporalLimit": 2 })).await;
    let part = ask(&road).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert!(part.headers().contains_key("content-range"));
    assert_eq!(part.json::<Value>().await.unwrap()["level"].as_array().map(Vec::len), Some(2));
    let road = past(json!({ "history": 10, "historyMaxAge": 1 })).await;
    eventually("the past is forgotten", async || ask(&road).await.status() == StatusCode::NOT_FOUND).await;
}
