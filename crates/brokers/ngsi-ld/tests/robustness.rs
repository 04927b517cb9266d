//! Input that no one should send, and the answers to it: a clear problem, and a broker that goes on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::{car, expect, expect_error, start, start_with};
use morgana_ngsi_ld::{Access, HttpOptions};
use serde_json::json;

#[tokio::test]
async fn malformed_bodies_are_refused_with_the_place() {
    let it = start().await;
    let post = |body: String| {
        it.client.post(format!("{}/entities", it.base)).header("content-type", "application/json").body(body)
    };
    for (body, words) in [
        (String::new(), "not JSON"),
        ("{".to_owned(), "line 1"),
        (r#"{"id": "urn:x:1", "id": "urn:x:2"}"#.to_owned(), "appears twice"),
        (format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)), "recursion limit"),
        (r#"{"id": "urn:x:1", "type": "T", "a": 1e999}"#.to_owned(), "number out of range"),
    ] {
        expect_error(post(body), 400, "InvalidRequest", words).await;
    }
    let mut value = json!(1);
    for _ in 0..60 {
        value = json!({"value": 1, "a": value});
    }
    let deep = json!({"id": "urn:x:1", "type": "T", "a": value});
    expect_error(post(deep.to_string()), 400, "BadRequestData", "nests deeper").await;
    let request =
        it.client.post(format!("{}/entities", it.base)).header("content-type", "text/plain").body("{}");
    assert_eq!(request.send().await.unwrap().status(), 415);
    expect(it.get("/entities/urn:x:1").header("accept", "text/html"), 406).await;
    // A body without a type is what it looks like: JSON, or nothing that can be read.
    let untyped = |body: &'static str| it.client.post(format!("{}/entities", it.base)).body(body);
    expect_error(untyped("{,,}"), 400, "InvalidRequest", "not JSON").await;
    expect(untyped(r#"{"id": "urn:x:untyped", "type": "T"}"#), 201).await;
    // Who takes nothing but application/json gets a problem as that.
    let plain = expect(it.get("/entities/urn:x:none").header("accept", "application/json"), 404).await;
    assert_eq!(plain.headers()["content-type"], "application/json");
    assert!(plain.text().await.unwrap().contains("ResourceNotFound"));
    it.create(car(1, 1)).await;
}

#[tokio::test]
async fn a_body_of_100_mb_is_refused_and_not_kept() {
    let it = start().await;
    let body = vec![b' '; 100 * 1024 * 1024];
    let request =
        it.client.post(format!("{}/entities", it.base)).header("content-type", "application/json").body(body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert!(response.text().await.unwrap().contains("16777216 bytes"));
    // Without a length, it is refused as soon as it is too long.
    let chunks = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 1024 * 1024]))
        .take_chunks(40);
    let body = reqwest::Body::wrap_stream(chunks);
    let request =
        it.client.post(format!("{}/entities", it.base)).header("content-type", "application/json").body(body);
    assert_eq!(request.send().await.unwrap().status(), 413);
    it.create(car(1, 1)).await;
}

/// A stream of the first chunks of another.
trait TakeChunks: futures_util::Stream + Sized {
    fn take_chunks(self, chunks: usize) -> futures_util::stream::Take<Self> {
        futures_util::StreamExt::take(self, chunks)
    }
}

impl<S: futures_util::Stream> TakeChunks for S {}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let it = start().await;
    expect_error(it.get("/nothing"), 404, "ResourceNotFound", "/ngsi-ld/v1/nothing").await;
    let request = it.client.get(it.base.replace("/ngsi-ld/v1", "/v2/entities"));
    expect_error(request, 404, "ResourceNotFound", "/v2/entities").await;
    for request in [
        it.put("/entities", &json!({})),
        it.get("/entityOperations/create"),
        it.post("/types", &json!({})),
        it.post("/entities/urn:x:1", &json!({})),
    ] {
        let response = expect(request, 405).await;
        assert!(response.headers().contains_key("allow"));
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn what_is_not_there_yet_says_so_by_name() {
    let it = start().await;
    for (path, words) in [
        // The past is kept on demand only.
        ("/temporal/entities", "history_instances"),
        ("/temporal/entities/urn:x:1", "history_instances"),
    ] {
        expect_error(it.get(path), 422, "OperationNotSupported", words).await;
    }
}

#[tokio::test]
async fn a_hostile_pattern_costs_nothing() {
    let it = start().await;
    it.create(json!({"id": "urn:x:1", "type": "T", "a": "a".repeat(50_000)})).await;
    let begun = Instant::now();
    assert_eq!(it.read("/entities?type=T&q=a~=^(a%2B)%2B$;a~=(a|aa)*b").await, json!([]));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    expect_error(
        it.get("/entities?type=T&q=a~=((a{1000}){1000}){1000}"),
        400,
        "BadRequestData",
        "regular expression",
    )
    .await;
    let nested = format!("/entities?q={}a{}", "(".repeat(500), ")".repeat(500));
    expect_error(it.get(&nested), 403, "TooComplexQuery", "parentheses").await;
}

#[tokio::test]
async fn a_broker_with_a_token_asks_for_it() {
    let it =
        start_with(HttpOptions { access: Access::Token("s3cret".into()), ..HttpOptions::default() }).await;
    for request in [it.get("/entities"), it.get("/entities").bearer_auth("wrong"), it.get("/nothing")] {
        let response = expect(request, 401).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert!(!response.text().await.unwrap().contains("s3cret"));
    }
    expect(it.get("/entities").bearer_auth("s3cret"), 200).await;
    expect(it.get("/entities").header("x-auth-token", "s3cret"), 200).await;
}

#[tokio::test]
async fn a_strict_broker_refuses_a_query_without_criteria() {
    let it = start_with(HttpOptions { lenient_queries: false, ..HttpOptions::default() }).await;
    expect_error(it.get("/entities"), 400, "BadRequestData", "5.7.2").await;
    expect(it.get("/entities?local=true"), 200).await;
    expect(it.get("/entities?type=*"), 200).await;
}
