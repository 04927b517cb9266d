//! What was written into a pipe, read and checked.

use morgana_model::{Command, VSiloId, VThingId};
use serde_json::{Map, Value, json};

/// The largest message with a command, in bytes. What is larger belongs into generic content.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// The largest `cmd-value` that feedback of the silo itself repeats, in bytes.
const SHOWN_BYTES: usize = 1024;

/// Something that a tenant wrote into a pipe.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written {
    /// Whose pipe it is.
    pub(crate) v_thing: VThingId,
    /// The id of the entity.
    pub(crate) entity: String,
    /// The name of the command.
    pub(crate) command: String,
    /// What was written.
    pub(crate) value: Value,
    /// Whether a value without `cmd-value` is the argument itself (viriot-wire.md section 4.2, "orion-flavour").
    pub(crate) bare: bool,
}

impl Written {
    /// Whether it says nothing: a pipe as it was when it was opened, or one that the tenant emptied.
    pub(crate) fn is_nothing(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        }
    }
}

/// A command, or why it is none.
pub(super) struct Order {
    pub(super) value: Map<String, Value>,
    pub(super) refusal: Option<String>,
}

/// Reads what was written.
pub(super) fn read(written: Value, bare: bool, silo: &VSiloId) -> Order {
    let refused = |value, reason: String| Order { value, refusal: Some(reason) };
    let value = match written {
        Value::Object(members) if members.contains_key("cmd-value") => members,
        argument if bare => {
            let mut members = Map::new();
            members.insert("cmd-value".to_owned(), argument);
            members.insert("cmd-qos".to_owned(), json!(2));
            members
        }
        Value::Object(members) => return refused(members, "the command has no cmd-value".to_owned()),
        other => {
            let reason = format!(
                "a command is an object such as {{\"cmd-value\":…,\"cmd-qos\":1}}, and this is {}",
                match other {
                    Value::String(_) => "a text",
                    Value::Number(_) => "a number",
                    Value::Array(_) => "an array",
                    _ => "a truth value",
                }
            );
            return refused(Map::new(), reason);
        }
    };
    // Read before it is cloned into a command: a value may be large.
    if let Some(bytes) = too_large(&value) {
        return refused(value, format!("the command has {bytes} bytes, and {MAX_BYTES} is the most"));
    }
    match serde_json::from_value::<Command>(Value::Object(value.clone())) {
        Err(error) => refused(value, format!("the command cannot be read: {error}")),
        Ok(command) => match command.cmd_nuri {
            Some(nuri) if nuri.0 != *silo => {
                refused(value, "cmd-nuri is not the address of this silo: leave it out".to_owned())
            }
            _ => Order { value, refusal: None },
        },
    }
}

fn too_large(value: &Map<String, Value>) -> Option<usize> {
    let bytes = serde_json::to_string(value).map_or(0, |text| text.len());
    (bytes > MAX_BYTES).then_some(bytes)
}

/// What feedback of the silo repeats of a command: neither the token, nor more than a little.
pub(super) fn shown(mut value: Map<String, Value>) -> Map<String, Value> {
    value.shift_remove("cmd-token");
    value.retain(|_, member| match member {
        Value::String(text) => text.len() <= SHOWN_BYTES,
        Value::Array(_) | Value::Object(_) => member.to_string().len() <= SHOWN_BYTES,
        _ => true,
    });
    value
}
