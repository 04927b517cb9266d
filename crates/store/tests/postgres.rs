//! The System DB on a PostgreSQL server: the suite, several controllers on it, and who of them leads.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use morgana_store::conformance::Fixture;
use morgana_store::{Change, Error, Expect, Kind, ListQuery, Notice, PostgresOptions, PostgresStore, Store};
use morgana_testbed::{Postgres, eventually};
use serde_json::json;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

struct Database(String);

#[async_trait::async_trait]
impl Fixture for Database {
    async fn open(&self, watch_queue: usize) -> Arc<dyn Store> {
        let options = PostgresOptions { watch_queue, ..PostgresOptions::default() };
        Arc::new(PostgresStore::open(&self.0, options).await.unwrap())
    }
}

async fn open(url: &str) -> Result<PostgresStore, Error> {
    PostgresStore::open(url, PostgresOptions::default()).await
}

async fn check(server: &Postgres, name: &str, fact: impl AsyncFnOnce(&dyn Fixture)) {
    println!("{name}");
    fact(&Database(server.database(name))).await;
}

#[tokio::test]
async fn postgresql_passes_the_suite() {
    let server = Postgres::start().await;
    morgana_store::conformance_suite!(check in &server);
}

fn put(key: &str, value: u64, expect: Expect) -> Vec<Change> {
    vec![Change::Put { kind: Kind::User, key: key.to_owned(), document: json!(value), expect }]
}

#[tokio::test]
async fn two_controllers_write_one_history_and_each_hears_of_the_other() {
    let server = Postgres::start().await;
    let url = server.database("system");
    // Together, so that both find no tables.
    let (one, other) = tokio::join!(open(&url), open(&url));
    let (one, other) = (one.unwrap(), other.unwrap());
    let mut watch = other.watch();

    let writers = [one.clone(), other.clone()].into_iter().enumerate().map(|(writer, store)| async move {
        for number in 0..50 {
            store.commit(put(&format!("{writer}/{number}"), number, Expect::Absent)).await.unwrap();
        }
    });
    tokio::join!(futures(writers), async {
        let mut last = 0;
        for _ in 0..100 {
            let notice = timeout(PATIENCE, watch.next()).await.expect("no notice in time").unwrap();
            let Notice::Committed(committed) = notice else { panic!("missed something") };
            assert!(committed.revision > last);
            last = committed.revision;
        }
        assert_eq!(last, 100);
    });
    let users = one.list(Kind::User, ListQuery::default()).await.unwrap();
    assert_eq!(users, other.list(Kind::User, ListQuery::default()).await.unwrap());
    let revisions: std::collections::BTreeSet<_> = users.iter().map(|user| user.revision).collect();
    assert_eq!(revisions.len(), 100, "no revision is given twice");

    let taken = one.commit(put("taken", 1, Expect::Absent)).await.unwrap();
    let late = other.commit(put("taken", 2, Expect::Absent)).await;
    assert!(matches!(late, Err(Error::Conflict { actual, .. }) if actual == Some(taken.revision)));
}

async fn futures(writers: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut writers = writers;
    let (first, second) = (writers.next().unwrap(), writers.next().unwrap());
    tokio::join!(first, second);
}

/// Ends the sessions that hold the lead, as a server does whose client is gone.
fn end_leaders_session(server: &Postgres) {
    server.sql("system", "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'");
}

#[tokio::test]
async fn one_leads_until_it_goes_and_then_the_other() {
    let server = Postgres::start().await;
    let url = server.database("system");
    let (one, other) = (open(&url).await.unwrap(), open(&url).await.unwrap());
    assert!(one.lead().await.unwrap());
    assert!(one.lead().await.unwrap(), "asking again changes nothing");
    assert!(!other.lead().await.unwrap());
    one.close().await;
    eventually("the other leads", async || match other.lead().await {
        Ok(true) => Ok(()),
        instead => Err(format!("{instead:?}")),
    })
    .await;
}

#[tokio::test]
async fn a_leader_whose_session_breaks_leads_on_where_nobody_led_in_between() {
    let server = Postgres::start().await;
    let one = open(&server.database("system")).await.unwrap();
    assert!(one.lead().await.unwrap());
    end_leaders_session(&server);
    eventually("it writes again", async || one.commit(put("later", 1, Expect::Any)).await.map(drop)).await;
    assert!(timeout(Duration::ZERO, one.lost_lead()).await.is_err(), "it leads on");
    let other = open(&server.url("system")).await.unwrap();
    assert!(!other.lead().await.unwrap());
}

#[tokio::test]
async fn who_has_lost_the_lead_can_write_no_more() {
    let server = Postgres::start().await;
    let url = server.database("system");
    let (one, other) = (open(&url).await.unwrap(), open(&url).await.unwrap());
    assert!(one.lead().await.unwrap());
    one.commit(put("before", 1, Expect::Any)).await.unwrap();
    // The first one's session breaks and the other one is faster: the lock of its name is not the
    // first one's any more even if it could be had again.
    eventually("the other leads", async || {
        end_leaders_session(&server);
        match other.lead().await {
            Ok(true) => Ok(()),
            instead => Err(format!("{instead:?}")),
        }
    })
    .await;
    timeout(PATIENCE, one.lost_lead()).await.expect("it is told");
    let late = one.commit(put("late", 1, Expect::Any)).await;
    assert!(matches!(late, Err(Error::NotLeading)), "{late:?}");
    assert!(matches!(one.lead().await, Err(Error::NotLeading)), "it does not come back by itself");
    assert_eq!(other.get(Kind::User, "late").await.unwrap(), None);
    assert!(other.get(Kind::User, "before").await.unwrap().is_some());
}

#[tokio::test]
async fn a_leader_without_a_server_stops_after_its_patience() {
    let mut server = Postgres::start().await;
    let options = PostgresOptions { lead_patience_milliseconds: 500, ..PostgresOptions::default() };
    let one = PostgresStore::open(&server.database("system"), options).await.unwrap();
    assert!(one.lead().await.unwrap());
    server.stop();
    timeout(PATIENCE, one.lost_lead()).await.expect("it stops");
    let late = one.commit(put("late", 1, Expect::Any)).await;
    assert!(matches!(late, Err(Error::NotLeading)), "{late:?}");
}

#[tokio::test]
async fn what_was_answered_survives_a_crash_of_the_server_and_the_store_goes_on() {
    let mut server = Postgres::start().await;
    let store = open(&server.database("system")).await.unwrap();
    let mut watch = store.watch();
    let answered = store.commit(put("ada", 1, Expect::Any)).await.unwrap();
    server.stop();
    let error = store.commit(put("bob", 1, Expect::Any)).await.unwrap_err();
    assert!(matches!(error, Error::Server { .. }), "{error:?}");
    server.restart().await;
    eventually("it writes again", async || store.commit(put("cyd", 1, Expect::Any)).await.map(drop)).await;
    assert_eq!(store.get(Kind::User, "ada").await.unwrap().unwrap().revision, answered.revision);
    eventually("the watcher is told that something was missed", async || {
        match timeout(PATIENCE, watch.next()).await {
            Ok(Some(Notice::Missed)) => Ok(()),
            instead => Err(format!("{instead:?}")),
        }
    })
    .await;
}

async fn refused(url: &str, words: &str) {
    let error = open(url).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(words), "{text}");
    assert!(!text.contains("secret") && !text.contains("tests"), "no password is shown: {text}");
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_said_with_the_way_out() {
    let server = Postgres::start().await;
    let url = server.database("system");
    refused("mysql://u:secret@h/d", "postgres://[USER").await;
    refused(&url.replace("a%20password", "another"), "not with this password").await;
    refused(&server.url("nowhere"), "createdb").await;
    refused("postgres://u:secret@127.0.0.1:1/d", "cannot be reached").await;
    server.sql("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
    refused(&server.url("latin"), "UTF8").await;
    open(&url).await.unwrap().close().await;
    server.sql("system", "INSERT INTO morgana_schema VALUES (99)");
    refused(&url, "as new as the data").await;
}
