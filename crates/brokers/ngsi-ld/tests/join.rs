//! Linked entities (NGSI-LD 4.5.23) and the order of results (4.23).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{expect, expect_error, ids, start};
use serde_json::json;

#[tokio::test]
async fn linked_entities_come_inside_or_beside() {
    let it = start().await;
    it.create(
        json!({"id": "urn:b:1", "type": "Building", "in": {"type": "Relationship", "object": "urn:c:1"}}),
    )
    .await;
    it.create(json!({"id": "urn:c:1", "type": "City", "of": {"type": "Relationship", "object": "urn:b:1"}}))
        .await;
    let inline = it.read("/entities/urn:b:1?join=inline&joinLevel=3").await;
    assert_eq!(inline["in"]["entity"]["id"], "urn:c:1");
    assert_eq!(inline["in"]["entity"]["of"].get("entity"), None, "a circle ends where it began");
    let simple = it.read("/entities/urn:b:1?join=inline&options=keyValues").await;
    assert_eq!(simple["in"], json!({"id": "urn:c:1", "type": "City", "of": "urn:b:1"}));
    assert_eq!(ids(&it.read("/entities/urn:b:1?join=flat").await), ["urn:b:1", "urn:c:1"]);
    assert_eq!(ids(&it.read("/entities?type=Building&join=flat&joinLevel=2").await), ["urn:b:1", "urn:c:1"]);
}

#[tokio::test]
async fn results_are_in_the_order_asked_for() {
    let it = start().await;
    for (number, name, level) in [(1, "b", 1), (2, "a", 2), (3, "c", 2)] {
        it.create(json!({"id": format!("urn:e:{number}"), "type": "T", "name": name,
            "tank": {"type": "Property", "value": {"level": level}}}))
            .await;
    }
    it.create(json!({"id": "urn:e:4", "type": "T"})).await;
    for (order, expected) in [
        ("name", ["urn:e:2", "urn:e:1", "urn:e:3", "urn:e:4"]),
        ("name;desc", ["urn:e:3", "urn:e:1", "urn:e:2", "urn:e:4"]),
        ("tank[level];desc,name", ["urn:e:2", "urn:e:3", "urn:e:1", "urn:e:4"]),
        ("id;desc", ["urn:e:4", "urn:e:3", "urn:e:2", "urn:e:1"]),
    ] {
        assert_eq!(ids(&it.read(&format!("/entities?type=T&orderBy={order}")).await), expected, "{order}");
    }
}

#[tokio::test]
async fn what_the_client_has_already_is_not_given_again() {
    let it = start().await;
    let link = |id: &str, kind: &str, to: &str| json!({"id": id, "type": kind, "in": {"type": "Relationship", "object": to}});
    it.create(link("urn:b:1", "Building", "urn:c:1")).await;
    it.create(link("urn:c:1", "City", "urn:d:1")).await;
    it.create(json!({"id": "urn:d:1", "type": "District"})).await;
    let path = "/entities/urn:b:1?joinLevel=2&containedBy=urn:d:1,urn:x:9";
    let inline = it.read(&format!("{path}&join=inline")).await;
    assert_eq!(inline["in"]["entity"]["id"], "urn:c:1");
    assert_eq!(inline["in"]["entity"]["in"].get("entity"), None);
    assert_eq!(ids(&it.read(&format!("{path}&join=flat")).await), ["urn:b:1", "urn:c:1"]);
    let body = json!({"type": "Query", "entities": [{"type": "Building"}], "join": "flat", "containedBy": ["urn:c:1"]});
    let found = it.post("/entityOperations/query", &body).send().await.unwrap();
    assert_eq!(ids(&found.json().await.unwrap()), ["urn:b:1"]);
    expect_error(it.get("/entities/urn:b:1?containedBy=urn:d:1"), 400, "BadRequestData", "needs join").await;
    expect_error(it.get(&format!("{path},x&join=flat")), 400, "BadRequestData", "containedBy").await;
}

#[tokio::test]
async fn ids_alone_are_a_list_and_have_pages() {
    let it = start().await;
    for number in 1..=3 {
        it.create(json!({"id": format!("urn:e:{number}"), "type": "T", "a": number})).await;
    }
    assert_eq!(it.read("/entities?type=T&onlyIds=true&q=a>1").await, json!(["urn:e:2", "urn:e:3"]));
    let response = expect(it.get("/entities?type=T&onlyIds=true&limit=2&count=true"), 200).await;
    assert_eq!(response.headers()["ngsild-results-count"], "3");
    assert_eq!(response.json::<serde_json::Value>().await.unwrap(), json!(["urn:e:1", "urn:e:2"]));
}

#[tokio::test]
async fn features_have_linked_entities_in_their_properties() {
    let it = start().await;
    let place = json!({"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1.0, 2.0]}});
    it.create(json!({"id": "urn:b:1", "type": "Building", "location": place, "in": {"type": "Relationship", "object": "urn:c:1"}}))
        .await;
    it.create(json!({"id": "urn:c:1", "type": "City"})).await;
    let read = async |path: &str| -> serde_json::Value {
        let response = expect(it.get(path).header("accept", "application/geo+json"), 200).await;
        assert_eq!(response.headers()["content-type"], "application/geo+json");
        response.json().await.unwrap()
    };
    let feature = read("/entities/urn:b:1?join=inline").await;
    assert_eq!((&feature["id"], &feature["type"]), (&json!("urn:b:1"), &json!("Feature")));
    assert_eq!(feature["geometry"]["coordinates"], json!([1.0, 2.0]));
    assert_eq!(feature["properties"]["in"]["entity"]["id"], "urn:c:1");
    assert!(feature["properties"].get("id").is_none() && feature.get("@context").is_some());
    let all = read("/entities?type=Building&join=flat&options=keyValues").await;
    assert_eq!(
        (&all["type"], ids(&all["features"])),
        (&json!("FeatureCollection"), vec!["urn:b:1", "urn:c:1"])
    );
    assert_eq!(all["features"][1]["geometry"], json!(null), "who is nowhere has no geometry");
    assert_eq!(all["features"][0]["properties"]["in"], "urn:c:1");
}
