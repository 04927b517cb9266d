//! Subscriptions to context sources (NGSI-LD 5.11, 5.3.2).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{
    Listener, TestBroker, eventually, expect, expect_error, listen, options, reopen, serve_broker, start,
};
use morgana_ngsi_ld::Broker;
use serde_json::{Value, json};

const ID: &str = "urn:ngsi-ld:Subscription:cs";
const PATH: &str = "/csourceSubscriptions/urn:ngsi-ld:Subscription:cs";

fn subscription(listener: &Listener, more: Value) -> Value {
    let mut subscription = json!({
        "id": ID, "type": "Subscription", "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": listener.url}},
    });
    for (name, value) in more.as_object().unwrap() {
        subscription[name] = value.clone();
    }
    subscription
}

fn registration(id: &str, information: Value) -> Value {
    json!({
        "id": format!("urn:ngsi-ld:ContextSourceRegistration:{id}"), "type": "ContextSourceRegistration",
        "information": information, "endpoint": "http://127.0.0.1:1",
    })
}

async fn register(it: &TestBroker, id: &str, information: Value) {
    expect(it.post("/csourceRegistrations", &registration(id, information)), 201).await;
}

async fn next(listener: &mut Listener) -> (String, Vec<Value>) {
    let body = listener.next().await.body;
    assert_eq!((&body["type"], &body["subscriptionId"]), (&json!("ContextSourceNotification"), &json!(ID)));
    assert!(body["notifiedAt"].is_string());
    (body["triggerReason"].as_str().unwrap().to_owned(), body["data"].as_array().unwrap().clone())
}

#[tokio::test]
async fn a_subscriber_hears_of_sources_that_come_change_and_go() {
    let (it, mut arrivals) = (start().await, listen().await);
    let cars = json!([{"entities": [{"type": "Car"}]}, {"entities": [{"type": "Bus"}]}]);
    register(&it, "1", cars).await;
    expect(it.post("/csourceSubscriptions", &subscription(&arrivals, json!({}))), 201).await;
    let (reason, data) = next(&mut arrivals).await;
    assert_eq!((&*reason, data.len()), ("newlyMatching", 1));
    // Only what the subscription is about is told.
    assert_eq!(data[0]["information"], json!([{"entities": [{"type": ["Car"]}]}]));
    register(&it, "2", json!([{"entities": [{"type": "Bus"}]}])).await;
    register(&it, "3", json!([{"propertyNames": ["speed"]}])).await;
    assert_eq!(next(&mut arrivals).await.1[0]["id"], "urn:ngsi-ld:ContextSourceRegistration:3");
    let path = "/csourceRegistrations/urn:ngsi-ld:ContextSourceRegistration:1";
    expect(it.patch(path, &json!({"endpoint": "http://127.0.0.1:2"})), 204).await;
    let (reason, data) = next(&mut arrivals).await;
    assert_eq!((&*reason, &data[0]["endpoint"]), ("updated", &json!("http://127.0.0.1:2")));
    expect(it.patch(path, &json!({"information": [{"entities": [{"type": "Bus"}]}]})), 204).await;
    assert_eq!(next(&mut arrivals).await.0, "noLongerMatching");
    expect(it.delete("/csourceRegistrations/urn:ngsi-ld:ContextSourceRegistration:3"), 204).await;
    assert_eq!(next(&mut arrivals).await.0, "noLongerMatching");
    let shown = it.read(PATH).await;
    assert_eq!((&shown["status"], &shown["notification"]["timesSent"]), (&json!("active"), &json!(5)));
    expect(it.delete(PATH), 204).await;
    register(&it, "4", json!([{"entities": [{"type": "Car"}]}])).await;
    assert_eq!(it.read("/csourceSubscriptions").await, json!([]));
    assert!(arrivals.is_empty());
}

#[tokio::test]
async fn a_subscription_says_which_sources_it_means() {
    let (it, mut arrivals) = (start().await, listen().await);
    let near = json!({"georel": "near;maxDistance==2000", "geometry": "Point", "coordinates": [8.0, 44.0]});
    let more = json!({
        "watchedAttributes": ["speed"], "geoQ": near, "csf": "sourceType==\"sensor\"",
        "temporalQ": {"timerel": "after", "timeAt": "2026-01-01T00:00:00Z", "timeproperty": "observedAt"},
        "entities": [{"type": "Car", "idPattern": "^urn:ngsi-ld:Car:"}],
    });
    expect(it.post("/csourceSubscriptions", &subscription(&arrivals, more)), 201).await;
    let right = || {
        let mut one = registration("0", json!([{"entities": [{"type": "Car"}], "propertyNames": ["speed"]}]));
        one["location"] = json!({"type": "Point", "coordinates": [8.001, 44.0]});
        one["sourceType"] = json!("sensor");
        one["observationInterval"] = json!({"startAt": "2026-02-01T00:00:00Z"});
        one
    };
    for (number, (member, value)) in [
        ("location", json!({"type": "Point", "coordinates": [9.0, 44.0]})),
        ("sourceType", json!("archive")),
        ("observationInterval", json!({"startAt": "2020-02-01T00:00:00Z", "endAt": "2021-02-01T00:00:00Z"})),
        ("information", json!([{"entities": [{"type": "Car"}], "propertyNames": ["color"]}])),
        (
            "information",
            json!([{"entities": [{"type": "Car", "id": "urn:x:1"}], "propertyNames": ["speed"]}]),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut wrong = right();
        wrong["id"] = json!(format!("urn:ngsi-ld:ContextSourceRegistration:wrong{number}"));
        wrong[member] = value;
        expect(it.post("/csourceRegistrations", &wrong), 201).await;
    }
    expect(it.post("/csourceRegistrations", &right()), 201).await;
    assert_eq!(next(&mut arrivals).await.1[0]["id"], "urn:ngsi-ld:ContextSourceRegistration:0");
    assert!(arrivals.is_empty());
    expect(it.patch(PATH, &json!({"csf": "sourceType==\"archive\""})), 204).await;
    assert_eq!(next(&mut arrivals).await.1[0]["id"], "urn:ngsi-ld:ContextSourceRegistration:wrong1");
}

#[tokio::test]
async fn a_subscription_with_an_interval_hears_again_and_again() {
    let (it, mut arrivals) = (start().await, listen().await);
    register(&it, "1", json!([{"entities": [{"type": "Car"}]}])).await;
    expect(it.post("/csourceSubscriptions", &subscription(&arrivals, json!({"timeInterval": 0.05}))), 201)
        .await;
    for _ in 0..3 {
        assert_eq!(next(&mut arrivals).await.1.len(), 1);
    }
    assert_eq!(it.read(PATH).await["timeInterval"], 0.05);
}

#[tokio::test]
async fn what_is_no_subscription_is_refused() {
    let (it, arrivals) = (start().await, listen().await);
    expect(it.post("/csourceSubscriptions", &subscription(&arrivals, json!({"isActive": false}))), 201).await;
    assert_eq!(it.read(PATH).await["status"], "paused");
    let again = it.post("/csourceSubscriptions", &subscription(&arrivals, json!({})));
    expect_error(again, 409, "AlreadyExists", "exists").await;
    for (more, words) in [
        (json!({"type": "Thing"}), "type"),
        (json!({"q": "speed>"}), "q"),
        (json!({"csf": "a=="}), ""),
        (json!({"timeInterval": -1}), "timeInterval"),
        (json!({"temporalQ": {"timerel": "sometimes"}}), ""),
        (json!({"watchedAttributes": []}), "watchedAttributes"),
        (json!({"notification": {}}), "endpoint"),
        (json!({"expiresAt": "2001-01-01T00:00:00Z"}), "past"),
    ] {
        let mut wrong = subscription(&arrivals, more);
        wrong["id"] = json!("urn:ngsi-ld:Subscription:other");
        expect_error(it.post("/csourceSubscriptions", &wrong), 400, "BadRequestData", words).await;
    }
    expect_error(it.patch(PATH, &json!({"type": "Thing"})), 400, "BadRequestData", "type").await;
    expect_error(it.get("/csourceSubscriptions/urn:x:none"), 404, "ResourceNotFound", "urn:x:none").await;
    expect_error(it.delete("/csourceSubscriptions/nothing"), 400, "BadRequestData", "id").await;
}

#[tokio::test]
async fn a_subscription_to_sources_is_back_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut arrivals = listen().await;
    {
        let it = serve_broker(Broker::open(options(dir.path())).unwrap()).await;
        expect(it.post("/csourceSubscriptions", &subscription(&arrivals, json!({}))), 201).await;
    }
    let it = serve_broker(reopen(dir.path()).await).await;
    assert_eq!(it.read(PATH).await["entities"], json!([{"type": "Car"}]));
    register(&it, "1", json!([{"entities": [{"type": "Car"}]}])).await;
    assert_eq!(next(&mut arrivals).await.0, "newlyMatching");
}

#[tokio::test]
async fn a_registration_that_expires_is_told_of_as_no_longer_matching() {
    let (it, mut arrivals) = (start().await, listen().await);
    expect(it.post("/csourceSubscriptions", &subscription(&arrivals, json!({}))), 201).await;
    let mut short = registration("1", json!([{"entities": [{"type": "Car"}]}]));
    let end = jiff::Timestamp::now() + Duration::from_secs(2);
    short["expiresAt"] = json!(end.to_string());
    expect(it.post("/csourceRegistrations", &short), 201).await;
    assert_eq!(next(&mut arrivals).await.0, "newlyMatching");
    let (reason, data) = next(&mut arrivals).await;
    assert_eq!((&*reason, &data[0]["id"]), ("noLongerMatching", &short["id"]));
    expect(it.get("/csourceRegistrations/urn:ngsi-ld:ContextSourceRegistration:1"), 404).await;
}

#[tokio::test]
async fn what_was_notified_is_still_counted_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut arrivals = listen().await;
    {
        let it = serve_broker(Broker::open(options(dir.path())).unwrap()).await;
        expect(it.post("/csourceSubscriptions", &subscription(&arrivals, json!({}))), 201).await;
        register(&it, "1", json!([{"entities": [{"type": "Car"}]}])).await;
        next(&mut arrivals).await;
        eventually(async || it.read(PATH).await["notification"]["lastSuccess"].is_string()).await;
        it.broker.shutdown(Duration::from_secs(30)).await;
    }
    let it = serve_broker(reopen(dir.path()).await).await;
    let shown = it.read(PATH).await;
    let counts = &shown["notification"];
    assert_eq!((&counts["timesSent"], &counts["status"]), (&json!(1), &json!("ok")));
    assert!(counts["lastSuccess"].is_string() && counts.get("timesFailed").is_none(), "{counts}");
    register(&it, "2", json!([{"entities": [{"type": "Car"}]}])).await;
    next(&mut arrivals).await;
    eventually(async || it.read(PATH).await["notification"]["timesSent"] == 2).await;
}

#[tokio::test]
async fn sources_are_found_by_the_attributes_that_a_query_speaks_of() {
    let it = start().await;
    let cars = |names: Value| json!([{"entities": [{"type": "Car", "id": "urn:ngsi-ld:Car:1"}], "propertyNames": names}]);
    register(&it, "fast", cars(json!(["speed"]))).await;
    register(&it, "red", cars(json!(["color"]))).await;
    register(&it, "all", json!([{"entities": [{"type": "Bus"}]}])).await;
    let found = async |query: &str| {
        let all = it.read(&format!("/csourceRegistrations?{query}")).await;
        let id = |one: &Value| one["id"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
        all.as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(found("q=speed>50").await, ["all", "fast"]);
    assert_eq!(found("q=speed>50&type=Car").await, ["fast"]);
    assert_eq!(found("q=speed>50;color==%22red%22&type=Car").await, ["fast", "red"]);
    // An id alone says enough.
    assert_eq!(found("id=urn:ngsi-ld:Car:1").await, ["all", "fast", "red"]);
    assert_eq!(found("id=urn:ngsi-ld:Car:2").await, ["all"]);
    expect_error(it.get("/csourceRegistrations?scopeQ=/a"), 400, "BadRequestData", "type, id").await;
    let mut arrivals = listen().await;
    let about = subscription(&arrivals, json!({"q": "color==\"red\""}));
    expect(it.post("/csourceSubscriptions", &about), 201).await;
    let (_, data) = next(&mut arrivals).await;
    assert_eq!((data.len(), &data[0]["id"]), (1, &json!("urn:ngsi-ld:ContextSourceRegistration:red")));
}

#[tokio::test]
async fn registrations_are_not_told_as_geojson() {
    let (it, arrivals) = (start().await, listen().await);
    let endpoint = json!({"uri": arrivals.url, "accept": "application/geo+json"});
    let geo = subscription(&arrivals, json!({"notification": {"endpoint": endpoint}}));
    expect_error(it.post("/csourceSubscriptions", &geo), 400, "BadRequestData", "ld+json").await;
}
