use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::{Fixture, fresh, put, put_user};
use crate::{Error, Expect, Kind, ListQuery};

pub async fn what_was_committed_is_there_after_reopening(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    for number in 0..10 {
        put_user(&*store, &format!("user-{number}")).await;
    }
    let users = store.list(Kind::User, ListQuery::default()).await.unwrap();
    let revision = store.revision().await.unwrap();
    store.close().await;
    drop(store);

    let store = fresh(fixture).await;
    assert_eq!(store.list(Kind::User, ListQuery::default()).await.unwrap(), users);
    assert_eq!(store.revision().await.unwrap(), revision);
    assert!(put_user(&*store, "later").await > revision, "revisions go on where they were");
}

pub async fn a_closed_store_refuses_and_ends_its_watches(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let mut watch = store.watch();
    store.close().await;
    store.close().await;

    let commit = store.commit(vec![put(Kind::User, "late", json!({}), Expect::Any)]).await;
    assert!(matches!(commit, Err(Error::Closed)), "{commit:?}");
    let read = store.get(Kind::User, "late").await;
    assert!(matches!(read, Err(Error::Closed)), "{read:?}");
    for watch in [&mut watch, &mut store.watch()] {
        assert_eq!(timeout(Duration::from_secs(20), watch.next()).await.expect("no end in time"), None);
    }
}
