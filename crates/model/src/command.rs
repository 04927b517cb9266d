//! Commands: what an application writes into a command pipe (the paper's Listing 6,
//! viriot-wire.md section 3, "Actuation").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{Topic, VSiloId};

/// One command to a virtual actuator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Command {
    /// What to do; the ThingVisor gives it its meaning.
    pub cmd_value: Value,
    /// 0: no answer; 1: a result; 2: a status first, then a result. VirIoT components write a
    /// number or its text.
    #[serde(default, deserialize_with = "number_or_text")]
    pub cmd_qos: u8,
    /// The id by which the application knows status and result again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd_id: Option<Value>,
    /// A right to act, where the ThingVisor asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd_token: Option<Value>,
    /// Where status and result go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd_nuri: Option<FeedbackAddress>,
}

fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = match &value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    match number {
        Some(qos @ 0..=2) => Ok(qos as u8),
        _ => Err(serde::de::Error::custom(format!("cmd-qos is {value}: it must be 0, 1 or 2"))),
    }
}

/// `viriot://vSilo/<id>/data_in`: the only feedback address that is honoured
/// (viriot-wire.md, "Where Morgana differs", 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FeedbackAddress(pub VSiloId);

/// An address that is not a silo's `data_in`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cmd-nuri '{0}' is not a feedback address: leave it out, or give viriot://vSilo/<vSiloID>/data_in")]
pub struct FeedbackAddressError(String);

impl FromStr for FeedbackAddress {
    type Err = FeedbackAddressError;

    fn from_str(text: &str) -> Result<Self, FeedbackAddressError> {
        match text.strip_prefix("viriot://").map(str::parse) {
            Some(Ok(Topic::VSiloDataIn(silo))) => Ok(Self(silo)),
            _ => Err(FeedbackAddressError(text.chars().take(128).collect())),
        }
    }
}

impl fmt::Display for FeedbackAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "viriot://{}", Topic::VSiloDataIn(self.0.clone()))
    }
}

impl TryFrom<String> for FeedbackAddress {
    type Error = FeedbackAddressError;

    fn try_from(text: String) -> Result<Self, FeedbackAddressError> {
        text.parse()
    }
}

impl From<FeedbackAddress> for String {
    fn from(address: FeedbackAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observed_command_is_read_and_written_alike() {
        let text = r#"{"cmd-value":"green","cmd-qos":2,"cmd-id":"77","cmd-nuri":"viriot://vSilo/admin_ld1/data_in"}"#;
        let command: Command = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&command).unwrap(), text);
    }

    #[test]
    fn qos_is_a_number_or_its_text_and_zero_when_absent() {
        let qos = |text: &str| serde_json::from_str::<Command>(text).map(|command| command.cmd_qos);
        assert_eq!(qos(r#"{"cmd-value":1,"cmd-qos":"2"}"#).unwrap(), 2);
        assert_eq!(qos(r#"{"cmd-value":1}"#).unwrap(), 0);
        assert!(qos(r#"{"cmd-value":1,"cmd-qos":3}"#).unwrap_err().to_string().contains("0, 1 or 2"));
    }

    #[test]
    fn feedback_goes_to_a_silo_and_nowhere_else() {
        for wrong in
            ["http://x", "viriot://vThing/a/b/data_out", "viriot://vSilo/a_b/c_in", "vSilo/a_b/data_in"]
        {
            assert!(wrong.parse::<FeedbackAddress>().is_err(), "{wrong}");
        }
    }
}
