//! What a ThingVisor is told once (`updateInfo` of `updateTV`) reaches it, whatever is away meanwhile.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use common::*;
use morgana_access::FabricRole;
use morgana_controller::TestPlatform;
use morgana_fabric::{Client, Event, Qos};
use morgana_model::{
    ControlMessage, ErrorCode, Failure, ThingVisorId, ThingVisorPatch, ThingVisorStatus, Topic, WorkloadName,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

fn id() -> ThingVisorId {
    "tv".parse().unwrap()
}

async fn update(platform: &TestPlatform, params: Option<Value>, info: Option<Value>) -> Result<(), Failure> {
    let patch = ThingVisorPatch { params, update_info: info, ..ThingVisorPatch::default() };
    platform.controller.update_thing_visor(&platform.administrator(), &id(), patch, &None).await.map(drop)
}

async fn status(platform: &TestPlatform) -> ThingVisorStatus {
    platform.controller.inspect_thing_visor(&platform.administrator(), &id()).await.unwrap().status
}

/// The ThingVisor, played: it listens, and then its node says that it runs.
async fn listen(platform: &TestPlatform) -> (Client, mpsc::Receiver<Event>) {
    let (client, events) = platform.workload(&FabricRole::ThingVisor(id()));
    client.subscribe(Topic::ThingVisorIn(id()).to_string(), Qos::AtLeastOnce).await.unwrap();
    let name = WorkloadName::ThingVisor(id());
    eventually("an assignment", async || platform.node.report(&name)).await;
    platform.node.set_ready(&name);
    (client, events)
}

/// The next update that it is told: number, rate and `updateInfo`.
async fn hears(events: &mut mpsc::Receiver<Event>) -> (u64, Value, Value) {
    match heard(events, |message| matches!(message, ControlMessage::UpdateThingVisor { .. })).await {
        ControlMessage::UpdateThingVisor { number, params, update_info, .. } => {
            (number.unwrap(), params["rate"].clone(), update_info)
        }
        other => panic!("{other:?}"),
    }
}

async fn says(platform: &TestPlatform, client: &Client, number: u64) {
    let incarnation = platform.node.report(&WorkloadName::ThingVisor(id())).unwrap().incarnation;
    let message = ControlMessage::UpdateThingVisorAck { thing_visor: id(), number, incarnation };
    say(client, Topic::ThingVisorOut(id()), &message).await;
}

#[tokio::test]
async fn what_is_told_once_waits_for_a_thing_visor_that_is_down_and_for_a_restart_of_the_controller() {
    let platform = TestPlatform::start().await;
    platform.node.ready_at_once(false);
    add_visor(&platform, "tv").await;
    update(&platform, Some(json!({ "rate": 1 })), Some(json!("reload"))).await.unwrap();
    update(&platform, Some(json!({ "rate": 2 })), None).await.unwrap();
    update(&platform, None, Some(json!({ "calibrate": true }))).await.unwrap();

    let platform = platform.restart_with_a_slow_node().await;
    let (client, mut events) = listen(&platform).await;
    // It starts with the newest parameters, and not with the number of what it has to hear yet.
    let assignment = platform.node.assignments().pop().unwrap();
    assert_eq!(assignment.update, 0);
    assert_eq!(hears(&mut events).await, (1, json!(2), json!("reload")));
    // It ends before it says so, and hears it again when it is back.
    platform.node.crash(&WorkloadName::ThingVisor(id()), "killed");
    platform.node.set_ready(&WorkloadName::ThingVisor(id()));
    says(&platform, &client, 0).await;
    assert_eq!(hears(&mut events).await, (1, json!(2), json!("reload")));
    says(&platform, &client, 1).await;
    assert_eq!(hears(&mut events).await, (3, json!(2), json!({ "calibrate": true })), "in their order");
    says(&platform, &client, 3).await;
    let done = eventually("nothing waits any more", async || {
        let status = status(&platform).await;
        (status.update_infos.is_empty() && status.updates_known == Some(3)).then_some(status)
    });
    assert_eq!(done.await.updates, 3);
    // Its next start knows all, and hears nothing of it again.
    let assigned = async || platform.node.assignments().pop().filter(|assignment| assignment.update == 3);
    eventually("its next start is up to date", assigned).await;
}

#[tokio::test]
async fn no_more_waits_than_there_may_be() {
    let platform = TestPlatform::start().await;
    platform.node.ready_at_once(false);
    add_visor(&platform, "tv").await;
    for number in 0..16 {
        update(&platform, None, Some(json!(number))).await.unwrap();
    }
    let refused = update(&platform, None, Some(json!("one more"))).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Conflict);
    assert!(refused.message.contains("try again when it runs"), "{refused:?}");
    assert_eq!(status(&platform).await.update_infos.len(), 16);
    update(&platform, Some(json!({ "rate": 3 })), None).await.unwrap();
}
