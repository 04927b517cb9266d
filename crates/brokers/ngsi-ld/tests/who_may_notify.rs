//! Who may notify of a copy of a subscription at a context source (NGSI-LD 5.8.1.4, 5.8.6): its source, and no one else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::copied::{ID, PATH, copies, next, open, register, registration, start, subscribe, told};
use common::{TestBroker, car, expect, expect_error, listen, serve_in};
use morgana_ngsi_ld::{Access, HttpOptions};
use serde_json::{Value, json};

/// A broker that asks for the token `secret`.
async fn start_with_token() -> TestBroker {
    let dir = tempfile::tempdir().unwrap();
    let http = HttpOptions { access: Access::Token("secret".into()), ..HttpOptions::default() };
    serve_in(open(dir.path()), http, dir).await
}

/// What the copy at this place of a list has its source show.
fn credential(copies: &Value, at: usize) -> String {
    let info = &copies[at]["notification"]["endpoint"]["receiverInfo"];
    let pair = info.as_array().unwrap().iter().find(|pair| pair["key"] == "x-morgana-copy").unwrap();
    pair["value"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn only_who_knows_a_copy_may_notify() {
    let (it, other, mut arrivals) = (start().await, start().await, listen().await);
    register(&it, &other, json!({})).await;
    subscribe(&it, &arrivals, json!({})).await;
    let copy = copies(&other, 1).await[0]["id"].clone();
    let url = format!("{}/ngsi-ld/ex/remote-notify", it.base.trim_end_matches("/ngsi-ld/v1"));
    let notify = |id: &Value, entity: Value| {
        let body = json!({"type": "Notification", "subscriptionId": id, "data": [entity]});
        it.client.post(&url).json(&body)
    };
    // The subscriber's own id is no secret.
    for id in [json!(ID), json!("urn:ngsi-ld:Subscription:none")] {
        expect_error(notify(&id, car(1, 1)), 404, "ResourceNotFound", "not one that this broker made").await;
    }
    expect_error(notify(&copy, json!({"speed": 1})), 400, "BadRequestData", "id").await;
    expect_error(it.client.post(&url).json(&json!({"subscriptionId": copy})), 400, "BadRequestData", "type")
        .await;
    // What was not subscribed to is not passed on.
    expect(notify(&copy, json!({"id": "urn:ngsi-ld:Ship:1", "type": "Ship"})), 200).await;
    expect(notify(&copy, car(2, 2)), 200).await;
    assert_eq!(next(&mut arrivals).await, told(2, 2));
}

#[tokio::test]
async fn a_source_notifies_without_the_token_of_the_broker() {
    let (it, other, mut arrivals) = (start_with_token().await, start().await, listen().await);
    let post = |path: &str, body: &Value| it.post(path, body).header("x-auth-token", "secret");
    expect(post("/csourceRegistrations", &registration(&other, json!({}))), 201).await;
    let endpoint = json!({"endpoint": {"uri": arrivals.url}});
    let subscription =
        json!({"id": ID, "type": "Subscription", "entities": [{"type": "Car"}], "notification": endpoint});
    expect(post("/subscriptions", &subscription), 201).await;
    copies(&other, 1).await;
    other.create(car(1, 50)).await;
    assert_eq!(next(&mut arrivals).await, told(1, 50));
    expect(it.get("/entities/urn:ngsi-ld:Car:1"), 401).await;
}

#[tokio::test]
async fn where_a_token_is_asked_for_only_the_source_of_a_copy_may_notify() {
    let (it, other, mut arrivals) = (start_with_token().await, start().await, listen().await);
    let post = |path: &str, body: &Value| it.post(path, body).header("x-auth-token", "secret");
    expect(post("/csourceRegistrations", &registration(&other, json!({}))), 201).await;
    let mut subscription = json!({"id": ID, "type": "Subscription", "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": arrivals.url}}});
    expect(post("/subscriptions", &subscription), 201).await;
    subscription["id"] = json!("urn:ngsi-ld:Subscription:second");
    subscription["entities"] = json!([{"type": "Bus"}]);
    let buses = registration(
        &other,
        json!({"id": "urn:ngsi-ld:ContextSourceRegistration:buses", "information": [{"entities": [{"type": "Bus"}]}]}),
    );
    expect(post("/csourceRegistrations", &buses), 201).await;
    expect(post("/subscriptions", &subscription), 201).await;
    let found = copies(&other, 2).await;
    let of_cars = usize::from(found[0]["entities"][0]["type"] != "Car");
    let (mine, others) = (credential(&found, of_cars), credential(&found, 1 - of_cars));
    assert_ne!(mine, others);
    let url = format!("{}/ngsi-ld/ex/remote-notify", it.base.trim_end_matches("/ngsi-ld/v1"));
    let body = json!({"type": "Notification", "subscriptionId": found[of_cars]["id"], "data": [car(2, 2)]});
    let notify = |shown: Option<&str>, body: String| {
        let request = it.client.post(&url).header("content-type", "application/json").body(body);
        if let Some(shown) = shown { request.header("x-morgana-copy", shown) } else { request }
    };
    let id = found[of_cars]["id"].as_str().unwrap();
    let mut refusals = Vec::new();
    // The id, which is in every notification and in what a source lists, is not enough; nor is what is not read at all.
    for shown in [
        None,
        Some(""),
        Some(id),
        Some(&*format!("{id}.")),
        Some(&*format!("{id}.{}", "0".repeat(64))),
        Some(&mine[..mine.len() - 1]),
        Some("urn:ngsi-ld:Subscription:none.0"),
    ] {
        for body in [body.to_string(), "{".to_owned()] {
            let refused = expect(notify(shown, body), 401).await;
            refusals.push(refused.json::<Value>().await.unwrap()["detail"].to_string());
        }
    }
    // A tenant that is not there is told in the same words as one that has no such copy.
    let refused = expect(notify(Some(&mine), body.to_string()).header("ngsild-tenant", "nobody"), 401).await;
    refusals.push(refused.json::<Value>().await.unwrap()["detail"].to_string());
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    // What one copy shows is not good for another, and the rest of the broker wants its token.
    expect_error(notify(Some(&others), body.to_string()), 400, "BadRequestData", "x-morgana-copy").await;
    expect(it.get("/entities?type=Car").header("x-morgana-copy", &mine), 401).await;
    expect(it.client.get(&url).header("x-morgana-copy", &mine), 401).await;
    assert!(arrivals.is_empty());
    expect(notify(Some(&mine), body.to_string()), 200).await;
    assert_eq!(next(&mut arrivals).await, told(2, 2));
    // It is shown nowhere here.
    for path in ["/subscriptions", "/csourceSubscriptions", "/csourceRegistrations?type=Car", PATH] {
        let shown = expect(it.get(path).header("x-auth-token", "secret"), 200).await.text().await.unwrap();
        assert!(!shown.contains(&mine) && !shown.contains(mine.rsplit('.').next().unwrap()), "{shown}");
    }
}
