//! What goes out and comes back is the same entity, or the loss is listed.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use common::{any_entity, entity};
use morgana_model::Entity;
use morgana_translate::{LossKind, ngsi_v2, onem2m};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Out to NGSIv2, with the pipes of commands, and back.
fn through_ngsi_v2(entity: &Entity) -> (Entity, Vec<morgana_translate::Loss>) {
    let out = ngsi_v2::to_ngsi_v2(entity).unwrap();
    let mut members = out.entity;
    for command in out.commands.into_iter().flatten() {
        members.extend(ngsi_v2::pipes(&command));
    }
    (ngsi_v2::from_ngsi_v2(&members).unwrap(), out.losses)
}

fn through_onem2m(entity: &Entity) -> (Entity, Vec<morgana_translate::Loss>) {
    let out = onem2m::to_onem2m(entity).unwrap();
    let commands = out.commands.unwrap_or_default();
    (onem2m::from_onem2m(&out.name, &out.labels, &out.containers, &commands).unwrap(), out.losses)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ngsi_v2_gives_the_entity_back_or_lists_the_loss(entity in any_entity()) {
        prop_assume!(ngsi_v2::to_ngsi_v2(&entity).is_ok());
        let (back, losses) = through_ngsi_v2(&entity);
        let changed: Vec<&str> = changed(&entity, &back);
        for name in &changed {
            let is_of = |place: &str| *name == "observedAt" && place == "timestamp" || place == *name || place.strip_prefix(*name).is_some_and(|rest| rest.starts_with('.'));
            let listed = losses.iter().any(|loss| match *name {
                "id" => loss.kind == LossKind::Id,
                "type" => loss.kind == LossKind::Types,
                _ => is_of(&loss.place),
            });
            prop_assert!(listed, "{name} changed and is not listed: {losses:?}\n{:?}\n{:?}", entity.get(name), back.get(name));
        }
    }

    #[test]
    fn onem2m_gives_the_entity_back_or_lists_the_loss(entity in any_entity()) {
        prop_assume!(onem2m::to_onem2m(&entity).is_ok());
        let (back, losses) = through_onem2m(&entity);
        for name in changed(&entity, &back) {
            let listed = losses.iter().any(|loss| match name {
                "id" => loss.kind == LossKind::Id,
                "type" => loss.kind == LossKind::Form,
                "@context" => loss.kind == LossKind::Context,
                "commands" => loss.kind == LossKind::Commands,
                _ => false,
            });
            prop_assert!(listed, "{name} changed and is not listed: {losses:?}\n{:?}\n{:?}", entity.get(name), back.get(name));
        }
    }
}

/// Members that are not the same, or only in one of them.
fn changed<'a>(one: &'a Entity, other: &'a Entity) -> Vec<&'a str> {
    let names = one.members().keys().chain(other.members().keys().filter(|name| one.get(name).is_none()));
    names.map(String::as_str).filter(|name| one.get(name) != other.get(name)).collect()
}

fn v2(value: Value) -> Value {
    Value::Object(ngsi_v2::to_ngsi_v2(&entity(value)).unwrap().entity)
}

#[test]
fn values_have_the_types_that_viriots_orion_flavour_gives_them() {
    let translated = v2(json!({
        "id": "urn:ngsi-ld:Lamp:a b", "type": "Street Lamp",
        "text": { "type": "Property", "value": "on" }, "number": { "type": "Property", "value": 1.5 },
        "truth": { "type": "Property", "value": true }, "list": { "type": "Property", "value": [1] },
        "null": { "type": "Property", "value": null },
        "when": { "type": "Property", "value": { "@type": "DateTime", "@value": "2016-11-30T07:00:00Z" } },
        "old": { "type": "Property", "value": { "type": "DateTime", "@value": "2016-11-30T07:00:00Z" } },
        "at": { "type": "Relationship", "object": "urn:ngsi-ld:Room:1" },
        "place": { "type": "GeoProperty", "value": { "type": "Point", "coordinates": [1, 2] } },
        "quote": { "type": "Property", "value": "it's" },
        "createdAt": "2020-01-01T00:00:00Z",
        "@context": ["https://x/c.jsonld"],
    }));
    assert_eq!(
        translated,
        json!({
            "id": "urn:ngsi-ld:Lamp:a_b", "type": "Street_Lamp",
            "text": { "type": "Text", "value": "on" }, "number": { "type": "Number", "value": 1.5 },
            "truth": { "type": "boolean", "value": true }, "list": { "type": "StructuredValue", "value": [1] },
            "null": { "type": "None", "value": null },
            "when": { "type": "DateTime", "value": "2016-11-30T07:00:00Z" },
            "old": { "type": "DateTime", "value": "2016-11-30T07:00:00Z" },
            "at": { "type": "Relationship", "value": "urn:ngsi-ld:Room:1",
                "metadata": { "entityType": { "type": "Text", "value": "Room" } } },
            "place": { "type": "geo:json", "value": { "type": "Point", "coordinates": [1, 2] } },
            "quote": { "type": "TextUnrestricted", "value": "it's" },
            "dateCreated": { "type": "DateTime", "value": "2020-01-01T00:00:00Z" },
            "@context": { "type": "StructuredValue", "value": ["https://x/c.jsonld"] },
        })
    );
}

#[test]
fn what_an_attribute_says_of_itself_becomes_metadata() {
    let translated = v2(json!({ "id": "urn:x:1", "type": "T", "t": { "type": "Property", "value": 1,
        "observedAt": "2020-01-01T00:00:00Z", "unitCode": "CEL", "datasetId": "urn:d:1",
        "TimeInstant": { "type": "Property", "value": "2020-01-01T00:00:00Z" },
        "accuracy": { "type": "Property", "value": 0.5 }, "by": { "type": "Relationship", "object": "urn:ngsi-ld:P:1" },
    } }));
    assert_eq!(
        translated["t"]["metadata"],
        json!({
            "timestamp": { "type": "DateTime", "value": "2020-01-01T00:00:00Z" },
            "unitCode": { "type": "Text", "value": "CEL" }, "datasetId": { "type": "Text", "value": "urn:d:1" },
            "TimeInstant": { "type": "ISO8601", "value": "2020-01-01T00:00:00Z" },
            "accuracy": { "type": "Number", "value": 0.5 }, "by": { "type": "Relationship", "value": "urn:ngsi-ld:P:1" },
        })
    );
}

#[test]
fn losses_are_typed_and_say_where() {
    let losses = |value: Value| -> Vec<(String, LossKind)> {
        let losses = ngsi_v2::to_ngsi_v2(&entity(value)).unwrap().losses;
        losses.into_iter().map(|loss| (loss.place, loss.kind)).collect()
    };
    let with =
        |name: &str, attribute: Value| losses(json!({ "id": "urn:x:1", "type": "T", name: attribute }));
    let place = |place: &str, kind| vec![(place.to_owned(), kind)];
    assert_eq!(losses(json!({ "id": "lamp", "type": "T" })), place("", LossKind::Id));
    assert_eq!(losses(json!({ "id": "urn:x:1", "type": ["A", "B"] })), place("", LossKind::Types));
    assert_eq!(
        with("n", json!({ "type": "Property", "value": 9_007_199_254_740_993_u64 })),
        place("n", LossKind::Precision)
    );
    assert_eq!(
        with(
            "n",
            json!([{ "type": "Property", "value": 1 }, { "type": "Property", "value": 2, "datasetId": "urn:d" }])
        ),
        place("n", LossKind::Instances)
    );
    assert_eq!(
        with(
            "n",
            json!({ "type": "Property", "value": 1, "a": { "type": "Property", "value": 1, "unitCode": "X" } })
        ),
        place("n.a", LossKind::Nested)
    );
    assert_eq!(with("n", json!(5)), place("n", LossKind::Form));
    assert_eq!(
        with(&"n".repeat(257), json!({ "type": "Property", "value": 1 })),
        place(&"n".repeat(257), LossKind::Name)
    );
    let text = ngsi_v2::to_ngsi_v2(&entity(json!({ "id": "urn:x:1", "type": "T", "n": 5 }))).unwrap().losses
        [0]
    .to_string();
    assert_eq!(text, "attribute 'n': it comes back in normalized form");
}

#[test]
fn an_entity_that_no_model_has_room_for_is_refused_with_the_reason() {
    let long = entity(json!({ "id": format!("urn:{}", "x".repeat(2000)), "type": "T" }));
    assert_eq!(
        ngsi_v2::to_ngsi_v2(&long).unwrap_err().to_string(),
        "NGSIv2 cannot express the entity: its id would have 2004 bytes, and 256 is the most"
    );
    assert!(
        onem2m::to_onem2m(&long).unwrap_err().to_string().starts_with("oneM2M cannot express the entity")
    );
}
