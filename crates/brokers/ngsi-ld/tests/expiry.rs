//! Transient entities and attributes (NGSI-LD 4.22), and purging (5.6.21).

mod common;

use common::{eventually, expect, expect_error, ids, start};
use serde_json::json;

#[tokio::test]
async fn what_expires_is_gone_and_makes_room() {
    let it = start().await;
    // A time to the microsecond, as the broker keeps it.
    let micros = jiff::Timestamp::now().as_microsecond() + 400_000;
    let soon = jiff::Timestamp::from_microsecond(micros).unwrap().to_string();
    it.create(json!({"id": "urn:e:1", "type": "T", "expiresAt": soon})).await;
    it.create(json!({"id": "urn:e:2", "type": "T", "a": 1,
        "b": {"type": "Property", "value": 2, "expiresAt": soon}}))
        .await;
    assert_eq!(it.read("/entities/urn:e:1?options=sysAttrs").await["expiresAt"], soon);
    eventually(|| async { it.get("/entities/urn:e:1").send().await.unwrap().status() == 404 }).await;
    assert_eq!(
        it.read("/entities/urn:e:2?options=keyValues").await,
        json!({"id": "urn:e:2", "type": "T", "a": 1})
    );
    assert_eq!(ids(&it.read("/entities?type=T").await), ["urn:e:2"]);
    eventually(|| async { it.broker.entity_count() == 1 }).await;
    it.create(json!({"id": "urn:e:1", "type": "T"})).await;
}

#[tokio::test]
async fn a_merge_keeps_the_expiry_and_a_replacement_ends_it() {
    let it = start().await;
    let end = "2100-01-01T00:00:00Z";
    it.create(json!({"id": "urn:e:1", "type": "T", "a": {"type": "Property", "value": 1, "expiresAt": end}}))
        .await;
    expect(it.patch("/entities/urn:e:1", &json!({"a": {"value": 2}})), 204).await;
    let shown = it.read("/entities/urn:e:1?options=sysAttrs").await;
    assert_eq!((&shown["a"]["value"], &shown["a"]["expiresAt"]), (&json!(2), &json!(end)));
    expect(it.put("/entities/urn:e:1/attrs/a", &json!({"type": "Property", "value": 3})), 204).await;
    assert_eq!(it.read("/entities/urn:e:1?options=sysAttrs").await["a"].get("expiresAt"), None);
    let bad = json!({"id": "urn:e:2", "type": "T", "expiresAt": "tomorrow"});
    expect_error(it.post("/entities", &bad), 400, "BadRequestData", "expiresAt").await;
}

#[tokio::test]
async fn a_purge_deletes_entities_or_attributes_of_them() {
    let it = start().await;
    for number in 1..=3 {
        it.create(json!({"id": format!("urn:e:{number}"), "type": "T", "a": number, "b": 0})).await;
    }
    expect_error(it.delete("/entities"), 400, "BadRequestData", "at least one").await;
    it.create(json!({"id": "urn:e:9", "type": "Other"})).await;
    expect(it.delete("/entities?type=Other"), 204).await;
    expect(it.get("/entities/urn:e:9"), 404).await;
    expect(it.delete("/entities?type=T&q=a==1"), 204).await;
    expect(it.delete("/entities?type=T&q=a==2&drop=b"), 204).await;
    expect(it.delete("/entities?type=T&q=a==3&keep=b"), 204).await;
    let left = it.read("/entities?type=T&options=keyValues").await;
    assert_eq!(left, json!([{"id": "urn:e:2", "type": "T", "a": 2}, {"id": "urn:e:3", "type": "T", "b": 0}]));
    expect_error(it.delete("/entities?type=T&keep=a&drop=b"), 400, "BadRequestData", "exclude").await;
}
