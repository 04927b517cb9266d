//! What the tests of this crate share: users who ask, and workloads that the test plays.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses its own part")]

use std::time::Duration;

use morgana_access::FabricRole;
use morgana_controller::{Caller, TestPlatform};
use morgana_fabric::{Client, Event, Qos};
use morgana_model::{
    ControlMessage, NewThingVisor, NewVSilo, Phase, ThingVisor, ThingVisorSpec, Topic, VSilo, VSiloId,
    VSiloSpec, VThingAnnouncement, VThingId,
};
use serde_json::Value;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `look` finds something.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("never came: {what}"))
}

pub async fn add_visor(platform: &TestPlatform, id: &str) -> ThingVisor {
    let spec = ThingVisorSpec {
        image_name: "builtin:host".parse().unwrap(),
        params: Value::Null,
        description: String::new(),
        zone: None,
        debug_mode: false,
        yaml_files: None,
    };
    let new = NewThingVisor { id: id.parse().unwrap(), spec };
    platform.controller.add_thing_visor(&platform.administrator(), new).await.unwrap()
}

pub async fn create_silo(platform: &TestPlatform, owner: &Caller, name: &str) -> VSilo {
    let spec = VSiloSpec {
        tenant: owner.user.clone(),
        name: name.parse().unwrap(),
        flavour: "mqtt".parse().unwrap(),
        zone: None,
        debug_mode: false,
    };
    platform.controller.create_v_silo(owner, NewVSilo { spec }).await.unwrap()
}

pub async fn silo_in(platform: &TestPlatform, owner: &Caller, id: &VSiloId, phase: &Phase) -> VSilo {
    eventually(&format!("{id} {phase}"), async || {
        let silo = platform.controller.inspect_v_silo(owner, id).await.ok()?;
        (silo.status.phase == *phase).then_some(silo)
    })
    .await
}

pub async fn say(client: &Client, topic: Topic, message: &ControlMessage) {
    let payload = serde_json::to_vec(message).unwrap();
    client.publish(topic.to_string(), payload, Qos::AtLeastOnce).await.unwrap();
}

/// A ThingVisor, played: it announces `<id>/<name>`.
pub async fn announce(platform: &TestPlatform, visor: &str, name: &str) -> (Client, VThingId) {
    let id: VThingId = format!("{visor}/{name}").parse().unwrap();
    let (client, _) = platform.workload(&FabricRole::ThingVisor(visor.parse().unwrap()));
    let v_thing =
        VThingAnnouncement { label: name.to_owned(), id: id.clone(), description: String::new(), kind: None };
    let message = ControlMessage::CreateVThing { thing_visor: visor.parse().unwrap(), v_thing };
    say(&client, Topic::ThingVisorOut(visor.parse().unwrap()), &message).await;
    eventually(&format!("vThing {id}"), async || {
        platform.controller.inspect_v_thing(&platform.administrator(), &id).await.ok()
    })
    .await;
    (client, id)
}

/// A silo, played: it listens to its own topic.
pub async fn listen_as(platform: &TestPlatform, silo: &VSiloId) -> (Client, mpsc::Receiver<Event>) {
    let (client, events) = platform.workload(&FabricRole::VSilo(silo.clone()));
    client.subscribe(Topic::VSiloIn(silo.clone()).to_string(), Qos::AtLeastOnce).await.unwrap();
    (client, events)
}

pub async fn heard(
    events: &mut mpsc::Receiver<Event>,
    wanted: impl Fn(&ControlMessage) -> bool,
) -> ControlMessage {
    let hearing = async {
        loop {
            if let Some(Event::Message { payload, .. }) = events.recv().await {
                let message = serde_json::from_slice(&payload).unwrap();
                if wanted(&message) {
                    return message;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, hearing).await.expect("the message never came")
}

/// The next message that a client hears, as JSON.
pub async fn next_message(events: &mut mpsc::Receiver<Event>) -> (String, Value) {
    let hearing = async {
        loop {
            if let Some(Event::Message { topic, payload }) = events.recv().await {
                return (topic, serde_json::from_slice(&payload).unwrap());
            }
        }
    };
    tokio::time::timeout(PATIENCE, hearing).await.expect("no message came")
}
