//! The lamp, and with it the access policies of the kit, each with three tenants.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use common::Stage;
use serde_json::{Value, json};

const LAMP: &str = "tv/Lamp01";

async fn lamp(params: Value) -> Stage {
    let mut stage = Stage::with("lamp", |_| params).await;
    let (_, created) = stage.hear(|_, message| message["command"] == "createVThing").await;
    assert_eq!((&created["vThing"]["id"], &created["vThing"]["type"]), (&json!(LAMP), &json!("actuator")));
    stage
}

fn refused(answer: (Value, Value)) -> String {
    assert_eq!(answer.0, "FAIL");
    answer.1.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_lamp_shows_all_what_one_silo_switched_and_answers_that_silo_alone() {
    let mut stage = lamp(json!({})).await;
    stage.command("a_s", LAMP, "set-color", json!({ "cmd-value": "green", "cmd-qos": 2, "cmd-id": 7 })).await;
    assert_eq!(stage.feedback("a_s", "set-color", "status").await.0, "PENDING");
    let changed =
        stage.entity(LAMP, |lamp| lamp.get("color").is_some_and(|color| color["value"] == "green")).await;
    assert_eq!(changed.attributes().count(), 1, "only what changed");
    assert_eq!(stage.feedback("a_s", "set-color", "result").await.0, "OK");
    let why = refused(stage.ask("a_s", LAMP, "set-luminosity", json!(300)).await);
    assert!(why.contains("0 to 255"), "{why}");
    stage.stop().await;
}

#[tokio::test]
async fn a_group_commands_with_equal_right_and_a_third_tenant_does_not() {
    let mut stage = lamp(json!({ "policy": { "kind": "group", "tenants": ["a", "b"] } })).await;
    assert_eq!(stage.ask("a_s", LAMP, "set-status", json!("on")).await.0, "OK");
    assert_eq!(stage.ask("b_s", LAMP, "set-status", json!("off")).await.0, "OK");
    assert!(
        refused(stage.ask("c_s", LAMP, "set-status", json!("on")).await).contains("'c' is not in the group")
    );
    stage.stop().await;
}

#[tokio::test]
async fn a_higher_priority_takes_over_and_the_loser_is_told() {
    let priorities = json!({ "a": 1, "b": 2, "c": 3 });
    let mut stage = lamp(json!({ "policy": { "kind": "priority", "priorities": priorities } })).await;
    assert_eq!(stage.ask("b_s", LAMP, "set-status", json!("on")).await.0, "OK");
    let why = refused(stage.ask("a_s", LAMP, "set-status", json!("off")).await);
    assert!(why.contains("has control") && !why.contains("'b'"), "{why}");
    stage.command("c_s", LAMP, "set-color", json!({ "cmd-value": "red", "cmd-qos": 1 })).await;
    let (told, _) = stage.feedback("b_s", "set-status", "status").await;
    assert_eq!(told["code"], "OVERRIDDEN");
    assert_eq!(stage.feedback("c_s", "set-color", "result").await.0, "OK");
    refused(stage.ask("b_s", LAMP, "set-status", json!("off")).await);
    assert_eq!(stage.ask("c_s", LAMP, "control-release", json!(null)).await.0, "OK");
    assert_eq!(stage.ask("a_s", LAMP, "set-status", json!("off")).await.0, "OK");
    stage.stop().await;
}

#[tokio::test]
async fn a_token_is_asked_for_and_is_its_tenants_alone() {
    let mut stage = lamp(json!({ "policy": { "kind": "token", "tenants": ["a", "b"], "holders": 1 } })).await;
    assert!(refused(stage.ask("a_s", LAMP, "set-status", json!("on")).await).contains("token-req"));
    let (granted, _) = stage.ask("a_s", LAMP, "token-req", json!({ "tenant": "a" })).await;
    let with_token =
        |value: &str| json!({ "cmd-value": value, "cmd-qos": 1, "cmd-token": granted["cmd-token"] });
    assert_eq!(stage.ask_with("a_s", LAMP, "set-status", with_token("on")).await.0, "OK");
    assert!(
        refused(stage.ask_with("b_s", LAMP, "set-status", with_token("off")).await).contains("not valid")
    );
    assert!(refused(stage.ask("b_s", LAMP, "token-req", json!("b")).await).contains("taken"));
    assert!(refused(stage.ask("c_s", LAMP, "token-req", json!("c")).await).contains("'c'"));
    stage.stop().await;
}
