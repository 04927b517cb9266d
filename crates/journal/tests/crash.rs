//! What a journal keeps when its process is killed or its disk is full. The child processes are this test binary
//! again, told by an environment variable to run one of the `child_` tests.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    convert::Infallible,
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use morgana_journal::{Journal, Options};

const DIR: &str = "MORGANA_JOURNAL_CHILD_DIR";

fn options(dir: &Path) -> Options {
    // Small, so that snapshots happen in the middle of the killing.
    Options { dir: dir.to_owned(), snapshot_after_bytes: 20_000, ..Options::default() }
}

fn records(dir: &Path) -> Vec<u64> {
    let mut numbers = Vec::new();
    Journal::open(options(dir), |_, record| {
        numbers.push(u64::from_le_bytes(record.try_into().unwrap()));
        Ok::<_, Infallible>(())
    })
    .unwrap();
    numbers
}

/// Appends rising numbers for ever and prints each that was acknowledged. Its "state" is the largest number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_appends_until_it_is_killed() {
    let Some(dir) = env::var_os(DIR) else { return };
    let mut last = 0;
    let (journal, _) = Journal::open(options(Path::new(&dir)), |_, record| {
        last = last.max(u64::from_le_bytes(record.try_into().unwrap()));
        Ok::<_, Infallible>(())
    })
    .unwrap();
    let state = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(last));
    let (shooting, shot) = (journal.clone(), state.clone());
    tokio::spawn(async move {
        loop {
            shooting.snapshot_due().await;
            let mut snapshot = shooting.begin_snapshot().unwrap();
            snapshot.push(&shot.load(std::sync::atomic::Ordering::SeqCst).to_le_bytes()).unwrap();
            snapshot.finish().await.unwrap();
        }
    });
    loop {
        last += 1;
        let ticket = journal.append(&last.to_le_bytes()).unwrap();
        state.store(last, std::sync::atomic::Ordering::SeqCst);
        ticket.durable().await.unwrap();
        println!("acked {last}");
    }
}

#[test]
fn every_acknowledged_record_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acked = 0;
    for round in 1..=5 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child_appends_until_it_is_killed", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let goal = acked + 300 * round;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(number) = line.strip_prefix("acked ") {
                acked = number.parse().unwrap();
            }
            if acked >= goal {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let numbers = records(dir.path());
        let last = *numbers.last().unwrap();
        assert!(last >= acked, "{last} came back of {acked} acknowledged");
        // In order and without a hole from the snapshot on (the snapshot's number may be repeated by the log).
        assert!(numbers.windows(2).skip(1).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    }
}

/// Appends until the file size limit is hit, which stands for a full disk, and prints what it sees.
#[tokio::test]
async fn child_fills_its_disk() {
    let Some(dir) = env::var_os(DIR) else { return };
    let options = Options { dir: dir.into(), ..Options::default() };
    let (journal, _) = Journal::open(options, |_, _| Ok::<_, Infallible>(())).unwrap();
    for number in 1_u64.. {
        if let Err(error) = journal.append(&number.to_le_bytes()).unwrap().durable().await {
            println!("failed {error}");
            break;
        }
        println!("acked {number}");
    }
    println!("refused {}", journal.append(b"more").unwrap_err());
    println!("room {}", journal.room().await.unwrap_err());
}

#[test]
fn a_full_disk_makes_the_journal_read_only_and_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    // `trap ''` makes the write fail with an error instead of a signal, as a full disk does.
    let script = "trap '' XFSZ; ulimit -f 4; exec \"$0\" --exact child_fills_its_disk --nocapture | cat";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(env::current_exe().unwrap())
        .env(DIR, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let acked: Vec<u64> = text.lines().filter_map(|line| line.strip_prefix("acked ")?.parse().ok()).collect();
    assert!(acked.len() > 50, "{text}");
    for what in ["failed ", "refused ", "room "] {
        let line =
            text.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_else(|| panic!("{what}: {text}"));
        assert!(
            line.contains("log-0000000000000000; the journal is read-only until it is opened again"),
            "{line}"
        );
    }
    assert_eq!(records(dir.path()), acked);
}
