//! What was acknowledged is there after a restart.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use common::{Listener, eventually, expect, reopen, start_in, start_with};
use morgana_ngsi_v2::{Broker, HttpOptions, Json, Options, Scope, Update, UpdateOptions};
use serde_json::json;

#[tokio::test]
async fn entities_subscriptions_and_registrations_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut listener = Listener::start().await;
    let subscription;
    {
        let broker = start_in(dir.path()).await;
        subscription = broker.subscribe(&listener.url, |_| {}).await;
        broker.create(json!({"id": "E", "n": 1.5, "s": "x"})).await;
        broker.create(json!({"id": "F"})).await;
        expect(broker.delete("/entities/F"), 204).await;
        let registration = json!({
            "dataProvided": {"entities": [{"id": "R"}], "attrs": ["a"]},
            "provider": {"http": {"url": "http://localhost:1/v2"}}
        });
        expect(broker.post("/registrations", registration), 201).await;
        // The end of an entity is only notified to who asks for it.
        for _ in 0..2 {
            listener.next().await;
        }
        broker.broker.shutdown(Duration::from_secs(5)).await;
    }
    let broker = reopen(dir.path()).await;
    assert_eq!(broker.ids("").await, ["E"]);
    assert_eq!(broker.read("/entities/E?options=keyValues").await["n"], 1.5);
    assert_eq!(broker.read(&subscription).await["notification"]["timesSent"], 2);
    assert_eq!(broker.read("/registrations").await[0]["dataProvided"]["attrs"], json!(["a"]));
    expect(broker.put("/entities/E/attrs/n", json!({"value": 2})), 204).await;
    assert_eq!(listener.next().await.entity()["n"]["value"], 2);
}

#[tokio::test]
async fn an_entity_ends_when_its_time_has_come() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { dir: dir.path().to_owned(), keep_interval_ms: 20, ..Options::default() };
    let broker = start_with(options, HttpOptions::default(), None).await;
    let ends = json!({"id": "E", "dateExpires": {"type": "DateTime", "value": "2020-01-01T00:00:00Z"}});
    expect(broker.post("/entities", ends), 201).await;
    let later = json!({"id": "F", "dateExpires": {"type": "DateTime", "value": "2120-01-01T00:00:00Z"}});
    expect(broker.post("/entities", later), 201).await;
    eventually("the entity is gone", || async { broker.ids("").await == ["F"] }).await;
    assert!(broker.read("/entities/F").await.get("dateExpires").is_none());
}

#[tokio::test]
async fn services_are_apart_when_they_are_asked_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { dir: dir.path().to_owned(), multiservice: true, ..Options::default() };
    let broker = start_with(options, HttpOptions::default(), None).await;
    let create = |service: &'static str| {
        broker.post("/entities", json!({"id": service})).header("fiware-service", service)
    };
    expect(create("one"), 201).await;
    expect(create("two"), 201).await;
    let read = |service: &'static str| broker.get("/entities").header("fiware-service", service);
    let found: serde_json::Value = expect(read("one"), 200).await.json().await.unwrap();
    assert_eq!(found, json!([{"id": "one", "type": "Thing"}]));
    assert!(broker.ids("").await.is_empty());
}

#[tokio::test]
async fn a_service_is_there_while_something_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        dir: dir.path().to_owned(),
        multiservice: true,
        keep_interval_ms: 10,
        ..Options::default()
    };
    let broker = start_with(options, HttpOptions::default(), None).await;
    for number in 0..200 {
        let nothing = broker.put("/entities/E/attrs/n", json!({"value": 1}));
        expect(nothing.header("fiware-service", format!("s{number}")), 404).await;
    }
    assert_eq!(broker.broker.service_count(), 1, "a refused write makes no service");
    let in_service = |request: reqwest::RequestBuilder| request.header("fiware-service", "one");
    expect(in_service(broker.post("/entities", json!({"id": "E"}))), 201).await;
    assert_eq!(broker.broker.service_count(), 2);
    expect(in_service(broker.delete("/entities/E")), 204).await;
    eventually("the service is forgotten", || async { broker.broker.service_count() == 1 }).await;
    expect(in_service(broker.post("/entities", json!({"id": "F"}))), 201).await;
    let found: serde_json::Value =
        expect(in_service(broker.get("/entities?options=keyValues")), 200).await.json().await.unwrap();
    assert_eq!(found, json!([{"id": "F", "type": "Thing"}]));
}

/// The next segment of the log is a pipe, so that the disk answers when somebody reads from it, and then with an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_of_a_write_that_was_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut listener = Listener::start().await;
    let options = Options { dir: dir.path().to_owned(), snapshot_after_bytes: 1, ..Options::default() };
    let broker = start_with(options, HttpOptions::default(), None).await;
    let pipe = dir.path().join("log-0000000000000001");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let subscription = broker.subscribe(&listener.url, |_| {}).await;
    let next_segment = dir.path().join("snapshot.tmp");
    eventually("the log goes on in the pipe", || async { next_segment.exists() }).await;
    let update = tokio::spawn(broker.post("/entities", json!({"id": "E"})).send());
    eventually("the notification waits", || async {
        broker.read(&subscription).await["notification"]["timesSent"] == 1
    })
    .await;
    assert!(listener.is_quiet() && !update.is_finished());
    let reader = tokio::task::spawn_blocking(move || std::fs::File::open(pipe).unwrap());
    assert_eq!(update.await.unwrap().unwrap().status().as_u16(), 503);
    broker.broker.shutdown(Duration::from_secs(30)).await;
    assert!(listener.is_quiet(), "told of what was refused");
    drop(reader);
}

const DIR: &str = "MORGANA_NGSI_V2_CHILD_DIR";

fn append(number: u64) -> Update {
    let body = json!({"actionType": "append", "entities": [{"id": "E", "n": {"value": number}}]});
    Update::parse(&Json::from(body), false).unwrap()
}

fn number(broker: &Broker) -> u64 {
    let entity = broker.entity(&Scope::new(), "E", None);
    entity.map_or(0, |entity| entity.attribute("n").unwrap().value.as_f64().unwrap() as u64)
}

/// Run as a process of its own by the test below: writes a rising number and prints what was acknowledged.
#[tokio::test]
async fn child_writes_until_it_is_killed() {
    let Some(dir) = env::var_os(DIR) else { return };
    // Small, so that snapshots happen in the middle of the killing.
    let options = Options { dir: dir.into(), snapshot_after_bytes: 20_000, ..Options::default() };
    let broker = Broker::open(options).unwrap();
    for next in number(&broker) + 1.. {
        broker.update(&Scope::new(), &append(next), UpdateOptions::default()).await.unwrap();
        println!("acked {next}");
    }
}

#[tokio::test]
async fn every_acknowledged_write_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=3 {
        let acked = kill_after(dir.path(), round * 300);
        let options = Options { dir: dir.path().to_owned(), ..Options::default() };
        let broker = Broker::open(options).unwrap();
        assert!(number(&broker) >= acked, "{} < {acked}", number(&broker));
        broker.shutdown(Duration::from_secs(1)).await;
        drop(broker);
        // Its folder is free when its tasks are gone.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Kills a writing child when it has acknowledged this number, and gives the last number it did.
fn kill_after(dir: &Path, wanted: u64) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child_writes_until_it_is_killed", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acked = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(number) = line.unwrap().split("acked ").nth(1) {
            acked = number.parse().unwrap();
            if acked == wanted {
                // SIGKILL; what the pipe still has was acknowledged too.
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    acked
}

#[tokio::test]
async fn a_oneshot_subscription_does_not_notify_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut listener = Listener::start().await;
    let subscription;
    {
        let broker = start_in(dir.path()).await;
        subscription = broker.subscribe(&listener.url, |body| body["status"] = json!("oneshot")).await;
        broker.create(json!({"id": "E", "n": 1})).await;
        listener.next().await;
        // No shutdown: nothing is written down on the way out.
    }
    let broker = reopen(dir.path()).await;
    assert_eq!(broker.read(&subscription).await["status"], "inactive");
}
