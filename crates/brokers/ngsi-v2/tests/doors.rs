//! Who may come in, web pages from elsewhere, and context providers.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Listener, expect, expect_error, start, start_with};
use morgana_ngsi_v2::{Access, Cors, HttpOptions, Options};
use serde_json::json;

#[tokio::test]
async fn a_broker_with_a_token_opens_to_who_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { dir: dir.path().to_owned(), ..Options::default() };
    let http = HttpOptions { access: Access::Token("secret".into()), ..HttpOptions::default() };
    let broker = start_with(options, http, Some(dir)).await;
    let words = "this broker asks for its token, as Authorization: Bearer TOKEN or X-Auth-Token: TOKEN";
    expect_error(broker.get("/entities"), 401, "Unauthorized", words).await;
    expect_error(broker.get("/entities").header("x-auth-token", "wrong"), 401, "Unauthorized", words).await;
    expect(broker.get("/entities").header("x-auth-token", "secret"), 200).await;
    expect(broker.get("/entities").bearer_auth("secret"), 200).await;
}

#[tokio::test]
async fn a_web_page_from_elsewhere_may_use_it_when_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { dir: dir.path().to_owned(), ..Options::default() };
    let cors = Some(Cors { origin: Some("http://page".to_owned()), max_age_s: 60 });
    let broker = start_with(options, HttpOptions { cors, ..HttpOptions::default() }, Some(dir)).await;
    let answer = expect(broker.get("/entities").header("origin", "http://page"), 200).await;
    assert_eq!(answer.headers()["access-control-allow-origin"], "http://page");
    let answer = expect(broker.get("/entities").header("origin", "http://other"), 200).await;
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    let ask = broker.client.request(reqwest::Method::OPTIONS, format!("{}/entities", broker.base));
    let answer = expect(ask.header("origin", "http://page"), 200).await;
    assert_eq!(answer.headers()["access-control-allow-methods"], "GET, POST, OPTIONS");
    assert_eq!(answer.headers()["access-control-max-age"], "60");
}

#[tokio::test]
async fn a_correlator_is_given_back_and_handed_on() {
    let broker = start().await;
    let mut listener = Listener::start().await;
    broker.subscribe(&listener.url, |_| {}).await;
    let create = broker.post("/entities", json!({"id": "E"})).header("fiware-correlator", "mine");
    let answer = expect(create.header("fiware-service", "Abc").header("x-auth-token", "t"), 201).await;
    assert_eq!(answer.headers()["fiware-correlator"], "mine");
    let arrived = listener.next().await;
    assert_eq!(arrived.header("fiware-correlator"), "mine; cbnotif=1");
    assert_eq!((arrived.header("fiware-service"), arrived.header("x-auth-token")), ("abc", "t"));
}

#[tokio::test]
async fn a_context_provider_adds_what_the_broker_does_not_have() {
    let provider = start().await;
    provider.create(json!({"id": "E", "type": "T", "far": 2, "near": 9})).await;
    let broker = start().await;
    broker.create(json!({"id": "E", "type": "T", "near": 1})).await;
    let registration = json!({
        "dataProvided": {"entities": [{"id": "E", "type": "T"}], "attrs": ["far"]},
        "provider": {"http": {"url": provider.base}}
    });
    let created = expect(broker.post("/registrations", registration), 201).await;
    let location = created.headers()["location"].to_str().unwrap().strip_prefix("/v2").unwrap().to_owned();
    let shown = broker.read("/entities/E?type=T&options=keyValues").await;
    assert_eq!(shown, json!({"id": "E", "type": "T", "near": 1, "far": 2}));
    let shown = broker.read("/entities/E?type=T&options=keyValues,skipForwarding").await;
    assert_eq!(shown, json!({"id": "E", "type": "T", "near": 1}));
    expect(broker.put("/entities/E/attrs/far?type=T", json!({"value": 3})), 204).await;
    assert_eq!(provider.read("/entities/E/attrs/far").await["value"], 3);
    // What was asked and handed on is counted as going out, in the path that it was about.
    let metrics = broker.client.get(format!("{}/admin/metrics", broker.base.trim_end_matches("/v2")));
    let metrics: serde_json::Value = expect(metrics, 200).await.json().await.unwrap();
    let counted = &metrics["services"]["default-service"]["subservs"]["root-subserv"];
    assert_eq!(counted["outgoingTransactions"], 2, "{metrics}");
    assert!(counted.get("outgoingTransactionErrors").is_none(), "{metrics}");
    assert!(counted["outgoingTransactionRequestSize"].as_u64().unwrap() > 50, "{metrics}");
    assert!(counted["outgoingTransactionResponseSize"].as_u64().unwrap() > 50, "{metrics}");
    expect(broker.delete(&location), 204).await;
    assert!(broker.read("/entities/E").await.get("far").is_none());
}

#[tokio::test]
async fn a_notification_of_another_broker_is_an_update() {
    let broker = start().await;
    let notification = json!({"subscriptionId": "x", "data": [{"id": "E", "type": "T", "n": {"value": 1}}]});
    expect(broker.post("/op/notify", notification), 200).await;
    assert_eq!(broker.read("/entities/E/attrs/n").await["value"], 1);
}

#[tokio::test]
async fn an_attribute_that_an_entity_lacks_is_its_providers_to_change() {
    let provider = start().await;
    provider.create(json!({"id": "Lamp", "type": "T", "switch": "off"})).await;
    let broker = start().await;
    broker.create(json!({"id": "Lamp", "type": "T", "near": 1})).await;
    let registration = json!({
        "dataProvided": {"entities": [{"id": "Lamp", "type": "T"}], "attrs": ["switch"]},
        "provider": {"http": {"url": provider.base}}
    });
    expect(broker.post("/registrations", registration), 201).await;
    let patch = json!({"switch": {"type": "command", "value": "on"}, "near": {"value": 2}});
    expect(broker.patch("/entities/Lamp/attrs?type=T", patch), 204).await;
    assert_eq!(provider.read("/entities/Lamp/attrs/switch").await["value"], "on");
    assert_eq!(broker.read("/entities/Lamp?options=keyValues,skipForwarding").await["near"], 2);
    let update = json!({"actionType": "update", "entities": [{"id": "Lamp", "type": "T", "switch": {"value": "dim"}}]});
    expect(broker.post("/op/update", update), 204).await;
    assert_eq!(provider.read("/entities/Lamp/attrs/switch").await["value"], "dim");
    let words = "do not exist: Lamp/T - [ nobody ]";
    let patch = json!({"nobody": {"value": 1}});
    expect_error(broker.patch("/entities/Lamp/attrs?type=T", patch), 422, "Unprocessable", words).await;
}
