//! What JSON shows itself to be, where the standard leaves it to the members (NGSI-LD 4.5.3, 4.5.4, 5.5.12).

use super::{Json, Kind, geometry, read::NGSI_LD_NULL, shorten};
use crate::Error;

/// Whether a value is the NGSI-LD null.
pub(super) fn is_null(value: &Json) -> bool {
    value.as_str() == Some(NGSI_LD_NULL)
}

/// A language map deletes its attribute as `{"@none": "urn:ngsi-ld:null"}` (NGSI-LD 5.5.12).
pub(super) fn is_null_map(kind: Kind, value: &Json) -> bool {
    match (kind, value) {
        (Kind::LanguageProperty, Json::Object(map)) => {
            matches!(&**map, [(key, value)] if &**key == "@none" && is_null(value))
        }
        (Kind::ListProperty | Kind::ListRelationship, Json::Array(items)) => {
            matches!(&**items, [one] if is_null(one))
        }
        _ => false,
    }
}

/// The kind an attribute says, or shows by its members (concise, NGSI-LD 4.5.3).
pub(super) fn kind_of(members: &[(Box<str>, Json)], key: &str) -> Result<Kind, Error> {
    let get = |name: &str| members.iter().find(|(member, _)| &**member == name).map(|(_, value)| value);
    match get("type").or_else(|| get("@type")) {
        Some(Json::String(text)) => Kind::from_name(text).ok_or_else(|| {
            Error::bad(format!("type of attribute \"{key}\" is \"{}\", which is no kind of attribute", shorten(text)))
        }),
        Some(other) => Err(Error::bad(format!("type of attribute \"{key}\" must be a string, not {}", other.kind()))),
        None => match get("value") {
            Some(value) if geometry::is_geometry(value) => Ok(Kind::GeoProperty),
            Some(_) => Ok(Kind::Property),
            None => Kind::ALL.into_iter().find(|kind| get(kind.value_member()).is_some()).ok_or_else(|| {
                Error::bad(format!(
                    "attribute \"{key}\" has none of value, object, languageMap, vocab, json, valueList, objectList"
                ))
            }),
        },
    }
}

/// Whether scopes are written with their times.
pub(super) fn is_timed(value: &Json) -> bool {
    let items = value.as_array().unwrap_or(std::slice::from_ref(value));
    items.iter().any(|item| item.as_object().is_some())
}

/// Whether an array is several instances of an attribute rather than a value.
pub(super) fn is_instance_list(items: &[Json]) -> bool {
    let is_instance = |item: &Json| {
        let kind = item.get("type").and_then(Json::as_str);
        kind.is_some_and(|kind| Kind::from_name(kind).is_some())
            || (item.get("datasetId").is_some()
                && Kind::ALL.iter().any(|kind| item.get(kind.value_member()).is_some()))
            || (kind.is_none() && Kind::ALL.iter().any(|kind| item.get(kind.value_member()).is_some()))
    };
    !items.is_empty() && items.iter().all(is_instance)
}

pub(super) fn is_dataset(members: &[(Box<str>, Json)]) -> bool {
    matches!(members, [(name, Json::Object(_))] if &**name == "dataset")
}

/// The kind and value that a simplified value stands for (NGSI-LD 4.5.4).
pub(super) fn simplified(value: Json) -> (Kind, Json) {
    if geometry::is_geometry(&value) {
        return (Kind::GeoProperty, value);
    }
    if let Json::Object(members) = &value
        && let [(member, inner)] = &**members
    {
        let kind = match &**member {
            "languageMap" => Some(Kind::LanguageProperty),
            "vocab" => Some(Kind::VocabProperty),
            "json" => Some(Kind::JsonProperty),
            _ => None,
        };
        if let Some(kind) = kind {
            return (kind, inner.clone());
        }
    }
    (Kind::Property, value)
}

/// Members that show a former value (NGSI-LD 5.8.6, `showChanges`); the broker alone writes them.
pub(super) fn is_previous(member: &str, kind: Kind) -> bool {
    let value = kind.value_member();
    member.strip_prefix("previous").is_some_and(|rest| rest.eq_ignore_ascii_case(value))
}
