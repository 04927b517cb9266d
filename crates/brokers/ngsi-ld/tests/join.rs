//! Linked entities (NGSI-LD 4.5.23) and the order of results (4.23).

mod common;

use common::{ids, start};
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
