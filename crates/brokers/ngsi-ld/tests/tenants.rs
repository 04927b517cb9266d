//! Tenants (NGSI-LD 4.14, 5.5.10, 6.3.14).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{TestBroker, car, expect, expect_error, listen, options, reopen, serve_broker, start};
use morgana_ngsi_ld::{Broker, Options};
use reqwest::RequestBuilder;
use serde_json::json;

fn of(tenant: &str, request: RequestBuilder) -> RequestBuilder {
    request.header("NGSILD-Tenant", tenant)
}

async fn create_in(it: &TestBroker, tenant: &str, number: u32) {
    expect(of(tenant, it.post("/entities", &car(number, 50))), 201).await;
}

#[tokio::test]
async fn a_tenant_comes_into_being_with_what_is_created_in_it() {
    let it = start().await;
    for request in [it.get("/entities?type=Car"), it.delete("/entities/urn:ngsi-ld:Car:1"), it.get("/types")]
    {
        let response = expect(of("a", request), 404).await;
        assert_eq!(response.headers()["ngsild-tenant"], "a");
        assert!(response.text().await.unwrap().contains("NonexistentTenant"));
    }
    let query = json!({"type": "Query", "entities": [{"type": "Car"}]});
    expect_error(of("a", it.post("/entityOperations/query", &query)), 404, "NonexistentTenant", "a").await;
    let created = expect(of("a", it.post("/entities", &car(1, 50))), 201).await;
    assert_eq!(created.headers()["ngsild-tenant"], "a");
    expect(of("a", it.get("/entities?type=Car")), 200).await;
    assert_eq!(it.broker.tenants(), ["a".into()]);
}

#[tokio::test]
async fn an_answer_of_a_tenant_is_what_was_asked_for_as_any_other() {
    let it = start().await;
    create_in(&it, "a", 1).await;
    it.create(car(1, 50)).await;
    for tenant in ["", "a"] {
        let get = |path: &str| of(tenant, it.get(path));
        let found = expect(get("/entities?type=Car").header("Prefer", "ngsi-ld=1.5"), 200).await;
        assert_eq!(found.headers()["preference-applied"], "ngsi-ld=1.5", "{tenant:?}");
        let missing = get("/entities/urn:ngsi-ld:Car:9").header("Accept", "application/json");
        assert_eq!(expect(missing, 404).await.headers()["content-type"], "application/json", "{tenant:?}");
    }
}

#[tokio::test]
async fn nothing_crosses_the_border_between_tenants() {
    let it = start().await;
    let mut arrivals = listen().await;
    create_in(&it, "a", 1).await;
    create_in(&it, "b", 2).await;
    it.create(car(3, 50)).await;
    let subscription = json!({
        "id": "urn:ngsi-ld:Subscription:s", "type": "Subscription", "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": arrivals.url}},
    });
    expect(of("a", it.post("/subscriptions", &subscription)), 201).await;
    let context = json!({"@context": {"speed": "https://example.org/speed"}});
    let hosted = expect(of("a", it.post("/jsonldContexts", &context)), 201).await;
    let hosted = hosted.headers()["location"].to_str().unwrap().replace("/ngsi-ld/v1", "");
    let registration = json!({
        "id": "urn:ngsi-ld:ContextSourceRegistration:r", "type": "ContextSourceRegistration",
        "information": [{"entities": [{"type": "Ship"}]}], "endpoint": "http://127.0.0.1:1",
    });
    expect(of("a", it.post("/csourceRegistrations", &registration)), 201).await;

    for path in [
        "/entities/urn:ngsi-ld:Car:1",
        "/subscriptions/urn:ngsi-ld:Subscription:s",
        "/csourceRegistrations/urn:ngsi-ld:ContextSourceRegistration:r",
        &hosted,
    ] {
        expect(of("a", it.get(path)), 200).await;
        for request in [it.get(path), it.delete(path)] {
            expect(of("b", request.try_clone().unwrap()), 404).await;
            expect(request, 404).await;
        }
        expect(of("a", it.get(path)), 200).await;
    }
    for path in ["/entities?type=Car&count=true", "/temporal/entities?type=Car"] {
        let found = of("b", it.get(path)).send().await.unwrap().text().await.unwrap();
        assert!(!found.contains("Car:1") && !found.contains("Car:3"), "{found}");
    }
    // A write elsewhere notifies nobody here; one here does, once.
    expect(of("b", it.patch("/entities/urn:ngsi-ld:Car:2/attrs", &json!({"speed": 1}))), 204).await;
    expect(it.patch("/entities/urn:ngsi-ld:Car:3/attrs", &json!({"speed": 1})), 204).await;
    expect(of("a", it.patch("/entities/urn:ngsi-ld:Car:1/attrs", &json!({"speed": 1}))), 204).await;
    assert_eq!(arrivals.next().await.body["data"][0]["id"], "urn:ngsi-ld:Car:1");
    assert!(arrivals.is_empty());
}

#[tokio::test]
async fn tenants_are_back_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    {
        let it = serve_broker(Broker::open(options(dir.path())).unwrap()).await;
        create_in(&it, "A/../x y", 1).await;
        create_in(&it, "b", 2).await;
        let alias = it.broker.alias().to_owned();
        assert_ne!(it.broker.tenant("b").unwrap().alias(), alias);
    }
    let broker = reopen(dir.path()).await;
    assert_eq!(broker.tenants(), ["A/../x y".into(), "b".into()]);
    let it = serve_broker(broker).await;
    expect(of("b", it.get("/entities/urn:ngsi-ld:Car:2")), 200).await;
    expect(of("b", it.get("/entities/urn:ngsi-ld:Car:1")), 404).await;
}

#[tokio::test]
async fn tenants_are_bounded_and_their_names_checked() {
    let dir = tempfile::tempdir().unwrap();
    let it = serve_broker(Broker::open(Options { tenants_max: 1, ..options(dir.path()) }).unwrap()).await;
    create_in(&it, "a", 1).await;
    expect_error(of("b", it.post("/entities", &car(1, 50))), 403, "TooManyResults", "tenants").await;
    let long = "x".repeat(65);
    expect_error(of(&long, it.post("/entities", &car(1, 50))), 400, "BadRequestData", "64 bytes").await;
    let dir = tempfile::tempdir().unwrap();
    let it = serve_broker(Broker::open(Options { tenants_max: 0, ..options(dir.path()) }).unwrap()).await;
    expect_error(of("a", it.post("/entities", &car(1, 50))), 501, "NoMultiTenantSupport", "tenant").await;
}

#[tokio::test]
async fn a_tenant_has_an_identity_of_its_own_that_stays() {
    let it = start().await;
    let identity = async |tenant: Option<&str>| {
        let request = it.get("/info/sourceIdentity");
        let request = tenant.map_or(request.try_clone().unwrap(), |tenant| of(tenant, request));
        let found: serde_json::Value = expect(request, 200).await.json().await.unwrap();
        assert_eq!(found["type"], "ContextSourceIdentity");
        assert!(found["contextSourceUptime"].as_str().unwrap().starts_with("PT"));
        found["contextSourceAlias"].as_str().unwrap().to_owned()
    };
    let (root, before) = (identity(None).await, identity(Some("a")).await);
    create_in(&it, "a", 1).await;
    assert_eq!(identity(Some("a")).await, before);
    assert_ne!(identity(Some("b")).await, before);
    assert_ne!(root, before);
}

#[tokio::test]
async fn a_receiver_finds_the_context_that_notifications_of_a_tenant_name() {
    let it = start().await;
    let mut arrivals = listen().await;
    let subscription = json!({
        "id": "urn:ngsi-ld:Subscription:s", "type": "Subscription", "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": arrivals.url}}, "@context": {"Car": "https://example.org/Car"},
    });
    let request = it.client.post(format!("{}/subscriptions", it.base)).body(subscription.to_string());
    expect(of("a", request.header("content-type", "application/ld+json")), 201).await;
    let car = json!({"id": "urn:ngsi-ld:Car:1", "type": "https://example.org/Car", "speed": 1});
    expect(of("a", it.post("/entities", &car)), 201).await;
    let arrived = arrivals.next().await;
    assert_eq!(arrived.body["data"][0]["type"], "Car");
    let link = arrived.headers["link"].to_str().unwrap();
    let url = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    // Who follows the link knows of no tenant.
    let served = expect(it.client.get(&url), 200).await.json::<serde_json::Value>().await.unwrap();
    assert_eq!(served["@context"]["Car"], "https://example.org/Car");
    // It is the tenant's all the same.
    create_in(&it, "b", 2).await;
    expect(of("b", it.client.get(&url)), 404).await;
    expect(it.client.get(format!("{url}?details=true")), 404).await;
    expect(it.client.delete(&url), 404).await;
    assert_eq!(it.read("/jsonldContexts").await, json!([]));
    expect(it.client.get(&url), 200).await;
}
