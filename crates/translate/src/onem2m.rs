//! NGSI-LD and oneM2M (the paper's Table 2; viriot-wire.md section 4.2, "mobius / mobius2").
//!
//! An entity is a container below the vThing's AE: its name is the id without `urn:ngsi-ld:`, its labels are the
//! types. Each attribute is a container below it, labelled with its kind, and its newest content instance is the whole
//! attribute as JSON text. What a resource name has no room for is written as `~` and two hexadecimal digits a byte.

use morgana_model::{Entity, EntityError, VThingId};
use serde_json::{Map, Value, json};

use crate::{
    Inexpressible, Loss, LossKind,
    commands::{COMMANDS, commands_of, is_plain_list, put_back},
    escape::{escape, unescape},
    loss::Losses,
};

/// What VirIoT leaves out of an entity's id in a name.
const PREFIX: &str = "urn:ngsi-ld:";
const MARK: char = '~';
/// The longest name that is made, in bytes; the standard has no limit, and addresses have several.
const NAME_MAX: usize = 1024;

/// An entity in oneM2M.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// The name of its container.
    pub name: String,
    /// The labels of its container: its types.
    pub labels: Vec<String>,
    /// Its attributes.
    pub containers: Vec<Container>,
    /// The commands it takes; nothing when it says nothing about commands.
    pub commands: Option<Vec<String>>,
    /// What does not come back as it was.
    pub losses: Vec<Loss>,
}

/// An attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The name.
    pub name: String,
    /// The labels: the kind of the attribute.
    pub labels: Vec<String>,
    /// The newest content: JSON text.
    pub content: String,
}

/// What cannot be an entity again.
#[derive(Debug, thiserror::Error)]
pub enum NotAnEntity {
    /// The content of a container is no JSON.
    #[error("the content of container '{0}' is no JSON")]
    Content(String, #[source] serde_json::Error),
    /// There is no id or no type.
    #[error("not an entity")]
    Entity(#[from] EntityError),
}

/// The name of the AE of a vThing: its id with `:` for `/`.
pub fn ae_name(v_thing: &VThingId) -> String {
    let levels: Vec<String> = v_thing
        .as_str()
        .split('/')
        .map(|level| escape(level, MARK, |byte| is_plain(byte) && byte != b':', false))
        .collect();
    levels.join(":")
}

/// The name of the container of an entity.
pub fn entity_name(id: &str) -> String {
    match id.strip_prefix(PREFIX) {
        Some(rest) => escape(rest, MARK, is_plain, means_itself(rest) || is_virtual(rest)),
        None => escape(id, MARK, is_plain, false),
    }
}

/// The name of the container of an attribute.
pub fn attribute_name(name: &str) -> String {
    escape(name, MARK, is_plain, is_virtual(name))
}

/// Names that are virtual resources below a container.
fn is_virtual(name: &str) -> bool {
    matches!(name, "la" | "ol" | "fopt")
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:".contains(&byte)
}

/// Whether an id without the prefix is a whole id.
fn means_itself(text: &str) -> bool {
    text.starts_with("urn:") || text.contains("://")
}

/// Translates an entity, or a part of one.
///
/// # Errors
/// When its id is longer than a resource name.
pub fn to_onem2m(entity: &Entity) -> Result<Translated, Inexpressible> {
    let mut losses = Losses::default();
    let name = entity_name(entity.id());
    if id_of(&name) != entity.id() {
        losses.add("", LossKind::Id);
    }
    if name.len() > NAME_MAX {
        return Err(Inexpressible {
            model: "oneM2M",
            what: "resource name",
            bytes: name.len(),
            limit: NAME_MAX,
        });
    }
    let labels: Vec<String> = entity.types().into_iter().map(str::to_owned).collect();
    if labels.len() == 1 && entity.get("type").is_some_and(Value::is_array) {
        losses.add("", LossKind::Form);
    }
    let commands = commands_of(entity);
    let mut containers = Vec::new();
    for (name, value) in entity.members() {
        match name.as_str() {
            "id" | "type" => {}
            COMMANDS if commands.is_some() => {
                let commands = commands.as_deref().unwrap_or_default();
                if commands.is_empty() || !is_plain_list(value, commands) {
                    losses.add(COMMANDS, LossKind::Commands);
                }
            }
            "@context" => losses.add(name.as_str(), LossKind::Context),
            name => {
                let written = attribute_name(name);
                if written.len() > NAME_MAX {
                    losses.add(name, LossKind::Name);
                    continue;
                }
                let content = value.to_string();
                containers.push(Container { name: written, labels: kind_labels(value), content });
            }
        }
    }
    Ok(Translated { name, labels, containers, commands, losses: losses.into_vec() })
}

fn kind_labels(attribute: &Value) -> Vec<String> {
    let one = attribute.as_array().and_then(|instances| instances.first()).unwrap_or(attribute);
    one.get("type").and_then(Value::as_str).map(str::to_owned).into_iter().collect()
}

/// The id of the entity whose container has this name.
pub fn id_of(name: &str) -> String {
    let original = unescape(name, MARK);
    // A name whose first character is escaped without need had the prefix.
    let needless = name.starts_with(MARK) && original.bytes().next().is_some_and(is_plain);
    if means_itself(&original) && !needless { original } else { format!("{PREFIX}{original}") }
}

/// Translates a container with its attributes back.
///
/// # Errors
/// See [`NotAnEntity`].
pub fn from_onem2m(
    name: &str,
    labels: &[String],
    containers: &[Container],
    commands: &[String],
) -> Result<Entity, NotAnEntity> {
    let mut members = Map::new();
    members.insert("id".to_owned(), json!(id_of(name)));
    members.insert("type".to_owned(), if let [one] = labels { json!(one) } else { json!(labels) });
    for container in containers {
        let value = serde_json::from_str(&container.content)
            .map_err(|error| NotAnEntity::Content(container.name.clone(), error))?;
        members.insert(unescape(&container.name, MARK), value);
    }
    put_back(&mut members, commands);
    Ok(members.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lamp_is_as_viriots_controller_makes_it() {
        let lamp = json!({ "id": "urn:ngsi-ld:lamp:Lamp01", "type": "Lamp",
            "color": { "type": "Property", "value": "green" },
            "commands": { "type": "Property", "value": ["set-color"] } });
        let Value::Object(members) = lamp else { unreachable!() };
        let lamp = to_onem2m(&members.try_into().unwrap()).unwrap();
        assert_eq!((lamp.name.as_str(), &*lamp.labels), ("lamp:Lamp01", &["Lamp".to_owned()][..]));
        let color = Container {
            name: "color".to_owned(),
            labels: vec!["Property".to_owned()],
            content: r#"{"type":"Property","value":"green"}"#.to_owned(),
        };
        assert_eq!((&*lamp.containers, lamp.commands), (&[color][..], Some(vec!["set-color".to_owned()])));
        assert_eq!(ae_name(&"lamp/Lamp01".parse().unwrap()), "lamp:Lamp01");
    }

    #[test]
    fn ids_come_back_and_a_name_holds_what_a_name_may() {
        for id in [
            "urn:ngsi-ld:a b/ü~",
            "http://x/1",
            "urn:other:1",
            "urn:ngsi-ld:urn:x",
            "urn:ngsi-ld:la",
            "urn:ngsi-ld:a://b",
        ] {
            let name = entity_name(id);
            assert!(name.bytes().all(|byte| is_plain(byte) || byte == b'~'), "{name}");
            assert_eq!(id_of(&name), id, "{name}");
        }
    }
}
