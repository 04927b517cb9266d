//! Flavours: kinds of vSilos.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Endpoints, Metadata};
use crate::{FlavourId, ImageName};

/// A kind of vSilo: which image, which parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Flavour {
    /// The id.
    pub id: FlavourId,
    /// When it came.
    pub metadata: Metadata,
    /// What the administrator asked for.
    pub spec: FlavourSpec,
    /// What the platform found.
    pub status: FlavourStatus,
}

/// What the administrator asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlavourSpec {
    /// What a silo of this flavour runs.
    pub image_name: ImageName,
    /// Parameters for the silo: an object, or VirIoT's text.
    #[serde(default)]
    pub params: Value,
    /// A sentence for people.
    #[serde(default)]
    pub description: String,
    /// VirIoT's Kubernetes manifests, kept and given back as they came; an array of documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yaml_files: Option<Vec<Value>>,
}

/// What the platform found of a flavour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlavourStatus {
    /// Whether silos of it can be made.
    #[serde(flatten)]
    pub phase: FlavourPhase,
}

/// Whether silos of a flavour can be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum FlavourPhase {
    /// They can.
    Ready,
    /// They cannot.
    Failed {
        /// Why, in words for people.
        reason: String,
    },
}

impl FlavourSpec {
    /// What its silos ask of applications, from the parameter `access`.
    ///
    /// # Errors
    /// A sentence naming the value and the allowed ones.
    pub fn access(&self) -> Result<Access, String> {
        match self.params.get("access") {
            None => Ok(Access::Token),
            Some(Value::String(text)) if text == "token" => Ok(Access::Token),
            Some(Value::String(text)) if text == "open" => Ok(Access::Open),
            Some(other) => {
                Err(format!("flavour parameter 'access' is {other}: it must be \"token\" or \"open\""))
            }
        }
    }
}

/// The lowest port that a flavour may ask for: those below are the operating system's.
const FIRST_PORT: u64 = 1024;
/// The inner port of a door for MQTT.
const MQTT_DOOR: u16 = 1883;

impl FlavourSpec {
    /// The outer ports that its silos have to have, of a silo with these doors: the parameter `port` is that of the
    /// first door, `mqttPort` that of a further one for MQTT. 0 asks for none, as leaving it out does; then the node
    /// chooses.
    ///
    /// # Errors
    /// A sentence naming the value and what it may be.
    pub fn ports(&self, doors: &[u16]) -> Result<Endpoints, String> {
        let mut asked = Endpoints::new();
        let Some(first) = doors.first() else { return Ok(asked) };
        let further = doors.iter().skip(1).find(|door| **door == MQTT_DOOR);
        for (name, door) in [("port", Some(first)), ("mqttPort", further)] {
            let (Some(door), Some(value)) = (door, self.params.get(name)) else { continue };
            let port = match value.as_u64() {
                Some(0) => continue,
                Some(port) if port >= FIRST_PORT => u16::try_from(port).ok(),
                _ => None,
            };
            let Some(port) = port else {
                return Err(format!(
                    "flavour parameter '{name}' is {value}: it must be a port from {FIRST_PORT} to 65535, or 0 to \
                     have the node choose one"
                ));
            };
            if asked.values().any(|other| *other == port) {
                return Err(format!("flavour parameter '{name}' is {port}, as 'port' is: they must differ"));
            }
            asked.insert(format!("{door}/tcp"), port);
        }
        Ok(asked)
    }
}

/// What a silo's endpoints ask of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Access {
    /// The silo's own token.
    Token,
    /// Nothing; for clients that cannot send a token.
    Open,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(params: Value) -> FlavourSpec {
        let image_name = "builtin:mqtt".parse().unwrap();
        FlavourSpec { image_name, params, description: String::new(), yaml_files: None }
    }

    fn access(params: Value) -> Result<Access, String> {
        spec(params).access()
    }

    #[test]
    fn ports_are_those_of_the_first_door_and_of_a_further_one_for_mqtt() {
        let ports = |params: Value, doors: &[u16]| {
            let asked = spec(params).ports(doors)?;
            Ok::<_, String>(asked.into_iter().collect::<Vec<_>>())
        };
        let both = json!({ "port": 5000, "mqttPort": 5001 });
        let expected = vec![("7579/tcp".to_owned(), 5000), ("1883/tcp".to_owned(), 5001)];
        assert_eq!(ports(both.clone(), &[7579, 1883]), Ok(expected));
        assert_eq!(ports(both, &[1883]), Ok(vec![("1883/tcp".to_owned(), 5000)]));
        for none in [json!({ "port": 0 }), json!({}), json!("Mobius"), Value::Null] {
            assert_eq!(ports(none, &[1883]), Ok(Vec::new()));
        }
        assert_eq!(ports(json!({ "port": "any" }), &[]), Ok(Vec::new()), "it has no door");
        for wrong in [json!(80), json!(65_536), json!(-1), json!("1883"), json!(5000.5), Value::Null] {
            let error = ports(json!({ "port": wrong }), &[1883]).unwrap_err();
            assert!(error.contains("'port'") && error.contains("from 1024 to 65535"), "{error}");
        }
        let same = ports(json!({ "port": 5000, "mqttPort": 5000 }), &[7579, 1883]).unwrap_err();
        assert!(same.contains("must differ"), "{same}");
    }

    #[test]
    fn a_silo_asks_for_its_token_unless_the_flavour_says_open() {
        assert_eq!(access(Value::Null), Ok(Access::Token));
        assert_eq!(access(json!("Mobius")), Ok(Access::Token));
        assert_eq!(access(json!({"access": "open"})), Ok(Access::Open));
        assert!(access(json!({"access": "Open"})).unwrap_err().contains("\"token\" or \"open\""));
    }
}
