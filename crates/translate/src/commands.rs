//! Commands of virtual actuators: which an entity takes, and what their pipes are called (the paper, section 3.2.2).

use morgana_model::Entity;
use serde_json::{Map, Value, json};

/// The attribute that lists the commands.
pub const COMMANDS: &str = "commands";

/// The pipe that shows how a command goes on.
pub fn status_pipe(command: &str) -> String {
    format!("{command}-status")
}

/// The pipe that shows what became of a command.
pub fn result_pipe(command: &str) -> String {
    format!("{command}-result")
}

/// The commands that an entity lists, each once; nothing when it says nothing about commands.
pub fn commands_of(entity: &Entity) -> Option<Vec<String>> {
    let attribute = entity.get(COMMANDS)?;
    let mut commands: Vec<String> = Vec::new();
    for name in attribute.get("value").unwrap_or(attribute).as_array()?.iter().filter_map(Value::as_str) {
        if !name.is_empty() && !commands.iter().any(|known| known == name) {
            commands.push(name.to_owned());
        }
    }
    Some(commands)
}

/// Whether the attribute lists commands and says nothing else, so that it can be made again from their names.
pub(crate) fn is_plain_list(attribute: &Value, commands: &[String]) -> bool {
    *attribute == list(commands)
}

/// The attribute that lists these commands.
pub(crate) fn list(commands: &[String]) -> Value {
    json!({ "type": "Property", "value": commands })
}

/// Puts the list of commands into an entity that comes back from a target model.
pub(crate) fn put_back(members: &mut Map<String, Value>, commands: &[String]) {
    if !commands.is_empty() {
        members.insert(COMMANDS.to_owned(), list(commands));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_a_property_of_names() {
        let entity = |value: Value| {
            Entity::builder("urn:x", "T").attribute(COMMANDS, json!({ "type": "Property", "value": value }))
        };
        let commands = |value| commands_of(&entity(value).build().unwrap());
        assert_eq!(commands(json!(["a", "b", "a", 1, ""])), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(commands(json!("a")), None);
        assert_eq!(commands(json!([])), Some(vec![]));
        assert_eq!(commands_of(&Entity::builder("urn:x", "T").build().unwrap()), None);
    }
}
