//! What a journal gives back after a clean end, a cut, damage, and a snapshot.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{convert::Infallible, fs, path::Path};

use morgana_journal::{Durability, Journal, OpenError, Options, Recovered, Source};
use proptest::prelude::*;

fn options(dir: &Path) -> Options {
    Options { dir: dir.to_owned(), ..Options::default() }
}

/// Opens the journal and gives the records it had.
fn open(dir: &Path) -> Result<(Journal, Recovered, Vec<Vec<u8>>), OpenError> {
    let mut records = Vec::new();
    let (journal, recovered) = Journal::open(options(dir), |_, record| {
        records.push(record.to_vec());
        Ok::<_, Infallible>(())
    })?;
    Ok((journal, recovered, records))
}

async fn append(journal: &Journal, record: &[u8]) {
    journal.append(record).expect("room").durable().await.expect("durable");
}

#[tokio::test]
async fn records_come_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, recovered, records) = open(dir.path()).unwrap();
    assert_eq!((recovered, records), (Recovered::default(), vec![]));
    for number in 0..100_u32 {
        append(&journal, &number.to_le_bytes()).await;
    }
    drop(journal);
    let (_journal, recovered, records) = open(dir.path()).unwrap();
    assert_eq!(recovered.log_records, 100);
    assert_eq!(recovered.torn_tail, None);
    assert_eq!(records, (0..100_u32).map(|number| number.to_le_bytes().to_vec()).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_appended_so_far_is_durable_when_the_promise_for_all_of_it_resolves() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = open(dir.path()).unwrap();
    assert!(journal.appended().is_durable(), "there is nothing to wait for");
    let records: Vec<_> = (0..100_u32).map(|number| journal.append_quietly(&number.to_le_bytes())).collect();
    let all = journal.appended();
    assert!(!all.is_durable(), "the writer was not called yet");
    journal.write_now();
    all.durable().await.unwrap();
    assert!(records.into_iter().all(|record| record.unwrap().is_durable()));
}

#[tokio::test]
async fn a_snapshot_replaces_the_log_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = open(dir.path()).unwrap();
    append(&journal, b"old").await;
    let mut snapshot = journal.begin_snapshot().unwrap();
    append(&journal, b"during").await;
    snapshot.push(b"state").unwrap();
    snapshot.finish().await.unwrap();
    append(&journal, b"after").await;
    drop(journal);
    let mut seen = Vec::new();
    let (journal, recovered) = Journal::open(options(dir.path()), |source, record| {
        seen.push((source, String::from_utf8(record.to_vec()).unwrap()));
        Ok::<_, Infallible>(())
    })
    .unwrap();
    assert_eq!(recovered.snapshot_records, 1);
    let expected = [(Source::Snapshot, "state"), (Source::Log, "during"), (Source::Log, "after")];
    assert_eq!(seen, expected.map(|(source, text)| (source, text.to_owned())));
    drop(journal);
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["lock", "log-0000000000000001", "snapshot-0000000000000001"]);
}

#[tokio::test]
async fn an_abandoned_snapshot_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = open(dir.path()).unwrap();
    append(&journal, b"a").await;
    let mut snapshot = journal.begin_snapshot().unwrap();
    assert!(matches!(journal.begin_snapshot(), Err(morgana_journal::SnapshotError::Busy)));
    snapshot.push(b"half").unwrap();
    append(&journal, b"b").await;
    drop(snapshot);
    append(&journal, b"c").await;
    drop(journal);
    let (_journal, _, records) = open(dir.path()).unwrap();
    assert_eq!(records, [b"a", b"b", b"c"]);
}

#[tokio::test]
async fn a_snapshot_becomes_due_as_the_log_grows() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { snapshot_after_bytes: 1000, ..options(dir.path()) };
    let (journal, _) = Journal::open(options, |_, _| Ok::<_, Infallible>(())).unwrap();
    let waiting = journal.clone();
    let due = tokio::spawn(async move { waiting.snapshot_due().await });
    for _ in 0..20 {
        append(&journal, &[7; 100]).await;
    }
    due.await.unwrap();
}

#[test]
fn a_second_opener_is_told_that_the_folder_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"));
}

#[tokio::test]
async fn damage_in_the_middle_is_an_error_that_names_file_and_offset() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = open(dir.path()).unwrap();
    for number in 0..10_u32 {
        append(&journal, &number.to_le_bytes()).await;
    }
    drop(journal);
    let path = dir.path().join("log-0000000000000000");
    let whole = fs::read(&path).unwrap();
    // Every byte before the last frame is known to be synced by a later frame.
    let last_frame = whole.len() - (24 + 4 + 4);
    for at in 8..last_frame {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        fs::write(&path, damaged).unwrap();
        match open(dir.path()) {
            Err(OpenError::Corrupt { file, offset, .. }) => {
                assert_eq!(file, path);
                assert_eq!(offset, 8 + (at as u64 - 8) / 32 * 32, "byte {at}");
            }
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_damaged_snapshot_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = open(dir.path()).unwrap();
    let mut snapshot = journal.begin_snapshot().unwrap();
    snapshot.push(b"state").unwrap();
    snapshot.finish().await.unwrap();
    drop(journal);
    let path = dir.path().join("snapshot-0000000000000001");
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(open(dir.path()), Err(OpenError::Corrupt { .. })), "{length}");
    }
}

#[test]
fn a_foreign_file_is_not_taken_for_a_log() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log-0000000000000000"), b"something else entirely").unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Corrupt { offset: 0, .. })));
}

#[tokio::test]
async fn an_owner_that_refuses_a_record_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = open(dir.path()).unwrap();
    append(&journal, b"x").await;
    drop(journal);
    let error = Journal::open(options(dir.path()), |_, _| Err("no such kind")).unwrap_err();
    assert!(matches!(error, OpenError::Record { offset: 8, .. }), "{error}");
}

#[tokio::test]
async fn records_that_are_prepared_ahead_come_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = open(dir.path()).unwrap();
    let number = |record: &[u8]| std::str::from_utf8(record).ok()?.parse::<u32>().ok();
    for number in 0..2_500 {
        let _durable_later = journal.append_quietly(number.to_string().as_bytes()).unwrap();
    }
    append(&journal, b"2500").await;
    drop(journal);
    let prepare = |record: &[u8]| number(record).ok_or("not a number");
    let mut all = Vec::new();
    let take = |source, number| {
        assert_eq!(source, Source::Log);
        all.push(number);
    };
    let (journal, recovered) = Journal::open_prepared(options(dir.path()), prepare, take).unwrap();
    assert_eq!(recovered.log_records, 2_501);
    assert!(all.iter().copied().eq(0..=2_500), "{} records", all.len());
    append(&journal, b"x").await;
    drop(journal);
    let error = Journal::open_prepared(options(dir.path()), prepare, |_, _| {}).unwrap_err();
    assert!(matches!(error, OpenError::Record { offset: 9.., .. }), "{error}");
}

#[tokio::test]
#[should_panic(expected = "an owner that gives up")]
async fn an_owner_that_panics_does_not_wait_for_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = open(dir.path()).unwrap();
    for _ in 0..20_000 {
        let _durable_later = journal.append_quietly(b"x").unwrap();
    }
    append(&journal, b"x").await;
    drop(journal);
    let prepare = |_: &[u8]| Ok::<_, Infallible>(());
    let _ = Journal::open_prepared(options(dir.path()), prepare, |_, ()| panic!("an owner that gives up"));
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { record_max_bytes: 10, ..options(dir.path()) };
    let (journal, _) = Journal::open(options, |_, _| Ok::<_, Infallible>(())).unwrap();
    assert_eq!(
        journal.append(&[0; 11]).unwrap_err().to_string(),
        "a record of 11 bytes is larger than the 10 bytes a journal record may have"
    );
    append(&journal, &[0; 10]).await;
}

#[tokio::test]
async fn every_durability_keeps_its_records_over_a_clean_end() {
    for durability in [Durability::Commit, Durability::Interval, Durability::None] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { durability, sync_interval_ms: 5, ..options(dir.path()) };
        let (journal, _) = Journal::open(options, |_, _| Ok::<_, Infallible>(())).unwrap();
        for number in 0..50_u32 {
            append(&journal, &number.to_le_bytes()).await;
        }
        drop(journal);
        assert_eq!(open(dir.path()).unwrap().2.len(), 50, "{durability:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_appends_keep_the_order_of_their_calls() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = open(dir.path()).unwrap();
    let order = std::sync::Arc::new(parking_lot::Mutex::new(0_u32));
    let writers: Vec<_> = (0..16)
        .map(|_| {
            let (journal, order) = (journal.clone(), order.clone());
            tokio::spawn(async move {
                for _ in 0..50 {
                    let ticket = {
                        let mut next = order.lock();
                        *next += 1;
                        journal.append(&next.to_le_bytes()).unwrap()
                    };
                    ticket.durable().await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    drop(journal);
    let records = open(dir.path()).unwrap().2;
    assert_eq!(records, (1..=800_u32).map(|number| number.to_le_bytes().to_vec()).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Cut at every byte: what comes back is a prefix that ends between two commits, and the journal goes on.
    #[test]
    fn a_log_cut_at_any_byte_gives_back_the_commits_before_it(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log-0000000000000000");
        let mut ends = vec![8];
        let (journal, ..) = open(dir.path()).unwrap();
        for record in &records {
            runtime.block_on(append(&journal, record));
            ends.push(ends[ends.len() - 1] + 24 + 4 + record.len() as u64);
        }
        drop(journal);
        let whole = fs::read(&path).unwrap();
        prop_assert_eq!(whole.len() as u64, ends[records.len()]);
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (journal, recovered, back) = open(dir.path()).unwrap();
            let kept = ends.iter().filter(|end| **end <= length as u64).count().saturating_sub(1);
            prop_assert_eq!(&back, &records[..kept]);
            // A cut inside a frame is reported, unless all that is left of the frame is zeros.
            let zeros = whole[ends[kept.min(records.len())] as usize..].iter().take_while(|byte| **byte == 0).count();
            if !ends.contains(&(length as u64)) && length > 8 && (length as u64) > ends[kept] + zeros as u64 {
                prop_assert!(recovered.torn_tail.is_some());
            }
            if ends.contains(&(length as u64)) {
                prop_assert!(recovered.torn_tail.is_none());
            }
            runtime.block_on(append(&journal, b"next"));
            drop(journal);
            prop_assert_eq!(open(dir.path()).unwrap().2.len(), kept + 1);
        }
    }
}

#[tokio::test]
async fn a_log_grown_ahead_and_never_closed_reads_back_without_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ..) = open(dir.path()).unwrap();
    append(&journal, b"x").await;
    drop(journal);
    let path = dir.path().join("log-0000000000000000");
    let length = fs::metadata(&path).unwrap().len();
    fs::File::options().write(true).open(&path).unwrap().set_len(length + 100_000).unwrap();
    let (journal, recovered, records) = open(dir.path()).unwrap();
    assert_eq!((recovered.torn_tail, records), (None, vec![b"x".to_vec()]));
    append(&journal, b"y").await;
    drop(journal);
    assert_eq!(open(dir.path()).unwrap().2, [b"x", b"y"]);
}
