//! A subscription to cars, whose copies are at context sources (NGSI-LD 5.8.1.4).

use std::path::Path;

use morgana_ngsi_ld::{Broker, HttpOptions};
use serde_json::{Value, json};

use super::{Listener, TestBroker, eventually, expect, options, serve_in};

pub const ID: &str = "urn:ngsi-ld:Subscription:s";
pub const PATH: &str = "/subscriptions/urn:ngsi-ld:Subscription:s";

pub fn open(dir: &Path) -> Broker {
    let mut options = options(dir);
    options.sources.allow_hosts = vec!["127.0.0.1".to_owned()];
    options.sources.copies_check_ms = 50;
    Broker::open(options).unwrap()
}

pub async fn start() -> TestBroker {
    let dir = tempfile::tempdir().unwrap();
    serve_in(open(dir.path()), HttpOptions::default(), dir).await
}

pub fn registration(source: &TestBroker, more: Value) -> Value {
    let mut registration = json!({
        "id": "urn:ngsi-ld:ContextSourceRegistration:r", "type": "ContextSourceRegistration",
        "information": [{"entities": [{"type": "Car"}]}], "endpoint": source.base.trim_end_matches("/ngsi-ld/v1"),
    });
    for (name, value) in more.as_object().unwrap() {
        registration[name] = value.clone();
    }
    registration
}

pub async fn register(it: &TestBroker, source: &TestBroker, more: Value) {
    expect(it.post("/csourceRegistrations", &registration(source, more)), 201).await;
}

pub async fn subscribe(it: &TestBroker, listener: &Listener, more: Value) {
    let mut subscription = json!({
        "id": ID, "type": "Subscription", "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": listener.url}},
    });
    for (name, value) in more.as_object().unwrap() {
        subscription[name] = value.clone();
    }
    expect(it.post("/subscriptions", &subscription), 201).await;
}

/// The copies that a source has, once there are so many.
pub async fn copies(source: &TestBroker, count: usize) -> Value {
    eventually(async || source.read("/subscriptions").await.as_array().unwrap().len() == count).await;
    source.read("/subscriptions").await
}

/// The ids and speeds of the next notification, which is the subscriber's own.
pub async fn next(listener: &mut Listener) -> Vec<(String, Value)> {
    let body = listener.next().await.body;
    assert_eq!((&body["type"], &body["subscriptionId"]), (&json!("Notification"), &json!(ID)), "{body}");
    let one = |one: &Value| (one["id"].as_str().unwrap().to_owned(), one["speed"]["value"].clone());
    body["data"].as_array().unwrap().iter().map(one).collect()
}

pub fn told(number: u32, speed: u32) -> Vec<(String, Value)> {
    vec![(format!("urn:ngsi-ld:Car:{number}"), json!(speed))]
}
