use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use super::{Fixture, assert_conflict, check, delete, fresh, put, put_user};
use crate::{Expect, Kind, ListQuery, Table, Touched};

pub async fn every_expectation_holds_exactly_when_it_should(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let there = put_user(&*store, "there").await;
    let absent = None;
    let cases = [
        ("gone", Expect::Any, true),
        ("gone", Expect::Absent, true),
        ("gone", Expect::Present, false),
        ("gone", Expect::Revision(there), false),
        ("gone", Expect::Revision(0), false),
        ("there", Expect::Any, true),
        ("there", Expect::Absent, false),
        ("there", Expect::Present, true),
        ("there", Expect::Revision(there), true),
        ("there", Expect::Revision(there + 1), false),
    ];
    for (key, expect, holds) in cases {
        let outcome = store.commit(vec![check(Kind::User, key, expect)]).await;
        if holds {
            assert!(outcome.is_ok(), "{key} {expect:?}: {outcome:?}");
        } else {
            assert_conflict(outcome, key, if key == "there" { Some(there) } else { absent });
        }
    }

    assert_conflict(store.commit(vec![delete(Kind::User, "gone", Expect::Present)]).await, "gone", None);
    assert_conflict(
        store.commit(vec![put(Kind::User, "there", json!(1), Expect::Absent)]).await,
        "there",
        Some(there),
    );
    let changed =
        store.commit(vec![put(Kind::User, "there", json!(2), Expect::Revision(there))]).await.unwrap();
    store.commit(vec![delete(Kind::User, "there", Expect::Revision(changed.revision))]).await.unwrap();
    assert_eq!(store.get(Kind::User, "there").await.unwrap(), None);
}

pub async fn a_failed_expectation_writes_nothing(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let before = put_user(&*store, "taken").await;
    put_user(&*store, "kept").await;
    let revision = store.revision().await.unwrap();

    let outcome = store
        .commit(vec![
            put(Kind::Flavour, "new", json!(1), Expect::Any),
            delete(Kind::User, "kept", Expect::Any),
            put(Kind::User, "taken", json!("stolen"), Expect::Absent),
            put(Kind::Flavour, "newer", json!(1), Expect::Any),
        ])
        .await;

    assert_conflict(outcome, "taken", Some(before));
    assert_eq!(store.list(Kind::Flavour, ListQuery::default()).await.unwrap(), []);
    assert_eq!(store.list(Kind::User, ListQuery::default()).await.unwrap().len(), 2);
    assert_eq!(store.get(Kind::User, "taken").await.unwrap().unwrap().document["name"], "taken");
    assert_eq!(store.revision().await.unwrap(), revision);
}

pub async fn a_check_guards_a_commit_without_writing(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let connect = || {
        vec![
            check(Kind::VSilo, "t1_s1", Expect::Present),
            put(Kind::Connection, "t1_s1/tv/a", json!({}), Expect::Absent),
        ]
    };
    assert_conflict(store.commit(connect()).await, "t1_s1", None);

    let made = store.commit(vec![put(Kind::VSilo, "t1_s1", json!({}), Expect::Absent)]).await.unwrap();
    let connected = store.commit(connect()).await.unwrap();
    assert_eq!(connected.touched.len(), 1);
    let silo = store.get(Kind::VSilo, "t1_s1").await.unwrap().unwrap();
    assert_eq!(silo.revision, made.revision, "a check leaves the record alone");
}

pub async fn a_commit_is_one_revision_for_all_its_records(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let first = put_user(&*store, "a").await;
    assert!(first > 0);
    let committed = store
        .commit(vec![
            put(Kind::User, "b", json!(1), Expect::Any),
            put(Kind::Node, "n", json!(1), Expect::Any),
            delete(Kind::User, "a", Expect::Any),
        ])
        .await
        .unwrap();

    assert!(committed.revision > first);
    assert_eq!(store.get(Kind::User, "b").await.unwrap().unwrap().revision, committed.revision);
    assert_eq!(store.get(Kind::Node, "n").await.unwrap().unwrap().revision, committed.revision);
    assert_eq!(store.revision().await.unwrap(), committed.revision);
    let touched = |kind, key: &str, deleted| Touched { kind, key: key.to_owned(), deleted };
    assert_eq!(
        *committed.touched,
        [touched(Kind::User, "b", false), touched(Kind::Node, "n", false), touched(Kind::User, "a", true)]
    );
}

pub async fn a_commit_that_changes_nothing_takes_no_revision(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let revision = put_user(&*store, "a").await;
    let nothing = [
        vec![],
        vec![delete(Kind::User, "gone", Expect::Any)],
        vec![delete(Kind::User, "gone", Expect::Absent), check(Kind::User, "a", Expect::Present)],
    ];
    for changes in nothing {
        let committed = store.commit(changes).await.unwrap();
        assert_eq!((committed.revision, committed.touched.len()), (revision, 0));
    }
    assert_eq!(store.revision().await.unwrap(), revision);
}

pub async fn a_record_put_again_is_not_the_one_before(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let first = put_user(&*store, "ada").await;
    store.commit(vec![delete(Kind::User, "ada", Expect::Any)]).await.unwrap();
    let second = put_user(&*store, "ada").await;
    assert!(second > first);

    let stale = store.commit(vec![delete(Kind::User, "ada", Expect::Revision(first))]).await;
    assert_conflict(stale, "ada", Some(second));
}

pub async fn of_many_who_insert_one_key_exactly_one_wins(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    for round in 0..10 {
        let key = format!("user-{round}");
        let mut writers = JoinSet::new();
        for writer in 0..16 {
            let (store, key) = (Arc::clone(&store), key.clone());
            writers.spawn(async move {
                let change = put(Kind::User, &key, json!(writer), Expect::Absent);
                (writer, store.commit(vec![change]).await)
            });
        }
        let mut winners = Vec::new();
        let mut losers = Vec::new();
        for (writer, outcome) in writers.join_all().await {
            match outcome {
                Ok(committed) => winners.push((writer, committed.revision)),
                lost => losers.push(lost),
            }
        }
        let [(winner, revision)] = winners[..] else { panic!("winners: {winners:?}") };
        let record = store.get(Kind::User, &key).await.unwrap().unwrap();
        assert_eq!((record.document, record.revision), (json!(winner), revision));
        for lost in losers {
            assert_conflict(lost, &key, Some(revision));
        }
    }
}

pub async fn no_update_of_many_is_lost(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let counters = Table::<super::typed::Counter>::new(Arc::clone(&store));
    counters.insert(&super::typed::Counter::new("shared")).await.unwrap();

    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let counters = counters.clone();
        writers.spawn(async move {
            for _ in 0..20 {
                while let Err(error) = counters.update("shared", |counter| counter.count += 1).await {
                    assert!(error.is_conflict(), "{error}");
                }
            }
        });
    }
    writers.join_all().await;
    assert_eq!(counters.get("shared").await.unwrap().unwrap().value.count, 160);
}

pub async fn a_commit_goes_on_when_its_caller_goes_away(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    for number in 0..50 {
        let (store, key) = (Arc::clone(&store), format!("user-{number}"));
        let caller = tokio::spawn(async move { put_user(&*store, &key).await });
        tokio::task::yield_now().await;
        caller.abort();
    }
    let last = put_user(&*store, "last").await;
    let users = store.list(Kind::User, ListQuery::default()).await.unwrap();
    let done = users.len() as u64;
    assert!(last >= done, "{done} users at revision {last}");
    assert_eq!(store.get(Kind::User, "last").await.unwrap().unwrap().revision, last);
}
