//! Each error type of NGSI-LD 5.5.2 in its place, on every resource, with a detail that names what offended. What comes
//! from the outside as bytes (bodies of a gigabyte, nesting, patterns) is in `ngsi_ld_bad_input` of the program.
//! InternalError alone has no test: nothing that a client sends brings it about.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{TestBroker, car, expect, expect_error, options, serve_in};
use morgana_ngsi_ld::{Broker, HttpOptions, Options};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

const CAR: &str = "urn:ngsi-ld:Car:1";

async fn start_with(change: impl FnOnce(&mut Options)) -> TestBroker {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    change(&mut options);
    // As strict as the standard.
    let http = HttpOptions { lenient_queries: false, ..HttpOptions::default() };
    serve_in(Broker::open(options).unwrap(), http, dir).await
}

async fn start() -> TestBroker {
    start_with(|_| ()).await
}

/// What is refused with 400 names the member that is wrong.
async fn names(request: RequestBuilder, words: &[&str]) {
    let request = request.build().unwrap();
    let what = format!("{} {} {words:?}", request.method(), request.url());
    let answer = reqwest::Client::new().execute(request).await.unwrap();
    assert_eq!(answer.status(), 400, "{what}");
    let problem: Value = answer.json().await.unwrap();
    let kind = problem["type"].as_str().unwrap();
    assert!(kind.ends_with("BadRequestData") || kind.ends_with("InvalidRequest"), "{what}: {problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(words.iter().all(|word| detail.contains(word)), "{what}: {problem}");
}

/// A document with some members changed; what becomes null goes.
fn with(document: &Value, change: Value) -> Value {
    let mut changed = document.clone();
    for (name, value) in change.as_object().unwrap() {
        if value.is_null() {
            changed.as_object_mut().unwrap().remove(name);
        } else {
            changed[name] = value.clone();
        }
    }
    changed
}

#[tokio::test]
async fn what_is_there_already_is_named() {
    let it = start_with(|options| options.history_instances = 10).await;
    it.create(car(1, 1)).await;
    expect_error(it.post("/entities", &car(1, 2)), 409, "AlreadyExists", CAR).await;
    let subscription = json!({"id": "urn:s:1", "type": "Subscription", "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": "http://127.0.0.1:9/x"}}});
    let registration = json!({"id": "urn:r:1", "type": "ContextSourceRegistration", "endpoint": "http://127.0.0.1:9",
        "information": [{"entities": [{"type": "Ship"}]}]});
    let snapshot = json!({"id": "urn:snap:1", "type": "Snapshot", "snapshotQueries": [{"type": "Query", "entities": [{"type": "Car"}]}]});
    for (path, document) in [
        ("/subscriptions", &subscription),
        ("/csourceSubscriptions", &subscription),
        ("/csourceRegistrations", &registration),
        ("/snapshots", &snapshot),
    ] {
        expect(it.post(path, document), 201).await;
        expect_error(it.post(path, document), 409, "AlreadyExists", document["id"].as_str().unwrap()).await;
    }
    // In a batch, each entity has its own problem (5.2.16).
    let batch = expect(it.post("/entityOperations/create", &json!([car(1, 1), car(2, 2)])), 207).await;
    let result: Value = batch.json().await.unwrap();
    assert_eq!(result["success"], json!(["urn:ngsi-ld:Car:2"]));
    assert_eq!(result["errors"][0]["entityId"], CAR);
    assert!(result["errors"][0]["error"]["type"].as_str().unwrap().ends_with("AlreadyExists"), "{result}");
}

#[tokio::test]
async fn what_goes_against_a_registration_is_a_conflict_that_names_it() {
    let it = start().await;
    it.create(car(1, 1)).await;
    let mine = json!([{"entities": [{"id": CAR, "type": "Car"}], "propertyNames": ["speed"]}]);
    let registration = json!({"id": "urn:r:1", "type": "ContextSourceRegistration", "mode": "exclusive",
        "endpoint": "http://127.0.0.1:9", "operations": ["retrieveOps"], "information": mine});
    let post = |document: &Value| it.post("/csourceRegistrations", document);
    // What is here cannot be elsewhere alone, and what one source has alone no other has (4.3.6.3, 5.9.2.4).
    expect_error(post(&registration), 409, "Conflict", CAR).await;
    expect(it.delete("/entities/urn:ngsi-ld:Car:1/attrs/speed"), 204).await;
    expect(post(&registration), 201).await;
    expect_error(post(&with(&registration, json!({"id": "urn:r:2"}))), 409, "Conflict", "urn:r:1").await;
    // What the source is not registered for cannot be done there.
    let speed = json!({"speed": {"type": "Property", "value": 5}});
    expect_error(it.post("/entities/urn:ngsi-ld:Car:1/attrs", &speed), 409, "Conflict", "allow").await;
    expect_error(
        it.patch("/entities/urn:ngsi-ld:Car:1/attrs/speed", &speed["speed"]),
        409,
        "Conflict",
        "allow",
    )
    .await;
}

#[tokio::test]
async fn a_request_that_comes_back_is_a_loop_that_names_the_registration() {
    let it = start().await;
    let registration = json!({"id": "urn:r:1", "type": "ContextSourceRegistration", "mode": "redirect",
        "endpoint": "http://127.0.0.1:9", "operations": ["redirectionOps"], "information": [{"entities": [{"type": "Car"}]}]});
    expect(it.post("/csourceRegistrations", &registration), 201).await;
    let via = || format!("1.1 other, 1.1 {}", it.broker.alias());
    for request in [
        it.get("/entities/urn:ngsi-ld:Car:1"),
        it.get("/entities?type=Car"),
        it.post("/entities", &car(1, 1)),
        it.delete("/entities/urn:ngsi-ld:Car:1"),
    ] {
        expect_error(request.header("via", via()), 508, "LoopDetected", "urn:r:1").await;
    }
    let subscription = json!({"type": "Subscription", "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": "http://127.0.0.1:9/x"}}});
    let request = it.post("/subscriptions", &subscription).header("via", via());
    expect_error(request, 508, "LoopDetected", "the subscription came back").await;
}

#[tokio::test]
async fn what_would_be_too_much_names_what_there_is_too_much_of() {
    let it = start_with(|options| options.tenants_max = 1).await;
    for (path, words) in [("/entities?type=Car&limit=1001", "limit"), ("/subscriptions?limit=1001", "limit")]
    {
        expect_error(it.get(path), 403, "TooManyResults", words).await;
    }
    expect(it.post("/entities", &car(1, 1)).header("ngsild-tenant", "one"), 201).await;
    let second = it.post("/entities", &car(1, 1)).header("ngsild-tenant", "two");
    expect_error(second, 403, "TooManyResults", "1 tenants").await;
    let query = json!({"type": "Query", "entities": [{"type": "Car"}]});
    for number in 0..64 {
        let snapshot =
            json!({"id": format!("urn:snap:{number}"), "type": "Snapshot", "snapshotQueries": [query]});
        expect(it.post("/snapshots", &snapshot), 201).await;
    }
    let snapshot = json!({"type": "Snapshot", "snapshotQueries": [query]});
    expect_error(it.post("/snapshots", &snapshot), 403, "TooManyResults", "64 snapshots").await;
    let nested = |name: &str| format!("/entities?{name}={}a{}", "(".repeat(100), ")".repeat(100));
    for (path, words) in [
        (format!("{}&type=Car", nested("q")), "parentheses"),
        (nested("type"), "type"),
        (format!("{}&type=Car", nested("scopeQ")), "scopeQ"),
    ] {
        expect_error(it.get(&path), 403, "TooComplexQuery", words).await;
    }
}

#[tokio::test]
async fn what_cannot_be_found_is_named() {
    let it = start_with(|options| options.history_instances = 10).await;
    it.create(car(1, 1)).await;
    for (path, words) in [
        ("/entities/urn:x:9", "urn:x:9"),
        ("/temporal/entities/urn:x:9", "urn:x:9"),
        ("/subscriptions/urn:x:9", "urn:x:9"),
        ("/csourceSubscriptions/urn:x:9", "urn:x:9"),
        ("/csourceRegistrations/urn:x:9", "urn:x:9"),
        ("/jsonldContexts/none", "none"),
        ("/entityMaps/urn:x:9", "urn:x:9"),
        ("/snapshots/urn:x:9", "urn:x:9"),
        ("/types/Ship", "Ship"),
        ("/attributes/sails", "sails"),
    ] {
        expect_error(it.get(path), 404, "ResourceNotFound", words).await;
    }
    for path in
        ["/entities/urn:x:9", "/subscriptions/urn:x:9", "/csourceRegistrations/urn:x:9", "/snapshots/urn:x:9"]
    {
        expect_error(it.delete(path), 404, "ResourceNotFound", "urn:x:9").await;
    }
    let value = json!({"value": 1});
    expect_error(
        it.patch("/entities/urn:ngsi-ld:Car:1/attrs/sails", &value),
        404,
        "ResourceNotFound",
        "sails",
    )
    .await;
    let inside = it.get("/entities?type=Car").header("ngsild-snapshot", "urn:x:9");
    expect_error(inside, 404, "ResourceNotFound", "urn:x:9").await;
    let tenant = it.get("/entities?type=Car").header("ngsild-tenant", "nobody");
    expect_error(tenant, 404, "NonexistentTenant", "nobody").await;
}

#[tokio::test]
async fn a_wrong_member_of_a_subscription_is_named() {
    let it = start().await;
    let right = json!({"type": "Subscription", "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": "http://127.0.0.1:9/x"}}});
    let notification = |change: Value| json!({"notification": with(&right["notification"], change)});
    let endpoint =
        |change: Value| notification(json!({"endpoint": with(&right["notification"]["endpoint"], change)}));
    for (change, words) in [
        (json!({"id": "no uri"}), &["id", "no uri"][..]),
        (json!({"type": "Sub"}), &["type", "Subscription"]),
        (json!({"entities": []}), &["entities"]),
        (json!({"entities": [{"type": "Car", "id": "x"}]}), &["id"]),
        (json!({"entities": [{"type": "Car", "idPattern": "("}]}), &["idPattern"]),
        (json!({"watchedAttributes": []}), &["watchedAttributes"]),
        (json!({"notificationTrigger": ["sometimes"]}), &["notificationTrigger"]),
        (json!({"timeInterval": 0}), &["timeInterval"]),
        (json!({"throttling": -1}), &["throttling"]),
        (json!({"timeInterval": 5, "throttling": 5}), &["throttling", "timeInterval"]),
        (json!({"expiresAt": "tomorrow"}), &["expiresAt"]),
        (json!({"isActive": "yes"}), &["isActive"]),
        (json!({"scopeQ": "(/a"}), &["scopeQ"]),
        (json!({"geoQ": {"georel": "near", "geometry": "Point", "coordinates": [0, 0]}}), &["near"]),
        (notification(json!({"format": "xml"})), &["format", "xml"]),
        (notification(json!({"attributes": []})), &["attributes"]),
        (notification(json!({"showChanges": 1})), &["showChanges"]),
        (notification(json!({"join": "sideways"})), &["join", "sideways"]),
        (endpoint(json!({"uri": null})), &["endpoint"]),
        (endpoint(json!({"uri": "ftp://x/"})), &["uri"]),
        (endpoint(json!({"accept": "text/plain"})), &["accept"]),
        (endpoint(json!({"timeout": 0})), &["timeout"]),
        (endpoint(json!({"receiverInfo": [{"key": "a"}]})), &["receiverInfo"]),
        (
            endpoint(json!({"uri": "mqtt://h/t", "notifierInfo": [{"key": "MQTT-QoS", "value": "3"}]})),
            &["MQTT-QoS"],
        ),
    ] {
        let document = with(&right, change);
        names(it.post("/subscriptions", &document), words).await;
    }
    expect(it.post("/subscriptions", &with(&right, json!({"id": "urn:s:1"}))), 201).await;
    names(it.patch("/subscriptions/urn:s:1", &json!({"throttling": "often"})), &["throttling"]).await;
    names(it.patch("/subscriptions/urn:s:1", &json!({"entities": "Car"})), &["entities"]).await;
    names(it.patch("/subscriptions/urn:s:1", &json!({})), &["body"]).await;
}

#[tokio::test]
async fn a_wrong_member_of_a_registration_is_named() {
    let it = start().await;
    let right = json!({"type": "ContextSourceRegistration", "endpoint": "http://127.0.0.1:9",
        "information": [{"entities": [{"type": "Car"}]}]});
    for (change, words) in [
        (json!({"id": "no uri"}), &["id", "no uri"][..]),
        (json!({"type": "Registration"}), &["type", "ContextSourceRegistration"]),
        (json!({"information": null}), &["information"]),
        (json!({"information": []}), &["information"]),
        (json!({"information": [{}]}), &["information"]),
        (json!({"information": [{"entities": [{"id": "urn:x:1"}]}]}), &["type"]),
        (json!({"information": [{"propertyNames": "speed"}]}), &["propertyNames"]),
        (json!({"endpoint": null}), &["endpoint"]),
        (json!({"endpoint": "not a url"}), &["endpoint"]),
        (json!({"mode": "sideways"}), &["mode"]),
        (json!({"mode": "exclusive"}), &["exclusive"]),
        (json!({"operations": []}), &["operations"]),
        (json!({"operations": ["fly"]}), &["fly"]),
        (json!({"expiresAt": "2001-01-01T00:00:00Z"}), &["expiresAt", "past"]),
        (json!({"management": 5}), &["management"]),
        (json!({"contextSourceInfo": [{"key": "a"}]}), &["contextSourceInfo"]),
        (json!({"observationInterval": {"startAt": "now"}}), &["observationInterval"]),
    ] {
        names(it.post("/csourceRegistrations", &with(&right, change)), words).await;
    }
    names(it.get("/csourceRegistrations"), &["type", "attrs"]).await;
    expect(it.post("/csourceRegistrations", &with(&right, json!({"id": "urn:r:1"}))), 201).await;
    names(it.patch("/csourceRegistrations/urn:r:1", &json!({"mode": 1})), &["mode"]).await;
}

#[tokio::test]
async fn a_wrong_member_of_an_operation_is_named() {
    let it = start_with(|options| options.history_instances = 10).await;
    it.create(car(1, 1)).await;
    for (path, body, words) in [
        ("/entityOperations/create", json!({}), &["array"][..]),
        ("/entityOperations/delete", json!([1]), &["id", "number"]),
        ("/entityOperations/query", json!({"type": "Query"}), &["entities", "attrs"]),
        (
            "/entityOperations/query",
            json!({"type": "Question", "entities": [{"type": "Car"}]}),
            &["type", "Query"],
        ),
        (
            "/entityOperations/query",
            json!({"type": "Query", "entities": [{"type": "Car"}], "q": "a=="}),
            &["q"],
        ),
        (
            "/entityOperations/query",
            json!({"type": "Query", "entities": [{"type": "Car"}], "join": 1}),
            &["join"],
        ),
        ("/temporal/entities", json!({"id": "urn:x:1", "speed": []}), &["type"]),
        (
            "/temporal/entityOperations/query",
            json!({"type": "Query", "entities": [{"type": "Car"}],
            "temporalQ": {"timerel": "during", "timeAt": "2026-01-01T00:00:00Z"}}),
            &["timerel", "during"],
        ),
        (
            "/temporal/entityOperations/query",
            json!({"type": "Query", "entities": [{"type": "Car"}],
            "temporalQ": {"timerel": "between", "timeAt": "2026-01-01T00:00:00Z"}}),
            &["endTimeAt"],
        ),
        ("/jsonldContexts", json!({"context": {}}), &["@context"]),
        ("/jsonldContexts", json!({"@context": {"a": 5}}), &["a", "number"]),
        (
            "/snapshots",
            json!({"type": "Photo", "snapshotQueries": [{"type": "Query", "entities": [{"type": "Car"}]}]}),
            &["type", "Snapshot"],
        ),
        ("/snapshots", json!({"type": "Snapshot"}), &["snapshotQueries"]),
        ("/snapshots", json!({"type": "Snapshot", "snapshotQueries": []}), &["snapshotQueries"]),
        (
            "/csourceSubscriptions",
            json!({"type": "Subscription", "entities": [{"type": "Car"}]}),
            &["notification"],
        ),
    ] {
        names(it.post(path, &body), words).await;
    }
    for (path, body, words) in [
        (
            "/entities/urn:ngsi-ld:Car:1/attrs",
            json!({"speed": {"type": "Property"}}),
            &["speed", "value"][..],
        ),
        (
            "/entities/urn:ngsi-ld:Car:1",
            json!({"speed": {"value": 1, "observedAt": "x"}}),
            &["speed", "observedAt"],
        ),
        ("/entities/urn:ngsi-ld:Car:1", json!({"id": "urn:ngsi-ld:Car:2"}), &["id"]),
        ("/entities/urn:ngsi-ld:Car:1/attrs/speed", json!({"value": null}), &["value"]),
    ] {
        names(it.patch(path, &body), words).await;
    }
    for (path, words) in [
        ("/entities/no-uri", &["id", "no-uri"][..]),
        ("/temporal/entities?type=Car&timerel=between&timeAt=2026-01-01T00:00:00Z", &["endTimeAt"]),
        ("/temporal/entities?type=Car&timerel=after&timeAt=yesterday", &["timeAt"]),
        ("/temporal/entities?type=Car&timerel=after&timeAt=2026-01-01T00:00:00Z&lastN=0", &["lastN"]),
        (
            "/temporal/entities?type=Car&timerel=after&timeAt=2026-01-01T00:00:00Z&options=aggregatedValues",
            &["aggrMethods"],
        ),
        (
            "/temporal/entities?type=Car&timerel=after&timeAt=2026-01-01T00:00:00Z&timeproperty=bornAt",
            &["timeproperty", "bornAt"],
        ),
        ("/entityMaps?type=Car&entityMapLifetime=soon", &["entityMapLifetime", "soon"]),
        ("/jsonldContexts?details=perhaps", &["details", "perhaps"]),
        ("/entities?type=Car&datasetId=no%20uri", &["datasetId"]),
        ("/entities?type=Car&orderBy=speed;up", &["orderBy"]),
        ("/entities?type=Car&collation=xx-none!&orderBy=brand", &["collation"]),
    ] {
        names(it.get(path), words).await;
    }
}

#[tokio::test]
async fn what_a_broker_was_started_without_is_not_supported() {
    let it = start_with(|options| options.tenants_max = 0).await;
    for path in ["/temporal/entities?type=Car", "/temporal/entities/urn:x:1"] {
        expect_error(it.get(path), 422, "OperationNotSupported", "history_instances").await;
    }
    let tenant = it.get("/entities?type=Car").header("ngsild-tenant", "a");
    expect_error(tenant, 501, "NoMultiTenantSupport", "NGSILD-Tenant").await;
}
