use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Fixture, check, delete, fresh, put, put_user};
use crate::{Committed, Expect, Kind, Notice, Watch};

/// Long enough for any database on any machine; a fact that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

async fn next(watch: &mut Watch) -> Notice {
    timeout(PATIENCE, watch.next()).await.expect("no notice in time").expect("the watch ended")
}

async fn next_commit(watch: &mut Watch) -> Committed {
    match next(watch).await {
        Notice::Committed(committed) => committed,
        Notice::Missed => panic!("missed something"),
    }
}

pub async fn a_watcher_sees_each_commit_in_order(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    put_user(&*store, "before").await;
    let mut watch = store.watch();

    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for number in 0..25 {
                put_user(&*store, &format!("{writer}/{number}")).await;
            }
        });
    }
    writers.join_all().await;
    let mut last = 0;
    for _ in 0..100 {
        let committed = next_commit(&mut watch).await;
        assert!(committed.revision > last);
        last = committed.revision;
        let [touched] = &*committed.touched else { panic!("{committed:?}") };
        assert_ne!(touched.key, "before", "a watch begins when it is asked for");
        assert_eq!(store.get(Kind::User, &touched.key).await.unwrap().unwrap().revision, last);
    }
    assert_eq!(last, store.revision().await.unwrap());
}

pub async fn a_watcher_sees_only_what_is_written(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    put_user(&*store, "there").await;
    let mut watch = store.watch();

    store.commit(vec![put(Kind::User, "there", json!(1), Expect::Absent)]).await.unwrap_err();
    store.commit(vec![delete(Kind::User, "gone", Expect::Any)]).await.unwrap();
    store.commit(vec![check(Kind::User, "there", Expect::Present)]).await.unwrap();
    let changes = vec![check(Kind::User, "gone", Expect::Absent), delete(Kind::User, "there", Expect::Any)];
    let committed = store.commit(changes).await.unwrap();

    assert_eq!(next_commit(&mut watch).await, committed);
    assert_eq!(committed.touched.len(), 1);
    assert!(committed.touched[0].deleted);
}

pub async fn a_slow_watcher_is_told_that_it_missed_something(fixture: &dyn Fixture) {
    let store = fixture.open(4).await;
    let mut slow = store.watch();
    for number in 0..20 {
        put_user(&*store, &format!("user-{number}")).await;
    }
    let last = store.revision().await.unwrap();

    assert_eq!(next(&mut slow).await, Notice::Missed);
    let mut seen = 0;
    while seen < last {
        if let Notice::Committed(committed) = next(&mut slow).await {
            assert!(committed.revision > seen);
            seen = committed.revision;
        }
    }
    let revision = put_user(&*store, "afterwards").await;
    assert_eq!(next_commit(&mut slow).await.revision, revision, "it goes on after that");
}
