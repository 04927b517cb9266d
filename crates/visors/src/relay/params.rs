//! The parameters of `relay`; docs/visors/relay.md describes them for users.

use serde::{Deserialize, Deserializer};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Params {
    #[serde(deserialize_with = "not_empty")]
    pub(super) v_thing_name: String,
    #[serde(deserialize_with = "not_empty")]
    pub(super) v_thing_type: String,
    #[serde(default, rename = "as")]
    pub(super) mode: Mode,
    #[serde(default = "one_mebibyte")]
    pub(super) max_body_bytes: usize,
    #[serde(default = "sixty_four")]
    pub(super) max_connections: usize,
}

/// What a body is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// Any JSON: the Property `msg` of one entity.
    #[default]
    Message,
    /// An NGSI-LD entity, or an array of them.
    Entities,
}

fn one_mebibyte() -> usize {
    1024 * 1024
}

fn sixty_four() -> usize {
    64
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Err(serde::de::Error::custom("it must not be empty")) } else { Ok(text) }
}
