//! What notifications carry and when they are sent beyond plain changes, written from NGSI-LD 5.2.12 to 5.2.15, 5.8.6
//! and 7.2.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{car, eventually, expect, expect_error, listen, start};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn subscription(url: &str, notification: Value, more: Value) -> Value {
    let mut document = json!({
        "id": "urn:ngsi-ld:Subscription:1",
        "type": "Subscription",
        "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": url}},
    });
    for (name, value) in notification.as_object().unwrap() {
        document["notification"][name] = value.clone();
    }
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

#[tokio::test]
async fn former_values_are_shown_with_changes() {
    let it = start().await;
    let mut listener = listen().await;
    it.create(car(1, 10)).await;
    let more = json!({"notificationTrigger": ["attributeUpdated", "attributeDeleted", "entityDeleted"]});
    let document = subscription(&listener.url, json!({"showChanges": true}), more);
    expect(it.post("/subscriptions", &document), 201).await;
    expect(it.patch("/entities/urn:ngsi-ld:Car:1/attrs", &json!({"speed": 11})), 204).await;
    let data = listener.next().await.body["data"][0].clone();
    assert_eq!(data["speed"], json!({"type": "Property", "value": 11, "previousValue": 10}));
    assert_eq!(data["brand"], json!({"type": "Property", "value": "Fiat"}));
    expect(it.delete("/entities/urn:ngsi-ld:Car:1/attrs/speed"), 204).await;
    let data = listener.next().await.body["data"][0].clone();
    assert_eq!(data["speed"], json!({"type": "Property", "value": "urn:ngsi-ld:null", "previousValue": 11}));
    expect(it.delete("/entities/urn:ngsi-ld:Car:1"), 204).await;
    let data = listener.next().await.body["data"][0].clone();
    assert_eq!(
        data["brand"],
        json!({"type": "Property", "value": "urn:ngsi-ld:null", "previousValue": "Fiat"})
    );
    assert!(data["deletedAt"].is_string());
}

#[tokio::test]
async fn the_end_of_an_entity_is_told_in_every_form() {
    let it = start().await;
    let mut listener = listen().await;
    let deletions = json!({"notificationTrigger": ["entityDeleted"]});
    for (number, (more, accept)) in [
        (json!({}), "application/json"),
        (json!({"sysAttrs": true}), "application/json"),
        (json!({"format": "simplified"}), "application/ld+json"),
        (json!({"format": "concise", "pick": ["id", "brand"]}), "application/json"),
        (json!({}), "application/geo+json"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut document = subscription(&listener.url, more.clone(), deletions.clone());
        document["id"] = json!(format!("urn:ngsi-ld:Subscription:{number}"));
        document["notification"]["endpoint"]["accept"] = json!(accept);
        expect(it.post("/subscriptions", &document), 201).await;
        it.create(car(1, 10)).await;
        expect(it.delete("/entities/urn:ngsi-ld:Car:1"), 204).await;
        let body = listener.next().await.body;
        let data = if accept == "application/geo+json" {
            body["data"]["features"][0]["properties"].clone()
        } else {
            body["data"][0].clone()
        };
        // Nothing but the system attributes, of which createdAt and modifiedAt on demand (NGSI-LD 5.8.6).
        assert!(data["deletedAt"].is_string() && data.get("speed").is_none(), "{body}");
        for name in ["createdAt", "modifiedAt"] {
            assert_eq!(data.get(name).is_some(), more.get("sysAttrs").is_some(), "{body}");
        }
        expect(it.delete(&format!("/subscriptions/urn:ngsi-ld:Subscription:{number}")), 204).await;
    }
}

#[tokio::test]
async fn linked_entities_come_along_and_are_queried() {
    let it = start().await;
    let mut listener = listen().await;
    it.create(json!({"id": "urn:p:1", "type": "Person", "name": "Anna"})).await;
    it.create(json!({"id": "urn:p:2", "type": "Person", "name": "Berta"})).await;
    let join = json!({"join": "inline", "format": "simplified"});
    let document = subscription(&listener.url, join, json!({"q": "owner{name}==\"Anna\""}));
    expect(it.post("/subscriptions", &document), 201).await;
    for (number, person) in [(1, "urn:p:2"), (2, "urn:p:1")] {
        let owner = json!({"type": "Relationship", "object": person});
        it.create(json!({"id": format!("urn:c:{number}"), "type": "Car", "owner": owner})).await;
    }
    let data = listener.next().await.body["data"].clone();
    let anna = json!({"id": "urn:p:1", "type": "Person", "name": "Anna"});
    assert_eq!(data, json!([{"id": "urn:c:2", "type": "Car", "owner": anna}]));
    assert!(listener.is_empty());
}

#[tokio::test]
async fn periodic_notifications_tell_of_all_entities_again_and_again() {
    let it = start().await;
    let mut listener = listen().await;
    it.create(car(1, 10)).await;
    it.create(car(2, 200)).await;
    it.create(json!({"id": "urn:b:1", "type": "Bus", "speed": 200})).await;
    let more = json!({"timeInterval": 0.05, "q": "speed>100"});
    expect(it.post("/subscriptions", &subscription(&listener.url, json!({}), more)), 201).await;
    for _ in 0..3 {
        let body = listener.next().await.body;
        assert_eq!(common::ids(&body["data"]), ["urn:ngsi-ld:Car:2"]);
    }
    // A change is none of its business, and when it is paused it is silent.
    expect(it.patch("/subscriptions/urn:ngsi-ld:Subscription:1", &json!({"isActive": false})), 204).await;
    let sent = || async {
        it.read("/subscriptions/urn:ngsi-ld:Subscription:1").await["notification"]["timesSent"].clone()
    };
    eventually(|| async { sent().await.as_u64() >= Some(3) }).await;
}

#[tokio::test]
async fn notifications_may_be_geojson() {
    let it = start().await;
    let mut listener = listen().await;
    let endpoint = json!({"endpoint": {"uri": listener.url, "accept": "application/geo+json"}});
    expect(it.post("/subscriptions", &subscription(&listener.url, endpoint, json!({}))), 201).await;
    let at = json!({"type": "Point", "coordinates": [12.0, 41.0]});
    it.create(json!({"id": "urn:c:1", "type": "Car", "location": at})).await;
    let arrived = listener.next().await;
    assert_eq!(arrived.headers["content-type"], "application/geo+json");
    let data = &arrived.body["data"];
    assert_eq!(data["type"], "FeatureCollection");
    assert_eq!((&data["features"][0]["geometry"], &data["features"][0]["id"]), (&at, &json!("urn:c:1")));
}

#[tokio::test]
async fn only_the_instances_of_the_datasets_asked_for_are_shown() {
    let it = start().await;
    let mut listener = listen().await;
    let more = json!({"datasetId": ["urn:d:1"]});
    expect(it.post("/subscriptions", &subscription(&listener.url, json!({}), more)), 201).await;
    it.create(json!({"id": "urn:c:1", "type": "Car", "speed": [
        {"type": "Property", "value": 1}, {"type": "Property", "value": 2, "datasetId": "urn:d:1"},
    ]}))
    .await;
    let data = listener.next().await.body["data"][0].clone();
    assert_eq!(data["speed"], json!({"type": "Property", "value": 2, "datasetId": "urn:d:1"}));
}

#[tokio::test]
async fn an_endpoint_that_failed_is_left_alone_until_it_has_cooled_down() {
    let it = start().await;
    let mut listener = common::listen_with(Arc::new(|_| axum::http::StatusCode::BAD_REQUEST)).await;
    let endpoint = json!({"endpoint": {"uri": listener.url, "cooldown": 3_600_000}});
    expect(it.post("/subscriptions", &subscription(&listener.url, endpoint, json!({}))), 201).await;
    it.create(car(1, 1)).await;
    listener.next().await;
    eventually(|| async {
        let shown = it.read("/subscriptions/urn:ngsi-ld:Subscription:1").await;
        shown["notification"]["status"] == "failed"
    })
    .await;
    it.create(car(2, 1)).await;
    let shown = it.read("/subscriptions/urn:ngsi-ld:Subscription:1").await;
    assert_eq!((&shown["notification"]["timesSent"], listener.is_empty()), (&json!(1), true));
}

#[tokio::test]
async fn parameters_that_do_not_go_together_are_refused() {
    let it = start().await;
    let url = "http://127.0.0.1:9/x";
    for (notification, words) in [
        (json!({"showChanges": true, "format": "keyValues"}), "showChanges"),
        (json!({"attributes": ["a"], "pick": ["b"]}), "attributes"),
        (json!({"pick": ["a"], "omit": ["a"]}), "both in pick and in omit"),
        (json!({"joinLevel": 1}), "joinLevel"),
        (json!({"endpoint": {"uri": url, "receiverInfo": [{"key": "a", "value": 1}]}}), "receiverInfo"),
        (
            json!({"endpoint": {"uri": "mqtt://h/t", "notifierInfo": [{"key": "MQTT-QoS", "value": "3"}]}}),
            "MQTT-QoS",
        ),
    ] {
        let document = subscription(url, notification, json!({}));
        expect_error(it.post("/subscriptions", &document), 400, "BadRequestData", words).await;
    }
}

/// Reads one MQTT packet: its first byte and what follows the length.
async fn packet(stream: &mut tokio::net::TcpStream) -> (u8, Vec<u8>) {
    let first = stream.read_u8().await.unwrap();
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let byte = stream.read_u8().await.unwrap();
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    (first, body)
}

#[tokio::test]
async fn mqtt_3_messages_carry_metadata_and_body() {
    let it = start().await;
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("mqtt://anna:secret@{}/cars/all", server.local_addr().unwrap());
    let endpoint = json!({"endpoint": {
        "uri": uri,
        "receiverInfo": [{"key": "X-Who", "value": "me"}],
        "notifierInfo": [{"key": "MQTT-Version", "value": "mqtt3.1.1"}, {"key": "MQTT-QoS", "value": "1"}],
    }});
    expect(it.post("/subscriptions", &subscription("mqtt://x/y", endpoint, json!({}))), 201).await;
    it.create(car(1, 10)).await;
    let (mut stream, _) = server.accept().await.unwrap();
    let (first, connect) = packet(&mut stream).await;
    // Protocol MQTT, level 4; a clean session with user and password.
    assert_eq!((first, &connect[..8]), (0x10, &[0, 4, b'M', b'Q', b'T', b'T', 4, 0b1100_0010][..]));
    stream.write_all(&[0x20, 2, 0, 0]).await.unwrap();
    let (first, publish) = packet(&mut stream).await;
    assert_eq!((first, &publish[2..10]), (0x32, &b"cars/all"[..]));
    stream.write_all(&[0x40, 2, publish[10], publish[11]]).await.unwrap();
    let message: Value = serde_json::from_slice(&publish[12..]).unwrap();
    assert_eq!(message["metadata"]["Content-Type"], "application/json");
    assert_eq!(message["metadata"]["X-Who"], "me");
    assert!(message["metadata"]["Link"].as_str().unwrap().contains("json-ld#context"));
    assert_eq!(message["body"]["data"][0]["speed"]["value"], 10);
    eventually(|| async {
        let shown = it.read("/subscriptions/urn:ngsi-ld:Subscription:1").await;
        shown["notification"]["status"] == "ok"
    })
    .await;
}
