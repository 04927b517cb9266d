//! What was answered survives `kill -9`, and what was not is there as a whole or not at all.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use morgana_store::{Change, Expect, Kind, SqliteOptions, SqliteStore, Store};
use serde_json::json;

const FILE: &str = "MORGANA_STORE_CRASH_TEST_FILE";

async fn open(file: impl AsRef<Path>) -> SqliteStore {
    SqliteStore::open(file, SqliteOptions::default()).await.unwrap()
}

/// A user and its audit line, written together; the user is written over and over.
fn pair(number: u64) -> Vec<Change> {
    let document = json!({ "number": number });
    let user = Change::Put {
        kind: Kind::User,
        key: "ada".to_owned(),
        document: document.clone(),
        expect: Expect::Any,
    };
    let line =
        Change::Put { kind: Kind::Audit, key: format!("{number:010}"), document, expect: Expect::Absent };
    vec![user, line]
}

/// The process that is killed: commits for ever and prints the number of each commit once answered.
/// Not a test on its own; it does nothing unless the test below starts it.
#[tokio::test]
async fn child_commits_until_it_is_killed() {
    let Ok(file) = std::env::var(FILE) else { return };
    let store = open(file).await;
    let mut number = store.revision().await.unwrap();
    loop {
        number += 1;
        store.commit(pair(number)).await.unwrap();
        println!("answered {number}");
    }
}

fn start_child(file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_commits_until_it_is_killed", "--nocapture"])
        .env(FILE, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn every_answered_commit_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("system.db");
    let mut answered = 0;
    for round in 1..=5 {
        let mut child = start_child(&file);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.by_ref() {
            if let Some(number) = line.unwrap().strip_prefix("answered ") {
                answered = number.parse().unwrap();
            }
            if answered >= round * 40 {
                break;
            }
        }
        child.kill().unwrap();
        // What it printed between the last line read and the kill was answered too.
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("answered ").and_then(|number| number.parse().ok()) {
                answered = number;
            }
        }
        child.wait().unwrap();

        let store = open(&file).await;
        let revision = store.revision().await.unwrap();
        assert!(revision >= answered, "{answered} was answered, {revision} is there");
        let user = store.get(Kind::User, "ada").await.unwrap().unwrap();
        assert_eq!(user.document["number"], revision);
        for number in 1..=revision {
            let line = store.get(Kind::Audit, &format!("{number:010}")).await.unwrap();
            assert_eq!(line.map(|line| line.revision), Some(number));
        }
        assert_eq!(store.get(Kind::Audit, &format!("{:010}", revision + 1)).await.unwrap(), None);
        store.close().await;
    }
}
