//! Entities, attributes and their errors, over real HTTP (NGSIv2 Orion API, "Entities Operations").
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Listener, expect, expect_error, start};
use serde_json::json;

#[tokio::test]
async fn an_entity_is_created_read_changed_and_deleted() {
    let broker = start().await;
    let entity =
        json!({"id": "Room1", "type": "Room", "t": {"value": 21.5, "metadata": {"unit": {"value": "C"}}}});
    let created = expect(broker.post("/entities", entity.clone()), 201).await;
    assert_eq!(created.headers()["location"], "/v2/entities/Room1?type=Room");
    assert!(created.headers().contains_key("fiware-correlator"));
    assert_eq!(
        broker.read("/entities/Room1").await,
        json!({"id": "Room1", "type": "Room", "t": {"type": "Number", "value": 21.5,
            "metadata": {"unit": {"type": "Text", "value": "C"}}}})
    );
    expect_error(broker.post("/entities", entity), 422, "Unprocessable", "Already Exists").await;
    expect(broker.patch("/entities/Room1/attrs", json!({"t": {"value": 22}})), 204).await;
    let shown = broker.read("/entities/Room1?options=keyValues").await;
    assert_eq!(shown, json!({"id": "Room1", "type": "Room", "t": 22}));
    // Metadata that an update does not mention stay.
    assert_eq!(broker.read("/entities/Room1/attrs/t").await["metadata"]["unit"]["value"], "C");
    expect(broker.put("/entities/Room1/attrs/t/value?options=overrideMetadata", json!({"a": [1]})), 204)
        .await;
    assert_eq!(broker.read("/entities/Room1/attrs/t/value").await, json!({"a": [1]}));
    expect(broker.put("/entities/Room1/attrs", json!({"p": {"value": true}})), 204).await;
    assert_eq!(broker.read("/entities/Room1?options=values").await, json!([true]));
    expect(broker.delete("/entities/Room1/attrs/p"), 204).await;
    expect(broker.delete("/entities/Room1"), 204).await;
    let words = "The requested entity has not been found. Check type and id";
    expect_error(broker.get("/entities/Room1"), 404, "NotFound", words).await;
}

#[tokio::test]
async fn what_is_partly_possible_is_done_and_the_rest_named() {
    let broker = start().await;
    broker.create(json!({"id": "E", "type": "T", "A": 1, "B": 2})).await;
    let patch = json!({"B": {"value": 3}, "C": {"value": 4}});
    expect_error(broker.patch("/entities/E/attrs", patch), 422, "PartialUpdate", "do not exist: E - [ C ]")
        .await;
    assert_eq!(broker.read("/entities/E?options=keyValues").await["B"], 3);
    let update = |action: &str| {
        json!({"actionType": action, "entities": [
            {"id": "E", "type": "T", "D": {"value": 1}}, {"id": "F", "type": "T"}, {"id": "G", "type": "T"}]})
    };
    let words = "do not exist: E/T - [ D ], F/T [entity itself], G/T [entity itself]";
    expect_error(broker.post("/op/update", update("update")), 422, "Unprocessable", words).await;
    expect(broker.post("/op/update", update("append")), 204).await;
    assert_eq!(broker.ids("type=T").await, ["E", "F", "G"]);
    expect(broker.post("/op/update", update("delete")), 204).await;
    assert_eq!(broker.ids("type=T").await, ["E"]);
}

#[tokio::test]
async fn a_malformed_request_is_named() {
    let broker = start().await;
    let post = |body: serde_json::Value| broker.post("/entities", body);
    for (body, words) in [
        (json!({"type": "T"}), "entity id length: 0, min length supported: 1"),
        (json!({"id": "a b"}), "Invalid characters in entity id"),
        (json!({"id": "é"}), "Invalid characters in entity id"),
        (json!({"id": "x".repeat(257)}), "entity id length: 257, max length supported: 256"),
        (json!({"id": 1}), "Invalid JSON type for entity id"),
        (json!({"id": "a", "b": 1}), "attribute must be a JSON object, unless keyValues option is used"),
        (json!({"id": "a", "b": {"value": "<x>"}}), "Invalid characters in attribute value"),
        (
            json!({"id": "a", "b": {"type": "DateTime", "value": "x"}}),
            "date has invalid format in attribute value",
        ),
        (json!({"id": "a", "b": {"vale": 1}}), "unrecognized property for context attribute"),
        (json!({}), "empty payload"),
    ] {
        expect_error(post(body), 400, "BadRequest", words).await;
    }
    let raw =
        broker.client.post(format!("{}/entities", broker.base)).header("content-type", "application/json");
    expect_error(raw.body("{\"id\":"), 400, "ParseError", "Errors found in incoming JSON buffer").await;
    let text =
        broker.client.post(format!("{}/entities", broker.base)).header("content-type", "text/csv").body("x");
    expect_error(text, 415, "UnsupportedMediaType", "not supported content type: text/csv").await;
    let large = "x".repeat(1024 * 1024);
    let body = format!("{{\"id\":\"a\",\"b\":{{\"value\":\"{large}\"}}}}   ");
    let request =
        broker.client.post(format!("{}/entities", broker.base)).header("content-type", "application/json");
    let words = format!("payload size: {}, max size supported: 1048576", body.len());
    expect_error(request.body(body), 413, "RequestEntityTooLarge", &words).await;
    let wrong = broker.client.put(format!("{}/entities/E", broker.base)).json(&json!({"a": 1}));
    let response = expect(wrong, 405).await;
    assert_eq!(response.headers()["allow"], "GET, DELETE");
    let words = "Service not found. Check your URL as probably it is wrong.";
    expect_error(broker.get("/nowhere"), 400, "BadRequest", words).await;
    assert_eq!(broker.broker.entity_count(), 0);
}

#[tokio::test]
async fn update_operators_are_done_by_the_broker() {
    let broker = start().await;
    broker.create(json!({"id": "E", "A": 1, "L": [1, 2]})).await;
    expect(broker.patch("/entities/E/attrs", json!({"A": {"value": {"$inc": 2}}})), 204).await;
    expect(broker.post("/entities/E/attrs", json!({"L": {"value": {"$addToSet": 3}}})), 204).await;
    let shown = broker.read("/entities/E?options=keyValues").await;
    assert_eq!(shown, json!({"id": "E", "type": "Thing", "A": 3, "L": [1, 2, 3]}));
}

#[tokio::test]
async fn an_entity_has_one_location() {
    let broker = start().await;
    let place = |x: f64| json!({"type": "geo:json", "value": {"type": "Point", "coordinates": [x, 1]}});
    expect(broker.post("/entities", json!({"id": "E", "a": place(1.0)})), 201).await;
    let response = expect(broker.post("/entities/E/attrs", json!({"b": place(2.0)})), 413).await;
    assert_eq!(response.json::<serde_json::Value>().await.unwrap()["error"], "NoResourcesAvailable");
    let mut ignored = place(2.0);
    ignored["metadata"] = json!({"ignoreType": {"value": true}});
    expect(broker.post("/entities/E/attrs", json!({"b": ignored})), 204).await;
    assert_eq!(broker.ids("georel=near;maxDistance:1000&geometry=point&coords=1,1").await, ["E"]);
    assert!(broker.ids("georel=near;maxDistance:1000&geometry=point&coords=1,2").await.is_empty());
}

#[tokio::test]
async fn service_paths_keep_entities_apart() {
    let broker = start().await;
    for path in ["/a", "/a/b", "/c"] {
        let request = broker.post("/entities", json!({"id": "E", "p": {"value": path}}));
        expect(request.header("fiware-servicepath", path), 201).await;
    }
    let count = async |path: &str| {
        let request = broker.get("/entities?options=count").header("fiware-servicepath", path);
        expect(request, 200).await.headers()["fiware-total-count"].to_str().unwrap().to_owned()
    };
    assert_eq!(
        (count("/a").await, count("/a/#").await, count("/#").await),
        ("1".into(), "2".into(), "3".into())
    );
    let words = "More than one matching entity. Please refine your query";
    expect_error(broker.get("/entities/E"), 409, "TooManyResults", words).await;
    let relative = broker.get("/entities").header("fiware-servicepath", "a");
    let words = "Only /absolute/ Service Paths allowed [a service path must begin with /]";
    expect_error(relative, 400, "BadRequest", words).await;
}

/// Orion keeps such a value in one more array than it tells subscribers of.
#[tokio::test]
async fn an_object_that_is_pushed_to_a_new_attribute_is_kept_and_told_as_orion_does() {
    let broker = start().await;
    let mut listener = Listener::start().await;
    broker.subscribe(&listener.url, |_| {}).await;
    for (id, operator, value, told, kept) in [
        ("A", "$push", json!(2), json!([2]), json!([2])),
        ("B", "$push", json!({"y": 2}), json!([{"y": 2}]), json!([[{"y": 2}]])),
        ("C", "$addToSet", json!(["z"]), json!([["z"]]), json!([[["z"]]])),
        ("D", "$push", json!({"$each": [1, 2]}), json!([1, 2]), json!([1, 2])),
    ] {
        expect(broker.post("/entities", json!({"id": id, "a": {"value": {operator: value}}})), 201).await;
        assert_eq!(listener.next().await.entity()["a"]["value"], told, "{id}");
        assert_eq!(broker.read(&format!("/entities/{id}/attrs/a/value")).await, kept, "{id}");
    }
    // What is there is added to as it is.
    expect(broker.patch("/entities/B/attrs", json!({"a": {"value": {"$push": {"y": 3}}}})), 204).await;
    assert_eq!(broker.read("/entities/B/attrs/a/value").await, json!([[{"y": 2}], {"y": 3}]));
}
