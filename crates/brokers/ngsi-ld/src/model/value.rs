//! Values: of each kind of attribute, of scopes and of times, checked and brought to the form they are kept in.

use super::{
    Json, Kind, Timestamp, check_uri, geometry,
    read::{NGSI_LD_NULL, Reader},
    told::is_null,
    uri::shorten,
};
use crate::Error;

impl Reader<'_> {
    /// Checks a value against its kind and brings it to the form it is kept in.
    pub(super) fn check_value(&self, kind: Kind, value: Json, key: &str) -> Result<Json, Error> {
        let member = kind.value_member();
        let what = format!("{member} of attribute \"{key}\"");
        let bad =
            |expected: &str, got: &Json| Error::bad(format!("{what} must be {expected}, not {}", got.kind()));
        match (kind, value) {
            // Only a JsonProperty may hold null (NGSI-LD 4.5.24); it is kept as the JSON it is.
            (Kind::JsonProperty, Json::Null) => Err(bad("JSON other than null", &Json::Null)),
            (Kind::JsonProperty, value @ (Json::Object(_) | Json::Array(_))) => Ok(value),
            (Kind::JsonProperty, other) => Err(bad("an object or an array", &other)),
            (_, Json::Null) => Err(Error::bad(format!("{what} must not be null"))),
            (Kind::Property, value) if holds_null(&value) => {
                Err(Error::bad(format!("{what} must not hold {NGSI_LD_NULL}")))
            }
            (Kind::Property, value) => Ok(value),
            // Geometries may also be written as JSON text (NGSI-LD 4.7.1).
            (Kind::GeoProperty, Json::String(text)) => {
                let value =
                    Json::parse(text.as_bytes()).map_err(|_| bad("a geometry", &Json::String(text)))?;
                geometry::check(&value, &what).map(|()| value)
            }
            (Kind::GeoProperty, value) => geometry::check(&value, &what).map(|()| value),
            (Kind::Relationship, Json::Array(items)) if !items.is_empty() => {
                items.iter().try_for_each(|item| match item {
                    Json::String(uri) => check_uri(uri, &what).map(drop),
                    other => Err(bad("a URI or an array of URIs", other)),
                })?;
                Ok(Json::Array(items))
            }
            (Kind::Relationship, Json::String(uri)) => {
                check_uri(&uri, &what)?;
                Ok(Json::String(uri))
            }
            (Kind::Relationship, other) => Err(bad("a URI or an array of URIs", &other)),
            (Kind::LanguageProperty, Json::Object(map)) => {
                for (language, text) in &map {
                    let texts = text.as_array().unwrap_or(std::slice::from_ref(text));
                    if language.is_empty() || texts.iter().any(|text| text.as_str().is_none()) {
                        return Err(Error::bad(format!(
                            "{what} must hold strings by language, and \"{language}\" does not"
                        )));
                    }
                }
                Ok(Json::Object(map))
            }
            (Kind::LanguageProperty, other) => Err(bad("an object of strings by language", &other)),
            (Kind::VocabProperty, Json::String(term)) => Ok(Json::String(self.context.expand(&term).into())),
            (Kind::VocabProperty, Json::Array(items)) if !items.is_empty() => {
                let expand = |item: &Json| match item {
                    Json::String(term) => Ok(Json::String(self.context.expand(term).into())),
                    other => Err(bad("a string or an array of strings", other)),
                };
                Ok(items.iter().map(expand).collect::<Result<Vec<_>, _>>()?.into())
            }
            (Kind::VocabProperty, other) => Err(bad("a string or an array of strings", &other)),
            (Kind::ListProperty, Json::Array(items)) => Ok(Json::Array(items)),
            (Kind::ListProperty, other) => Err(bad("an array", &other)),
            (Kind::ListRelationship, Json::Array(items)) => {
                let uri = |item: &Json| {
                    let uri = item.get("object").unwrap_or(item);
                    let text = uri.as_str().ok_or_else(|| bad("an array of URIs", uri))?;
                    check_uri(text, &what).map(Json::from)
                };
                Ok(items.iter().map(uri).collect::<Result<Vec<_>, _>>()?.into())
            }
            (Kind::ListRelationship, other) => Err(bad("an array of URIs", &other)),
        }
    }
}

/// Whether a value has the NGSI-LD null inside of it, where nothing can be deleted.
fn holds_null(value: &Json) -> bool {
    match value {
        Json::Object(members) => members.iter().any(|(_, value)| is_null(value) || holds_null(value)),
        Json::Array(items) => items.iter().any(holds_null),
        _ => false,
    }
}

/// Reads one scope or several (NGSI-LD 4.18).
pub(crate) fn scopes(value: &Json) -> Result<Vec<Box<str>>, Error> {
    let scope = |value: &Json| {
        let text = value
            .as_str()
            .ok_or_else(|| Error::bad(format!("scope must be a string, not {}", value.kind())))?;
        let path = text.strip_prefix('/').unwrap_or(text);
        let level = |level: &str| {
            level.starts_with(char::is_alphabetic) && level.chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        if path.split('/').all(level) {
            Ok(text.into())
        } else {
            Err(Error::bad(format!("scope \"{}\" is not a path of names", shorten(text))))
        }
    };
    match value {
        value if is_null(value) => Ok(Vec::new()),
        Json::Array(items) => items.iter().map(scope).collect(),
        one => Ok(vec![scope(one)?]),
    }
}

/// Reads a DateTime (NGSI-LD 4.6.3), also when it is written as a JSON-LD typed value.
pub(crate) fn date_time(value: &Json, what: &str) -> Result<Timestamp, Error> {
    let text = value.get("@value").unwrap_or(value).as_str();
    text.filter(|text| text.ends_with('Z')).and_then(Timestamp::parse).ok_or_else(|| {
        Error::bad(format!("{what} must be a date and time in UTC such as 2026-11-22T05:45:30Z"))
    })
}

/// With how many digits a DateTime's second is written, when the last of them is a zero.
pub(super) fn digits(value: &Json) -> Option<u8> {
    let text = value.get("@value").unwrap_or(value).as_str()?;
    let (_, fraction) = text.strip_suffix('Z')?.split_once(['.', ','])?;
    // More than microseconds are not kept.
    (fraction.ends_with('0') && fraction.len() <= 6).then_some(fraction.len() as u8)
}
