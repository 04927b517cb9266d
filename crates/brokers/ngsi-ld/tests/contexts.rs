//! JSON-LD contexts over HTTP, written from NGSI-LD 4.4, 5.5.7 and 6.3.5.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, http::StatusCode, routing::get};
use common::{expect, expect_error, start};
use serde_json::{Value, json};

const LINK: &str = "rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"";

/// Serves contexts; counts how often.
async fn host() -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let good = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        async {
            json!({"@context": {"ex": "https://example.org/", "speed": "ex:speed", "Car": {"@id": "ex:Car"}}})
                .to_string()
        }
    };
    let router = Router::new()
        .route("/good.jsonld", get(good))
        .route("/broken.jsonld", get(|| async { "{" }))
        .route("/none.jsonld", get(|| async { "{}" }))
        .route("/error.jsonld", get(|| async { StatusCode::NOT_FOUND }))
        .route("/huge.jsonld", get(|| async { " ".repeat(2_000_000) }))
        .route(
            "/loop.jsonld",
            get(|headers: axum::http::HeaderMap| async move {
                let host = headers["host"].to_str().unwrap().to_owned();
                json!({"@context": [format!("http://{host}/loop.jsonld")]}).to_string()
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, asked)
}

fn ld(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request.header("content-type", "application/ld+json")
}

#[tokio::test]
async fn names_are_expanded_on_the_way_in_and_compacted_on_the_way_out() {
    let it = start().await;
    let (host, asked) = host().await;
    let url = format!("{host}/good.jsonld");
    let link = format!("<{url}>; {LINK}");
    let entity = json!({"id": "urn:c:1", "type": "Car", "speed": 1, "ex:doors": 5, "other": 2, "location": {"type": "Point", "coordinates": [1, 2]}});
    expect(it.post("/entities", &entity).header("link", &link), 201).await;
    // Without the context the names are what they expanded to.
    let shown = it.read("/entities/urn:c:1?format=concise").await;
    assert_eq!(shown["type"], "https://example.org/Car");
    assert_eq!(
        (&shown["https://example.org/speed"], &shown["https://example.org/doors"], &shown["other"]),
        (&json!(1), &json!(5), &json!(2))
    );
    assert!(shown["location"].is_object());
    // With it they are short, and the answer names it.
    let response =
        expect(it.get("/entities?type=Car&q=speed==1&format=concise").header("link", &link), 200).await;
    assert!(response.headers()["link"].to_str().unwrap().contains(&url));
    assert_eq!(response.json::<Value>().await.unwrap()[0], entity);
    // In an ld+json answer the context is in the body; the core context is implied.
    let response = expect(
        it.get("/entities/urn:c:1").header("link", &link).header("accept", "application/ld+json"),
        200,
    )
    .await;
    assert_eq!(response.headers()["content-type"], "application/ld+json");
    assert!(response.headers().get("link").is_none());
    let shown: Value = response.json().await.unwrap();
    assert_eq!(shown["@context"], url);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "a context is fetched once");
}

#[tokio::test]
async fn a_context_in_the_body_is_a_url_an_object_or_both() {
    let it = start().await;
    let (host, _) = host().await;
    let core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.6.jsonld";
    for (number, context) in [
        json!(format!("{host}/good.jsonld")),
        json!({"speed": "https://example.org/speed", "Car": "https://example.org/Car"}),
        json!([{"ex": "https://example.org/"}, {"speed": "ex:speed", "Car": {"@id": "ex:Car", "@type": "@id"}}, core]),
        json!([format!("{host}/good.jsonld"), core]),
    ]
    .into_iter()
    .enumerate()
    {
        let entity = json!({"id": format!("urn:c:{number}"), "type": "Car", "speed": 1, "@context": context});
        expect(ld(it.client.post(format!("{}/entities", it.base))).body(entity.to_string()), 201).await;
        assert_eq!(it.read(&format!("/entities/urn:c:{number}")).await["https://example.org/speed"]["value"], 1);
    }
}

#[tokio::test]
async fn a_context_that_cannot_be_had_is_named() {
    let it = start().await;
    let (host, _) = host().await;
    // What was fetched and is no context is wrong for good (5.5.6).
    for (path, words) in [("broken.jsonld", "not JSON"), ("none.jsonld", "without @context")] {
        let url = format!("{host}/{path}");
        let request = it.get("/entities?type=T").header("link", format!("<{url}>; {LINK}"));
        expect_error(request, 400, "BadRequestData", words).await;
    }
    for (path, words) in
        [("error.jsonld", "404"), ("huge.jsonld", "larger than"), ("loop.jsonld", "more than 16 others")]
    {
        let url = format!("{host}/{path}");
        let request = it.get("/entities?type=T").header("link", format!("<{url}>; {LINK}"));
        expect_error(request, 504, "LdContextNotAvailable", words).await;
    }
    // Inside the network of the broker there is nothing to fetch unless a host is allowed.
    for url in ["http://localhost:1/c", "http://[::1]:1/c", "http://169.254.169.254/c", "http://10.0.0.1/c"] {
        let request = it.get("/entities?type=T").header("link", format!("<{url}>; {LINK}"));
        expect_error(request, 504, "LdContextNotAvailable", "public address").await;
    }
    for url in ["file:///etc/passwd", "x"] {
        let request = it.get("/entities?type=T").header("link", format!("<{url}>; {LINK}"));
        expect_error(request, 504, "LdContextNotAvailable", url).await;
    }
}

#[tokio::test]
async fn a_request_has_its_context_in_one_place() {
    let it = start().await;
    let entity = json!({"id": "urn:c:1", "type": "Car"});
    let request = ld(it.client.post(format!("{}/entities", it.base))).body(entity.to_string());
    expect_error(request, 400, "BadRequestData", "needs an @context").await;
    let with = json!({"id": "urn:c:1", "type": "Car", "@context": {"a": "https://x.org/a"}}).to_string();
    let link = format!("<https://example.org/c.jsonld>; {LINK}");
    let request = ld(it.client.post(format!("{}/entities", it.base))).header("link", link).body(with);
    expect_error(request, 400, "BadRequestData", "Link header").await;
    for context in [json!(3), json!({"a": 3}), json!([["x", 1]])] {
        let body = json!({"id": "urn:c:1", "type": "Car", "@context": context}).to_string();
        let response = ld(it.client.post(format!("{}/entities", it.base))).body(body).send().await.unwrap();
        assert!(response.status().is_client_error() || response.status() == 504, "{context}");
    }
}

/// A server that counts how often it is asked and answers only while it is told to.
async fn moody() -> (String, Arc<AtomicUsize>, Arc<std::sync::atomic::AtomicBool>) {
    let (asked, up) = (Arc::new(AtomicUsize::new(0)), Arc::new(std::sync::atomic::AtomicBool::new(true)));
    let (counter, is_up) = (asked.clone(), up.clone());
    let answer = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        let up = is_up.load(Ordering::SeqCst);
        async move {
            let context = json!({"@context": {"speed": "https://example.org/speed"}}).to_string();
            if up { Ok(context) } else { Err(StatusCode::INTERNAL_SERVER_ERROR) }
        }
    };
    let router = Router::new().route("/c.jsonld", get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/c.jsonld", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked, up)
}

#[tokio::test]
async fn a_context_that_cannot_be_had_is_not_asked_for_at_each_message() {
    let it = start().await;
    let (url, asked, up) = moody().await;
    up.store(false, Ordering::SeqCst);
    let link = format!("<{url}>; {LINK}");
    let requests = (0..20).map(|_| {
        expect_error(it.get("/entities?type=T").header("link", &link), 504, "LdContextNotAvailable", "500")
    });
    futures_util::future::join_all(requests).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_context_outlives_its_server_and_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let (url, asked, up) = moody().await;
    let source = morgana_ngsi_ld::Json::from(&*url);
    {
        let broker = morgana_ngsi_ld::Broker::open(common::options(dir.path())).unwrap();
        let context = broker.context(Some(&source)).await.unwrap();
        assert_eq!(context.expand("speed"), "https://example.org/speed");
    }
    up.store(false, Ordering::SeqCst);
    let broker = common::reopen(dir.path()).await;
    let context = broker.context(Some(&source)).await.unwrap();
    assert_eq!(context.expand("speed"), "https://example.org/speed");
    // It is asked for again beside the request, in vain.
    common::eventually(|| async { asked.load(Ordering::SeqCst) == 2 }).await;
    assert!(broker.context(Some(&source)).await.is_ok());
}

#[tokio::test]
async fn an_old_context_is_used_while_it_is_fetched_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (url, asked, _) = moody().await;
    let mut options = common::options(dir.path());
    options.contexts.cache_seconds = 0;
    let broker = morgana_ngsi_ld::Broker::open(options).unwrap();
    let source = morgana_ngsi_ld::Json::from(&*url);
    for _ in 0..3 {
        assert_eq!(broker.context(Some(&source)).await.unwrap().expand("speed"), "https://example.org/speed");
    }
    common::eventually(|| async { asked.load(Ordering::SeqCst) >= 2 }).await;
}

#[tokio::test]
async fn a_subscription_whose_context_has_no_url_gets_one_for_as_long_as_it_lives() {
    let it = start().await;
    let document = json!({
        "id": "urn:s:1", "type": "Subscription", "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": "http://127.0.0.1:9/x"}},
        "@context": {"Car": "https://example.org/Car"},
    });
    let request = ld(it.client.post(format!("{}/subscriptions", it.base))).body(document.to_string());
    expect(request, 201).await;
    let url = it.read("/subscriptions/urn:s:1").await["jsonldContext"].as_str().unwrap().to_owned();
    let served: Value = expect(it.client.get(&url), 200).await.json().await.unwrap();
    assert_eq!(served["@context"]["Car"], "https://example.org/Car");
    let kinds = it.read("/jsonldContexts?details=true&kind=ImplicitlyCreated").await;
    assert_eq!(kinds[0]["URL"], url);
    expect(it.delete("/subscriptions/urn:s:1"), 204).await;
    expect(it.client.get(&url), 404).await;
}
