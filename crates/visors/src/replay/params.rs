//! The parameters of `replay`; docs/visors/replay.md describes them for users.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use indexmap::IndexMap;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What is played, how it is mapped, and how fast.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Params {
    pub(super) file: PathBuf,
    pub(super) format: Option<Format>,
    #[serde(default = "comma")]
    pub(super) delimiter: char,
    #[serde(default = "series")]
    pub(super) v_thing: String,
    pub(super) entity: EntityParams,
    pub(super) properties: IndexMap<String, PropertyParams>,
    pub(super) observed_at: Option<TimeParams>,
    pub(super) location: Option<LocationParams>,
    pub(super) speed: Option<Speed>,
    pub(super) rows_per_second: Option<f64>,
    #[serde(default, rename = "loop")]
    pub(super) repeat: bool,
    #[serde(default = "yes")]
    pub(super) sort: bool,
}

fn comma() -> char {
    ','
}

fn series() -> String {
    "series".to_owned()
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Csv,
    Jsonl,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntityParams {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) type_name: String,
}

/// How a Property comes about: from a column, or as one value for all.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PropertyParams {
    pub(super) source: Source,
    pub(super) kind: Option<Kind>,
    pub(super) unit_code: Option<String>,
    pub(super) optional: bool,
    pub(super) observed: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Column(String),
    Value(Value),
}

/// What the value of a Property is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Number,
    Text,
    Boolean,
    Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PropertyObject {
    column: Option<String>,
    value: Option<Value>,
    #[serde(rename = "type")]
    kind: Option<Kind>,
    unit_code: Option<String>,
    #[serde(default)]
    optional: bool,
    #[serde(default = "yes")]
    observed: bool,
}

impl From<String> for PropertyParams {
    fn from(column: String) -> Self {
        Self { source: Source::Column(column), kind: None, unit_code: None, optional: false, observed: true }
    }
}

impl TryFrom<PropertyObject> for PropertyParams {
    type Error = &'static str;

    fn try_from(object: PropertyObject) -> Result<Self, &'static str> {
        let PropertyObject { column, value, kind, unit_code, optional, observed } = object;
        let (source, observed) = match (column, value) {
            (Some(column), None) => (Source::Column(column), observed),
            (None, Some(value)) => (Source::Value(value), false),
            _ => return Err("give either `column` or `value`"),
        };
        Ok(Self { source, kind, unit_code, optional, observed })
    }
}

impl<'de> Deserialize<'de> for PropertyParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOr::<Self, PropertyObject>(PhantomData))
    }
}

/// Where the time of a row is, and how it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimeParams {
    pub(super) columns: Vec<String>,
    pub(super) format: Option<String>,
    pub(super) time_zone: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TimeObject {
    column: Option<String>,
    columns: Option<Vec<String>>,
    format: Option<String>,
    time_zone: Option<String>,
}

impl From<String> for TimeParams {
    fn from(column: String) -> Self {
        Self { columns: vec![column], format: None, time_zone: None }
    }
}

impl TryFrom<TimeObject> for TimeParams {
    type Error = &'static str;

    fn try_from(object: TimeObject) -> Result<Self, &'static str> {
        let columns = match (object.column, object.columns) {
            (Some(column), None) => vec![column],
            (None, Some(columns)) if !columns.is_empty() => columns,
            _ => return Err("give either `column` or `columns`"),
        };
        Ok(Self { columns, format: object.format, time_zone: object.time_zone })
    }
}

impl<'de> Deserialize<'de> for TimeParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOr::<Self, TimeObject>(PhantomData))
    }
}

/// Where the place of an entity is: in the row, or in a table of places.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "LocationObject")]
pub(super) enum LocationParams {
    Columns { latitude: String, longitude: String },
    Lookup(LookupParams),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LocationObject {
    latitude_column: Option<String>,
    longitude_column: Option<String>,
    lookup: Option<LookupParams>,
}

impl TryFrom<LocationObject> for LocationParams {
    type Error = &'static str;

    fn try_from(object: LocationObject) -> Result<Self, &'static str> {
        match (object.latitude_column, object.longitude_column, object.lookup) {
            (Some(latitude), Some(longitude), None) => Ok(Self::Columns { latitude, longitude }),
            (None, None, Some(lookup)) => Ok(Self::Lookup(lookup)),
            _ => Err("give either `latitudeColumn` and `longitudeColumn`, or `lookup`"),
        }
    }
}

/// A CSV file of places: `key` there is `column` here.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LookupParams {
    pub(super) file: PathBuf,
    pub(super) key: String,
    pub(super) column: String,
    pub(super) latitude: String,
    pub(super) longitude: String,
}

/// How fast the series goes by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Speed {
    /// So many times as fast as it was.
    Factor(f64),
    /// As fast as it goes.
    Max,
}

impl<'de> Deserialize<'de> for Speed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "max" => Ok(Self::Max),
            Value::Number(number) if number.as_f64().is_some_and(|factor| factor > 0.0) => {
                Ok(Self::Factor(number.as_f64().unwrap_or(1.0)))
            }
            other => Err(D::Error::custom(format!("{other} is no speed: give a number above 0, or \"max\""))),
        }
    }
}

/// Reads `T` from a text, or from the object `O`; errors keep their place.
struct TextOr<T, O>(PhantomData<(T, O)>);

impl<'de, T, O> Visitor<'de> for TextOr<T, O>
where
    T: From<String> + TryFrom<O, Error = &'static str>,
    O: Deserialize<'de>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a column, or an object")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(text.to_owned().into())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        O::deserialize(MapAccessDeserializer::new(map))?.try_into().map_err(A::Error::custom)
    }
}
