//! How a reading becomes an entity.

use std::fmt::Display;

use jiff::{Timestamp, Unit};
use morgana_thingvisor::Entity;
use serde_json::{Value, json};

/// Units by their common code (UN/CEFACT Recommendation 20).
pub(super) mod unit {
    /// A byte.
    pub(in super::super) const BYTE: &str = "AD";
    /// A piece: a number of something.
    pub(in super::super) const PIECE: &str = "C62";
    /// A percent.
    pub(in super::super) const PERCENT: &str = "P1";
    /// A degree Celsius.
    pub(in super::super) const CELSIUS: &str = "CEL";
}

/// One moment of one machine.
pub(super) struct Reading {
    visor: String,
    host: String,
    at: String,
}

impl Reading {
    pub(super) fn new(visor: &impl Display, host: &str, at: Timestamp) -> Self {
        // Nobody reads these sensors to the nanosecond; a time that cannot be rounded stays as it is.
        let at = at.round(Unit::Millisecond).unwrap_or(at);
        Self { visor: visor.to_string(), host: host.to_owned(), at: at.to_string() }
    }

    /// An entity of this machine; `part` tells it from others of its type.
    pub(super) fn entity(&self, type_name: &str, part: Option<&str>) -> Thing<'_> {
        let mut id = format!("urn:ngsi-ld:{type_name}:{}", self.visor);
        if let Some(part) = part {
            id.push(':');
            id.extend(
                part.chars().map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '-' }),
            );
        }
        Thing { reading: self, id, type_name: type_name.to_owned(), attributes: Vec::new() }
            .fixed("hostName", self.host.as_str())
    }
}

/// An entity in the making.
pub(super) struct Thing<'a> {
    reading: &'a Reading,
    id: String,
    type_name: String,
    attributes: Vec<(&'static str, Value)>,
}

impl Thing<'_> {
    /// A Property that says what the thing is, and never changes.
    pub(super) fn fixed(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push((name, json!({ "type": "Property", "value": value.into() })));
        self
    }

    /// A Property that was measured now.
    pub(super) fn measured(mut self, name: &'static str, value: impl Into<Value>, unit: &str) -> Self {
        let property = json!({
            "type": "Property",
            "value": value.into(),
            "unitCode": unit,
            "observedAt": self.reading.at,
        });
        self.attributes.push((name, property));
        self
    }

    pub(super) fn build(self) -> Result<Entity, String> {
        let entity = Entity::builder(self.id, self.type_name);
        let entity =
            self.attributes.into_iter().fold(entity, |entity, (name, value)| entity.attribute(name, value));
        entity.build().map_err(|error| error.to_string())
    }
}

/// So many percent, to a tenth.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 1000.0).round() / 10.0 }
}
