use serde_json::json;

use super::{Fixture, check, delete, fresh, put, put_user};
use crate::{Change, DOCUMENT_MAX_BYTES, Error, Expect, KEY_MAX_BYTES, Kind, ListQuery, Store};

async fn assert_invalid(store: &dyn Store, changes: Vec<Change>) {
    match store.commit(changes).await {
        Err(Error::Invalid { key, .. }) => assert!(key.len() <= 256, "the error stays short: {key}"),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

pub async fn a_key_or_document_out_of_bounds_is_refused(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let long = "k".repeat(KEY_MAX_BYTES + 1);
    for key in ["", long.as_str(), "nul\0in it"] {
        assert_invalid(&*store, vec![put(Kind::User, key, json!({}), Expect::Any)]).await;
        assert_invalid(&*store, vec![delete(Kind::User, key, Expect::Any)]).await;
        assert_invalid(&*store, vec![check(Kind::User, key, Expect::Any)]).await;
    }
    let huge = json!("x".repeat(DOCUMENT_MAX_BYTES));
    let fine = put(Kind::User, "fine", json!({}), Expect::Any);
    assert_invalid(&*store, vec![fine, put(Kind::User, "huge", huge, Expect::Any)]).await;
    assert_eq!(store.list(Kind::User, ListQuery::default()).await.unwrap(), []);
}

pub async fn a_key_at_the_bound_is_taken(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    for key in ["k".repeat(KEY_MAX_BYTES), " ".to_owned(), "\u{10ffff}\r\n'\";--".to_owned()] {
        put_user(&*store, &key).await;
        assert_eq!(store.get(Kind::User, &key).await.unwrap().unwrap().key, key);
    }
}

pub async fn a_key_named_twice_in_a_commit_is_refused(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let change = put(Kind::User, "twice", json!({}), Expect::Any);
    assert_invalid(&*store, vec![change.clone(), change.clone()]).await;
    assert_invalid(&*store, vec![change.clone(), delete(Kind::User, "twice", Expect::Any)]).await;

    let other_kind = put(Kind::Flavour, "twice", json!({}), Expect::Any);
    store.commit(vec![change, other_kind]).await.unwrap();
}
