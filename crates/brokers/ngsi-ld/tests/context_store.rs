//! The store of @contexts (NGSI-LD 5.13): what is built in, hosted, cached and made, how long a cached one is good, and
//! where the broker lets itself be sent.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, response::Redirect, routing::get};
use common::{TestBroker, eventually, expect, expect_error, options, serve_in, start};
use morgana_ngsi_ld::{Broker, HttpOptions, Options};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const LINK: &str = "rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"";

/// Serves what it is told to.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

/// A context whose only term means what the last word said, with these headers, and how often it was asked for.
async fn changing(
    headers: &'static [(&'static str, &'static str)],
) -> (String, Arc<Mutex<Value>>, Arc<AtomicUsize>) {
    let (body, asked) = (Arc::new(Mutex::new(meaning("first"))), Arc::new(AtomicUsize::new(0)));
    let (served, counter) = (body.clone(), asked.clone());
    let answer = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        let body = served.lock().clone();
        async move {
            match body {
                Value::Null => Err(StatusCode::INTERNAL_SERVER_ERROR),
                body => Ok((axum::response::AppendHeaders(headers.iter().copied()), body.to_string())),
            }
        }
    };
    (format!("{}/c.jsonld", serve(Router::new().route("/c.jsonld", get(answer))).await), body, asked)
}

fn meaning(word: &str) -> Value {
    json!({"@context": {"term": format!("https://example.org/{word}")}})
}

/// What the term means in the context at this URL.
async fn expanded(broker: &Broker, url: &str) -> String {
    let context = broker.context(Some(&morgana_ngsi_ld::Json::from(url))).await.unwrap();
    context.expand("term").to_string()
}

fn open(change: impl FnOnce(&mut Options)) -> (Broker, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    change(&mut options);
    (Broker::open(options).unwrap(), dir)
}

async fn start_default() -> TestBroker {
    let dir = tempfile::tempdir().unwrap();
    // As a broker is by itself: nothing inside its network is asked.
    let options = Options { dir: dir.path().to_owned(), ..Options::default() };
    serve_in(Broker::open(options).unwrap(), HttpOptions::default(), dir).await
}

fn path_of(url: &str) -> String {
    format!("/jsonldContexts/{}", url.replace('/', "%2F").replace(':', "%3A"))
}

#[tokio::test]
async fn core_contexts_of_every_version_are_built_in() {
    let it = start_default().await;
    let core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context";
    for version in ["", "-v1.3", "-v1.4", "-v1.5", "-v1.6", "-v1.7", "-v1.8", "-v1.9"] {
        let url = format!("{core}{version}.jsonld");
        // One that was fetched could not be had here within the time, and would be 504.
        let entity = json!({"id": format!("urn:e:{version}"), "type": "Car", "title": 1, "@context": [url]});
        let request = it.client.post(format!("{}/entities", it.base)).body(entity.to_string());
        expect(request.header("content-type", "application/ld+json"), 201).await;
        assert_eq!(it.read(&format!("/entities/urn:e:{version}?options=keyValues")).await["title"], 1);
        let described = it.read(&format!("{}?details=true", path_of(&url))).await;
        assert_eq!((&described["URL"], &described["kind"]), (&json!(url), &json!("Cached")));
        assert!(it.read("/jsonldContexts").await.as_array().unwrap().contains(&json!(url)));
        // It is not served, and cannot be deleted; loaded again it is the same.
        expect_error(it.get(&path_of(&url)), 422, "OperationNotSupported", "own server").await;
        expect_error(it.delete(&path_of(&url)), 400, "BadRequestData", "core @context").await;
        expect(it.delete(&format!("{}?reload=true", path_of(&url))), 204).await;
    }
    let unknown = format!("<{core}-v1.2.jsonld>; {LINK}");
    expect(it.get("/entities?type=Car").header("link", unknown), 504).await;
}

#[tokio::test]
async fn contexts_are_hosted_cached_or_made_for_a_subscription() {
    let it = start().await;
    let (cached, ..) = changing(&[]).await;
    let hosted = expect(it.post("/jsonldContexts", &meaning("hosted")), 201).await;
    let hosted = hosted.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    expect(it.get("/entities?type=Car").header("link", format!("<{cached}>; {LINK}")), 200).await;
    let subscription = json!({
        "id": "urn:s:1", "type": "Subscription", "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": "http://127.0.0.1:9/x"}}, "@context": [cached, {"a": "https://x.org/a"}],
    });
    let request = it.client.post(format!("{}/subscriptions", it.base)).body(subscription.to_string());
    expect(request.header("content-type", "application/ld+json"), 201).await;
    let list = async |kind: &str| it.read(&format!("/jsonldContexts?details=true&kind={kind}")).await;
    assert_eq!(list("Hosted").await[0]["localId"], hosted);
    assert_eq!(list("Cached").await[0]["URL"], cached);
    let made = list("ImplicitlyCreated").await[0]["localId"].as_str().unwrap().to_owned();
    assert_eq!(it.read("/jsonldContexts").await.as_array().unwrap().len(), 3);
    for kind in ["Hosted", "Cached", "ImplicitlyCreated"] {
        let all = list(kind).await;
        assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
        assert!(
            all[0]["kind"] == kind && all[0]["createdAt"].is_string() && all[0]["URL"].is_string(),
            "{all}"
        );
    }
    expect_error(it.get("/jsonldContexts?kind=Stale"), 400, "BadRequestData", "Stale").await;
    // The two are served by their ids; the cached one has a server of its own (5.13.4.4).
    assert_eq!(it.read(&format!("/jsonldContexts/{hosted}")).await, meaning("hosted"));
    assert_eq!(it.read(&format!("/jsonldContexts/{made}")).await["@context"], subscription["@context"]);
    expect_error(it.get(&path_of(&cached)), 422, "OperationNotSupported", "own server").await;
    for id in [hosted, made, cached] {
        expect(it.delete(&path_of(&id)), 204).await;
        expect_error(it.get(&path_of(&id)), 404, "ResourceNotFound", &id).await;
    }
}

#[tokio::test]
async fn how_often_a_context_was_found_is_counted() {
    let it = start().await;
    let (url, ..) = changing(&[]).await;
    let hits = async || it.read(&format!("{}?details=true", path_of(&url))).await["numberOfHits"].clone();
    let used = async || {
        drop(expect(it.get("/entities?type=T").header("link", format!("<{url}>; {LINK}")), 200).await)
    };
    // It is fetched first; then it is there, also for who asks about it by its URL (5.13.3.5).
    used().await;
    assert_eq!(hits().await, 1);
    used().await;
    assert_eq!(hits().await, 3);
}

#[tokio::test]
async fn a_cached_context_is_loaded_again_on_demand() {
    let it = start().await;
    let (url, body, asked) = changing(&[]).await;
    let reload = || it.delete(&format!("{}?reload=true", path_of(&url)));
    expect_error(reload(), 400, "BadRequestData", &url).await;
    assert_eq!(expanded(&it.broker, &url).await, "https://example.org/first");
    *body.lock() = meaning("second");
    assert_eq!(expanded(&it.broker, &url).await, "https://example.org/first");
    expect(reload(), 204).await;
    assert_eq!(expanded(&it.broker, &url).await, "https://example.org/second");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    // What cannot be had, or is no context, changes nothing (5.13.5.4).
    for (broken, words) in
        [(Value::Null, "500"), (json!({}), "without @context"), (json!({"@context": 7}), "number")]
    {
        *body.lock() = broken;
        expect_error(reload(), 504, "LdContextNotAvailable", words).await;
        assert_eq!(expanded(&it.broker, &url).await, "https://example.org/second");
    }
    let hosted = expect(it.post("/jsonldContexts", &meaning("hosted")), 201).await;
    let path = hosted.headers()["location"].to_str().unwrap().trim_start_matches("/ngsi-ld/v1").to_owned();
    expect_error(it.delete(&format!("{path}?reload=true")), 400, "BadRequestData", "cached").await;
    expect_error(it.delete("/jsonldContexts/none"), 404, "ResourceNotFound", "none").await;
}

#[tokio::test]
async fn a_fetch_is_limited_in_size_time_redirects_and_references() {
    let router = Router::new()
        .route("/huge", get(|| async { format!("{{\"@context\":{{\"a\":\"{}\"}}}}", "x".repeat(2000)) }))
        .route("/never", get(std::future::pending::<()>))
        .route("/round", get(|| async { Redirect::temporary("/round") }))
        .route("/hop", get(|| async { Redirect::temporary("/good") }))
        .route("/good", get(|| async { meaning("good").to_string() }))
        .route(
            "/itself",
            get(|headers: axum::http::HeaderMap| async move {
                let host = headers["host"].to_str().unwrap().to_owned();
                json!({"@context": [format!("http://{host}/itself")]}).to_string()
            }),
        );
    let base = serve(router).await;
    let (broker, _dir) = open(|options| {
        let contexts = &mut options.contexts;
        (contexts.fetch.max_bytes, contexts.fetch.timeout_ms, contexts.max_references) = (1000, 300, 4);
    });
    assert_eq!(expanded(&broker, &format!("{base}/hop")).await, "https://example.org/good");
    for (path, words) in [
        ("huge", "larger than 1000 bytes"),
        ("never", "within 300 ms"),
        ("round", "more than 3 times"),
        ("itself", "more than 4 others"),
    ] {
        let url = format!("{base}/{path}");
        let error = broker.context(Some(&morgana_ngsi_ld::Json::from(&*url))).await.unwrap_err();
        assert_eq!(error.kind(), morgana_ngsi_ld::ErrorKind::LdContextNotAvailable, "{error}");
        assert!(error.detail().contains(words) && error.detail().contains(&url), "{error}");
    }
}

#[tokio::test]
async fn an_old_context_is_served_while_the_new_one_is_fetched() {
    // From the second time on the server takes as long as it is told to.
    let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let (counter, opened) = (asked.clone(), gate.clone());
    let answer = move || {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        let opened = opened.clone();
        async move {
            if number > 0 {
                opened.acquire().await.unwrap().forget();
            }
            let word = if number == 0 { "first" } else { "second" };
            ([("cache-control", "max-age=1")], meaning(word).to_string())
        }
    };
    let url = format!("{}/c.jsonld", serve(Router::new().route("/c.jsonld", get(answer))).await);
    let (broker, _dir) = open(|_| {});
    assert_eq!(expanded(&broker, &url).await, "https://example.org/first");
    // Whoever comes while the server is slow gets the old one at once.
    eventually(async || {
        assert_eq!(expanded(&broker, &url).await, "https://example.org/first");
        asked.load(Ordering::SeqCst) == 2
    })
    .await;
    assert_eq!(expanded(&broker, &url).await, "https://example.org/first");
    gate.add_permits(100);
    eventually(async || expanded(&broker, &url).await == "https://example.org/second").await;
}

#[tokio::test]
async fn a_server_says_how_long_its_context_is_good() {
    let (broker, _dir) = open(|_| {});
    let (short, new_short, asked_short) = changing(&[("cache-control", "no-cache")]).await;
    let (long, new_long, asked_long) = changing(&[("cache-control", "max-age=86400")]).await;
    for url in [&short, &long] {
        assert_eq!(expanded(&broker, url).await, "https://example.org/first");
    }
    (*new_short.lock(), *new_long.lock()) = (meaning("second"), meaning("second"));
    // A burst of requests is one fetch all the same.
    for _ in 0..20 {
        expanded(&broker, &short).await;
    }
    assert!(asked_short.load(Ordering::SeqCst) <= 2);
    eventually(async || expanded(&broker, &short).await == "https://example.org/second").await;
    assert_eq!(expanded(&broker, &long).await, "https://example.org/first");
    assert_eq!(asked_long.load(Ordering::SeqCst), 1);
    // What a context refers to is as old as its parts.
    let (broker, _dir) = open(|options| options.contexts.cache_seconds = 3600);
    *new_short.lock() = meaning("first");
    let both = morgana_ngsi_ld::Json::parse(json!([long, short]).to_string().as_bytes()).unwrap();
    let term = async || broker.context(Some(&both)).await.unwrap().expand("term").to_string();
    assert_eq!(term().await, "https://example.org/first");
    *new_short.lock() = meaning("third");
    eventually(async || term().await == "https://example.org/third").await;
}

#[tokio::test]
async fn contexts_come_from_public_addresses_unless_a_host_is_allowed() {
    let inside = serve(Router::new().route("/c", get(|| async { meaning("inside").to_string() }))).await;
    let target = format!("{inside}/c");
    let hop =
        serve(Router::new().route("/hop", get(move || async move { Redirect::temporary(&target) }))).await;
    let refused = async |broker: &Broker, url: &str| {
        let error = broker.context(Some(&morgana_ngsi_ld::Json::from(url))).await.unwrap_err();
        assert!(error.detail().contains("public address"), "{error}");
    };
    let (shut, _dir) = open(|options| options.contexts.fetch.allow_hosts.clear());
    refused(&shut, &format!("{inside}/c")).await;
    for host in [
        "localhost:1",
        "[::1]:1",
        "[::ffff:127.0.0.1]:1",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.1.1",
        "0.0.0.0:1",
    ] {
        refused(&shut, &format!("http://{host}/c")).await;
    }
    // A host that is allowed, by its name or with its port, opens itself and not what it sends to.
    let only = hop.trim_start_matches("http://").to_owned();
    let (one, _dir) = open(|options| options.contexts.fetch.allow_hosts = vec![only]);
    refused(&one, &format!("{inside}/c")).await;
    refused(&one, &format!("{hop}/hop")).await;
    let (named, _dir) = open(|options| options.contexts.fetch.allow_hosts = vec!["127.0.0.1".to_owned()]);
    assert_eq!(expanded(&named, &format!("{hop}/hop")).await, "https://example.org/inside");
    let (all, _dir) = open(|options| options.contexts.fetch.allow_hosts = vec!["*".to_owned()]);
    assert_eq!(expanded(&all, &format!("{hop}/hop")).await, "https://example.org/inside");
}

#[tokio::test]
async fn a_burst_of_requests_fetches_a_context_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let slow = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            meaning("slow").to_string()
        }
    };
    let url = format!("{}/c", serve(Router::new().route("/c", get(slow))).await);
    let (broker, _dir) = open(|_| {});
    let all = futures_util::future::join_all((0..50).map(|_| expanded(&broker, &url))).await;
    assert!(all.iter().all(|meaning| meaning == "https://example.org/slow"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
