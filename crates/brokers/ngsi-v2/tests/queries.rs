//! Queries (NGSIv2 Orion API, "Simple Query Language", "Pagination", "Filtering out attributes and metadata").
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{expect, expect_error, start};
use serde_json::json;

#[tokio::test]
async fn entities_are_found_by_id_type_pattern_and_filter() {
    let broker = start().await;
    for number in 0..5 {
        let kind = if number % 2 == 0 { "Even" } else { "Odd" };
        broker
            .create(
                json!({"id": format!("E{number}"), "type": kind, "n": number, "s": format!("text {number}")}),
            )
            .await;
    }
    assert_eq!(broker.ids("type=Even").await, ["E0", "E2", "E4"]);
    assert_eq!(broker.ids("id=E1,E3&type=Odd").await, ["E1", "E3"]);
    assert_eq!(broker.ids("idPattern=[34]$&typePattern=^E").await, ["E4"]);
    assert_eq!(broker.ids("q=n>=3").await, ["E3", "E4"]);
    assert_eq!(broker.ids("q=n==1..2;s~=2").await, ["E2"]);
    assert_eq!(broker.ids("orderBy=!n&limit=2&offset=1").await, ["E3", "E2"]);
    let page = expect(broker.get("/entities?limit=2&options=count,keyValues&attrs=n"), 200).await;
    assert_eq!(page.headers()["fiware-total-count"], "5");
    let shown: serde_json::Value = page.json().await.unwrap();
    assert_eq!(shown, json!([{"id": "E0", "type": "Even", "n": 0}, {"id": "E1", "type": "Odd", "n": 1}]));
    let body =
        json!({"entities": [{"idPattern": ".*", "type": "Odd"}], "attrs": ["s"], "expression": {"q": "n<2"}});
    let found = expect(broker.post("/op/query?options=keyValues", body), 200).await;
    assert_eq!(
        found.json::<serde_json::Value>().await.unwrap(),
        json!([{"id": "E1", "type": "Odd", "s": "text 1"}])
    );
}

#[tokio::test]
async fn a_url_with_characters_that_no_url_has_is_read() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let broker = start().await;
    broker.create(json!({"id": "E", "n": 1})).await;
    let address = broker.base.strip_prefix("http://").unwrap().strip_suffix("/v2").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    // Two requests on one connection.
    for (query, found) in [("q=n<2", "\"id\":\"E\""), ("q=n>2", "[]")] {
        let request = format!("GET /v2/entities?{query} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let count = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(found), "{answer}");
        assert!(answer.contains("\r\nFiware-Correlator: "), "{answer}");
    }
}

#[tokio::test]
async fn types_are_listed_with_their_attributes() {
    let broker = start().await;
    broker.create(json!({"id": "A", "type": "T", "n": 1})).await;
    broker.create(json!({"id": "B", "type": "T", "n": "x", "m": 1})).await;
    broker.create(json!({"id": "C", "type": "U"})).await;
    let known =
        json!({"attrs": {"m": {"types": ["Number"]}, "n": {"types": ["Number", "Text"]}}, "count": 2});
    assert_eq!(broker.read("/types/T").await, known);
    assert_eq!(broker.read("/types?options=values").await, json!(["T", "U"]));
    expect_error(broker.get("/types/X"), 404, "NotFound", "Entity type not found").await;
}

#[tokio::test]
async fn builtin_attributes_are_shown_when_they_are_asked_for() {
    let broker = start().await;
    broker.create(json!({"id": "E", "n": 1})).await;
    assert!(broker.read("/entities/E").await.get("dateCreated").is_none());
    let shown = broker.read("/entities/E?attrs=dateCreated,servicePath,*&metadata=dateModified").await;
    assert_eq!(shown["dateCreated"]["type"], "DateTime");
    assert_eq!(shown["servicePath"]["value"], "/");
    assert_eq!(shown["n"]["metadata"]["dateModified"]["type"], "DateTime");
}

#[tokio::test]
async fn the_version_is_one_that_clients_can_parse() {
    let broker = start().await;
    let url = broker.base.replace("/v2", "/version");
    let about: serde_json::Value = broker.client.get(url).send().await.unwrap().json().await.unwrap();
    let version = about["orion"]["version"].as_str().unwrap();
    assert!(version.split('.').all(|part| part.parse::<u32>().is_ok()), "{version}");
}
