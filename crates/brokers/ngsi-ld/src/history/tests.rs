//! The past on disk beside a model of it that is all in memory, and simple.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod model;
mod retention;

use std::{path::Path, time::Duration};

use morgana_journal::Journal;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use self::model::Model;
use super::{codec::decode, *};
use crate::model::{Json, Kind, Name};

/// A change, or something that must change nothing.
#[derive(Debug, Clone)]
enum Step {
    /// Instances of an entity: attribute, dataset, minute of observation, whether it is a deletion, whether transient.
    More(u8, Vec<(u8, u8, Option<u8>, bool, bool)>, bool),
    /// The same record again, as a source of a copy may give it.
    Again,
    Gone(u8),
    Transient(u8, u8),
    /// The past of an entity without one attribute.
    Without(u8, u8),
    File,
    Merge,
    MergeAll,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let instance =
        (0..3_u8, 0..2_u8, prop::option::of(0..20_u8), prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    prop_oneof![
        12 => (0..5_u8, prop::collection::vec(instance, 1..4), prop::bool::weighted(0.3)).prop_map(|(entity, instances, replaces)| Step::More(entity, instances, replaces)),
        1 => Just(Step::Again),
        1 => (0..5_u8).prop_map(Step::Gone),
        1 => (0..5_u8, 0..3_u8).prop_map(|(entity, attribute)| Step::Transient(entity, attribute)),
        1 => (0..5_u8, 0..3_u8).prop_map(|(entity, attribute)| Step::Without(entity, attribute)),
        3 => Just(Step::File),
        1 => Just(Step::Merge),
        1 => Just(Step::MergeAll),
        1 => Just(Step::Reopen),
    ]
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000).unwrap()
}

fn name(attribute: u8) -> Name {
    Name::new(&format!("urn:a:{attribute}"))
}

fn attribute(name: Name, dataset: u8, minute: Option<u8>, now: Timestamp) -> Attribute {
    let mut attribute = Attribute {
        name,
        kind: Kind::Property,
        value: Json::Number(u64::from(minute.unwrap_or(99)).into()),
        created_at: now,
        modified_at: now,
        observed_at: minute.map(|minute| at(i64::from(minute) * 60)),
        details: None,
        observed_digits: None,
    };
    if dataset > 0 {
        attribute.details_mut().dataset_id = Some(format!("urn:d:{dataset}").into());
    }
    attribute
}

fn id(entity: u8) -> Box<str> {
    format!("urn:e:{entity}").into()
}

fn open(dir: &Path, rules: Rules) -> Arc<History> {
    Arc::new(History::open(dir, &morgana_journal::Options::default(), rules).unwrap())
}

/// All entities, read one step after another.
async fn all(history: &History, backwards: bool, limit: usize) -> Vec<Entity> {
    let (mut found, mut after) = (Vec::new(), None::<Box<str>>);
    loop {
        let scanned = history.scan(after.as_deref(), limit, backwards).await.unwrap();
        found.extend(scanned.entities.into_iter().map(Arc::unwrap_or_clone));
        after = scanned.after;
        if after.is_none() {
            return found;
        }
    }
}

async fn file(history: &Arc<History>) {
    let history = Arc::clone(history);
    tokio::task::spawn_blocking(move || history.file().unwrap()).await.unwrap();
}

async fn merge(history: &Arc<History>, all: bool) {
    history.state.write().merge_all |= all;
    let history = Arc::clone(history);
    tokio::task::spawn_blocking(move || history.merge(&CancellationToken::new()).unwrap()).await.unwrap();
}

async fn same_as(history: &History, model: &Model) -> Result<(), TestCaseError> {
    let expected: Vec<Entity> = model.entities.values().cloned().collect();
    prop_assert_eq!(&all(history, false, 2).await, &expected);
    let mut turned = all(history, true, 3).await;
    turned.reverse();
    prop_assert_eq!(&turned, &expected);
    for entity in 0..5 {
        let found = history.get(&id(entity)).await.unwrap();
        prop_assert_eq!(found.as_ref(), model.entities.get(&id(entity)));
        prop_assert_eq!(history.find(&id(entity)).any().unwrap(), found.is_some());
    }
    Ok(())
}

async fn run(steps: Vec<Step>, max: usize) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let rules = Rules { max, max_age: Duration::ZERO };
    let (mut history, mut model) = (open(dir.path(), rules), Model::new(max));
    let mut last = None;
    for (number, step) in steps.into_iter().enumerate() {
        let now = at(number as i64);
        let change = match step {
            Step::More(entity, instances, replaces) => {
                let instances =
                    instances.into_iter().map(|(which, dataset, minute, is_end, is_transient)| {
                        let mut attribute = attribute(name(which), dataset, minute, now);
                        if is_end {
                            attribute.former_mut().deleted_at = Some(now);
                        }
                        if is_transient {
                            attribute.details_mut().expires_at = Some(at(100_000));
                        }
                        attribute
                    });
                let mut attributes: Vec<_> = instances.collect();
                stamp(&mut attributes, now);
                let types = vec![Name::new(&format!("urn:t:{}", number % 2))];
                let scopes = number.is_multiple_of(3).then(|| vec![format!("/s{number}").into()]);
                Some(Past::More {
                    id: id(entity),
                    types,
                    scopes,
                    at: now,
                    attributes,
                    replaces: Some(replaces),
                })
            }
            Step::Again => last.as_deref().map(|bytes| decode(bytes).unwrap()),
            Step::Gone(entity) => Some(Past::Gone(id(entity))),
            Step::Transient(entity, which) => Some(Past::Transient {
                id: id(entity),
                gone: vec![(name(which), None), (name(which), Some("urn:d:1".into()))],
            }),
            Step::Without(entity, which) => history.get(&id(entity)).await.unwrap().map(|mut known| {
                known.attributes.retain(|one| one.name != name(which));
                Past::Entity(known)
            }),
            Step::File => {
                file(&history).await;
                None
            }
            Step::Merge | Step::MergeAll => {
                merge(&history, matches!(step, Step::MergeAll)).await;
                None
            }
            Step::Reopen => {
                drop(history);
                history = open(dir.path(), rules);
                None
            }
        };
        if let Some(change) = change {
            let _ticket = history.write(&change).unwrap();
            let bytes = encode(&change);
            model.apply(decode(&bytes).unwrap());
            last = matches!(change, Past::More { .. }).then_some(bytes);
        }
    }
    same_as(&history, &model).await?;
    drop(history);
    let history = open(dir.path(), rules);
    same_as(&history, &model).await?;
    file(&history).await;
    merge(&history, true).await;
    same_as(&history, &model).await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_past_on_disk_is_the_past_in_memory(steps in prop::collection::vec(step(), 1..60), max in 1..5_usize) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(steps, max))?;
    }
}

fn more(entity: u8, now: Timestamp, minute: u8) -> Past {
    let mut attributes = vec![attribute(name(0), 0, Some(minute), now)];
    stamp(&mut attributes, now);
    let types = vec![Name::new("urn:t:0")];
    Past::More { id: id(entity), types, scopes: None, at: now, attributes, replaces: None }
}

fn files(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir.join("history")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.starts_with("run-"));
    names.sort();
    names
}

const FOR_EVER: Rules = Rules { max: 10, max_age: Duration::ZERO };

#[tokio::test]
async fn a_past_from_before_there_were_files_becomes_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = Model::new(10);
    {
        // As it was written: a snapshot of whole pasts in the order of ids, then changes.
        let options = morgana_journal::Options { dir: dir.path().join("history"), ..Default::default() };
        let (journal, _) = Journal::open(options, |_, _| Ok::<_, std::io::Error>(())).unwrap();
        for entity in 0..5 {
            model.apply(more(entity, at(1), entity));
        }
        let mut snapshot = journal.begin_snapshot().unwrap();
        for entity in model.entities.values() {
            snapshot.push(&encode(&Past::Entity(entity.clone()))).unwrap();
        }
        snapshot.finish().await.unwrap();
        for past in [more(1, at(2), 30), Past::Gone(id(2)), Past::Before(at(0)), more(7, at(3), 1)] {
            let bytes = encode(&past);
            journal.append(&bytes).unwrap().durable().await.unwrap();
            model.apply(decode(&bytes).unwrap());
        }
    }
    for _ in 0..2 {
        // Until the journal says that the file counts, it is made again.
        let history = open(dir.path(), FOR_EVER);
        same_as(&history, &model).await.unwrap();
        assert_eq!(files(dir.path()), ["run-00000000-00000000"]);
        assert_eq!(history.state.read().recent.iter().count(), 3, "only the changes are in memory");
    }
    let history = open(dir.path(), FOR_EVER);
    file(&history).await;
    merge(&history, false).await;
    same_as(&history, &model).await.unwrap();
    drop(history);
    let history = open(dir.path(), FOR_EVER);
    assert!(history.state.read().recent.is_empty());
    same_as(&history, &model).await.unwrap();
}

/// Every moment at which a kill can find the files of the past, by what it leaves on the disk.
#[tokio::test]
async fn what_a_kill_leaves_behind_is_put_right() {
    let dir = tempfile::tempdir().unwrap();
    let history_dir = dir.path().join("history");
    let mut model = Model::new(10);
    let history = open(dir.path(), FOR_EVER);
    let write = |history: &History, model: &mut Model, past: Past| {
        let _ticket = history.write(&past).unwrap();
        model.apply(past);
    };
    write(&history, &mut model, more(0, at(1), 1));
    write(&history, &mut model, more(1, at(2), 2));
    file(&history).await;
    let first = std::fs::read(history_dir.join("run-00000000-00000000")).unwrap();
    write(&history, &mut model, more(0, at(3), 3));
    write(&history, &mut model, more(3, at(4), 4));
    file(&history).await;
    write(&history, &mut model, more(0, at(5), 5));
    drop(history);
    // In the middle of writing a file, and after it has its name but before the journal says that it counts.
    std::fs::write(history_dir.join("run-00000002-00000002.tmp"), b"half").unwrap();
    std::fs::copy(history_dir.join("run-00000001-00000001"), history_dir.join("run-00000002-00000002"))
        .unwrap();
    let history = open(dir.path(), FOR_EVER);
    same_as(&history, &model).await.unwrap();
    assert_eq!(files(dir.path()), ["run-00000000-00000000", "run-00000001-00000001"]);
    // After files were merged, before they were removed.
    merge(&history, true).await;
    assert_eq!(files(dir.path()), ["run-00000000-00000001"]);
    drop(history);
    std::fs::write(history_dir.join("run-00000000-00000000"), first).unwrap();
    let history = open(dir.path(), FOR_EVER);
    same_as(&history, &model).await.unwrap();
    assert_eq!(files(dir.path()), ["run-00000000-00000001"]);
}

#[tokio::test]
async fn a_file_that_is_damaged_or_gone_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path(), FOR_EVER);
    let _ticket = history.write(&more(0, at(1), 1)).unwrap();
    file(&history).await;
    drop(history);
    let path = dir.path().join("history/run-00000000-00000000");
    let whole = std::fs::read(&path).unwrap();
    let refused = || {
        let error = History::open(dir.path(), &morgana_journal::Options::default(), FOR_EVER).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {cause}")
    };
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    assert!(refused().contains("run-00000000-00000000 is corrupt at offset"), "{}", refused());
    std::fs::remove_file(&path).unwrap();
    assert!(refused().contains("run-00000000-00000000 is missing"), "{}", refused());
    // What is damaged in the middle is met by who reads it, and by nobody else.
    let mut damaged = whole;
    damaged[60] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    let history = open(dir.path(), FOR_EVER);
    let error = history.get(&id(0)).await.unwrap_err().to_string();
    assert!(
        error.contains("urn:e:0") && error.contains("run-00000000-00000000 is corrupt at offset 8"),
        "{error}"
    );
    let _ticket = history.write(&more(1, at(2), 1)).unwrap();
    file(&history).await;
    let failed = tokio::task::spawn_blocking(move || {
        history.state.write().merge_all = true;
        (history.merge(&CancellationToken::new()).unwrap_err().to_string(), history)
    });
    let (error, history) = failed.await.unwrap();
    assert!(error.contains("corrupt"), "{error}");
    assert_eq!(files(dir.path()).len(), 2, "files that cannot be merged stay");
    drop(history);
}

#[tokio::test]
async fn a_write_sees_whether_what_was_read_still_holds() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path(), FOR_EVER);
    let (is_there, seen) = history.look(&id(0), Found::any).await.unwrap();
    assert!(!is_there && history.is_still(&id(0), seen));
    let _ticket = history.write(&more(1, at(1), 1)).unwrap();
    assert!(history.is_still(&id(0), seen), "another entity is none of its business");
    let _ticket = history.write(&more(0, at(1), 1)).unwrap();
    assert!(!history.is_still(&id(0), seen));
    file(&history).await;
    assert!(!history.is_still(&id(0), seen), "also when the change is in a file by now");
}

#[tokio::test]
async fn a_past_that_only_begins_has_nothing_and_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(dir.path(), FOR_EVER);
    file(&history).await;
    merge(&history, true).await;
    assert_eq!((files(dir.path()), all(&history, false, 10).await), (Vec::new(), Vec::new()));
    assert_eq!((history.last(), history.has_before(Timestamp::now())), (None, false));
}
