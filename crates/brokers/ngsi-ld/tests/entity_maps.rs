//! Entity maps (NGSI-LD 5.14, 5.5.9.3, 5.5.14) and snapshots (5.16, 6.3.22).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{TestBroker, car, eventually, expect, expect_error, ids, options, reopen, serve_broker, start};
use morgana_ngsi_ld::{Broker, HttpOptions, Options};
use serde_json::{Value, json};

async fn cars(it: &TestBroker, count: u32) {
    for number in 0..count {
        it.create(car(number, 10 * i64::from(number))).await;
    }
}

/// Makes a map of a query. Gives where it is.
async fn map_of(it: &TestBroker, path: &str) -> (String, Value) {
    let response = expect(it.get(path), 201).await;
    let location = response.headers()["ngsild-entitymap"].to_str().unwrap().to_owned();
    (location, response.json().await.unwrap())
}

fn short(location: &str) -> String {
    location.strip_prefix("/ngsi-ld/v1").unwrap().to_owned()
}

#[tokio::test]
async fn pages_of_a_map_are_of_one_set() {
    let it = start().await;
    cars(&it, 5).await;
    let (location, first) = map_of(&it, "/entities?type=Car&entityMap=true&limit=2").await;
    assert_eq!(ids(&first), ["urn:ngsi-ld:Car:0", "urn:ngsi-ld:Car:1"]);
    it.create(car(9, 90)).await;
    expect(it.delete("/entities/urn:ngsi-ld:Car:2"), 204).await;
    let read = async |query: &str| {
        let request = it.get(&format!("/entities?type=Car&{query}")).header("ngsild-entitymap", &location);
        let response = expect(request, 200).await;
        assert_eq!(response.headers()["ngsild-entitymap"], location.as_str());
        let count =
            response.headers().get("ngsild-results-count").map(|count| count.to_str().unwrap().to_owned());
        (response.json::<Value>().await.unwrap(), count)
    };
    // What came later is not in it, what went is not missed, and pages are full.
    let (page, count) = read("limit=3&count=true").await;
    assert_eq!(ids(&page), ["urn:ngsi-ld:Car:0", "urn:ngsi-ld:Car:1", "urn:ngsi-ld:Car:3"]);
    assert_eq!(count.as_deref(), Some("4"));
    let map = it.read(&short(&location)).await;
    assert_eq!(map["type"], "EntityMap");
    assert_eq!(map["entityMap"]["urn:ngsi-ld:Car:0"], json!(["@none"]));
    assert_eq!(map["entityMap"].as_object().unwrap().len(), 4);
    expect(it.delete(&short(&location)), 204).await;
    expect_error(it.get(&short(&location)), 404, "ResourceNotFound", "entity map").await;
    let again = it.get("/entities?type=Car").header("ngsild-entitymap", &location);
    assert_ne!(
        expect(again, 201).await.headers()["ngsild-entitymap"],
        *location,
        "a map that is gone is made again"
    );
}

#[tokio::test]
async fn a_map_says_who_has_an_entity() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.sources.allow_hosts = vec!["127.0.0.1".to_owned()];
    let it = common::serve_in(Broker::open(options).unwrap(), HttpOptions::default(), dir).await;
    let other = start().await;
    it.create(car(1, 10)).await;
    other.create(car(1, 20)).await;
    other.create(car(2, 20)).await;
    let registration = json!({
        "id": "urn:r", "type": "ContextSourceRegistration", "information": [{"entities": [{"type": "Car"}]}],
        "endpoint": other.base.trim_end_matches("/ngsi-ld/v1"),
    });
    expect(it.post("/csourceRegistrations", &registration), 201).await;
    let (_, map) = map_of(&it, "/entityMaps?type=Car").await;
    let expected = json!({"urn:ngsi-ld:Car:1": ["@none", "urn:r"], "urn:ngsi-ld:Car:2": ["urn:r"]});
    assert_eq!(map["entityMap"], expected);
}

#[tokio::test]
async fn a_map_lives_as_long_as_the_broker_lets_it() {
    let it = start().await;
    cars(&it, 2).await;
    let (location, map) = map_of(&it, "/entityMaps?type=Car&q=speed>5&entityMapLifetime=P3650D").await;
    assert_eq!(map["entityMap"].as_object().unwrap().len(), 1);
    let path = short(&location);
    expect(it.patch(&path, &json!({"expiresAt": "2999-01-01T00:00:00Z", "entityMap": {}})), 204).await;
    let now = it.read(&path).await;
    assert!(now["expiresAt"].as_str().unwrap() < "2999", "{now}");
    assert_eq!(now["entityMap"], map["entityMap"]);
    expect_error(it.patch(&path, &json!({"expiresAt": "soon"})), 400, "BadRequestData", "expiresAt").await;
    expect(it.patch(&path, &json!({"expiresAt": "2001-01-01T00:00:00Z"})), 204).await;
    expect(it.get(&path), 404).await;
    expect_error(it.get("/entityMaps?id=urn:x:1"), 400, "BadRequestData", "type").await;
    let wrong = it.get("/entityMaps?type=Car&entityMapLifetime=1hour");
    expect_error(wrong, 400, "BadRequestData", "entityMapLifetime").await;
    expect_error(it.get("/entityMaps/nothing"), 400, "BadRequestData", "id").await;
    expect_error(it.get("/temporal/entityMaps?type=Car"), 400, "BadRequestData", "timerel").await;
}

#[tokio::test]
async fn the_past_has_maps_too() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { history_instances: 10, ..options(dir.path()) };
    let it = common::serve_in(Broker::open(options).unwrap(), HttpOptions::default(), dir).await;
    cars(&it, 2).await;
    let (location, map) = map_of(
        &it,
        "/temporal/entityMaps?type=Car&timerel=before&timeAt=2999-01-01T00:00:00Z&timeproperty=createdAt",
    )
    .await;
    assert_eq!(map["entityMap"].as_object().unwrap().len(), 2);
    it.create(car(5, 50)).await;
    let request = it.get("/temporal/entities?type=Car").header("ngsild-entitymap", &location);
    let found: Value = expect(request, 200).await.json().await.unwrap();
    assert_eq!(ids(&found), ["urn:ngsi-ld:Car:0", "urn:ngsi-ld:Car:1"]);
}

/// Makes a snapshot and waits until it is ready. Gives its id.
async fn snapshot(it: &TestBroker, body: Value) -> String {
    let response = expect(it.post("/snapshots", &body), 201).await;
    ready(it, response.headers()["location"].to_str().unwrap()).await
}

async fn ready(it: &TestBroker, location: &str) -> String {
    let path = short(location);
    eventually(async || it.read(&path).await["snapshotStatus"] == "success").await;
    path.rsplit('/').next().unwrap().to_owned()
}

fn of_cars(q: &str) -> Value {
    json!({"type": "Snapshot", "snapshotQueries": [{"type": "Query", "entities": [{"type": "Car"}], "q": q}]})
}

#[tokio::test]
async fn a_snapshot_stays_as_it_was_and_is_a_world_of_its_own() {
    let it = start().await;
    cars(&it, 4).await;
    let before = it.read("/entities/urn:ngsi-ld:Car:3?options=sysAttrs").await;
    let id = snapshot(&it, of_cars("speed>10")).await;
    let inside = |request: reqwest::RequestBuilder| request.header("ngsild-snapshot", &id);
    let shown = it.read(&format!("/snapshots/{id}")).await;
    assert_eq!((&shown["snapshotPriority"], shown.get("folder")), (&json!(5), None));
    assert_eq!(shown["snapshotQueriesDetails"], json!([{"resultStatus": "success"}]));
    expect(it.patch("/entities/urn:ngsi-ld:Car:3/attrs", &json!({"speed": 1})), 204).await;
    expect(it.delete("/entities/urn:ngsi-ld:Car:2"), 204).await;
    let found = expect(inside(it.get("/entities?type=Car")), 200).await;
    assert_eq!(found.headers()["ngsild-snapshot"], id.as_str());
    assert_eq!(ids(&found.json().await.unwrap()), ["urn:ngsi-ld:Car:2", "urn:ngsi-ld:Car:3"]);
    let then: Value = expect(inside(it.get("/entities/urn:ngsi-ld:Car:3?options=sysAttrs")), 200)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(then, before);
    // What happens inside happens nowhere else.
    expect(inside(it.delete("/entities/urn:ngsi-ld:Car:3")), 204).await;
    expect(it.get("/entities/urn:ngsi-ld:Car:3"), 200).await;
    let empty = snapshot(&it, of_cars("speed>1000")).await;
    assert_eq!(
        it.read(&format!("/snapshots/{empty}")).await["snapshotQueriesDetails"],
        json!([{"resultStatus": "empty"}])
    );
}

#[tokio::test]
async fn snapshots_are_cloned_changed_and_purged() {
    let it = start().await;
    cars(&it, 2).await;
    let id = snapshot(&it, of_cars("speed>=0")).await;
    let path = format!("/snapshots/{id}");
    let changed: Value =
        expect(it.patch(&path, &json!({"snapshotPriority": 2})), 200).await.json().await.unwrap();
    assert_eq!(changed["snapshotPriority"], 2);
    for (patch, words) in [
        (json!({"snapshotQueries": []}), "snapshotQueries"),
        (json!({"snapshotPriority": 11}), "1 to 10"),
        (json!({"expiresAt": "soon"}), "expiresAt"),
    ] {
        expect_error(it.patch(&path, &patch), 400, "BadRequestData", words).await;
    }
    let response =
        expect(it.post(&format!("{path}/clone"), &json!({"type": "Snapshot", "snapshotPriority": 9})), 201)
            .await;
    let clone = ready(&it, response.headers()["location"].to_str().unwrap()).await;
    expect_error(it.delete("/snapshots?q=speed>5"), 400, "BadRequestData", "speed").await;
    expect(it.delete("/snapshots?q=snapshotPriority<5"), 204).await;
    expect(it.get(&path), 404).await;
    expect(it.get("/entities?type=Car").header("ngsild-snapshot", &id), 404).await;
    let found = expect(it.get("/entities?type=Car").header("ngsild-snapshot", &clone), 200).await;
    assert_eq!(ids(&found.json().await.unwrap()).len(), 2);
    assert_eq!(it.read("/snapshots").await.as_array().unwrap().len(), 1);
    for (body, words) in [
        (json!({"type": "Snapshot"}), "snapshotQueries"),
        (json!({"type": "Thing", "snapshotQueries": [{"type": "Query"}]}), "type"),
        (json!({"type": "Snapshot", "snapshotQueries": [{"type": "Query", "temporalQ": {}}]}), "temporalQ"),
        (json!({"type": "Snapshot", "snapshotQueries": [{"type": "Query", "q": "a=="}]}), ""),
    ] {
        expect_error(it.post("/snapshots", &body), 400, "BadRequestData", words).await;
    }
}

#[tokio::test]
async fn maps_and_snapshots_are_back_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (location, id) = {
        let it = serve_broker(Broker::open(options(dir.path())).unwrap()).await;
        cars(&it, 2).await;
        (map_of(&it, "/entityMaps?type=Car").await.0, snapshot(&it, of_cars("speed>=0")).await)
    };
    let it = serve_broker(reopen(dir.path()).await).await;
    assert_eq!(it.read(&short(&location)).await["entityMap"].as_object().unwrap().len(), 2);
    expect(it.delete("/entities/urn:ngsi-ld:Car:1"), 204).await;
    expect(it.get("/entities/urn:ngsi-ld:Car:1").header("ngsild-snapshot", &id), 200).await;
    // Another tenant has neither.
    expect(it.post("/entities", &car(7, 1)).header("ngsild-tenant", "b"), 201).await;
    expect(it.get(&short(&location)).header("ngsild-tenant", "b"), 404).await;
    let crossing = it.get("/entities/urn:ngsi-ld:Car:1").header("ngsild-tenant", "b");
    expect(crossing.header("ngsild-snapshot", &id), 404).await;
}
