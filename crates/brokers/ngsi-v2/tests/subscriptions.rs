//! Subscriptions and their notifications (NGSIv2 Orion API, "Notification Triggering" to "Covered Subscriptions").
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::{Listener, eventually, expect, expect_error, start};
use serde_json::json;

#[tokio::test]
async fn two_updates_in_a_row_are_two_notifications_in_order() {
    let broker = start().await;
    let mut listener = Listener::start().await;
    let subscription = broker.subscribe(&listener.url, |_| {}).await;
    broker.create(json!({"id": "E", "n": 1})).await;
    expect(broker.put("/entities/E/attrs/n", json!({"value": 2})), 204).await;
    expect(broker.put("/entities/E/attrs/n", json!({"value": 2})), 204).await;
    expect(broker.put("/entities/E/attrs/n", json!({"value": 3})), 204).await;
    for value in [1, 2, 3] {
        let arrived = listener.next().await;
        assert_eq!(arrived.entity()["n"]["value"], value);
        assert_eq!(arrived.header("ngsiv2-attrsformat"), "normalized");
        assert_eq!(arrived.header("fiware-servicepath"), "/");
        assert!(arrived.header("fiware-correlator").ends_with("; cbnotif=1"));
    }
    assert!(listener.is_quiet(), "what does not change is not notified");
    eventually("the counters tell", || async {
        let shown = broker.read(&subscription).await;
        shown["notification"]["timesSent"] == 3 && shown["notification"]["lastSuccessCode"] == 200
    })
    .await;
}

#[tokio::test]
async fn conditions_decide_what_is_notified() {
    let broker = start().await;
    let mut listener = Listener::start().await;
    broker
        .subscribe(&listener.url, |subscription| {
            subscription["subject"] = json!({
                "entities": [{"idPattern": "^Room", "type": "Room"}],
                "condition": {"attrs": ["t"], "expression": {"q": "t>20"}}
            });
            subscription["notification"]["attrs"] = json!(["t", "missing"]);
            subscription["notification"]["covered"] = json!(true);
            subscription["notification"]["attrsFormat"] = json!("keyValues");
        })
        .await;
    broker.create(json!({"id": "Car1", "type": "Car", "t": 30})).await;
    broker.create(json!({"id": "Room1", "type": "Room", "t": 10, "p": 1})).await;
    expect(broker.patch("/entities/Room1/attrs", json!({"t": {"value": 21}})), 204).await;
    expect(broker.patch("/entities/Room1/attrs", json!({"p": {"value": 2}})), 204).await;
    expect(broker.patch("/entities/Room1/attrs", json!({"t": {"value": 22}})), 204).await;
    let one = json!({"id": "Room1", "type": "Room", "t": 21, "missing": null});
    assert_eq!(listener.next().await.entity(), one);
    assert_eq!(listener.next().await.entity()["t"], 22);
    assert!(listener.is_quiet());
}

#[tokio::test]
async fn alteration_types_and_previous_values_are_told() {
    let broker = start().await;
    let mut listener = Listener::start().await;
    broker
        .subscribe(&listener.url, |subscription| {
            let types = ["entityCreate", "entityUpdate", "entityDelete"];
            subscription["subject"]["condition"] = json!({"alterationTypes": types});
            subscription["notification"]["attrs"] = json!(["alterationType", "*"]);
            subscription["notification"]["metadata"] = json!(["previousValue", "actionType"]);
        })
        .await;
    broker.create(json!({"id": "E", "n": 1})).await;
    expect(broker.put("/entities/E/attrs/n", json!({"value": 1})), 204).await;
    expect(broker.put("/entities/E/attrs/n", json!({"value": 2})), 204).await;
    expect(broker.delete("/entities/E"), 204).await;
    for (alteration, action) in [
        ("entityCreate", "append"),
        ("entityUpdate", "update"),
        ("entityChange", "update"),
        ("entityDelete", "delete"),
    ] {
        let entity = listener.next().await.entity();
        assert_eq!(entity["alterationType"]["value"], alteration);
        assert_eq!(entity["n"]["metadata"]["actionType"]["value"], action);
        if alteration == "entityChange" {
            assert_eq!(entity["n"]["metadata"]["previousValue"]["value"], 1);
        }
    }
}

#[tokio::test]
async fn a_custom_notification_is_what_its_template_says() {
    let broker = start().await;
    let mut listener = Listener::start().await;
    let url = format!("{}/${{id}}", listener.url);
    broker
        .subscribe(&listener.url, |subscription| {
            subscription["notification"] = json!({"httpCustom": {
                "url": url, "method": "PUT", "qs": {"type": "${type}"}, "headers": {"x-n": "${n}", "accept": ""},
                "payload": "%22${s}%22 is ${n}"
            }});
        })
        .await;
    broker.create(json!({"id": "E", "type": "T", "n": 4, "s": "four"})).await;
    let arrived = listener.next().await;
    assert_eq!((arrived.method.as_str(), &*arrived.path), ("PUT", "/notify/E?type=T"));
    assert_eq!((arrived.header("x-n"), arrived.header("accept")), ("4", ""));
    assert_eq!(arrived.body, "\"four\" is 4");
    assert_eq!(arrived.header("ngsiv2-attrsformat"), "custom");
}

#[tokio::test]
async fn a_oneshot_subscription_notifies_once_and_again_when_told() {
    let broker = start().await;
    let mut listener = Listener::start().await;
    let subscription =
        broker.subscribe(&listener.url, |subscription| subscription["status"] = json!("oneshot")).await;
    broker.create(json!({"id": "E", "n": 1})).await;
    listener.next().await;
    assert_eq!(broker.read(&subscription).await["status"], "inactive");
    expect(broker.put("/entities/E/attrs/n", json!({"value": 2})), 204).await;
    expect(broker.patch(&subscription, json!({"status": "oneshot"})), 204).await;
    expect(broker.put("/entities/E/attrs/n", json!({"value": 3})), 204).await;
    assert_eq!(listener.next().await.entity()["n"]["value"], 3);
}

#[tokio::test]
async fn an_endpoint_that_fails_too_often_ends_its_subscription() {
    let broker = start().await;
    // Nobody listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/notify");
    let subscription =
        broker.subscribe(&url, |subscription| subscription["notification"]["maxFailsLimit"] = json!(1)).await;
    for number in 0..3 {
        broker.create(json!({"id": format!("E{number}"), "n": 1})).await;
    }
    eventually("the subscription is inactive", || async {
        let shown = broker.read(&subscription).await;
        shown["status"] == "inactive"
            && shown["notification"]["lastFailureReason"] == "Couldn't connect to server"
    })
    .await;
}

#[tokio::test]
async fn a_slow_endpoint_delays_no_other() {
    let broker = start().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("http://{}/", silent.local_addr().unwrap());
    let mut listener = Listener::start().await;
    broker.subscribe(&silent_url, |_| {}).await;
    broker.subscribe(&listener.url, |_| {}).await;
    for number in 0..20 {
        broker.create(json!({"id": format!("E{number}"), "n": 1})).await;
    }
    let all = async {
        for number in 0..20 {
            assert_eq!(listener.next().await.entity()["id"], format!("E{number}"));
        }
    };
    tokio::time::timeout(Duration::from_secs(3), all).await.expect("the silent endpoint held them up");
}

#[tokio::test]
async fn a_malformed_subscription_is_named() {
    let broker = start().await;
    let good = json!({
        "subject": {"entities": [{"id": "E"}]},
        "notification": {"http": {"url": "http://localhost:1028"}}
    });
    let with = |pointer: &str, value: serde_json::Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        broker.post("/subscriptions", body)
    };
    for (pointer, value, words) in [
        ("/subject/entities", json!("x"), "/entities/ is not an array"),
        ("/subject/entities/0", json!({}), "/entities/ vector item does not have /id/ nor /idPattern/"),
        ("/subject/entities/0", json!({"idPattern": "["}), "Invalid regex for entity idPattern"),
        ("/notification/http/url", json!("localhost 1234"), "Invalid URL parsing notification url"),
        ("/notification", json!({}), "http, httpCustom, mqtt, mqttCustom, kafka or kafkaCustom is missing"),
    ] {
        expect_error(with(pointer, value), 400, "BadRequest", words).await;
    }
    let words = "The requested subscription has not been found. Check id";
    expect_error(broker.get("/subscriptions/000011112222333344445555"), 404, "NotFound", words).await;
    let words = "Invalid subscription ID: bad length - 24 chars expected";
    expect_error(broker.get("/subscriptions/x"), 400, "BadRequest", words).await;
}

#[tokio::test]
async fn notifications_go_over_mqtt_too() {
    let server = morgana_fabric::Server::start(
        morgana_fabric::ServerOptions { listen: "127.0.0.1:0".parse().unwrap(), ..Default::default() },
        std::sync::Arc::new(morgana_fabric::Open),
    )
    .await
    .unwrap();
    let address = server.local_addr().to_string();
    let (client, mut events) =
        morgana_fabric::Client::connect(morgana_fabric::ClientOptions::new(&*address, "listener"));
    client.subscribe("rooms/#", morgana_fabric::Qos::AtMostOnce).await.unwrap();
    let broker = start().await;
    let subscription = broker
        .subscribe("", |subscription| {
            subscription["notification"] = json!({"mqttCustom": {
                "url": format!("mqtt://{address}"), "topic": "rooms/${id}", "qos": 1, "json": {"t": "${t}"}
            }});
        })
        .await;
    broker.create(json!({"id": "E", "t": 21})).await;
    let message = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            if let Some(morgana_fabric::Event::Message { topic, payload }) = events.recv().await {
                return (topic, payload);
            }
        }
    });
    let (topic, payload) = message.await.expect("no message came");
    assert_eq!((&*topic, &*payload), ("rooms/E", &b"{\"t\":21}"[..]));
    eventually("the success is counted", || async {
        broker.read(&subscription).await["notification"].get("lastSuccess").is_some()
    })
    .await;
}
