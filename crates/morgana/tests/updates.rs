//! New parameters of a ThingVisor (`updateTV`) reach it whatever is killed meanwhile.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use morgana_model::{ThingVisor, ThingVisorId, ThingVisorPatch, VSilo, WorkloadName};
use morgana_testbed::{Message, MqttApplication, Platform, User, eventually};
use serde_json::{Value, json};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// A ThingVisor that reads the load of this machine: hardly ever, or often.
struct Reader {
    platform: Platform,
    admin: User,
    alice: User,
    silo: VSilo,
    id: ThingVisorId,
}

fn hardly_ever() -> Value {
    json!({ "intervalSeconds": 86_400 })
}

impl Reader {
    async fn start() -> Self {
        let platform = Platform::start(MORGANA).await;
        let admin = platform.admin().await;
        let visor = platform.thing_visor(&admin, "host", "builtin:host", hardly_ever()).await;
        platform.v_thing(&admin, "host/load").await;
        let alice = platform.tenant(&admin, "alice").await;
        let silo = platform.silo(&alice, "home", "mqtt").await;
        platform.plug(&alice, &silo, "host/load").await;
        Self { platform, admin, alice, silo, id: visor.id }
    }

    fn name(&self) -> WorkloadName {
        WorkloadName::ThingVisor(self.id.clone())
    }

    async fn update(&self, params: Value) -> ThingVisor {
        let patch = ThingVisorPatch { params: Some(params), ..ThingVisorPatch::default() };
        self.platform.client(&self.admin).update_thing_visor(&self.id, &patch).await.unwrap()
    }

    /// Waits until it says that it has the update, and then shows it by what it does.
    async fn has(&self, update: u64) {
        eventually("it says that it has the update", async || {
            let visor =
                self.platform.client(&self.admin).thing_visor(&self.id).await.map_err(|e| e.to_string())?;
            let status = visor.status;
            if (status.updates, status.updates_known) == (update, Some(update)) {
                Ok(())
            } else {
                Err(format!("{status:?}"))
            }
        })
        .await;
        let silo = self.platform.running_silo(&self.alice, &self.silo).await;
        let application = MqttApplication::at(&silo).await;
        application.subscribe("alice/#").await.unwrap();
        let read = |message: &Message| message.topic.starts_with("alice/host/load");
        eventually("it reads the load often", async || {
            let count = application.messages.all().iter().filter(|message| read(message)).count();
            if count > 3 { Ok(()) } else { Err(count.to_string()) }
        })
        .await;
    }
}

#[tokio::test]
async fn an_update_reaches_a_thing_visor_that_is_killed_before_it_hears_of_it() {
    let reader = Reader::start().await;
    // Its node starts it again at the moment of the update: with the old parameters, or with the new.
    let process = reader.platform.workload(&reader.name()).unwrap();
    process.freeze();
    let updated = reader.update(json!({ "intervalSeconds": 0.2 })).await;
    assert_eq!(updated.status.updates, 1);
    process.kill();
    reader.has(1).await;

    // The same the other way round, and its silo sees none of it.
    reader.update(hardly_ever()).await;
    reader.platform.workload(&reader.name()).unwrap().kill();
    let updated = reader.update(json!({ "intervalSeconds": 0.3 })).await;
    assert_eq!(updated.status.updates, 3);
    reader.has(3).await;
}

#[tokio::test]
async fn an_accepted_update_survives_a_kill_of_the_platform() {
    let mut reader = Reader::start().await;
    reader.update(json!({ "intervalSeconds": 0.2 })).await;
    reader.platform.kill_all().await;
    reader.platform.restart().await;
    reader.has(1).await;
}

#[tokio::test]
async fn an_update_that_comes_while_a_thing_visor_does_not_answer_is_told_when_it_does() {
    let reader = Reader::start().await;
    let process = reader.platform.workload(&reader.name()).unwrap();
    process.freeze();
    reader.update(json!({ "intervalSeconds": 0.2 })).await;
    let again =
        ThingVisorPatch { params: Some(json!({ "intervalSeconds": 0.2 })), ..ThingVisorPatch::default() };
    let same = reader.platform.client(&reader.admin).update_thing_visor(&reader.id, &again).await.unwrap();
    assert_eq!(same.status.updates, 1, "the same again is no update");
    process.thaw();
    reader.has(1).await;
    assert_eq!(reader.platform.workload(&reader.name()).unwrap().pid, process.pid, "it was not started anew");
}
