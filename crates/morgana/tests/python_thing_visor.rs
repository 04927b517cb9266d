//! A ThingVisor that somebody else wrote, in another language: the Python example of `examples/`, run as
//! `exec:<path>` and proven from its thing to an application and back.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use morgana_model::{ErrorCode, Secret, ThingVisorId, ThingVisorPatch, WorkloadName};
use morgana_testbed::{MqttApplication, Platform, clients, eventually};
use serde_json::json;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// A program that runs the example with the Python that has paho-mqtt.
fn example(platform: &Platform) -> String {
    let python = clients::Client::of("thingvisor").python("python");
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python-thingvisor/thermometer.py");
    let script = script.canonicalize().unwrap();
    let program = platform.folder().join("thermometer");
    fs::write(&program, format!("#!/bin/sh\nexec '{}' '{}'\n", python.display(), script.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    format!("exec:{}", program.display())
}

#[tokio::test]
async fn a_python_thing_visor_is_rented_like_any_other() {
    let mut platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let image = example(&platform);
    platform.thing_visor(&admin, "python-tv", &image, json!({ "rate": 0.2 })).await;
    platform.v_thing(&admin, "python-tv/thermometer").await;
    let tenant = platform.tenant(&admin, "tenant1").await;
    let silo = platform.silo(&tenant, "home", "mqtt").await;
    let application = MqttApplication::at(&silo).await;
    application.subscribe("tenant1/#").await.unwrap();
    platform.plug(&tenant, &silo, "python-tv/thermometer").await;

    let temperature = |message: &morgana_testbed::Message| message.payload["temperature"]["value"].as_i64();
    let whole = application
        .messages
        .wait_for("the whole context, asked for", |message| message.payload["commands"].is_object())
        .await;
    assert_eq!(whole.payload["type"], "Thermometer");
    let first = temperature(&whole).expect("a temperature is part of it");
    application.messages.wait_for("a later reading", |message| temperature(message) > Some(first)).await;

    // A command, as the silo's controller sends it with the silo's own credential.
    let process = platform.workload(&WorkloadName::VSilo(silo.id.clone())).unwrap();
    let variable = |name: &str| process.variable(name).unwrap();
    let credential = (&*variable("MORGANA_FABRIC_USER"), Secret::new(variable("MORGANA_FABRIC_PASSWORD")));
    let fabric = MqttApplication::connect(platform.fabric_port(), Some(credential)).await;
    fabric.subscribe("vSilo/tenant1_home/data_in").await.unwrap();
    let value = json!({ "cmd-value": 100, "cmd-qos": 1, "cmd-id": "it's 1" });
    let entity = json!({
        "id": "urn:ngsi-ld:python-tv:thermometer", "type": "Thermometer",
        "set-step": { "type": "Property", "value": value },
    });
    let meta = json!({ "vSiloID": "tenant1_home", "vThingID": "python-tv/thermometer" });
    let command = json!({ "data": [entity], "meta": meta });
    fabric.publish("vThing/python-tv/thermometer/data_in", &command).await.unwrap();
    let told = |message: &morgana_testbed::Message| {
        message.payload["data"][0]["set-step-result"]["value"]["cmd-result"] == "OK"
    };
    fabric.messages.wait_for("the result of the command", told).await;
    application.messages.wait_for("great steps", |message| temperature(message) > Some(first + 100)).await;

    // New parameters reach it while it runs.
    let visor: ThingVisorId = "python-tv".parse().unwrap();
    let patch = ThingVisorPatch { params: Some(json!({ "rate": 0.05 })), ..ThingVisorPatch::default() };
    let updated = platform.client(&admin).update_thing_visor(&visor, &patch).await.unwrap();
    assert_eq!(updated.spec.params, json!({ "rate": 0.05 }));
    assert_eq!(updated.status.restarts, 0);

    // The platform is killed, and everything is there again.
    platform.kill().await;
    platform.restart().await;
    let silo = platform.running_silo(&tenant, &silo).await;
    let application = MqttApplication::at(&silo).await;
    application.subscribe("tenant1/#").await.unwrap();
    // The silo shows the last great reading again; the ThingVisor begins anew.
    let begins =
        |message: &morgana_testbed::Message| temperature(message).is_some_and(|now| now < first + 100);
    application.messages.wait_for("a reading after the restart", begins).await;

    platform.client(&admin).delete_thing_visor(&visor, false).await.unwrap();
    eventually("it is gone with its vThing", async || {
        let found = platform.client(&admin).thing_visor(&visor).await;
        let things = platform.client(&admin).vthings().all().await.unwrap();
        match found.as_ref().err().and_then(morgana_client::Error::code) {
            Some(ErrorCode::NotFound) if things.is_empty() => Ok(()),
            _ => Err(format!("{found:?} {things:?}")),
        }
    })
    .await;
    let ends = platform.http_as(&admin).get("/v1/audit?action=endWorkload").await.body;
    assert_eq!(ends["items"], json!([]), "it acknowledged its end, and nobody had to end it");
}

#[tokio::test]
async fn a_python_thing_visor_with_wrong_parameters_says_why_it_fails() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let image = example(&platform);
    let client = platform.client(&admin);
    morgana_testbed::add_thing_visor(&client, "python-tv", &image, json!({ "rate": "often" })).await.unwrap();
    eventually("it has failed with its own words", async || {
        let visor = client.thing_visor(&"python-tv".parse().unwrap()).await.unwrap();
        let phase = visor.status.phase.to_string();
        if phase.contains("rate is 'often'") { Ok(()) } else { Err(phase) }
    })
    .await;
}
