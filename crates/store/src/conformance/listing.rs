use serde_json::json;

use super::{Fixture, fresh, put};
use crate::{Expect, Kind, ListQuery, Store};

async fn put_all(store: &dyn Store, keys: &[&str]) {
    let changes = keys.iter().map(|key| put(Kind::VSilo, key, json!({}), Expect::Absent)).collect();
    store.commit(changes).await.unwrap();
}

async fn keys(store: &dyn Store, query: ListQuery) -> Vec<String> {
    store.list(Kind::VSilo, query).await.unwrap().into_iter().map(|record| record.key).collect()
}

pub async fn a_list_is_in_the_byte_order_of_its_keys(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let mut sorted = [
        "B",
        "a",
        "a-b",
        "a/b",
        "aB",
        "a_b",
        "ab",
        "b",
        "z",
        "\u{e4}",
        "\u{ffff}",
        "\u{1f512}",
        "~",
        "0",
        " ",
    ];
    put_all(&*store, &sorted).await;
    sorted.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    assert_eq!(keys(&*store, ListQuery::default()).await, sorted);
}

pub async fn pages_make_up_the_whole_list(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    let names: Vec<String> = (0..25).map(|number| format!("silo-{number:02}")).collect();
    put_all(&*store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;

    let mut read = Vec::new();
    let mut query = ListQuery::default().limit(7);
    loop {
        let page = keys(&*store, query.clone()).await;
        assert!(page.len() <= 7);
        let Some(last) = page.last() else { break };
        query = query.after(last.clone());
        read.extend(page);
    }
    assert_eq!(read, names);
    assert_eq!(keys(&*store, ListQuery::default().limit(0)).await, [""; 0]);
    assert_eq!(keys(&*store, ListQuery::default().after("silo-99")).await, [""; 0]);
    assert_eq!(keys(&*store, ListQuery::default().after("silo-23x")).await, ["silo-24"], "a key between two");
}

pub async fn a_prefix_is_taken_literally(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    put_all(
        &*store,
        &[
            "100%",
            "100%_a",
            "1000",
            "A_1",
            "a",
            "aX1",
            "a_1",
            "a_2",
            "a\\_",
            "a*",
            "a?",
            "b\u{10ffff}c",
            "b\u{10ffff}",
        ],
    )
    .await;
    let with = async |prefix: &str| keys(&*store, ListQuery::prefix(prefix)).await;

    assert_eq!(with("a_").await, ["a_1", "a_2"]);
    assert_eq!(with("100%").await, ["100%", "100%_a"]);
    assert_eq!(with("%").await, [""; 0]);
    assert_eq!(with("_").await, [""; 0]);
    assert_eq!(with("a*").await, ["a*"]);
    assert_eq!(with("a\\").await, ["a\\_"]);
    assert_eq!(with("A").await, ["A_1"], "case matters");
    assert_eq!(with("b\u{10ffff}").await, ["b\u{10ffff}", "b\u{10ffff}c"]);
    assert_eq!(with("").await.len(), 13);
}

pub async fn a_prefix_and_a_page_go_together(fixture: &dyn Fixture) {
    let store = fresh(fixture).await;
    put_all(&*store, &["a", "t1_a", "t1_b", "t1_c", "t10_a", "t2_a"]).await;
    let query = ListQuery::prefix("t1_");

    assert_eq!(keys(&*store, query.clone().limit(2)).await, ["t1_a", "t1_b"]);
    assert_eq!(keys(&*store, query.clone().after("t1_b")).await, ["t1_c"]);
    assert_eq!(keys(&*store, query.clone().after("a")).await, ["t1_a", "t1_b", "t1_c"]);
    assert_eq!(keys(&*store, query.clone().after("t1_")).await, ["t1_a", "t1_b", "t1_c"]);
    assert_eq!(keys(&*store, query.after("t2")).await, [""; 0]);
}
