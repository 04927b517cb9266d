use serde_json::json;

use super::{Fixture, fresh, put, put_user};
use crate::{Expect, Kind, ListQuery};

pub async fn a_fresh_store_is_empty_at_revision_zero(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    assert_eq!(store.revision().await.unwrap(), 0);
    for kind in Kind::ALL {
        assert_eq!(store.get(kind, "anyone").await.unwrap(), None);
        assert_eq!(store.list(kind, ListQuery::default()).await.unwrap(), []);
    }
}

pub async fn a_document_comes_back_as_it_was_put(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let documents = [
        json!(null),
        json!(true),
        json!("it's \"quoted\" \\ \u{0} \u{1f512} e\u{301}"),
        json!([]),
        json!({ "z": 1, "a": { "deep": [1, "two", null, { "three": 3 }] }, "": "empty name" }),
        json!("x".repeat(100_000)),
    ];
    for (number, document) in documents.into_iter().enumerate() {
        let key = format!("document-{number}");
        let change = put(Kind::Setting, &key, document.clone(), Expect::Absent);
        let revision = store.commit(vec![change]).await.unwrap().revision;

        let record = store.get(Kind::Setting, &key).await.unwrap().unwrap();
        assert_eq!(
            (record.kind, record.key.as_str(), record.revision),
            (Kind::Setting, key.as_str(), revision)
        );
        assert_eq!(record.document, document);
    }
}

pub async fn a_number_keeps_every_digit(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let document = json!([
        i64::MIN,
        i64::MAX,
        u64::MAX,
        0.1 + 0.2,
        f64::MAX,
        f64::MIN_POSITIVE,
        -37.813_628_000_000_01,
        144.963_058_123_456_8,
        7.038_531e-26
    ]);
    store.commit(vec![put(Kind::Zone, "edge", document.clone(), Expect::Any)]).await.unwrap();
    let record = store.get(Kind::Zone, "edge").await.unwrap().unwrap();
    assert_eq!(record.document, document);
}

pub async fn kinds_do_not_mix(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let user = put(Kind::User, "same", json!("user"), Expect::Absent);
    let flavour = put(Kind::Flavour, "same", json!("flavour"), Expect::Absent);
    store.commit(vec![user, flavour]).await.unwrap();

    assert_eq!(store.get(Kind::User, "same").await.unwrap().unwrap().document, "user");
    assert_eq!(store.get(Kind::Flavour, "same").await.unwrap().unwrap().document, "flavour");
    assert_eq!(store.get(Kind::VSilo, "same").await.unwrap(), None);
    assert_eq!(store.list(Kind::User, ListQuery::default()).await.unwrap().len(), 1);
}

pub async fn a_read_sees_every_commit_answered_before(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    for _ in 0..50 {
        let revision = put_user(&*store, "ada").await;
        assert_eq!(store.get(Kind::User, "ada").await.unwrap().unwrap().revision, revision);
        assert_eq!(store.revision().await.unwrap(), revision);
    }
}
