//! The whole road: a real thing becomes a virtual thing in rented silos, and applications read it.

use std::net::TcpStream;

use morgana_client::Goal;
use morgana_model::{Entity, ErrorCode, WorkloadName};
use morgana_testbed::{
    Listener, Message, MqttApplication, NgsiLd, PATIENCE, Platform, Series, SimulatedThing, User, add_silo,
    eventually,
};
use serde_json::{Value, json};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");
const ROOM: &str = "urn:ngsi-ld:relay:room";

/// A platform with the things of these scenarios: a room behind a relay, and two person counters.
async fn platform_with_things() -> (Platform, User, SimulatedThing) {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let relay = platform.relay(&admin, "relay", "room", "Room").await;
    let rows = ["7,120,2019-01-01T10:00:00Z", "9,80,2019-01-01T10:00:00Z", "7,130,2019-01-01T11:00:00Z"];
    let series = Series::write(platform.folder(), "counters.csv", &rows);
    platform
        .thing_visor(&admin, "melbourne", "builtin:replay", series.replay("counters", json!("max")))
        .await;
    platform.v_thing(&admin, "melbourne/counters").await;
    (platform, admin, SimulatedThing::of(&relay))
}

#[tokio::test]
async fn a_reading_reaches_the_applications_of_two_tenants_each_in_its_own_standards() {
    let (platform, admin, thing) = platform_with_things().await;
    for tenant in ["alice", "bob"] {
        let tenant = platform.tenant(&admin, tenant).await;
        let (home, city) =
            tokio::join!(platform.silo(&tenant, "home", "mqtt"), platform.silo(&tenant, "city", "ngsi-ld"));
        let application = MqttApplication::at(&home).await;
        application.subscribe(&format!("{}/#", tenant.id)).await.unwrap();
        let listener = Listener::start().await;
        let broker = NgsiLd::at(&city);
        broker.subscribe("Room", listener.uri()).await;
        platform.plug(&tenant, &home, "relay/room").await;
        platform.plug(&tenant, &city, "relay/room").await;
        eventually("the silo follows the vThing", async || {
            thing.send(&json!({ "temperature": 20 })).await;
            broker.entity(ROOM).await.ok_or("no entity")
        })
        .await;

        let reading = json!({ "temperature": 21.5, "who": tenant.id });
        thing.send(&reading).await;

        let message = application
            .messages
            .wait_for("the reading as a message", |message| message.payload["msg"]["value"] == reading);
        assert_eq!(message.await.topic, format!("{}/relay/room/relay:room", tenant.id));
        let notification = listener
            .posted
            .wait_for("the reading as a notification", |posted| posted["data"][0]["msg"]["value"] == reading);
        let notification = notification.await;
        assert_eq!(
            (&notification["type"], &notification["data"][0]["id"]),
            (&json!("Notification"), &json!(ROOM))
        );
        assert_eq!(broker.entity(ROOM).await.unwrap()["msg"]["value"], reading);
    }
}

#[tokio::test]
async fn a_vthing_that_is_plugged_in_late_brings_its_whole_context_and_takes_it_away_again() {
    let (platform, admin, thing) = platform_with_things().await;
    thing.send(&json!("before any silo was there")).await;
    let alice = platform.tenant(&admin, "alice").await;
    let home = platform.silo(&alice, "home", "mqtt").await;
    let city = platform.silo(&alice, "city", "ngsi-ld").await;
    for silo in [&home, &city] {
        platform.plug(&alice, silo, "relay/room").await;
        platform.plug(&alice, silo, "melbourne/counters").await;
    }
    let broker = NgsiLd::at(&city);
    let shown = async || {
        let mut entities = [broker.entities("Room").await, broker.entities("PersonCounter").await].concat();
        entities.sort_by_key(|entity| entity["id"].to_string());
        entities.iter().map(|entity| entity["id"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let counters = ["urn:ngsi-ld:PersonCounter:7", "urn:ngsi-ld:PersonCounter:9"];
    let all = [&counters[..], &[ROOM]].concat();
    eventually("the whole context is in the NGSI-LD silo", async || wanted(&all, shown().await)).await;
    assert_eq!(broker.entity(counters[0]).await.unwrap()["count"]["value"], json!(130));
    assert_eq!(broker.entity(ROOM).await.unwrap()["msg"]["value"], json!("before any silo was there"));
    let topics = ["alice/melbourne/counters/PersonCounter:7", "alice/melbourne/counters/PersonCounter:9"];
    let application = MqttApplication::at(&home).await;
    application.subscribe("alice/#").await.unwrap();
    for topic in topics.iter().chain(&["alice/relay/room/relay:room"]) {
        application
            .messages
            .wait_for("the whole context is in the MQTT silo", |message| message.topic == *topic)
            .await;
    }

    for silo in [&home, &city] {
        platform.client(&alice).disconnect(&silo.id, &"relay/room".parse().unwrap()).await.unwrap();
    }

    eventually("only the other vThing is left", async || wanted(&counters, shown().await)).await;
    let is_gone =
        |message: &Message| message.topic.starts_with("alice/relay/") && message.payload == Value::Null;
    application.messages.wait_for("the entity is taken from the MQTT silo", is_gone).await;
    assert_eq!(retained(&home).await, topics);
}

fn wanted<T: PartialEq<U> + std::fmt::Debug, U>(wanted: &[U], seen: Vec<T>) -> Result<(), String> {
    if seen.len() == wanted.len() && seen.iter().zip(wanted).all(|(seen, wanted)| seen == wanted) {
        Ok(())
    } else {
        Err(format!("{seen:?}"))
    }
}

/// The topics that a new application finds in a silo.
async fn retained(silo: &morgana_model::VSilo) -> Vec<String> {
    let application = MqttApplication::at(silo).await;
    application.subscribe("alice/#").await.expect("a tenant may subscribe to what is its own");
    // What is retained is sent before what is published after it.
    application.publish("alice/mark", &json!(1)).await.expect("a tenant may publish what is its own");
    application.messages.wait_for("the mark", |message| message.topic == "alice/mark").await;
    let mut topics: Vec<_> = application.messages.all().into_iter().map(|message| message.topic).collect();
    topics.retain(|topic| topic != "alice/mark");
    topics.sort();
    topics
}

#[tokio::test]
async fn the_machine_itself_is_a_thing_whose_load_can_be_rented() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    platform.thing_visor(&admin, "host", "builtin:host", json!({ "intervalSeconds": 0.2 })).await;
    platform.v_thing(&admin, "host/load").await;
    let alice = platform.tenant(&admin, "alice").await;
    let home = platform.silo(&alice, "home", "mqtt").await;
    let application = MqttApplication::at(&home).await;
    application.subscribe("alice/host/load/+").await.unwrap();
    platform.plug(&alice, &home, "host/load").await;
    let message = application
        .messages
        .wait_for("a reading of the load", |message| message.payload != Value::Null)
        .await;
    let entity: Entity = serde_json::from_value(message.payload).unwrap();
    assert!(entity.get("load1").unwrap()["value"].is_number(), "{entity:?}");
}

#[tokio::test]
async fn what_is_destroyed_leaves_no_process_no_folder_no_port_and_no_entity() {
    let (platform, admin, thing) = platform_with_things().await;
    thing.send(&json!(1)).await;
    let alice = platform.tenant(&admin, "alice").await;
    let (home, city) =
        (platform.silo(&alice, "home", "mqtt").await, platform.silo(&alice, "city", "ngsi-ld").await);
    for silo in [&home, &city] {
        platform.plug(&alice, silo, "relay/room").await;
    }
    let broker = NgsiLd::at(&city);
    eventually("the room is in the silo", async || broker.entity(ROOM).await.ok_or("no entity")).await;

    let client = platform.client(&alice);
    client.delete_vsilo(&home.id, false).await.unwrap();
    client.wait_until(&WorkloadName::VSilo(home.id.clone()), Goal::Gone, PATIENCE, |_| ()).await.unwrap();
    assert_eq!(client.vsilo(&home.id).await.unwrap_err().code(), Some(ErrorCode::NotFound));
    assert!(platform.workload(&WorkloadName::VSilo(home.id.clone())).is_none());
    assert!(!platform.data().join("workloads/vsilo").join(home.id.as_str()).exists());
    let port = home.status.endpoints["1883/tcp"];
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "somebody still listens on port {port}");

    let admins = platform.client(&admin);
    let visor = "relay".parse().unwrap();
    admins.delete_thing_visor(&visor, false).await.unwrap();
    admins.wait_until(&WorkloadName::ThingVisor(visor), Goal::Gone, PATIENCE, |_| ()).await.unwrap();
    assert!(!platform.data().join("workloads/thingvisor/relay").exists());
    let v_things = admins.vthings().all().await.unwrap();
    assert!(v_things.iter().all(|v_thing| v_thing.id.thing_visor().as_str() != "relay"), "{v_things:?}");
    eventually("the connection goes with its vThing", async || {
        let left = client.connections(&city.id).all().await.unwrap();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    eventually("the entities go with their vThing", async || match broker.entity(ROOM).await {
        None => Ok(()),
        Some(entity) => Err(entity),
    })
    .await;
    let left: Vec<_> =
        platform.processes().into_iter().filter(|process| process.pid != platform.process().pid).collect();
    assert_eq!(left.len(), 2, "only one silo and one ThingVisor are left: {left:?}");
}

#[tokio::test]
async fn a_reading_arrives_as_it_was_sent_whatever_is_in_it() {
    let (platform, admin, thing) = platform_with_things().await;
    let alice = platform.tenant(&admin, "alice").await;
    let home = platform.silo(&alice, "home", "mqtt").await;
    let city = platform.silo(&alice, "city", "ngsi-ld").await;
    let application = MqttApplication::at(&home).await;
    application.subscribe("alice/#").await.unwrap();
    for silo in [&home, &city] {
        platform.plug(&alice, silo, "relay/room").await;
    }
    let broker = NgsiLd::at(&city);
    for reading in [
        json!("it's \"so\" — ü 🦄 \u{2028} \\ /"),
        json!({ "id": 1, "type": "x", "value": true, "list": [1, [2], {}], "a b": "", "": 0 }),
        json!([0.1, -0.0, 1e-300, 12345678901234567890_u64, i64::MIN]),
        json!(false),
        json!("x".repeat(500_000)),
    ] {
        thing.send(&reading).await;
        let is_it = |message: &Message| message.payload["msg"]["value"] == reading;
        application.messages.wait_for("the reading in the MQTT silo", is_it).await;
        eventually("the reading in the NGSI-LD silo", async || {
            let room = broker.entity(ROOM).await.unwrap_or_default();
            if room["msg"]["value"] == reading {
                Ok(())
            } else {
                Err(room.to_string().chars().take(500).collect::<String>())
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_vthing_can_be_plugged_into_a_silo_that_does_not_run_yet() {
    let (platform, admin, thing) = platform_with_things().await;
    thing.send(&json!("early")).await;
    let alice = platform.tenant(&admin, "alice").await;
    let silo = add_silo(&platform.client(&alice), &alice, "city", "ngsi-ld").await.unwrap();
    platform.plug(&alice, &silo, "relay/room").await;
    let broker = NgsiLd::at(&platform.running_silo(&alice, &silo).await);
    eventually("the room is in the silo", async || broker.entity(ROOM).await.ok_or("no entity")).await;
}

#[tokio::test]
async fn a_new_silo_with_the_name_of_an_old_one_has_nothing_of_it() {
    let (platform, admin, thing) = platform_with_things().await;
    thing.send(&json!("old")).await;
    let alice = platform.tenant(&admin, "alice").await;
    let old = platform.silo(&alice, "city", "ngsi-ld").await;
    platform.plug(&alice, &old, "relay/room").await;
    let broker = NgsiLd::at(&old);
    eventually("the room is in the silo", async || broker.entity(ROOM).await.ok_or("no entity")).await;
    let client = platform.client(&alice);
    client.delete_vsilo(&old.id, true).await.unwrap();
    client.wait_until(&WorkloadName::VSilo(old.id.clone()), Goal::Gone, PATIENCE, |_| ()).await.unwrap();
    let new = platform.silo(&alice, "city", "ngsi-ld").await;
    assert_ne!(new.token, old.token);
    assert_ne!(new.status.endpoints, old.status.endpoints, "an old application may still call the old port");
    assert_eq!(client.connections(&new.id).all().await.unwrap(), []);
    assert_eq!(NgsiLd::at(&new).http.get("/entities?local=true").await.expect(200), json!([]));
}
