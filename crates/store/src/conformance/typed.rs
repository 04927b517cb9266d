use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Fixture, assert_conflict, fresh, put};
use crate::{Document, Error, Expect, Kind, ListQuery, Table, Transaction, Versioned};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counter {
    pub name: String,
    pub count: u64,
}

impl Counter {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), count: 0 }
    }
}

impl Document for Counter {
    const KIND: Kind = Kind::Setting;

    fn key(&self) -> String {
        self.name.clone()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    number: u32,
}

impl Document for Line {
    const KIND: Kind = Kind::Audit;

    fn key(&self) -> String {
        format!("{:010}", self.number)
    }
}

pub async fn a_table_gives_back_what_it_was_given(fixture: &dyn Fixture) {
    let counters = Table::<Counter>::new(fresh(fixture).await);
    let value = Counter::new("a");
    let revision = counters.insert(&value).await.unwrap();
    assert_eq!(counters.get("a").await.unwrap(), Some(Versioned { revision, value: value.clone() }));
    assert_eq!(counters.get("b").await.unwrap(), None);

    assert!(counters.insert(&value).await.unwrap_err().is_conflict());
    let changed = Counter { count: 7, ..value };
    let revision = counters.put(&changed, Expect::Revision(revision)).await.unwrap();
    assert_eq!(counters.list(ListQuery::default()).await.unwrap(), [Versioned { revision, value: changed }]);

    assert!(counters.delete("a", Expect::Revision(revision + 1)).await.unwrap_err().is_conflict());
    counters.delete("a", Expect::Revision(revision)).await.unwrap();
    assert_eq!(counters.get("a").await.unwrap(), None);
}

pub async fn a_table_reads_all_pages(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let count = 2 * ListQuery::DEFAULT_LIMIT as u32 + 1;
    let mut transaction = Transaction::new();
    for number in 0..count {
        transaction.insert(&Line { number }).unwrap();
    }
    transaction.commit(&*store).await.unwrap();

    let lines = Table::<Line>::new(store);
    let all = lines.all("").await.unwrap();
    assert!(all.iter().map(|line| line.value.number).eq(0..count));
    assert_eq!(lines.list(ListQuery::default()).await.unwrap().len(), ListQuery::DEFAULT_LIMIT);
    assert_eq!(lines.all("000000001").await.unwrap().len(), 10);
}

pub async fn a_document_of_another_shape_is_named(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    store
        .commit(vec![put(Kind::Setting, "odd", json!({ "name": "odd", "count": "many" }), Expect::Any)])
        .await
        .unwrap();
    let counters = Table::<Counter>::new(store);
    for error in
        [counters.get("odd").await.unwrap_err(), counters.list(ListQuery::default()).await.unwrap_err()]
    {
        assert!(
            matches!(&error, Error::Decode { kind: Kind::Setting, key, .. } if key == "odd"),
            "{error:?}"
        );
        assert_eq!(error.to_string(), "cannot read the document of setting \"odd\"");
    }
}

pub async fn an_update_changes_what_is_there(fixture: &dyn Fixture) {
    let counters = Table::<Counter>::new(fresh(fixture).await);
    assert_eq!(counters.update("a", |counter| counter.count += 1).await.unwrap(), None);
    counters.insert(&Counter::new("a")).await.unwrap();
    let updated = counters.update("a", |counter| counter.count += 1).await.unwrap().unwrap();
    assert_eq!(updated.value.count, 1);
    assert_eq!(counters.get("a").await.unwrap(), Some(updated));
}

pub async fn an_update_that_changes_nothing_writes_nothing(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let counters = Table::<Counter>::new(Arc::clone(&store));
    let revision = counters.insert(&Counter::new("a")).await.unwrap();
    let updated = counters.update("a", |counter| counter.count *= 2).await.unwrap().unwrap();
    assert_eq!(updated.revision, revision);
    assert_eq!(store.revision().await.unwrap(), revision);
}

pub async fn a_transaction_spans_kinds(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let counters = Table::<Counter>::new(Arc::clone(&store));
    let lines = Table::<Line>::new(Arc::clone(&store));
    let first = counters.insert(&Counter::new("a")).await.unwrap();

    let both = async |revision| {
        let mut transaction = Transaction::new();
        transaction
            .replace(&Versioned { revision, value: Counter { count: 1, ..Counter::new("a") } })
            .unwrap();
        transaction.insert(&Line { number: 1 }).unwrap();
        transaction.check::<Counter>("b", Expect::Absent);
        transaction.commit(&*store).await
    };
    assert_conflict(both(first + 7).await, "a", Some(first));
    assert_eq!(lines.all("").await.unwrap(), []);

    let committed = both(first).await.unwrap();
    assert_eq!(lines.all("").await.unwrap()[0].revision, committed.revision);
    assert_eq!(counters.get("a").await.unwrap().unwrap().value.count, 1);

    let mut transaction = Transaction::new();
    assert!(transaction.is_empty());
    transaction.delete::<Counter>("a", Expect::Present).delete::<Line>("0000000001", Expect::Any);
    transaction.commit(&*store).await.unwrap();
    assert_eq!((counters.all("").await.unwrap(), lines.all("").await.unwrap()), (vec![], vec![]));
}
