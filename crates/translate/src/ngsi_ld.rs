//! An entity on its way into a silo's NGSI-LD broker (viriot-wire.md section 4.2,
//! "ngsi-ld-flavours").

use morgana_model::{CORE_CONTEXT, Entity, VThingId};
use serde_json::{Map, Value, json};

/// The attribute by which a tenant's application sees which vThing an entity comes from.
pub const GENERATED_BY: &str = "generatedByVThing";

/// Members that a broker gives an entity itself and takes from nobody (ETSI GS CIM 009 clause 4.8,
/// "temporal properties": system-generated).
const SYSTEM_GENERATED: [&str; 3] = ["createdAt", "modifiedAt", "deletedAt"];

/// Makes an entity of the fabric ready for an NGSI-LD broker: its members without the timestamps
/// that only a broker gives, with [`GENERATED_BY`], and with the core `@context` where it names
/// none. (VirIoT writes an empty `@context` then, which means the same.)
pub fn for_broker(entity: Entity, v_thing: &VThingId) -> Map<String, Value> {
    let mut members: Map<String, Value> = entity.into();
    // Members keep their order: applications see what the ThingVisor wrote.
    members.retain(|name, _| !SYSTEM_GENERATED.contains(&name.as_str()));
    members.insert(GENERATED_BY.to_owned(), json!({ "type": "Property", "value": v_thing }));
    if names_no_context(members.get("@context")) {
        members.insert("@context".to_owned(), json!(CORE_CONTEXT));
    }
    members
}

fn names_no_context(context: Option<&Value>) -> bool {
    match context {
        None | Some(Value::Null) => true,
        Some(Value::Array(entries)) => entries.is_empty(),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(entity: Value) -> Value {
        let Value::Object(members) = entity else { panic!("an object") };
        Value::Object(for_broker(members.try_into().unwrap(), &"lamp/Lamp01".parse().unwrap()))
    }

    #[test]
    fn an_entity_says_which_vthing_it_comes_from() {
        let entity = json!({ "id": "urn:x", "type": "T", "generatedByVThing": { "type": "Property", "value": "a lie" } });
        assert_eq!(
            prepared(entity)["generatedByVThing"],
            json!({ "type": "Property", "value": "lamp/Lamp01" })
        );
    }

    #[test]
    fn a_missing_or_empty_context_is_the_core_one_and_any_other_stays() {
        let context = |context: Value| {
            prepared(json!({ "id": "urn:x", "type": "T", "@context": context }))["@context"].clone()
        };
        assert_eq!(prepared(json!({ "id": "urn:x", "type": "T" }))["@context"], CORE_CONTEXT);
        assert_eq!(context(Value::Null), CORE_CONTEXT);
        assert_eq!(context(json!([])), CORE_CONTEXT);
        assert_eq!(context(json!(["https://x/c.jsonld"])), json!(["https://x/c.jsonld"]));
        assert_eq!(context(json!({ "a": "https://x/a" })), json!({ "a": "https://x/a" }));
    }

    #[test]
    fn timestamps_that_only_a_broker_gives_are_left_out() {
        let entity = json!({ "id": "urn:x", "type": "T", "createdAt": "2020-01-01T00:00:00Z", "modifiedAt": "x",
            "observed": { "type": "Property", "value": 1, "observedAt": "2020-01-01T00:00:00Z" } });
        let prepared = prepared(entity);
        assert!(prepared.get("createdAt").is_none() && prepared.get("modifiedAt").is_none());
        assert_eq!(prepared["observed"]["observedAt"], "2020-01-01T00:00:00Z");
    }
}
