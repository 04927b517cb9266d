//! What an administrator says of a bridge.

use morgana_thingvisor::policy::PolicyParams;
use serde::{Deserialize, Deserializer};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Params {
    /// VirIoT's name of it.
    #[serde(rename = "bridgeIP")]
    pub(super) bridge_ip: String,
    #[serde(default = "http")]
    pub(super) bridge_port: u16,
    #[serde(default)]
    pub(super) username: Option<String>,
    #[serde(default = "five", deserialize_with = "seconds")]
    pub(super) poll_seconds: u64,
    #[serde(default)]
    pub(super) policy: PolicyParams,
}

fn http() -> u16 {
    80
}

fn five() -> u64 {
    5
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seconds = u64::deserialize(deserializer)?;
    if (1..=3_600).contains(&seconds) {
        return Ok(seconds);
    }
    Err(serde::de::Error::custom(format!("{seconds} is out of range: give between 1 and 3600 seconds")))
}
