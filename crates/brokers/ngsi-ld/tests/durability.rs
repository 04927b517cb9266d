//! What a broker keeps when its process is killed. The child process is this test binary again, told by an
//! environment variable to run the `child_` test.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use common::{car, eventually, expect, listen, options, reopen_with, serve_broker, start_options};
use morgana_ngsi_ld::{Broker, Context, Options, UpsertMode};
use serde_json::json;

const DIR: &str = "MORGANA_NGSI_LD_CHILD_DIR";

fn child_options(dir: &Path) -> Options {
    // Small, so that snapshots happen in the middle of the killing.
    Options { snapshot_after_bytes: 20_000, history_instances: 100_000, ..options(dir) }
}

/// The values that the past of an entity has.
async fn past(broker: &Broker, id: &str) -> BTreeSet<u64> {
    let it = serve_broker(broker.clone()).await;
    let past = it.read(&format!("/temporal/entities/{id}?options=temporalValues")).await;
    past["n"]["values"].as_array().unwrap().iter().filter_map(|pair| pair[0].as_u64()).collect()
}

/// The next segment of the log is a pipe, so that the disk answers when somebody reads from it, and then with an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_of_a_write_that_was_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut listener = listen().await;
    let it = start_options(Options { snapshot_after_bytes: 1, ..options(dir.path()) }).await;
    let pipe = dir.path().join("log-0000000000000001");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let subscription = json!({
        "id": "urn:s", "type": "Subscription", "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": listener.url}},
    });
    expect(it.post("/subscriptions", &subscription), 201).await;
    let next_segment = dir.path().join("snapshot.tmp");
    eventually(|| async { next_segment.exists() }).await;
    let update = tokio::spawn(it.post("/entities", &car(1, 10)).send());
    // What is written can be read a moment before it is acknowledged.
    eventually(|| async { it.get("/entities/urn:ngsi-ld:Car:1").send().await.unwrap().status() == 200 })
        .await;
    assert!(listener.is_empty() && !update.is_finished());
    let reader = tokio::task::spawn_blocking(move || std::fs::File::open(pipe).unwrap());
    assert!(update.await.unwrap().unwrap().status().is_server_error());
    it.broker.shutdown(Duration::from_secs(30)).await;
    assert!(listener.is_empty(), "told of what was refused");
    drop(reader);
}

/// Writes a rising number into three entities, deletes and creates a fourth, and prints what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_until_it_is_killed() {
    let Some(dir) = env::var_os(DIR) else { return };
    let broker = reopen_with(child_options(Path::new(&dir))).await;
    for number in first(&broker).. {
        let entity = |name: &str| json!({"id": format!("urn:e:{name}"), "type": "T", "n": {"type": "Property", "value": number}});
        let result =
            broker.upsert(vec![entity("a"), entity("b"), entity("c")], UpsertMode::Update).await.unwrap();
        assert!(result.failed.is_empty());
        println!("acked {number}");
        broker.upsert(vec![entity(&format!("once:{number}"))], UpsertMode::Replace).await.unwrap();
        broker.delete(&[format!("urn:e:once:{number}")]).await.unwrap();
        println!("deleted {number}");
    }
}

fn value(broker: &Broker, id: &str) -> u64 {
    let name = morgana_ngsi_ld::Name::new(&Context::core().expand("n"));
    broker
        .get(id)
        .and_then(|entity| Some(entity.attribute(&name)?.value.as_f64()? as u64))
        .unwrap_or_default()
}

fn first(broker: &Broker) -> u64 {
    value(broker, "urn:e:a") + 1
}

#[tokio::test]
async fn every_acknowledged_write_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let (mut acked, mut deleted) = (0, 0);
    for round in 1..=4 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child_writes_until_it_is_killed", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let goal = acked + 50 * round;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(number) = line.strip_prefix("acked ") {
                acked = number.parse().unwrap();
            } else if let Some(number) = line.strip_prefix("deleted ") {
                deleted = number.parse().unwrap();
            }
            if acked >= goal {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let broker = reopen_with(child_options(dir.path())).await;
        let kept = past(&broker, "urn:e:b").await;
        assert!((1..=acked).all(|number| kept.contains(&number)), "the past has {} of {acked}", kept.len());
        let now = value(&broker, "urn:e:b");
        assert!(kept.contains(&now), "the present is {now}, and the past does not know");
        for id in ["urn:e:a", "urn:e:b", "urn:e:c"] {
            let value = value(&broker, id);
            assert!(value >= acked, "{id} is {value}, and {acked} was acknowledged");
        }
        assert!(broker.get(&format!("urn:e:once:{deleted}")).is_none());
        assert!(broker.entity_count() <= 4, "{}", broker.entity_count());
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Two journals are not written at once: here that of the present is ahead by a change of each kind.
#[tokio::test]
async fn the_past_catches_up_with_the_present() {
    let dir = tempfile::tempdir().unwrap();
    let (history, before) = (dir.path().join("history"), dir.path().join("before"));
    let with_past = Options { history_instances: 100, ..options(dir.path()) };
    let path = "/temporal/entities?type=T&options=sysAttrs";
    let it = start_options(with_past.clone()).await;
    for number in 1..=3 {
        let id = format!("urn:e:{number}");
        it.create(json!({"id": id, "type": "T", "n": number, "m": number, "scope": "/a"})).await;
    }
    copy(&history, &before);
    expect(it.patch("/entities/urn:e:1/attrs", &json!({"n": 10})), 204).await;
    expect(it.delete("/entities/urn:e:2/attrs/m"), 204).await;
    expect(it.delete("/entities/urn:e:3"), 204).await;
    it.create(json!({"id": "urn:e:4", "type": "T", "n": 4})).await;
    let whole = it.read(path).await;
    drop(it);
    let broker = reopen_with(with_past.clone()).await;
    broker.shutdown(Duration::from_secs(1)).await;
    std::fs::remove_dir_all(&history).unwrap();
    copy(&before, &history);
    drop(broker);
    let again = async || -> serde_json::Value {
        let it = serve_broker(reopen_with(with_past.clone()).await).await;
        it.read(path).await
    };
    let caught_up = again().await;
    assert_eq!(without_ids(&caught_up), without_ids(&whole));
    assert_eq!(again().await, caught_up, "what is known is not told twice");
}

/// The ids of instances are made up anew each time.
fn without_ids(past: &serde_json::Value) -> serde_json::Value {
    match past {
        serde_json::Value::Object(members) => {
            let members = members.iter().filter(|(name, _)| *name != "instanceId");
            members.map(|(name, value)| (name.clone(), without_ids(value))).collect()
        }
        serde_json::Value::Array(items) => items.iter().map(without_ids).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn a_second_broker_on_the_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _broker = Broker::open(options(dir.path())).unwrap();
    let error = Broker::open(options(dir.path())).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("in use"), "{source}");
}
