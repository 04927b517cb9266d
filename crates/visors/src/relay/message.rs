//! What a body becomes.

use morgana_thingvisor::{Entity, RunError};
use serde_json::Value;

use super::params::{Mode, Params};

/// The entities that a body says.
///
/// # Errors
/// When it is no JSON, with the position, or holds no entities where it should; in words for its
/// sender.
pub(super) fn entities(
    body: &[u8],
    params: &Params,
    visor: &impl std::fmt::Display,
) -> Result<Vec<Entity>, String> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))?;
    let value = unwrapped(value);
    match params.mode {
        Mode::Message => {
            let id = format!("urn:ngsi-ld:{visor}:{}", params.v_thing_name);
            let entity = Entity::builder(id, params.v_thing_type.as_str()).property("msg", value).build();
            entity.map(|entity| vec![entity]).map_err(|error| RunError::failed(error).to_string())
        }
        Mode::Entities => {
            let values = match value {
                Value::Array(values) => values,
                one => vec![one],
            };
            let entity = |(at, value)| {
                serde_json::from_value(value).map_err(|error| format!("element {at} of the body: {error}"))
            };
            values.into_iter().enumerate().map(entity).collect()
        }
    }
}

/// Some senders encode their JSON twice, into a text; VirIoT's Relay takes that too. A text that is
/// not JSON inside stays a text.
fn unwrapped(value: Value) -> Value {
    match &value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => inner,
            _ => value,
        },
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(body: &str, mode: &str) -> Result<Value, String> {
        let params = json!({ "vThingName": "timestamp", "vThingType": "Clock", "as": mode });
        let params = serde_json::from_value(params).unwrap();
        entities(body.as_bytes(), &params, &"relay").map(|entities| json!(entities))
    }

    fn message(value: Value) -> Value {
        json!([{ "id": "urn:ngsi-ld:relay:timestamp", "type": "Clock", "msg": { "type": "Property", "value": value } }])
    }

    #[test]
    fn any_json_becomes_the_property_msg() {
        for (body, value) in [
            (r#"{"a":"it's"}"#, json!({ "a": "it's" })),
            (r#""{\"a\":1}""#, json!({ "a": 1 })),
            (r#""hello""#, json!("hello")),
            (r#""7""#, json!("7")),
            ("[1,2]", json!([1, 2])),
            ("null", Value::Null),
        ] {
            assert_eq!(read(body, "message").unwrap(), message(value), "{body}");
        }
    }

    #[test]
    fn malformed_json_is_told_with_its_position() {
        let error = read("{\"a\":\n tru}", "message").unwrap_err();
        assert!(error.contains("line 2 column"), "{error}");
        assert!(read("", "message").is_err());
    }

    #[test]
    fn entities_pass_as_they_are() {
        let entity = json!({ "id": "urn:x", "type": "T", "a": { "type": "Property", "value": 1 } });
        assert_eq!(read(&entity.to_string(), "entities").unwrap(), json!([entity]));
        assert_eq!(read(&json!([entity, entity]).to_string(), "entities").unwrap(), json!([entity, entity]));
        let wrong = read(&json!([entity, { "id": "urn:y" }]).to_string(), "entities").unwrap_err();
        assert!(wrong.contains("element 1") && wrong.contains("'type'"), "{wrong}");
    }

    proptest! {
        #[test]
        fn no_body_panics(body: Vec<u8>, entities_mode: bool) {
            let mode = if entities_mode { "entities" } else { "message" };
            let params = json!({ "vThingName": "n", "vThingType": "T", "as": mode });
            let _ = entities(&body, &serde_json::from_value(params).unwrap(), &"relay");
        }
    }
}
