//! `morgana broker`: each standard broker alone, as a process.

use morgana_testbed::{Broker, Http, run_program};
use serde_json::json;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// A broker of a standard with one entity, killed and started again: the base of its API, and its folder.
async fn written_killed_and_started_again(
    standard: &str,
    folder: &tempfile::TempDir,
    write: impl AsyncFn(String),
) -> (Broker, String) {
    let data = folder.path().join("data");
    let broker = Broker::start(MORGANA, standard, &data, &[]).await;
    write(format!("http://{}", broker.address("http"))).await;
    broker.kill().await;
    let broker = Broker::start(MORGANA, standard, &data, &[]).await;
    let base = format!("http://{}", broker.address("http"));
    (broker, base)
}

#[tokio::test]
async fn an_entity_of_the_ngsi_ld_broker_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let entity =
        json!({ "id": "urn:ngsi-ld:Room:1", "type": "Room", "t": { "type": "Property", "value": 7 } });
    let (_broker, base) = written_killed_and_started_again("ngsi-ld", &folder, async |base| {
        Http::new(format!("{base}/ngsi-ld/v1"), None).post("/entities", &entity).await.expect(201);
    })
    .await;
    let answer = Http::new(base, None).get("/ngsi-ld/v1/entities/urn:ngsi-ld:Room:1").await;
    assert_eq!(answer.expect(200)["t"]["value"], 7);
}

#[tokio::test]
async fn an_entity_of_the_ngsi_v2_broker_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let entity = json!({ "id": "Room1", "type": "Room", "t": { "type": "Number", "value": 7 } });
    let (_broker, base) = written_killed_and_started_again("ngsi-v2", &folder, async |base| {
        Http::new(base, None).post("/v2/entities", &entity).await.expect(201);
    })
    .await;
    let answer = Http::new(base, None).get("/v2/entities/Room1").await;
    assert_eq!(answer.expect(200)["t"]["value"], 7);
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for standard in ["ngsi-ld", "ngsi-v2", "onem2m", "mqtt"] {
        let data = folder.path().join(standard);
        let arguments = ["broker", standard, "--port", &port, "--data", data.to_str().unwrap()];
        let outcome = run_program(MORGANA, &arguments, &[], folder.path()).await;
        assert_eq!(outcome.status, Some(1), "{standard}");
        assert!(outcome.stderr.contains("--port"), "{standard}: {}", outcome.stderr);
    }
}
