//! The ThingVisor of Hue bridges, against an emulator of one.

mod bridge_emulator;
mod common;

use bridge_emulator::BridgeEmulator;
use common::Stage;
use morgana_testbed::clients::Client;
use serde_json::{Value, json};

const KITCHEN: &str = "tv/light1";

fn params(bridge: &BridgeEmulator, username: Option<String>) -> Value {
    let address = bridge.address;
    json!({ "bridgeIP": address.ip().to_string(), "bridgePort": address.port(), "username": username, "pollSeconds": 1 })
}

#[tokio::test]
async fn lamps_are_switched_and_what_others_switch_is_seen() {
    let bridge = BridgeEmulator::start().await;
    let mut stage = Stage::with("hue", |_| params(&bridge, Some(bridge.username()))).await;
    stage.hear(|_, message| message["vThing"]["id"] == "tv/light2").await;
    assert_eq!(stage.ask("a_s", KITCHEN, "set-on", json!(true)).await.0, "OK");
    assert_eq!(bridge.state("1")["on"], true);
    assert_eq!(
        stage.ask("a_s", KITCHEN, "raw-command", json!({ "hue": 1, "sat": 2, "bri": 3 })).await.0,
        "OK"
    );
    assert_eq!(bridge.state("1")["hue"], 1);
    bridge.change("1", "bri", json!(77));
    let by_hand =
        stage.entity(KITCHEN, |lamp| lamp.get("brightness").is_some_and(|bri| bri["value"] == 77)).await;
    assert_eq!(by_hand.id(), "urn:ngsi-ld:tv:light1");
    let (result, why) = stage.ask("a_s", "tv/light2", "set-hue", json!(5)).await;
    assert_eq!((result, why), (json!("FAIL"), json!("the bridge refused: parameter, hue, not available")));
    bridge.remove("2");
    stage
        .hear(|topic, message| topic == "vThing/tv/light2/c_out" && message["command"] == "deleteVThing")
        .await;
    stage.stop().await;
}

#[tokio::test]
async fn a_bridge_lets_it_in_once_its_button_is_pressed_and_knows_it_after_a_restart() {
    let bridge = BridgeEmulator::start().await;
    let mut stage = Stage::with("hue", |_| params(&bridge, None)).await;
    bridge.press();
    stage.hear(|_, message| message["vThing"]["id"] == KITCHEN).await;
    assert_eq!(bridge.known(), 1);
    let mut stage = stage.restart("hue", params(&bridge, None)).await;
    stage.hear(|_, message| message["vThing"]["id"] == KITCHEN).await;
    assert_eq!((stage.ask("a_s", KITCHEN, "set-on", json!(true)).await.0, bridge.known()), (json!("OK"), 1));
    stage.stop().await;
}

#[tokio::test]
async fn the_emulator_is_a_bridge_to_a_library_made_for_real_ones() {
    let bridge = BridgeEmulator::start().await;
    let address = bridge.address.to_string();
    let outcome = Client::of("phue").run("switch.py", &[&address, &bridge.username()]).await;
    assert_eq!(outcome.status, Some(0), "{}\n{}", outcome.stdout, outcome.stderr);
    assert_eq!((&bridge.state("1")["on"], &bridge.state("1")["bri"]), (&json!(true), &json!(200)));
    assert_eq!(outcome.stdout.trim(), "Kitchen on=True bri=200, Hall on=True bri=100");
}
