//! Context sources at work (NGSI-LD 4.3.6, 5.6, 5.7, 5.9.2, 6.3.17, 6.3.18): real brokers as sources of a broker.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::IntoResponse,
};
use common::{TestBroker, eventually, expect, expect_error, ids, options};
use morgana_ngsi_ld::{Broker, HttpOptions};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

async fn start() -> TestBroker {
    start_with(|_| {}).await
}

async fn start_with(change: impl FnOnce(&mut morgana_ngsi_ld::Options)) -> TestBroker {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.sources.allow_hosts = vec!["127.0.0.1".to_owned()];
    change(&mut options);
    common::serve_in(Broker::open(options).unwrap(), HttpOptions::default(), dir).await
}

/// Registers `source` with the broker.
async fn register(it: &TestBroker, source: &str, mode: &str, operations: &[&str], information: Value) {
    let registration = registration(source, mode, operations, information);
    expect(it.post("/csourceRegistrations", &registration), 201).await;
}

fn registration(source: &str, mode: &str, operations: &[&str], information: Value) -> Value {
    let mut registration = json!({
        "type": "ContextSourceRegistration", "mode": mode, "information": [information],
        "endpoint": source.trim_end_matches("/ngsi-ld/v1"),
    });
    if !operations.is_empty() {
        registration["operations"] = json!(operations);
    }
    registration
}

fn car(id: &str, attributes: Value) -> Value {
    let mut entity = json!({"id": format!("urn:ngsi-ld:Car:{id}"), "type": "Car"});
    for (name, value) in attributes.as_object().unwrap() {
        entity[name] = json!({"type": "Property", "value": value});
    }
    entity
}

#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Value,
}

/// A source that answers what it is told and keeps what it was asked.
struct Stub {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Reply = Arc<dyn Fn(&Seen) -> (StatusCode, String) + Send + Sync>;

async fn stub(reply: impl Fn(&Seen) -> (StatusCode, String) + Send + Sync + 'static) -> Stub {
    type Shared = (Arc<Mutex<Vec<Seen>>>, Reply);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let answer = |State((seen, reply)): State<Shared>,
                  method: Method,
                  uri: Uri,
                  headers: HeaderMap,
                  body: Bytes| async move {
        let one = Seen { method, uri, headers, body: serde_json::from_slice(&body).unwrap_or_default() };
        seen.lock().push(one.clone());
        reply(&one).into_response()
    };
    let shared: Shared = (Arc::clone(&seen), Arc::new(reply));
    let router = Router::new().fallback(answer).with_state(shared);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Stub { url, seen }
}

impl Stub {
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock())
    }
}

#[tokio::test]
async fn an_entity_in_two_brokers_is_read_as_one() {
    let (it, other) = (start().await, start().await);
    it.create(car("1", json!({"speed": 50, "brand": "Fiat"}))).await;
    other.create(car("1", json!({"speed": 60, "color": "red"}))).await;
    other.create(car("2", json!({"speed": 70}))).await;
    register(&it, &other.base, "inclusive", &[], json!({"entities": [{"type": "Car"}]})).await;
    let one = it.read("/entities/urn:ngsi-ld:Car:1").await;
    // What was written last holds.
    assert_eq!((&one["speed"]["value"], &one["color"]["value"]), (&json!(60), &json!("red")));
    assert_eq!(one["brand"]["value"], "Fiat");
    assert_eq!(it.read("/entities/urn:ngsi-ld:Car:2").await["speed"]["value"], 70);
    let all = it.read("/entities?type=Car&options=keyValues").await;
    assert_eq!(ids(&all), ["urn:ngsi-ld:Car:1", "urn:ngsi-ld:Car:2"]);
    assert_eq!(ids(&it.read("/entities?type=Car&q=speed>65").await), ["urn:ngsi-ld:Car:2"]);
    assert_eq!(ids(&it.read("/entities?type=Car&limit=1&offset=1").await), ["urn:ngsi-ld:Car:2"]);
    let counted = expect(it.get("/entities?type=Car&count=true&limit=1"), 200).await;
    assert_eq!(counted.headers()["ngsild-results-count"], "2");
    // For this broker alone nothing of the other is there.
    assert_eq!(ids(&it.read("/entities?type=Car&local=true").await), ["urn:ngsi-ld:Car:1"]);
    expect(it.get("/entities/urn:ngsi-ld:Car:2?local=true"), 404).await;
    let query = json!({"type": "Query", "entities": [{"type": "Car", "id": "urn:ngsi-ld:Car:2"}], "attrs": ["speed"]});
    let found: Value = expect(it.post("/entityOperations/query", &query), 200).await.json().await.unwrap();
    assert_eq!(ids(&found), ["urn:ngsi-ld:Car:2"]);
    expect_error(it.get("/entities?type=Car&orderBy=speed"), 400, "BadRequestData", "local=true").await;
}

#[tokio::test]
async fn parts_of_entities_are_filtered_as_a_whole() {
    let (it, other) = (start().await, start().await);
    it.create(car("1", json!({"brand": "Fiat"}))).await;
    it.create(car("2", json!({"brand": "Opel"}))).await;
    other.create(car("1", json!({"speed": 60}))).await;
    other.create(car("2", json!({"speed": 60}))).await;
    register(&it, &other.base, "inclusive", &[], json!({"entities": [{"type": "Car"}]})).await;
    let q = "q=speed>50;brand==\"Fiat\"";
    assert_eq!(it.read(&format!("/entities?type=Car&{q}")).await, json!([]));
    let found = it.read(&format!("/entities?type=Car&splitEntities=true&{q}")).await;
    assert_eq!(ids(&found), ["urn:ngsi-ld:Car:1"]);
}

#[tokio::test]
async fn an_auxiliary_source_only_fills_gaps() {
    let (it, other) = (start().await, start().await);
    other.create(car("1", json!({"speed": 60, "color": "red"}))).await;
    register(&it, &other.base, "auxiliary", &[], json!({"entities": [{"type": "Car"}]})).await;
    it.create(car("1", json!({"speed": 50}))).await;
    expect(other.patch("/entities/urn:ngsi-ld:Car:1/attrs", &json!({"speed": 61})), 204).await;
    let one = it.read("/entities/urn:ngsi-ld:Car:1?options=keyValues").await;
    assert_eq!((&one["speed"], &one["color"]), (&json!(50), &json!("red")));
}

#[tokio::test]
async fn an_exclusive_attribute_lives_at_its_source_alone() {
    let (it, other) = (start().await, start().await);
    other.create(car("1", json!({"speed": 60}))).await;
    let information =
        json!({"entities": [{"type": "Car", "id": "urn:ngsi-ld:Car:1"}], "propertyNames": ["speed"]});
    register(&it, &other.base, "exclusive", &["redirectionOps"], information).await;
    it.create(car("9", json!({"speed": 1}))).await;
    // The part without speed stays here; the source has the entity already.
    let both = it.post("/entities", &car("1", json!({"speed": 70, "brand": "Fiat"})));
    let result: Value = expect(both, 207).await.json().await.unwrap();
    assert_eq!(result["errors"][0]["error"]["status"], 409);
    assert!(result["errors"][0]["registrationId"].is_string(), "{result}");
    assert_eq!(result["success"], json!(["urn:ngsi-ld:Car:1"]));
    let update = json!({"speed": 80, "brand": "Opel"});
    expect(it.patch("/entities/urn:ngsi-ld:Car:1/attrs", &update), 204).await;
    assert_eq!(other.read("/entities/urn:ngsi-ld:Car:1?options=keyValues").await["speed"], 80);
    assert_eq!(other.read("/entities/urn:ngsi-ld:Car:1").await.get("brand"), None);
    let here = it.read("/entities/urn:ngsi-ld:Car:1?local=true&options=keyValues").await;
    assert_eq!((here.get("speed"), &here["brand"]), (None, &json!("Opel")));
    let whole = it.read("/entities/urn:ngsi-ld:Car:1?options=keyValues").await;
    assert_eq!((&whole["speed"], &whole["brand"]), (&json!(80), &json!("Opel")));
    expect(it.patch("/entities/urn:ngsi-ld:Car:1/attrs/speed", &json!({"value": 81})), 204).await;
    expect(it.delete("/entities/urn:ngsi-ld:Car:1/attrs/speed"), 204).await;
    assert_eq!(other.read("/entities/urn:ngsi-ld:Car:1").await.get("speed"), None);
    expect(it.delete("/entities/urn:ngsi-ld:Car:1"), 204).await;
    expect(other.get("/entities/urn:ngsi-ld:Car:1"), 404).await;
}

#[tokio::test]
async fn a_redirected_entity_is_written_to_all_its_sources_and_not_here() {
    let (it, a, b) = (start().await, start().await, start().await);
    for source in [&a, &b] {
        let operations = ["redirectionOps", "upsertBatch", "deleteBatch"];
        register(&it, &source.base, "redirect", &operations, json!({"entities": [{"type": "Car"}]})).await;
    }
    it.create(car("1", json!({"speed": 50}))).await;
    expect(it.get("/entities/urn:ngsi-ld:Car:1?local=true"), 404).await;
    for source in [&a, &b] {
        assert_eq!(source.read("/entities/urn:ngsi-ld:Car:1?options=keyValues").await["speed"], 50);
    }
    expect(it.patch("/entities/urn:ngsi-ld:Car:1", &json!({"speed": 51})), 204).await;
    let batch = json!([car("1", json!({"speed": 52})), car("2", json!({"speed": 53})), {"id": "urn:x:1", "type": "Ship"}]);
    let created: Value = expect(it.post("/entityOperations/upsert", &batch), 201).await.json().await.unwrap();
    assert!(created.as_array().unwrap().contains(&json!("urn:ngsi-ld:Car:2")), "{created}");
    expect(it.get("/entities/urn:x:1?local=true"), 200).await;
    assert_eq!(a.read("/entities/urn:ngsi-ld:Car:2?options=keyValues").await["speed"], 53);
    expect(a.get("/entities/urn:x:1"), 404).await;
    // One source has it no more, the other does: neither all nor nothing.
    expect(a.delete("/entities/urn:ngsi-ld:Car:2"), 204).await;
    let deleted = it.post("/entityOperations/delete", &json!(["urn:ngsi-ld:Car:1", "urn:ngsi-ld:Car:2"]));
    let result: Value = expect(deleted, 207).await.json().await.unwrap();
    assert_eq!(result["errors"].as_array().unwrap().len(), 1, "{result}");
    assert_eq!(result["errors"][0]["entityId"], "urn:ngsi-ld:Car:2");
    expect(b.get("/entities/urn:ngsi-ld:Car:2"), 404).await;
}

#[tokio::test]
async fn what_a_registration_does_not_allow_is_a_conflict_or_left_alone() {
    let (it, source) = (start().await, stub(|_| (StatusCode::CREATED, String::new())).await);
    let cars = json!({"entities": [{"type": "Car"}]});
    register(&it, &source.url, "redirect", &["retrieveOps"], cars).await;
    expect_error(it.post("/entities", &car("1", json!({"speed": 1}))), 409, "Conflict", "allow").await;
    register(&it, &source.url, "inclusive", &["updateOps"], json!({"entities": [{"type": "Ship"}]})).await;
    expect(it.post("/entities", &json!({"id": "urn:x:1", "type": "Ship"})), 201).await;
    expect(it.get("/entities/urn:x:2"), 404).await;
    let seen = source.take();
    assert!(
        seen.iter().all(|one| one.method == Method::GET && !one.uri.path().contains("urn:x:1")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn registrations_that_take_over_what_is_there_are_refused() {
    let it = start().await;
    it.create(car("1", json!({"speed": 50}))).await;
    let part = |names: &[&str]| json!({"entities": [{"type": "Car", "id": "urn:ngsi-ld:Car:1"}], "propertyNames": names});
    let post = |mode: &str, information: Value| {
        it.post("/csourceRegistrations", &registration("http://127.0.0.1:1", mode, &[], information))
    };
    expect_error(post("exclusive", part(&["speed"])), 409, "Conflict", "Car:1").await;
    expect_error(post("redirect", json!({"entities": [{"type": "Car"}]})), 409, "Conflict", "Car:1").await;
    expect(post("exclusive", part(&["color"])), 201).await;
    for mode in ["exclusive", "redirect"] {
        expect_error(post(mode, part(&["color", "size"])), 409, "Conflict", "registration").await;
    }
    expect(post("exclusive", part(&["size"])), 201).await;
    expect(post("inclusive", part(&["color"])), 201).await;
    expect_error(
        post("exclusive", json!({"entities": [{"type": "Car"}]})),
        400,
        "BadRequestData",
        "exclusive",
    )
    .await;
    let endpoint = registration("http://127.0.0.1:1/?x=1", "inclusive", &[], part(&["a"]));
    expect_error(it.post("/csourceRegistrations", &endpoint), 400, "BadRequestData", "endpoint").await;
    let unknown = registration("http://127.0.0.1:1", "inclusive", &["allOps"], part(&["a"]));
    expect_error(it.post("/csourceRegistrations", &unknown), 400, "BadRequestData", "allOps").await;
}

#[tokio::test]
async fn a_request_is_narrowed_to_what_its_source_is_registered_for() {
    let source = stub(|_| (StatusCode::OK, "[]".to_owned())).await;
    let it = start().await;
    let mut one = registration(
        &source.url,
        "inclusive",
        &["queryEntity", "retrieveEntity", "purgeEntity"],
        json!({"entities": [{"type": "Car", "id": "urn:ngsi-ld:Car:1"}], "propertyNames": ["speed", "color"]}),
    );
    one["management"] = json!({"localOnly": true});
    one["tenant"] = json!("theirs");
    one["sourceType"] = json!("sensor");
    expect(it.post("/csourceRegistrations", &one), 201).await;
    it.read("/entities?type=Car&attrs=speed,brand&scopeQ=/A").await;
    let asked = source.take().remove(0);
    assert_eq!(asked.body, json!(null));
    let query = asked.uri.query().unwrap();
    for part in ["type=Car", "id=urn:ngsi-ld:Car:1", "attrs=speed", "local=true", "scopeQ=%2FA"] {
        assert!(query.contains(part), "{query}");
    }
    assert!(!query.contains("brand"), "{query}");
    assert_eq!(asked.headers["ngsild-tenant"], "theirs");
    for path in [
        "/entities?type=Ship",
        "/entities?type=Car&attrs=brand",
        "/entities?type=Car&id=urn:ngsi-ld:Car:2",
        "/entities?type=Car&csf=sourceType==\"archive\"",
        "/entities?type=Car&local=true",
    ] {
        it.read(path).await;
        assert!(source.take().is_empty(), "{path}");
    }
    it.read("/entities?type=Car&csf=sourceType==\"sensor\"").await;
    assert_eq!(source.take().len(), 1);
    expect(it.delete("/entities?type=Car"), 204).await;
    let purged = source.take().remove(0);
    assert_eq!(purged.uri.query(), Some("type=Car&id=urn:ngsi-ld:Car:1&drop=speed,color&local=true"));
}

#[tokio::test]
async fn a_loop_ends() {
    let (a, b) = (start().await, start().await);
    let cars = || json!({"entities": [{"type": "Car"}]});
    register(&a, &b.base, "inclusive", &["redirectionOps"], cars()).await;
    // Who says what a source calls itself does not ask it again for what came from there.
    let mut back = registration(&a.base, "inclusive", &["redirectionOps"], cars());
    back["contextSourceAlias"] = json!(a.broker.alias());
    expect(b.post("/csourceRegistrations", &back), 201).await;
    a.create(car("1", json!({"speed": 50}))).await;
    assert_eq!(b.read("/entities/urn:ngsi-ld:Car:1?local=true&options=keyValues").await["speed"], 50);
    assert_eq!(ids(&a.read("/entities?type=Car").await), ["urn:ngsi-ld:Car:1"]);
    // All of it elsewhere, and elsewhere is here.
    let (c, d) = (start().await, start().await);
    register(&c, &d.base, "redirect", &["redirectionOps"], cars()).await;
    register(&d, &c.base, "redirect", &["redirectionOps"], cars()).await;
    let response = c.post("/entities", &car("1", json!({"speed": 50}))).send().await.unwrap();
    assert_eq!(response.status(), 508);
    assert!(response.text().await.unwrap().contains("LoopDetected"));
    let via = c.get("/entities/urn:ngsi-ld:Car:1").header("via", format!("1.1 x, 1.1 {}", c.broker.alias()));
    expect_error(via, 508, "LoopDetected", "came back").await;
}

#[tokio::test]
async fn a_source_that_fails_is_warned_of_and_keeps_nobody() {
    let it = start_with(|options| options.sources.max_bytes = 10_000).await;
    let information = || json!({"entities": [{"type": "Car"}]});
    it.create(car("1", json!({"speed": 50}))).await;
    let answers = stub(|seen| match seen.uri.path().split('/').nth(1).unwrap() {
        "refuses" => (StatusCode::FORBIDDEN, "{}".to_owned()),
        "lacks" => (StatusCode::NOT_FOUND, "{}".to_owned()),
        "babbles" => (StatusCode::OK, "not json".to_owned()),
        "floods" => (StatusCode::OK, format!("[\"{}\"]", "x".repeat(20_000))),
        _ => (StatusCode::OK, json!([{"id": "urn:ngsi-ld:Car:1", "type": "Car", "speed": null}]).to_string()),
    })
    .await;
    for (path, code) in [("refuses", 299), ("babbles", 111), ("floods", 111), ("nulls", 111), ("lacks", 0)] {
        let mut one = registration(&format!("{}/{path}", answers.url), "inclusive", &[], information());
        one["id"] = json!(format!("urn:ngsi-ld:ContextSourceRegistration:{path}"));
        expect(it.post("/csourceRegistrations", &one), 201).await;
        for read in ["/entities?type=Car", "/entities/urn:ngsi-ld:Car:1"] {
            let response = expect(it.get(read), 200).await;
            let warning =
                response.headers().get("ngsild-warning").map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(warning.is_some(), code != 0, "{path} {warning:?}");
            assert!(warning.is_none_or(|text| text.starts_with(&format!("{code} urn:"))), "{path}");
        }
        let shown = it.read(&format!("/csourceRegistrations/{}", one["id"].as_str().unwrap())).await;
        let status = if path == "floods" { "failed" } else { "ok" };
        assert_eq!((&shown["timesSent"], &shown["status"]), (&json!(2), &json!(status)), "{shown}");
        expect(it.delete(&format!("/csourceRegistrations/{}", one["id"].as_str().unwrap())), 204).await;
    }
}

#[tokio::test]
async fn a_silent_source_is_left_alone_for_its_cooldown() {
    let it = start().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    let mut one = registration(&url, "redirect", &["redirectionOps"], json!({"entities": [{"type": "Car"}]}));
    one["management"] = json!({"timeout": 50, "cooldown": 3_600_000});
    one["id"] = json!("urn:r");
    expect(it.post("/csourceRegistrations", &one), 201).await;
    expect(it.post("/entities", &car("1", json!({"speed": 1}))), 504).await;
    let response = expect(it.get("/entities?type=Car"), 200).await;
    assert!(response.headers()["ngsild-warning"].to_str().unwrap().starts_with("112 "));
    let shown = it.read("/csourceRegistrations/urn:r").await;
    assert_eq!(
        (&shown["timesSent"], &shown["timesFailed"], &shown["status"]),
        (&json!(1), &json!(1), &json!("failed"))
    );
}

#[tokio::test]
async fn an_answer_is_used_again_as_long_as_its_registration_says() {
    let source = stub(|_| (StatusCode::OK, json!([car("1", json!({"speed": 1}))]).to_string())).await;
    let it = start().await;
    let mut one = registration(&source.url, "inclusive", &[], json!({"entities": [{"type": "Car"}]}));
    one["management"] = json!({"cacheDuration": "PT1H"});
    expect(it.post("/csourceRegistrations", &one), 201).await;
    for _ in 0..3 {
        assert_eq!(it.read("/entities?type=Car").await.as_array().unwrap().len(), 1);
    }
    assert_eq!(source.take().len(), 1);
}

#[tokio::test]
async fn no_source_inside_is_asked_unless_it_is_allowed() {
    let source = stub(|_| (StatusCode::OK, "[]".to_owned())).await;
    let it = start_with(|options| options.sources.allow_hosts.clear()).await;
    let port = source.url.rsplit(':').next().unwrap();
    for url in
        [source.url.clone(), format!("http://localhost:{port}"), format!("http://[::ffff:127.0.0.1]:{port}")]
    {
        let mut one =
            registration(&url, "inclusive", &["redirectionOps"], json!({"entities": [{"type": "Car"}]}));
        one["id"] = json!("urn:r");
        expect(it.post("/csourceRegistrations", &one), 201).await;
        let response = expect(it.get("/entities?type=Car"), 200).await;
        assert!(response.headers()["ngsild-warning"].to_str().unwrap().contains("public"), "{url}");
        expect(it.post("/entities", &car("1", json!({"speed": 1}))), 207).await;
        expect(it.delete("/entities/urn:ngsi-ld:Car:1?local=true"), 204).await;
        expect(it.delete("/csourceRegistrations/urn:r"), 204).await;
    }
    assert!(source.take().is_empty());
}

#[tokio::test]
async fn names_of_a_context_arrive_in_terms_that_the_source_knows() {
    let (it, other) = (start().await, start().await);
    register(
        &it,
        &other.base,
        "redirect",
        &["redirectionOps"],
        json!({"propertyNames": ["https://e.org/speed"]}),
    )
    .await;
    let entity = json!({
        "@context": {"speed": "https://e.org/speed", "Car": "https://e.org/Car"},
        "id": "urn:ngsi-ld:Car:1", "type": "Car", "speed": {"type": "Property", "value": 5},
    });
    let sent = it.client.post(format!("{}/entities", it.base)).header("content-type", "application/ld+json");
    expect(sent.body(entity.to_string()), 201).await;
    let there = other.read("/entities/urn:ngsi-ld:Car:1").await;
    assert_eq!(
        (&there["type"], &there["https://e.org/speed"]["value"]),
        (&json!("https://e.org/Car"), &json!(5))
    );
    let mut query = json!({"type": "Query", "entities": [{"type": "Car"}], "q": "speed>1"});
    query["@context"] = entity["@context"].clone();
    let sent = it
        .client
        .post(format!("{}/entityOperations/query", it.base))
        .header("content-type", "application/ld+json");
    let found: Value = expect(sent.body(query.to_string()), 200).await.json().await.unwrap();
    assert_eq!(found[0]["speed"]["value"], 5, "{found}");
}

#[tokio::test]
async fn types_and_attributes_of_sources_are_there_too() {
    let (it, other) = (start().await, start().await);
    it.create(car("1", json!({"speed": 50}))).await;
    other.create(car("2", json!({"color": "red"}))).await;
    other
        .create(json!({"id": "urn:ngsi-ld:Ship:1", "type": "Ship", "load": {"type": "Property", "value": 1}}))
        .await;
    other.create(json!({"id": "urn:ngsi-ld:Plane:1", "type": "Plane"})).await;
    let cars_and_ships = json!({"entities": [{"type": "Car"}, {"type": "Ship"}]});
    register(&it, &other.base, "inclusive", &[], cars_and_ships).await;
    // A source says no more than it is registered for.
    assert_eq!(it.read("/types").await["typeList"], json!(["Car", "Ship"]));
    assert_eq!(it.read("/types?local=true").await["typeList"], json!(["Car"]));
    let details = it.read("/types?details=true").await;
    let ship = details.as_array().unwrap().iter().find(|one| one["typeName"] == "Ship").unwrap();
    assert_eq!(ship["attributeNames"], json!(["load"]));
    let one = it.read("/types/Car").await;
    assert_eq!(one["entityCount"], 2);
    let mut names: Vec<_> = one["attributeDetails"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["attributeName"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["color", "speed"]);
    assert_eq!(it.read("/types/Ship").await["attributeDetails"][0]["attributeTypes"], json!(["Property"]));
    expect(it.get("/types/Plane"), 404).await;
    assert_eq!(it.read("/attributes").await["attributeList"], json!(["color", "load", "speed"]));
    let load = it.read("/attributes/load").await;
    assert_eq!((&load["attributeCount"], &load["typeNames"]), (&json!(1), &json!(["Ship"])));
    let details = it.read("/attributes?details=true").await;
    assert!(details.as_array().unwrap().iter().any(|one| one["attributeName"] == "color"), "{details}");
    // Who is not there is warned of.
    let silent = registration("http://127.0.0.1:1", "inclusive", &[], json!({"entities": [{"type": "Car"}]}));
    expect(it.post("/csourceRegistrations", &silent), 201).await;
    let answer = expect(it.get("/types"), 200).await;
    assert!(answer.headers()["ngsild-warning"].to_str().unwrap().starts_with("199 "));
}

fn instance(value: u32, day: u32) -> Value {
    json!({"type": "Property", "value": value, "observedAt": format!("2026-01-{day:02}T00:00:00Z")})
}

#[tokio::test]
async fn the_past_is_that_of_all_sources_together() {
    let (it, other) = (
        start_with(|options| options.history_instances = 100).await,
        start_with(|options| options.history_instances = 100).await,
    );
    let past = |id: &str, instances: Value| json!({"id": format!("urn:ngsi-ld:Car:{id}"), "type": "Car", "speed": instances});
    expect(it.post("/temporal/entities", &past("1", json!([instance(1, 1), instance(3, 3)]))), 201).await;
    expect(other.post("/temporal/entities", &past("1", json!([instance(2, 2), instance(4, 4)]))), 201).await;
    expect(other.post("/temporal/entities", &past("2", json!([instance(9, 9)]))), 201).await;
    let cars = json!({"entities": [{"type": "Car"}]});
    register(&it, &other.base, "inclusive", &["retrieveTemporal", "queryTemporal"], cars.clone()).await;
    let values = |entity: &Value| -> Vec<u64> {
        entity["speed"]["values"].as_array().unwrap().iter().map(|pair| pair[0].as_u64().unwrap()).collect()
    };
    let time = "timerel=after&timeAt=2026-01-01T00:00:00Z&options=temporalValues";
    let one = it.read(&format!("/temporal/entities/urn:ngsi-ld:Car:1?{time}")).await;
    assert_eq!(values(&one), [1, 2, 3, 4]);
    assert_eq!(
        values(&it.read(&format!("/temporal/entities/urn:ngsi-ld:Car:1?{time}&local=true")).await),
        [1, 3]
    );
    assert_eq!(
        values(&it.read(&format!("/temporal/entities/urn:ngsi-ld:Car:1?{time}&lastN=2")).await),
        [3, 4]
    );
    assert_eq!(values(&it.read(&format!("/temporal/entities/urn:ngsi-ld:Car:2?{time}")).await), [9]);
    let all = it.read(&format!("/temporal/entities?type=Car&{time}")).await;
    assert_eq!(ids(&all), ["urn:ngsi-ld:Car:1", "urn:ngsi-ld:Car:2"]);
    // Filters look at all parts together.
    assert_eq!(
        ids(&it.read(&format!("/temporal/entities?type=Car&q=speed==2&{time}")).await),
        ["urn:ngsi-ld:Car:1"]
    );
    assert_eq!(
        ids(&it.read(&format!("/temporal/entities?type=Car&limit=1&offset=1&{time}")).await),
        ["urn:ngsi-ld:Car:2"]
    );
    let body = json!({"type": "Query", "entities": [{"type": "Car", "id": "urn:ngsi-ld:Car:2"}],
        "temporalQ": {"timerel": "after", "timeAt": "2026-01-01T00:00:00Z"}});
    let found: Value =
        expect(it.post("/temporal/entityOperations/query", &body), 200).await.json().await.unwrap();
    assert_eq!(ids(&found), ["urn:ngsi-ld:Car:2"]);
    assert!(found[0]["speed"][0]["instanceId"].is_string(), "{found}");
    // A map of it says who has what (5.14.5), and a snapshot has what sources have (5.16.1.4).
    let map = expect(
        it.get(&format!("/temporal/entityMaps?type=Car&{}", time.replace("&options=temporalValues", ""))),
        201,
    )
    .await;
    let map: Value = map.json().await.unwrap();
    let registered = it.read("/csourceRegistrations?type=Car").await[0]["id"].clone();
    let expected = json!({"urn:ngsi-ld:Car:1": ["@none", registered], "urn:ngsi-ld:Car:2": [registered]});
    assert_eq!(map["entityMap"], expected);
    let query = json!({"type": "Query", "entities": [{"type": "Car"}], "temporalQ": {"timerel": "after", "timeAt": "2026-01-01T00:00:00Z"}});
    let made =
        expect(it.post("/snapshots", &json!({"type": "Snapshot", "snapshotTemporalQueries": [query]})), 201)
            .await;
    let location = made.headers()["location"].to_str().unwrap().trim_start_matches("/ngsi-ld/v1").to_owned();
    eventually(async || it.read(&location).await["snapshotStatus"] == "success").await;
    let inside = it.get(&format!("/temporal/entities?type=Car&{time}"));
    let inside = inside.header("ngsild-snapshot", location.rsplit('/').next().unwrap());
    let inside: Value = expect(inside, 200).await.json().await.unwrap();
    assert_eq!(ids(&inside), ["urn:ngsi-ld:Car:1", "urn:ngsi-ld:Car:2"]);
    assert_eq!(values(&inside[0]), [1, 2, 3, 4]);
    assert_eq!(values(&inside[1]), [9]);
}

#[tokio::test]
async fn a_broker_without_a_past_shows_that_of_its_sources() {
    let (it, source) = (
        start().await,
        stub(|_| {
            (
                StatusCode::OK,
                json!([{"id": "urn:ngsi-ld:Car:1", "type": "Car",
        "speed": [instance(1, 1)]}])
                .to_string(),
            )
        })
        .await,
    );
    expect(it.get("/temporal/entities/urn:ngsi-ld:Car:1"), 422).await;
    let mut one = registration(
        &source.url,
        "inclusive",
        &["queryTemporalBatch"],
        json!({"entities": [{"type": "Car"}]}),
    );
    one["observationInterval"] = json!({"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-02-01T00:00:00Z"});
    expect(it.post("/csourceRegistrations", &one), 201).await;
    let found = it.read("/temporal/entities?type=Car&timerel=after&timeAt=2026-01-01T00:00:00Z").await;
    assert_eq!(ids(&found), ["urn:ngsi-ld:Car:1"]);
    let seen = source.take();
    assert_eq!(seen[0].body["temporalQ"], json!({"timerel": "after", "timeAt": "2026-01-01T00:00:00Z"}));
    // What the source says of another time it is not asked for.
    expect(it.get("/temporal/entities?type=Car&timerel=after&timeAt=2027-01-01T00:00:00Z"), 422).await;
    assert!(source.take().is_empty());
}

#[tokio::test]
async fn two_brokers_that_are_sources_of_each_other_write_once() {
    let (it, other) = (start().await, start().await);
    let cars = json!({"entities": [{"type": "Car"}]});
    let operations = ["redirectionOps", "upsertBatch", "mergeBatch", "deleteBatch"];
    // Neither registration says what the other broker is called.
    register(&it, &other.base, "inclusive", &operations, cars.clone()).await;
    register(&other, &it.base, "inclusive", &operations, cars).await;
    it.create(car("1", json!({"speed": 50}))).await;
    for broker in [&it, &other] {
        assert_eq!(
            broker.read("/entities/urn:ngsi-ld:Car:1?local=true&options=keyValues").await["speed"],
            50
        );
    }
    expect(other.patch("/entities/urn:ngsi-ld:Car:1/attrs", &json!({"speed": 60})), 204).await;
    expect(other.post("/entityOperations/upsert", &json!([car("2", json!({"speed": 70}))])), 201).await;
    for broker in [&it, &other] {
        let all = broker.read("/entities?type=Car&local=true&options=keyValues").await;
        assert_eq!((&all[0]["speed"], &all[1]["speed"]), (&json!(60), &json!(70)), "{all}");
        assert_eq!(broker.read("/entities?type=Car").await.as_array().unwrap().len(), 2);
    }
    expect(it.delete("/entities/urn:ngsi-ld:Car:1"), 204).await;
    expect(other.get("/entities/urn:ngsi-ld:Car:1"), 404).await;
}
