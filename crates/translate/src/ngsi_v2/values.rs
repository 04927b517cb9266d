//! Values and the types they have in NGSIv2.

use serde_json::{Map, Value, json};

use super::names::MAX;

/// How deep a value may nest.
pub(super) const DEPTH_MAX: usize = 50;

/// Types that come back as a plain value, or as a kind of their own: a typed value of NGSI-LD must not take them.
const TAKEN: [&str; 33] = [
    "Text",
    "TextUnrestricted",
    "String",
    "Number",
    "Integer",
    "Float",
    "Double",
    "Boolean",
    "boolean",
    "StructuredValue",
    "Array",
    "List",
    "Object",
    "None",
    "URL",
    "URI",
    "PostalAddress",
    "Relationship",
    "Reference",
    "GeoProperty",
    "geo:json",
    "geo:point",
    "geo:line",
    "geo:polygon",
    "geo:box",
    "coords",
    "LanguageProperty",
    "VocabProperty",
    "JsonProperty",
    "ListProperty",
    "ListRelationship",
    "Scope",
    "command",
];

/// Whether a value of this type comes back as it is.
pub(super) fn is_plain(kind: &str) -> bool {
    TAKEN.contains(&kind) || matches!(kind, "commandStatus" | "commandResult")
}

/// The type of a value that has none of its own.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "None",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "Number",
        Value::String(text) if has_forbidden(text) => "TextUnrestricted",
        Value::String(_) => "Text",
        Value::Array(_) | Value::Object(_) => "StructuredValue",
    }
}

/// A typed value of JSON-LD (`@type`, `@value`), taken apart where NGSIv2 can have its type. Some ThingVisors of VirIoT
/// write `type` for `@type`; the second part says so.
pub(super) fn typed(value: &Value) -> Option<(&str, &Value, bool)> {
    let members = value.as_object().filter(|members| members.len() == 2)?;
    let inner = members.get("@value")?;
    let (kind, common) = match members.get("@type") {
        Some(kind) => (kind.as_str()?, true),
        None => (members.get("type")?.as_str()?, false),
    };
    let is_name = |byte: u8| byte.is_ascii_graphic() && !b"<>\"'=;()&?/#%".contains(&byte);
    let fits = !kind.is_empty() && kind.len() <= MAX && kind.bytes().all(is_name) && !is_plain(kind);
    let is_date = matches!(kind, "DateTime" | "ISO8601");
    (fits && (!is_date || inner.as_str().is_some_and(is_moment))).then_some((kind, inner, common))
}

/// Whether NGSIv2 reads this as a date ("Datetime support"): a date, or a date and a time with an offset.
pub(super) fn is_moment(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok() || text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// An attribute or a metadata element.
pub(super) fn typed_member(kind: &str, value: Value) -> Map<String, Value> {
    // There may be metadata.
    let mut members = Map::with_capacity(3);
    members.insert("type".to_owned(), json!(kind));
    members.insert("value".to_owned(), value);
    members
}

/// Characters that no text of a request may contain ("General syntax restrictions").
pub(super) fn has_forbidden(text: &str) -> bool {
    text.bytes().any(|byte| b"<>\"'=;()".contains(&byte))
}

/// Whether such a text is anywhere inside.
pub(super) fn holds_forbidden(value: &Value) -> bool {
    match value {
        Value::String(text) => has_forbidden(text),
        Value::Array(items) => items.iter().any(holds_forbidden),
        Value::Object(members) => {
            members.iter().any(|(name, value)| has_forbidden(name) || holds_forbidden(value))
        }
        _ => false,
    }
}

/// Whether all numbers are ones that a double has.
pub(super) fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => whole as f64 as i128 == i128::from(whole),
            (None, Some(whole)) => whole as f64 as i128 == i128::from(whole),
            (None, None) => true,
        },
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(members) => members.values().all(is_exact),
        _ => true,
    }
}

/// How deep objects and arrays nest.
pub(super) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
