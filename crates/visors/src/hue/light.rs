//! A lamp as the bridge says it and as an entity; commands as the bridge wants them. Pure.
//!
//! The bridge's values: `bri` 1 to 254, `hue` 0 to 65535 (around the circle of colours), `sat` 0 to 254.

use morgana_thingvisor::Entity;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The type of a lamp's entity.
const TYPE: &str = "Lamp";
/// The commands of VirIoT's ThingVisor.
pub(super) const COMMANDS: [&str; 5] =
    ["set-on", "set-brightness", "set-hue", "set-saturation", "raw-command"];

/// A lamp of the bridge. A lamp that is white only has no `hue` and no `sat`; a plug has no `bri`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Light {
    pub(super) name: String,
    #[serde(rename = "modelid", default)]
    pub(super) model: String,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct State {
    on: bool,
    bri: Option<u16>,
    hue: Option<u32>,
    sat: Option<u16>,
    reachable: Option<bool>,
}

impl Light {
    /// It as an entity.
    pub(super) fn entity(&self, id: &str) -> Result<Entity, String> {
        let State { on, bri, hue, sat, reachable } = self.state;
        let mut entity = Entity::builder(id, TYPE).property("name", self.name.as_str()).property("on", on);
        let numbers = [("brightness", bri.map(u32::from)), ("hue", hue), ("saturation", sat.map(u32::from))];
        for (name, value) in numbers {
            if let Some(value) = value {
                entity = entity.property(name, value);
            }
        }
        if let Some(reachable) = reachable {
            entity = entity.property("reachable", reachable);
        }
        entity.build().map_err(|error| error.to_string())
    }
}

/// What the bridge is told, or why not, in words for the tenant.
pub(super) fn state_of(command: &str, value: &Value) -> Result<Map<String, Value>, String> {
    let state = match command {
        "set-on" => json!({ "on": value.as_bool().ok_or_else(|| wrong(command, "true or false", value))? }),
        "set-brightness" => json!({ "bri": number(command, value, 1, 254)? }),
        "set-hue" => json!({ "hue": number(command, value, 0, 65_535)? }),
        "set-saturation" => json!({ "sat": number(command, value, 0, 254)? }),
        "raw-command" => value.clone(),
        other => return Err(format!("a lamp takes no command '{other}'")),
    };
    match state {
        Value::Object(state) if !state.is_empty() => Ok(state),
        _ => Err(wrong(command, "an object with members of a lamp's state", value)),
    }
}

fn number(command: &str, value: &Value, least: u64, most: u64) -> Result<u64, String> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    let number = number.filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| wrong(command, &format!("a whole number from {least} to {most}"), value))
}

fn wrong(command: &str, wanted: &str, given: &Value) -> String {
    let given: String = given.to_string().chars().take(64).collect();
    format!("cmd-value of {command} must be {wanted}, not {given}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_white_lamp_has_no_colour_and_says_so_by_silence() {
        let light: Light = serde_json::from_value(json!({
            "name": "Hall", "modelid": "LWB010", "state": { "on": true, "bri": 254, "alert": "none", "reachable": true },
        }))
        .unwrap();
        let entity = light.entity("urn:ngsi-ld:hue:light1").unwrap();
        let names: Vec<&str> = entity.attributes().map(|(name, _)| name).collect();
        assert_eq!(names, ["name", "on", "brightness", "reachable"]);
    }

    #[test]
    fn commands_become_what_the_bridge_wants() {
        let state = |command, value| state_of(command, &value).map(Value::Object);
        assert_eq!(state("set-on", json!(true)), Ok(json!({ "on": true })));
        assert_eq!(state("set-brightness", json!("254")), Ok(json!({ "bri": 254 })));
        assert_eq!(state("set-hue", json!(65_535)), Ok(json!({ "hue": 65_535 })));
        assert_eq!(state("set-saturation", json!(0)), Ok(json!({ "sat": 0 })));
        let raw = json!({ "on": true, "xy": [0.3, 0.3] });
        assert_eq!(state("raw-command", raw.clone()), Ok(raw));
        for (command, value) in [
            ("set-on", json!("on")),
            ("set-brightness", json!(0)),
            ("set-hue", json!(65_536)),
            ("set-saturation", json!(1.5)),
            ("raw-command", json!({})),
            ("raw-command", json!("on")),
        ] {
            assert!(state_of(command, &value).unwrap_err().contains(command));
        }
    }
}
