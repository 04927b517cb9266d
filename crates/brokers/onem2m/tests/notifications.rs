//! Subscriptions, from TS-0001 9.6.8 and 10.2.10, with the listener in the same process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{ADMIN, Fixture, ty};
use morgana_onem2m::Status;
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

async fn next(listener: &mut Receiver<Value>) -> Value {
    let request = tokio::time::timeout(Duration::from_secs(10), listener.recv()).await.unwrap().unwrap();
    request["pc"].clone()
}

async fn subscribed(subscription: Value) -> (Fixture, Receiver<Value>) {
    let cse = Fixture::new();
    let listener = cse.cse.listen("me", 100);
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "c"}})).await;
    let mut content = json!({"m2m:sub": {"rn": "s", "nu": ["mqtt://anywhere/me"]}});
    for (name, value) in subscription.as_object().unwrap() {
        content["m2m:sub"][name] = value.clone();
    }
    cse.make("Mobius/c", ADMIN, ty::SUB, content).await;
    (cse, listener)
}

#[tokio::test]
async fn notifications_come_in_the_order_of_events() {
    let (cse, mut listener) = subscribed(json!({"enc": {"net": [3]}, "cr": null})).await;
    for number in 0..50 {
        cse.make("Mobius/c", ADMIN, ty::CIN, json!({"m2m:cin": {"con": number}})).await;
    }
    for number in 0..50 {
        let notification = next(&mut listener).await;
        let notification = &notification["m2m:sgn"];
        assert_eq!(notification["nev"]["rep"]["m2m:cin"]["con"], number);
        assert_eq!((&notification["nev"]["net"], &notification["cr"]), (&json!(3), &json!(ADMIN)));
    }
}

#[tokio::test]
async fn an_update_is_told_with_what_changed() {
    let (cse, mut listener) = subscribed(json!({"enc": {"net": [1], "atr": ["lbl"]}, "nct": 2})).await;
    cse.update("Mobius/c", ADMIN, json!({"m2m:cnt": {"mni": 5}})).await;
    cse.update("Mobius/c", ADMIN, json!({"m2m:cnt": {"lbl": ["x"]}})).await;
    assert_eq!(next(&mut listener).await["m2m:sgn"]["nev"]["rep"], json!({"m2m:cnt": {"lbl": ["x"]}}));
}

#[tokio::test]
async fn a_batch_goes_when_it_is_full_and_when_the_subscription_ends() {
    let (cse, mut listener) =
        subscribed(json!({"enc": {"net": [3]}, "nct": 3, "bn": {"num": 3}, "su": "me"})).await;
    for number in 0..4 {
        cse.make("Mobius/c", ADMIN, ty::CIN, json!({"m2m:cin": {"con": number}})).await;
    }
    let batch = next(&mut listener).await;
    assert_eq!(batch["m2m:agn"]["m2m:sgn"].as_array().unwrap().len(), 3);
    assert_eq!(cse.delete("Mobius/c", ADMIN).await, Status::Deleted);
    let (mut rest, mut end) = (false, false);
    for _ in 0..2 {
        let message = next(&mut listener).await;
        rest |= message["m2m:agn"]["m2m:sgn"].as_array().is_some_and(|batch| batch.len() == 1);
        end |= message["m2m:sgn"]["sud"] == true;
    }
    assert!(rest && end);
}

#[tokio::test]
async fn a_counted_subscription_ends_with_its_last_notification() {
    let (cse, mut listener) = subscribed(json!({"enc": {"net": [3]}, "exc": 2})).await;
    for number in 0..3 {
        cse.make("Mobius/c", ADMIN, ty::CIN, json!({"m2m:cin": {"con": number}})).await;
    }
    assert_eq!(cse.retrieve("Mobius/c/s", ADMIN).await.status, Status::NotFound);
    for number in 0..2 {
        assert_eq!(next(&mut listener).await["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"], number);
    }
    assert!(listener.try_recv().is_err());
}

#[tokio::test]
async fn a_target_that_does_not_answer_is_not_subscribed() {
    let cse = Fixture::new();
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "c"}})).await;
    for target in ["http://127.0.0.1:1/", "Cnobody"] {
        let content = json!({"m2m:sub": {"rn": "s", "nu": [target]}});
        let response = cse.create("Mobius/c", ADMIN, ty::SUB, content).await;
        assert_eq!(response.status, Status::SubscriptionVerificationInitiationFailed, "{target}");
        assert_eq!(cse.retrieve("Mobius/c/s", ADMIN).await.status, Status::NotFound);
    }
}

#[tokio::test]
async fn a_rate_limit_holds_what_is_too_much_until_its_window_is_over() {
    let limit = json!({"enc": {"net": [3]}, "rl": {"mnn": 2, "tww": "PT0.5S"}, "pn": 1});
    let (cse, mut listener) = subscribed(limit).await;
    for number in 0..5 {
        cse.make("Mobius/c", ADMIN, ty::CIN, json!({"m2m:cin": {"con": number}})).await;
    }
    // Two at once, then only the latest of the rest.
    for number in [0, 1, 4] {
        assert_eq!(next(&mut listener).await["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"], number);
    }
    assert!(listener.try_recv().is_err());
}
