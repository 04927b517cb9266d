//! How a row becomes an entity.

use std::path::Path;

use jiff::Timestamp;
use morgana_thingvisor::Entity;
use serde_json::{Map, Number, Value};

use super::cells::{Cells, Columns, shown};
use super::params::{Kind, Params, PropertyParams, Source};
use super::places::Places;
use super::row_error::RowError;
use super::template::{Template, in_uri, plain};
use super::time::Clock;

/// Members of an entity that are no attributes (NGSI-LD 5.2.4).
const NO_PROPERTIES: [&str; 8] =
    ["id", "type", "@context", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt"];

/// A row, ready to be published.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moment {
    /// When it was observed.
    pub(super) at: Option<Timestamp>,
    /// The local name of its vThing.
    pub(super) v_thing: String,
    /// What it says.
    pub(super) entity: Entity,
}

/// The parameters, with every column found.
pub(super) struct Plan {
    pub(super) columns: Columns,
    v_thing: Template,
    id: Template,
    type_name: Template,
    properties: Vec<Property>,
    clock: Option<Clock>,
    places: Option<Places>,
}

struct Property {
    name: String,
    /// What a column gives; nothing for a fixed value, which is in `rest`.
    slot: Option<usize>,
    kind: Option<Kind>,
    optional: bool,
    observed: bool,
    /// The members that are the same in every row.
    rest: Map<String, Value>,
}

impl Plan {
    /// # Errors
    /// When a template, a time zone or a table of places is wrong. `folder` is where relative paths
    /// begin.
    pub(super) fn new(params: &Params, folder: &Path) -> Result<Self, String> {
        for name in params.properties.keys() {
            if NO_PROPERTIES.contains(&name.as_str()) {
                return Err(format!(
                    "at 'properties': '{name}' is no name for a Property, NGSI-LD reserves it"
                ));
            }
        }
        let mut columns = Columns::default();
        let place = |name: &'static str| move |error: String| format!("at '{name}': {error}");
        Ok(Self {
            v_thing: Template::parse(&params.v_thing, &mut columns).map_err(place("vThing"))?,
            id: Template::parse(&params.entity.id, &mut columns).map_err(place("entity.id"))?,
            type_name: Template::parse(&params.entity.type_name, &mut columns)
                .map_err(place("entity.type"))?,
            properties: params
                .properties
                .iter()
                .map(|(name, property)| Property::new(name, property, &mut columns))
                .collect(),
            clock: params
                .observed_at
                .as_ref()
                .map(|time| Clock::new(time, &mut columns))
                .transpose()
                .map_err(place("observedAt"))?,
            places: params
                .location
                .as_ref()
                .map(|location| Places::new(location, &mut columns, folder))
                .transpose()
                .map_err(place("location"))?,
            columns,
        })
    }

    /// The name of the vThing, where it is the same in every row.
    pub(super) fn only_v_thing(&self) -> Option<String> {
        self.v_thing.constant()
    }

    /// Whether rows have a time.
    pub(super) fn has_time(&self) -> bool {
        self.clock.is_some()
    }

    /// When a row was observed.
    ///
    /// # Errors
    /// When its time cannot be read.
    pub(super) fn time(&self, values: &[Option<Value>]) -> Result<Option<Timestamp>, RowError> {
        let cells = Cells::new(&self.columns, values);
        self.clock.as_ref().map(|clock| clock.read(&cells)).transpose()
    }

    /// What a row says.
    ///
    /// # Errors
    /// When one of its columns is not as it should be.
    pub(super) fn moment(&self, values: &[Option<Value>]) -> Result<Moment, RowError> {
        let cells = Cells::new(&self.columns, values);
        let at = self.clock.as_ref().map(|clock| clock.read(&cells)).transpose()?;
        let observed_at = at.map(|at| Value::from(at.to_string()));
        let mut entity = Entity::builder(self.id.fill(&cells, in_uri)?, self.type_name.fill(&cells, plain)?);
        for property in &self.properties {
            if let Some(attribute) = property.attribute(&cells, observed_at.as_ref())? {
                entity = entity.attribute(property.name.as_str(), attribute);
            }
        }
        if let Some(place) = self.places.as_ref().map(|places| places.of(&cells)).transpose()?.flatten() {
            entity = entity.attribute("location", place);
        }
        let entity = entity.build().map_err(|error| RowError::row(error.to_string()))?;
        Ok(Moment { at, v_thing: self.v_thing.fill(&cells, plain)?, entity })
    }
}

impl Property {
    fn new(name: &str, params: &PropertyParams, columns: &mut Columns) -> Self {
        let mut rest = Map::new();
        rest.insert("type".to_owned(), "Property".into());
        let slot = match &params.source {
            Source::Column(column) => Some(columns.slot(column)),
            Source::Value(value) => {
                rest.insert("value".to_owned(), value.clone());
                None
            }
        };
        if let Some(unit) = &params.unit_code {
            rest.insert("unitCode".to_owned(), unit.as_str().into());
        }
        let PropertyParams { kind, optional, observed, .. } = *params;
        Self { name: name.to_owned(), slot, kind, optional, observed, rest }
    }

    /// The attribute of a row; nothing where the row has no value and needs none.
    fn attribute(&self, cells: &Cells<'_>, observed_at: Option<&Value>) -> Result<Option<Value>, RowError> {
        let mut attribute = self.rest.clone();
        if let Some(slot) = self.slot {
            let value = match cells.value(slot) {
                Some(value) => typed(value, self.kind).map_err(|reason| cells.error(slot, reason))?,
                None if self.optional => return Ok(None),
                None => return Err(cells.error(slot, "it has no value")),
            };
            attribute.insert("value".to_owned(), value);
        }
        if let (true, Some(at)) = (self.observed, observed_at) {
            attribute.insert("observedAt".to_owned(), at.clone());
        }
        Ok(Some(Value::Object(attribute)))
    }
}

/// A value as the kind that was asked for; as it came where none was.
fn typed(value: &Value, kind: Option<Kind>) -> Result<Value, String> {
    let text = match value {
        Value::String(text) => text.trim(),
        _ if kind.is_none_or(|kind| kind == Kind::Json) => return Ok(value.clone()),
        Value::Number(_) if kind == Some(Kind::Number) => return Ok(value.clone()),
        Value::Bool(_) if kind == Some(Kind::Boolean) => return Ok(value.clone()),
        other => return typed(&Value::String(other.to_string()), kind),
    };
    let wrong = |what: &str| format!("'{}' is no {what}", shown(text));
    match kind {
        None | Some(Kind::Text) => Ok(Value::from(text)),
        Some(Kind::Number) => number(text).map(Value::Number).ok_or_else(|| wrong("number")),
        Some(Kind::Boolean) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(Value::Bool(true)),
            "false" | "no" | "0" => Ok(Value::Bool(false)),
            _ => Err(wrong("boolean: write true or false")),
        },
        Some(Kind::Json) => serde_json::from_str(text).map_err(|error| wrong(&format!("JSON: {error}"))),
    }
}

/// A whole number stays whole.
fn number(text: &str) -> Option<Number> {
    match text.parse::<i64>() {
        Ok(whole) => Some(whole.into()),
        Err(_) => text.parse().ok().and_then(Number::from_f64),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_of_the_kind_that_was_asked_for() {
        let read = |value: Value, kind: &str| typed(&value, serde_json::from_value(json!(kind)).unwrap());
        assert_eq!(read(json!(" 12 "), "number"), Ok(json!(12)));
        assert_eq!(read(json!("007"), "number"), Ok(json!(7)));
        assert_eq!(read(json!("1.5e3"), "number"), Ok(json!(1500.0)));
        assert_eq!(read(json!(2.5), "number"), Ok(json!(2.5)));
        assert_eq!(read(json!(2.5), "text"), Ok(json!("2.5")));
        assert_eq!(read(json!("Yes"), "boolean"), Ok(json!(true)));
        assert_eq!(read(json!("[1]"), "json"), Ok(json!([1])));
        for wrong in ["", "1,5", "inf", "NaN", "12 people", "0x10"] {
            assert!(read(json!(wrong), "number").is_err(), "{wrong}");
        }
        assert!(read(json!({ "a": 1 }), "number").is_err());
        assert_eq!(typed(&json!("007"), None), Ok(json!("007")));
        assert_eq!(typed(&json!({ "a": 1 }), None), Ok(json!({ "a": 1 })));
    }
}
