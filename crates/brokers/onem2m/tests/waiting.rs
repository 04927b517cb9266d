//! Notifications that wait outlive the CSE: for a schedule, for a batch, for a rate limit, for an AE that polls.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{ADMIN, Fixture, ty};
use morgana_onem2m::{Operation, Request, Status};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

const PCH: u32 = 15;
const SCH: u32 = 18;
const PATIENCE: Duration = Duration::from_secs(60);

async fn next(listener: &mut Receiver<Value>) -> Value {
    tokio::time::timeout(PATIENCE, listener.recv()).await.unwrap().unwrap()["pc"].clone()
}

/// The content of the instance that a notification tells of.
fn told(notification: &Value) -> &Value {
    &notification["nev"]["rep"]["m2m:cin"]["con"]
}

async fn post(cse: &Fixture, content: u32) {
    cse.make("Mobius/c", ADMIN, ty::CIN, json!({"m2m:cin": {"con": content}})).await;
}

/// A container `c` with a subscription `s` for a listener called `me`, which hears nothing yet.
async fn subscribed(subscription: Value) -> Fixture {
    let cse = Fixture::new();
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "c"}})).await;
    let mut content = json!({"m2m:sub": {"rn": "s", "nu": ["mqtt://anywhere/me"], "enc": {"net": [3]}}});
    content["m2m:sub"].as_object_mut().unwrap().extend(subscription.as_object().unwrap().clone());
    // Who is asked whether the subscription is welcome (TS-0001 10.2.10.2).
    let _asked = cse.cse.listen("me", 1);
    cse.make("Mobius/c", ADMIN, ty::SUB, content).await;
    cse
}

fn schedule(entry: &str) -> Value {
    json!({"m2m:sch": {"se": {"sce": [entry]}}})
}

#[tokio::test]
async fn what_a_schedule_holds_is_sent_after_a_restart_once() {
    let cse = subscribed(json!({"pn": 2})).await;
    cse.make("Mobius/c/s", ADMIN, SCH, schedule("* * * * * * 2000")).await;
    post(&cse, 1).await;
    post(&cse, 2).await;
    let cse = cse.reopen().await;
    let mut listener = cse.cse.listen("me", 10);
    post(&cse, 3).await;
    cse.update("Mobius/c/s/notificationSchedule", ADMIN, schedule("* * * * * * *")).await;
    for expected in 1..=3 {
        assert_eq!(told(&next(&mut listener).await["m2m:sgn"]), expected);
    }
    let cse = cse.reopen().await;
    let mut listener = cse.cse.listen("me", 10);
    post(&cse, 4).await;
    assert_eq!(told(&next(&mut listener).await["m2m:sgn"]), 4);
}

#[tokio::test]
async fn a_batch_fills_up_across_a_restart_and_goes_when_its_time_is_over() {
    let cse = subscribed(json!({"bn": {"num": 3, "dur": 600_000}})).await;
    post(&cse, 1).await;
    post(&cse, 2).await;
    let cse = cse.reopen().await;
    let mut listener = cse.cse.listen("me", 10);
    post(&cse, 3).await;
    let batch = next(&mut listener).await;
    let batch = batch["m2m:agn"]["m2m:sgn"].as_array().unwrap();
    assert_eq!(batch.iter().map(told).collect::<Vec<_>>(), [1, 2, 3]);
    cse.update("Mobius/c/s", ADMIN, json!({"m2m:sub": {"bn": {"num": 3, "dur": 2_000}}})).await;
    post(&cse, 4).await;
    let cse = cse.reopen().await;
    let mut listener = cse.cse.listen("me", 10);
    let batch = next(&mut listener).await;
    assert_eq!(told(&batch["m2m:agn"]["m2m:sgn"][0]), 4);
}

#[tokio::test]
async fn what_a_rate_limit_holds_is_sent_after_a_restart() {
    let cse = subscribed(json!({"rl": {"mnn": 1, "tww": "PT2S"}, "pn": 2})).await;
    for content in 1..=3 {
        post(&cse, content).await;
    }
    let cse = cse.reopen().await;
    let mut listener = cse.cse.listen("me", 10);
    for expected in 2..=3 {
        assert_eq!(told(&next(&mut listener).await["m2m:sgn"]), expected);
    }
}

#[tokio::test]
async fn what_waits_for_a_subscription_goes_with_it() {
    let cse = subscribed(json!({"bn": {"num": 3, "dur": 600_000}})).await;
    post(&cse, 1).await;
    let cse = cse.reopen().await;
    let mut listener = cse.cse.listen("me", 10);
    assert_eq!(cse.delete("Mobius/c/s", ADMIN).await, Status::Deleted);
    // The batch goes out with the end of its subscription (TS-0001 10.2.10.6).
    assert_eq!(told(&next(&mut listener).await["m2m:agn"]["m2m:sgn"][0]), 1);
    let cse = cse.reopen().await;
    let mut listener = cse.cse.listen("me", 10);
    cse.make(
        "Mobius/c",
        ADMIN,
        ty::SUB,
        json!({"m2m:sub": {"nu": ["mqtt://anywhere/me"], "enc": {"net": [3]}}}),
    )
    .await;
    post(&cse, 2).await;
    assert_eq!(told(&next(&mut listener).await["m2m:sgn"]), 2);
}

/// An AE that polls, with a subscription to `Mobius/c`.
async fn polling() -> Fixture {
    let cse = Fixture::new();
    cse.make(
        "Mobius",
        "Cpoll",
        ty::AE,
        json!({"m2m:ae": {"rn": "poll", "api": "N1", "rr": false, "srv": ["4"]}}),
    )
    .await;
    cse.make("Mobius/poll", "Cpoll", PCH, json!({"m2m:pch": {"rn": "pch"}})).await;
    cse.make("Mobius", "Cpoll", ty::CNT, json!({"m2m:cnt": {"rn": "c"}})).await;
    let subscription = json!({"m2m:sub": {"rn": "s", "nu": ["Cpoll"], "enc": {"net": [3]}}});
    cse.make("Mobius/c", "Cpoll", ty::SUB, subscription).await;
    cse
}

async fn poll(cse: &Fixture) -> Option<Value> {
    let patience = Some("300".to_owned());
    let request = Request {
        request_expires: patience,
        ..Request::new(Operation::Retrieve, "Mobius/poll/pch/pcu", "Cpoll")
    };
    let response = cse.cse.request(request).await;
    match response.status {
        Status::Ok => response.content.map(|content| content["m2m:rqp"].clone()),
        Status::RequestTimeout => None,
        other => panic!("{other:?}: {:?}", response.content),
    }
}

#[tokio::test]
async fn what_waits_in_a_polling_channel_is_there_after_a_restart_until_it_is_polled() {
    let cse = polling().await;
    for content in 1..=3 {
        post(&cse, content).await;
    }
    assert_eq!(told(&poll(&cse).await.unwrap()["pc"]["m2m:sgn"]), 1);
    let cse = cse.reopen().await;
    post(&cse, 4).await;
    for expected in 2..=4 {
        let request = poll(&cse).await.unwrap();
        assert_eq!((told(&request["pc"]["m2m:sgn"]), &request["op"]), (&json!(expected), &json!(5)));
    }
    let cse = cse.reopen().await;
    assert_eq!(poll(&cse).await, None);
}

#[tokio::test]
async fn a_channel_that_is_closed_forgets_what_waited_in_it() {
    let cse = polling().await;
    post(&cse, 1).await;
    assert_eq!(cse.delete("Mobius/poll/pch", "Cpoll").await, Status::Deleted);
    let cse = cse.reopen().await;
    cse.make("Mobius/poll", "Cpoll", PCH, json!({"m2m:pch": {"rn": "pch"}})).await;
    post(&cse, 2).await;
    assert_eq!(told(&poll(&cse).await.unwrap()["pc"]["m2m:sgn"]), 2);
    assert_eq!(poll(&cse).await, None);
}
