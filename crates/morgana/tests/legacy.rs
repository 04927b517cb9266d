//! The legacy setting: VirIoT's own components run unchanged, and only where the operator asked for it.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use morgana_testbed::{MqttApplication, Options, Platform, clients, eventually, mqtt_refusal, run_program};
use serde_json::{Value, json};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

async fn legacy_platform() -> (Platform, String) {
    let variables = vec![
        ("MORGANA_LEGACY__ENABLED".to_owned(), "true".to_owned()),
        ("MORGANA_LEGACY__MONGO_PORT".to_owned(), "0".to_owned()),
    ];
    let platform = Platform::start_with(MORGANA, Options { variables, ..Options::default() }).await;
    let endpoints = std::fs::read(platform.data().join("endpoints.json")).unwrap();
    let endpoints: Value = serde_json::from_slice(&endpoints).unwrap();
    let port = endpoints["mongo"]["port"].as_u64().unwrap().to_string();
    (platform, port)
}

/// Runs a client of MongoDB that somebody else wrote; what it found.
async fn ask(client: &str, script: &str, arguments: &[&str]) -> Value {
    let outcome = clients::Client::of(client).run(script, arguments).await;
    assert_eq!(outcome.status, Some(0), "{script}: {} {}", outcome.stdout, outcome.stderr);
    serde_json::from_str(outcome.stdout.trim()).unwrap()
}

#[tokio::test]
async fn pymongo_and_node_read_what_viriots_components_read_at_their_start() {
    let (platform, port) = legacy_platform().await;
    let admin = platform.admin().await;
    platform.relay(&admin, "relay", "room", "Room").await;
    let tenant = platform.tenant(&admin, "tenant1").await;
    let silo = platform.silo(&tenant, "home", "mqtt").await;
    platform.plug(&tenant, &silo, "relay/room").await;
    let arguments = [port.as_str(), "relay", "tenant1_home", "relay/room"];
    for (client, script) in [("mongo", "view.py"), ("mongo-node", "view.js")] {
        let found = ask(client, script, &arguments).await;
        let visor = &found["thingVisor"];
        assert_eq!((&visor["status"], &visor["vThings"][0]["id"]), (&json!("running"), &json!("relay/room")));
        assert_eq!(visor["MQTTDataBroker"], json!({ "ip": "127.0.0.1", "port": platform.fabric_port() }));
        assert!(visor["port"]["8089/tcp"].is_string(), "{visor}");
        assert_eq!(found["byVThing"], json!({ "thingVisorID": "relay" }));
        let silo = &found["vSilo"];
        assert_eq!((&silo["tenantID"], &silo["vSiloName"]), (&json!("tenant1"), &json!("home")));
        assert_eq!(silo["flavourParams"], "");
        assert!(silo.get("token").is_none(), "the view shows no secret: {silo}");
        assert_eq!(found["vThings"], json!([{ "vThingID": "relay/room" }]));
        assert_eq!(found["nothing"], Value::Null);
        if client == "mongo" {
            assert_eq!(found["ip"], json!({ "IP": "127.0.0.1" }));
            assert_eq!(found["port"], json!({ "port": visor["port"] }));
            assert_eq!(found["allVThings"], json!([{ "vThings": visor["vThings"] }]));
            assert_eq!(found["users"], json!([]), "users are not shown");
            assert_eq!((&found["written"], &found["operator"]), (&json!(13), &json!(2)));
        }
    }
}

#[tokio::test]
async fn a_component_without_a_credential_is_a_thing_visor_like_any_other() {
    let (platform, _) = legacy_platform().await;
    let admin = platform.admin().await;
    // VirIoT starts its container; here somebody does so by hand.
    let program = platform.folder().join("container");
    std::fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let image = format!("exec:{}", program.display());
    platform.thing_visor(&admin, "old-tv", &image, Value::Null).await;
    let component = MqttApplication::connect(platform.fabric_port(), None).await;
    component.subscribe("TV/old-tv/c_in").await.unwrap();
    let v_thing = json!({ "label": "l", "id": "old-tv/thing", "description": "d" });
    let announce = json!({ "command": "createVThing", "thingVisorID": "old-tv", "vThing": v_thing });
    component.publish("TV/old-tv/c_out", &announce).await.unwrap();
    platform.v_thing(&admin, "old-tv/thing").await;
    platform.client(&admin).delete_thing_visor(&"old-tv".parse().unwrap(), false).await.unwrap();
    component
        .messages
        .wait_for("the order to end", |message| message.payload["command"] == "destroyTV")
        .await;
    // It may not say that it is somebody who has a credential, all the same.
    let forged = ("controller", morgana_model::Secret::new("x"));
    assert!(mqtt_refusal(platform.fabric_port(), Some(forged)).await.is_some());
}

#[tokio::test]
async fn without_the_setting_there_is_no_view_and_nobody_without_a_credential() {
    let platform = Platform::start(MORGANA).await;
    assert!(mqtt_refusal(platform.fabric_port(), None).await.is_some());
    let endpoints = std::fs::read_to_string(platform.data().join("endpoints.json")).unwrap();
    assert!(!endpoints.contains("mongo"), "{endpoints}");
}

#[tokio::test]
async fn legacy_is_for_loopback_alone() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("MORGANA_PORT", "0"),
        ("MORGANA_MQTT_PORT", "0"),
        ("MORGANA_LISTEN", "0.0.0.0"),
        ("MORGANA_LEGACY__ENABLED", "true"),
        ("MORGANA_ADMIN_PASSWORD", "a password of a test"),
    ];
    let outcome = run_program(MORGANA, &["up"], &variables, folder.path()).await;
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("legacy") && outcome.stderr.contains("loopback"), "{}", outcome.stderr);
}

#[tokio::test]
async fn the_view_survives_whatever_is_sent_to_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (platform, port) = legacy_platform().await;
    let address = format!("127.0.0.1:{port}");
    let huge = i32::MAX.to_le_bytes();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 64], &[255; 64], &[&huge[..], &[0; 60]].concat()] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let closed = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(morgana_testbed::PATIENCE, closed).await.expect("it is closed");
        assert!(answer.is_empty(), "{answer:?}");
    }
    eventually("the view still answers", async || {
        let found = ask("mongo", "view.py", &[&port, "x", "y_z", "x/a"]).await;
        if found["thingVisor"].is_null() { Ok(()) } else { Err(found) }
    })
    .await;
    platform.http().get("/readyz").await.expect(200);
}
