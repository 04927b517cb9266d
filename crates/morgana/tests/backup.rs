//! `morgana backup` and `morgana restore`: nothing that was there when the backup was begun is lost.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use morgana_testbed::{NgsiLd, Options, Outcome, Platform, run_program};
use serde_json::json;

mod accepted;

use accepted::Accepted;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

async fn morgana(command: &str, file: &Path, data: &Path, further: &[&str]) -> Outcome {
    let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    let arguments = [&[command, file, "--data", data], further].concat();
    run_program(MORGANA, &arguments, &[], Path::new("/")).await
}

async fn done(command: &str, file: &Path, data: &Path, further: &[&str]) -> String {
    let outcome = morgana(command, file, data, further).await;
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    outcome.stdout
}

async fn refused(command: &str, file: &Path, data: &Path, further: &[&str], words: &str) {
    let outcome = morgana(command, file, data, further).await;
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains(words), "{outcome:?}");
    assert_eq!(outcome.stderr.trim().lines().count(), 1, "one line: {outcome:?}");
}

#[tokio::test]
async fn a_backup_of_a_platform_at_work_is_restored_elsewhere_with_all_that_was_accepted() {
    let mut accepted = Accepted::before().await;
    let platform = &accepted.platform;
    let broker = NgsiLd::at(&accepted.context);
    let (written, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writing = tokio::spawn({
        let (broker, written, stop) = (broker.clone(), Arc::clone(&written), Arc::clone(&stop));
        async move {
            while !stop.load(Ordering::Relaxed) {
                let number = written.load(Ordering::Relaxed);
                let seat = json!({ "id": format!("urn:ngsi-ld:Seat:{number}"), "type": "Seat" });
                broker.http.post("/entities", &seat).await.expect(201);
                written.fetch_add(1, Ordering::Release);
            }
        }
    });
    let files = platform.folder().join("backups");
    fs::create_dir(&files).unwrap();
    let mut backups = Vec::new();
    for number in 0..5 {
        morgana_testbed::eventually("some more is written", async || {
            let now = written.load(Ordering::Acquire);
            if now > number * 20 { Ok(()) } else { Err(now) }
        })
        .await;
        let before = written.load(Ordering::Acquire);
        let file = files.join(format!("{number}.tar"));
        let said = done("backup", &file, platform.data(), &[]).await;
        assert!(said.contains("2 workloads"), "{said}");
        backups.push((file, before));
    }
    stop.store(true, Ordering::Relaxed);
    writing.await.unwrap();
    let (file, before) = &backups[4];
    refused("backup", file, platform.data(), &[], "--force").await;
    refused("restore", file, platform.data(), &[], "in use").await;
    assert_eq!(fs::read_dir(&files).unwrap().count(), 5, "nothing half-done is left");
    accepted.platform.kill().await;
    accepted.platform.no_process_is_left().await;

    refused("restore", file, accepted.platform.data(), &[], "--force").await;
    let mut restored = Platform::prepare(MORGANA, Options::default());
    for (file, before) in &backups {
        done("restore", file, restored.data(), &["--force"]).await;
        restored.restart().await;
        let context = restored.running_silo(&accepted.alice, &accepted.context).await;
        let broker = NgsiLd::at(&context);
        for number in 0..*before {
            let id = format!("urn:ngsi-ld:Seat:{number}");
            assert!(broker.entity(&id).await.is_some(), "{id} was accepted before the backup of {before}");
        }
        restored.terminate().await;
    }
    assert!(*before > 60);
    let kept = fs::read_dir(restored.data()).unwrap().flatten();
    let kept =
        kept.filter(|entry| entry.file_name().to_string_lossy().starts_with("before-restore-")).count();
    assert!(kept >= 1, "what was there is moved away, not deleted");
}

#[tokio::test]
async fn what_is_no_whole_backup_changes_nothing() {
    let mut platform = Platform::start(MORGANA).await;
    platform.terminate().await;
    let file = platform.folder().join("backup.tar");
    done("backup", &file, platform.data(), &[]).await;
    let whole = fs::read(&file).unwrap();
    let database = fs::read(platform.data().join("system.db")).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let file = platform.folder().join(name);
        fs::write(&file, bytes).unwrap();
        file
    };
    let cut = write("cut.tar", &whole[..whole.len() / 2]);
    let other = write("other.tar", b"once upon a time");
    let mut bytes = whole.clone();
    let at = whole.windows(16).position(|window| window == b"SQLite format 3\0").unwrap();
    bytes[at + 4096..at + 8192].fill(0);
    let damaged = write("damaged.tar", &bytes);
    for (file, words) in [(&cut, "backup"), (&other, "backup"), (&damaged, "damaged")] {
        refused("restore", file, platform.data(), &["--force"], words).await;
    }
    refused("restore", &platform.folder().join("nowhere.tar"), platform.data(), &["--force"], "nowhere.tar")
        .await;
    assert_eq!(fs::read(platform.data().join("system.db")).unwrap(), database, "it is as it was");
    platform.restart().await;
    platform.admin().await;
}
