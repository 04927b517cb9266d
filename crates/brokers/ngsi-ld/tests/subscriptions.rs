//! Subscriptions and notifications over HTTP, written from NGSI-LD 5.2.12, 5.3.1, 5.8 and 6.10, 6.11.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use axum::http::StatusCode;
use common::{TestBroker, car, eventually, expect, expect_error, listen, listen_with, reopen, start};
use morgana_ngsi_ld::{Broker, Json, Options};
use serde_json::{Value, json};

fn subscription(number: u32, url: &str, more: Value) -> Value {
    let mut document = json!({
        "id": format!("urn:ngsi-ld:Subscription:{number}"),
        "type": "Subscription",
        "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": url}},
    });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

async fn set_speed(it: &TestBroker, number: u32, speed: i64) {
    let path = format!("/entities/urn:ngsi-ld:Car:{number}/attrs");
    expect(it.patch(&path, &json!({"speed": speed})), 204).await;
}

#[tokio::test]
async fn every_matching_change_is_notified_once_and_in_order() {
    let it = start().await;
    let mut listener = listen().await;
    let watched = json!({"watchedAttributes": ["speed"], "q": "speed>=10"});
    let response = expect(it.post("/subscriptions", &subscription(1, &listener.url, watched)), 201).await;
    assert_eq!(response.headers()["location"], "/ngsi-ld/v1/subscriptions/urn:ngsi-ld:Subscription:1");
    it.create(car(1, 10)).await;
    it.create(json!({"id": "urn:b:1", "type": "Bus", "speed": 50})).await;
    expect(it.patch("/entities/urn:ngsi-ld:Car:1/attrs", &json!({"brand": "Alfa"})), 204).await;
    for speed in [11, 5, 12, 13] {
        set_speed(&it, 1, speed).await;
    }
    for speed in [10, 11, 12, 13] {
        let arrived = listener.next().await;
        assert_eq!(arrived.headers["content-type"], "application/json");
        assert!(arrived.headers["link"].to_str().unwrap().contains("ngsi-ld-core-context"));
        let body = arrived.body;
        assert_eq!(body["type"], "Notification");
        assert_eq!(body["subscriptionId"], "urn:ngsi-ld:Subscription:1");
        assert!(body["id"].as_str().unwrap().starts_with("urn:ngsi-ld:Notification:"));
        assert!(body["notifiedAt"].is_string());
        assert_eq!(body["data"][0]["speed"]["value"], speed);
    }
    let counts =
        || async { it.read("/subscriptions/urn:ngsi-ld:Subscription:1").await["notification"].clone() };
    eventually(|| async { counts().await["lastSuccess"].is_string() && counts().await["timesSent"] == 4 })
        .await;
    assert_eq!(counts().await.get("timesFailed"), None);
    assert_eq!(counts().await["status"], "ok");
    assert!(listener.is_empty());
}

#[tokio::test]
async fn a_notification_is_in_the_form_that_was_asked_for() {
    let it = start().await;
    let mut listener = listen().await;
    let notification = json!({"notification": {
        "format": "keyValues", "attributes": ["speed"],
        "endpoint": {"uri": listener.url, "accept": "application/ld+json", "receiverInfo": [{"key": "X-Who", "value": "me"}]},
    }});
    expect(it.post("/subscriptions", &subscription(1, &listener.url, notification)), 201).await;
    let full = json!({"notification": {"sysAttrs": true, "endpoint": {"uri": listener.url}}, "watchedAttributes": ["brand"]});
    expect(it.post("/subscriptions/", &subscription(2, &listener.url, full)), 201).await;
    it.create(car(1, 10)).await;
    for _ in 0..2 {
        let arrived = listener.next().await;
        if arrived.body["subscriptionId"] == "urn:ngsi-ld:Subscription:1" {
            assert_eq!(arrived.headers["content-type"], "application/ld+json");
            assert_eq!(arrived.headers["x-who"], "me");
            assert!(arrived.headers.get("link").is_none());
            assert!(arrived.body["@context"].is_string());
            assert_eq!(
                arrived.body["data"],
                json!([{
                    "id": "urn:ngsi-ld:Car:1", "type": "Car", "speed": 10,
                    "@context": arrived.body["@context"],
                }])
            );
        } else {
            assert!(arrived.body["data"][0]["createdAt"].is_string());
            assert!(arrived.body["data"][0]["brand"]["modifiedAt"].is_string());
        }
    }
}

#[tokio::test]
async fn triggers_say_which_events_notify() {
    let it = start().await;
    let mut listener = listen().await;
    let triggers = json!({"notificationTrigger": ["entityCreated", "entityDeleted", "attributeDeleted"]});
    expect(it.post("/subscriptions", &subscription(1, &listener.url, triggers)), 201).await;
    it.create(car(1, 10)).await;
    set_speed(&it, 1, 11).await;
    expect(it.delete("/entities/urn:ngsi-ld:Car:1/attrs/speed"), 204).await;
    expect(it.delete("/entities/urn:ngsi-ld:Car:1"), 204).await;
    assert_eq!(listener.next().await.body["data"][0]["speed"]["value"], 10);
    let null = json!({"type": "Property", "value": "urn:ngsi-ld:null"});
    assert_eq!(listener.next().await.body["data"][0]["speed"], null);
    let last = listener.next().await.body["data"][0].clone();
    assert_eq!((&last["id"], &last["brand"]), (&json!("urn:ngsi-ld:Car:1"), &null));
    assert!(last["deletedAt"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_just_being_told_is_counted() {
    let it = start().await;
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let (answers, may_answer) = std::sync::mpsc::channel::<()>();
    let may_answer = std::sync::Mutex::new(may_answer);
    // The receiver answers when it may.
    let listener = listen_with(Arc::new(move |_| {
        told.send(()).unwrap();
        tokio::task::block_in_place(|| may_answer.lock().unwrap().recv().unwrap());
        StatusCode::OK
    }))
    .await;
    expect(it.post("/subscriptions", &subscription(1, &listener.url, json!({}))), 201).await;
    it.create(car(1, 10)).await;
    hears.recv().await.unwrap();
    let counts = async || it.read("/subscriptions/urn:ngsi-ld:Subscription:1").await["notification"].clone();
    let during = counts().await;
    assert_eq!((&during["timesSent"], &during["status"]), (&json!(1), &json!("ok")), "{during}");
    answers.send(()).unwrap();
    eventually(|| async { counts().await["lastSuccess"].is_string() }).await;
    assert_eq!(counts().await["timesSent"], 1);
}

#[tokio::test]
async fn a_paused_or_throttled_subscription_is_silent() {
    let it = start().await;
    let mut listener = listen().await;
    expect(it.post("/subscriptions", &subscription(1, &listener.url, json!({"throttling": 3600}))), 201)
        .await;
    it.create(car(1, 10)).await;
    set_speed(&it, 1, 11).await;
    assert_eq!(listener.next().await.body["data"][0]["speed"]["value"], 10);
    expect(
        it.patch(
            "/subscriptions/urn:ngsi-ld:Subscription:1",
            &json!({"throttling": null, "isActive": false}),
        ),
        204,
    )
    .await;
    set_speed(&it, 1, 12).await;
    let shown = it.read("/subscriptions/urn:ngsi-ld:Subscription:1").await;
    assert_eq!(
        (&shown["status"], &shown["isActive"], shown.get("throttling")),
        (&json!("paused"), &json!(false), None)
    );
    expect(it.patch("/subscriptions/urn:ngsi-ld:Subscription:1", &json!({"isActive": true})), 204).await;
    set_speed(&it, 1, 13).await;
    assert_eq!(listener.next().await.body["data"][0]["speed"]["value"], 13);
    expect(it.delete("/subscriptions/urn:ngsi-ld:Subscription:1"), 204).await;
    set_speed(&it, 1, 14).await;
    expect_error(
        it.get("/subscriptions/urn:ngsi-ld:Subscription:1"),
        404,
        "ResourceNotFound",
        "Subscription:1",
    )
    .await;
    assert!(listener.is_empty());
}

#[tokio::test]
async fn failures_are_counted_and_delay_no_one_else() {
    let it = start().await;
    let mut good = listen().await;
    let refusing = listen_with(Arc::new(|_| StatusCode::BAD_REQUEST)).await;
    // Nobody listens on a port that was just given back.
    let dead = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/notify", listener.local_addr().unwrap())
    };
    for (number, url) in [(1, &dead), (2, &refusing.url), (3, &good.url)] {
        expect(it.post("/subscriptions", &subscription(number, url, json!({}))), 201).await;
    }
    it.create(car(1, 0)).await;
    for speed in 1..10 {
        set_speed(&it, 1, speed).await;
    }
    for speed in 0..10 {
        assert_eq!(good.next().await.body["data"][0]["speed"]["value"], speed);
    }
    for number in [1, 2] {
        let read = || async {
            it.read(&format!("/subscriptions/urn:ngsi-ld:Subscription:{number}")).await["notification"]
                .clone()
        };
        eventually(|| async { read().await["timesFailed"] == 10 }).await;
        let counts = read().await;
        assert_eq!((&counts["timesSent"], &counts["status"]), (&json!(10), &json!("failed")));
        assert!(counts["lastFailure"].is_string());
        assert_eq!(counts.get("lastSuccess"), None);
    }
}

#[tokio::test]
async fn what_is_no_subscription_is_refused_by_name() {
    let it = start().await;
    let url = "http://127.0.0.1:9/x";
    for (more, status, kind, words) in [
        (json!({"type": "Abo"}), 400, "BadRequestData", "type"),
        (json!({"id": "x"}), 400, "BadRequestData", "id must be a URI"),
        (json!({"entities": []}), 400, "BadRequestData", "entities"),
        (json!({"entities": [{"id": "urn:x:1"}]}), 400, "BadRequestData", "type"),
        (json!({"entities": [{"type": "A", "idPattern": "["}]}), 400, "BadRequestData", "idPattern"),
        (json!({"watchedAttributes": []}), 400, "BadRequestData", "watchedAttributes"),
        (json!({"q": "speed>"}), 400, "BadRequestData", "q"),
        (json!({"throttling": -1}), 400, "BadRequestData", "throttling"),
        (json!({"expiresAt": "soon"}), 400, "BadRequestData", "expiresAt"),
        (json!({"expiresAt": "2020-01-01T00:00:00Z"}), 400, "BadRequestData", "expiresAt is in the past"),
        (json!({"isActive": "yes"}), 400, "BadRequestData", "isActive"),
        (json!({"notificationTrigger": ["now"]}), 400, "BadRequestData", "notificationTrigger"),
        (json!({"notification": {}}), 400, "BadRequestData", "endpoint"),
        (json!({"notification": {"endpoint": {"uri": "x"}}}), 400, "BadRequestData", "uri"),
        (json!({"notification": {"endpoint": {"uri": "ftp://x/y"}}}), 400, "BadRequestData", "uri"),
        (
            json!({"notification": {"format": "xml", "endpoint": {"uri": url}}}),
            400,
            "BadRequestData",
            "format",
        ),
        (json!({"notification": {"endpoint": {"uri": "mqtt://h"}}}), 400, "BadRequestData", "topic"),
        (json!({"timeInterval": 0}), 400, "BadRequestData", "timeInterval"),
        (json!({"timeInterval": 5, "throttling": 5}), 400, "BadRequestData", "exclude each other"),
        (json!({"geoQ": {}}), 400, "BadRequestData", "geoQ"),
    ] {
        expect_error(it.post("/subscriptions", &subscription(1, url, more)), status, kind, words).await;
    }
    expect(it.post("/subscriptions", &subscription(1, url, json!({}))), 201).await;
    expect_error(
        it.post("/subscriptions", &subscription(1, url, json!({}))),
        409,
        "AlreadyExists",
        "Subscription:1",
    )
    .await;
    expect_error(
        it.patch("/subscriptions/urn:ngsi-ld:Subscription:1", &json!({"q": "("})),
        400,
        "BadRequestData",
        "q",
    )
    .await;
    expect_error(
        it.patch("/subscriptions/urn:none:1", &json!({"q": "a"})),
        404,
        "ResourceNotFound",
        "urn:none:1",
    )
    .await;
}

#[tokio::test]
async fn subscriptions_are_listed_in_pages() {
    let it = start().await;
    for number in 0..5 {
        expect(it.post("/subscriptions", &subscription(number, "http://127.0.0.1:9/x", json!({}))), 201)
            .await;
    }
    let ask = || it.get("/subscriptions?limit=2&offset=1&count=true");
    // Whoever takes JSON-LD is led to JSON-LD, by the parameters as they were sent.
    for (accept, form) in [("application/json", "application/json"), ("*/*", "application/ld+json")] {
        let response = expect(ask().header("accept", accept), 200).await;
        let links = response.headers().get_all("link").iter().map(|link| link.to_str().unwrap());
        let link = |offset: u32, rel: &str| {
            format!(
                "</ngsi-ld/v1/subscriptions?limit=2&offset={offset}&count=true>; rel=\"{rel}\";type=\"{form}\""
            )
        };
        assert_eq!(links.skip(1).collect::<Vec<_>>(), [link(3, "next"), link(0, "prev")]);
    }
    let response = expect(ask(), 200).await;
    assert_eq!(response.headers()["ngsild-results-count"], "5");
    let page: Value = response.json().await.unwrap();
    assert_eq!(common::ids(&page), ["urn:ngsi-ld:Subscription:1", "urn:ngsi-ld:Subscription:2"]);
}

#[tokio::test]
async fn a_subscription_goes_on_after_a_restart_with_its_context_and_counts() {
    let dir = tempfile::tempdir().unwrap();
    let mut listener = listen().await;
    let context =
        json!({"@context": {"speed": "https://example.org/velocity", "Car": "https://example.org/Car"}});
    let context = morgana_ngsi_ld::Json::from(context);
    let speed = |value: i64| json!({"id": "urn:e:1", "type": "https://example.org/Car", "https://example.org/velocity": {"type": "Property", "value": value}});
    {
        let broker = morgana_ngsi_ld::Broker::open(common::options(dir.path())).unwrap();
        let context = broker.context(context.get("@context")).await.unwrap();
        let document =
            subscription(1, &listener.url, json!({"watchedAttributes": ["speed"], "q": "speed>0"}));
        broker.subscribe(document.into(), context).await.unwrap();
        broker.upsert(vec![speed(1)], Default::default()).await.unwrap();
        assert_eq!(listener.next().await.body["data"][0]["speed"]["value"], 1);
        broker.shutdown(std::time::Duration::from_secs(2)).await;
    }
    let broker = reopen(dir.path()).await;
    broker.upsert(vec![speed(2)], Default::default()).await.unwrap();
    assert_eq!(listener.next().await.body["data"][0]["speed"]["value"], 2);
    let stop = tokio_util::sync::CancellationToken::new();
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/ngsi-ld/v1/subscriptions/urn:ngsi-ld:Subscription:1",
        socket.local_addr().unwrap()
    );
    tokio::spawn(morgana_ngsi_ld::serve(broker, Default::default(), socket, stop.clone()));
    eventually(|| async {
        let shown: Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
        shown["notification"]["timesSent"] == 2
    })
    .await;
    stop.cancel();
}

#[tokio::test]
async fn a_context_is_kept_over_snapshots_as_long_as_a_subscription_needs_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options { snapshot_after_bytes: 2_000, ..common::options(dir.path()) };
    let broker = Broker::open(options()).unwrap();
    let source = Json::from(json!({"speed": "https://example.org/velocity"}));
    let snapshot_of = |bytes: u64| {
        move |entry: std::fs::DirEntry| {
            entry.file_name().to_string_lossy().starts_with("snapshot-")
                && entry.metadata().is_ok_and(|meta| meta.len() > bytes)
        }
    };
    for round in 0..3 {
        let context = broker.context(Some(&source)).await.unwrap();
        let document = subscription(round, "http://127.0.0.1:9/x", json!({"watchedAttributes": ["speed"]}));
        let id = broker.subscribe(document.into(), context).await.unwrap();
        if round < 2 {
            broker.unsubscribe(&id).await.unwrap();
        }
        // Enough for a snapshot between the rounds.
        for number in 0..50 {
            let entity = json!({"id": format!("urn:e:{number}"), "type": "T", "text": "x".repeat(200 * (round as usize + 1))});
            broker.upsert(vec![entity], Default::default()).await.unwrap();
        }
        let done = snapshot_of(50 * 200 * (u64::from(round) + 1));
        eventually(|| async { std::fs::read_dir(dir.path()).unwrap().filter_map(Result::ok).any(&done) })
            .await;
    }
    drop(broker);
    let broker = reopen(dir.path()).await;
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ngsi-ld/v1/subscriptions", socket.local_addr().unwrap());
    tokio::spawn(morgana_ngsi_ld::serve(broker, Default::default(), socket, Default::default()));
    let shown: Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
    assert_eq!(shown[0]["watchedAttributes"], json!(["https://example.org/velocity"]));
}
