//! What a lamp makes of a command; pure.

use morgana_thingvisor::{Entity, ReceivedCommand};
use serde_json::Value;

/// The type of a lamp's entity.
pub(super) const TYPE: &str = "Lamp";
/// The commands of VirIoT's lamp.
pub(super) const NAMES: [&str; 3] = ["set-color", "set-luminosity", "set-status"];
/// The longest name of a colour.
const COLOR_MAX: usize = 32;

/// The changed part of the lamp's entity, or why not, in words for the tenant.
pub(super) fn change(received: &ReceivedCommand) -> Result<Entity, String> {
    let given = &received.command.cmd_value;
    let (property, value) = match received.name.as_str() {
        "set-status" => ("status", status(given)?),
        "set-color" => ("color", color(given)?),
        "set-luminosity" => ("luminosity", luminosity(given)?),
        other => return Err(format!("a lamp takes no command '{other}'")),
    };
    let entity = Entity::builder(received.entity.as_str(), TYPE).property(property, value);
    entity.build().map_err(|error| error.to_string())
}

fn status(given: &Value) -> Result<Value, String> {
    match given {
        Value::Bool(on) => Ok(if *on { "on" } else { "off" }.into()),
        Value::String(word) if word == "on" || word == "off" => Ok(given.clone()),
        _ => Err(wrong("set-status", "\"on\" or \"off\"", given)),
    }
}

fn color(given: &Value) -> Result<Value, String> {
    let is_color = |text: &str| match text.strip_prefix('#') {
        Some(hex) => hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => (1..=COLOR_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic()),
    };
    match given {
        Value::String(text) if is_color(text) => Ok(given.clone()),
        _ => Err(wrong("set-color", "the name of a color or #rrggbb", given)),
    }
}

fn luminosity(given: &Value) -> Result<Value, String> {
    // VirIoT writes the number as a text.
    let number = given.as_u64().or_else(|| given.as_str()?.trim().parse().ok());
    match number {
        Some(number @ 0..=255) => Ok(number.into()),
        _ => Err(wrong("set-luminosity", "a whole number from 0 to 255", given)),
    }
}

fn wrong(command: &str, wanted: &str, given: &Value) -> String {
    let given: String = given.to_string().chars().take(64).collect();
    format!("cmd-value of {command} must be {wanted}, not {given}")
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn told(name: &str, value: Value) -> Result<Value, String> {
        let received = ReceivedCommand {
            v_thing: "lamp/Lamp01".parse().unwrap(),
            entity: "urn:ngsi-ld:lamp:Lamp01".to_owned(),
            name: name.to_owned(),
            command: from_value(json!({ "cmd-value": value })).unwrap(),
            silo: None,
        };
        let entity = change(&received)?;
        let changed: Vec<_> = entity.attributes().map(|(_, attribute)| attribute["value"].clone()).collect();
        assert_eq!(changed.len(), 1);
        Ok(changed[0].clone())
    }

    #[test]
    fn a_lamp_does_what_it_is_told() {
        assert_eq!(told("set-status", json!("on")), Ok(json!("on")));
        assert_eq!(told("set-status", json!(false)), Ok(json!("off")));
        assert_eq!(told("set-color", json!("green")), Ok(json!("green")));
        assert_eq!(told("set-color", json!("#00ff7f")), Ok(json!("#00ff7f")));
        assert_eq!(told("set-luminosity", json!(7)), Ok(json!(7)));
        assert_eq!(told("set-luminosity", json!("255")), Ok(json!(255)));
    }

    #[test]
    fn what_no_lamp_can_do_is_refused_with_what_it_can() {
        for (name, value) in [
            ("set-status", json!("maybe")),
            ("set-status", json!(null)),
            ("set-color", json!("#12345")),
            ("set-color", json!("it's green")),
            ("set-color", json!("g".repeat(1_000_000))),
            ("set-luminosity", json!(256)),
            ("set-luminosity", json!(-1)),
            ("set-luminosity", json!({ "a": 1 })),
        ] {
            let why = told(name, value).unwrap_err();
            assert!(why.starts_with(&format!("cmd-value of {name} must be")) && why.len() < 200, "{why}");
        }
    }
}
