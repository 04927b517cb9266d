//! NGSIv2 to NGSI-LD (viriot-wire.md section 4.1, "NGSIv2->NGSI-LD").

use morgana_model::{Entity, EntityError};
use serde_json::{Map, Value, json};

use super::{
    names::{is_absolute, looks_like_reference, original},
    values::{is_moment, is_plain},
};
use crate::commands::put_back;

/// An object that is no entity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an NGSIv2 entity")]
pub struct NotAnEntity(#[from] EntityError);

/// Translates an entity in normalized form. The pipes of commands become the list of commands.
///
/// # Errors
/// When it has no id or no type.
pub fn from_ngsi_v2(entity: &Map<String, Value>) -> Result<Entity, NotAnEntity> {
    let text = |name: &str| entity.get(name).and_then(Value::as_str).map(original).unwrap_or_default();
    let (id, kind) = (text("id"), text("type"));
    let mut out = Map::with_capacity(entity.len());
    let id = if id.is_empty() || is_absolute(&id) { id } else { format!("urn:ngsi-ld:{kind}:{id}") };
    out.insert("id".to_owned(), json!(id));
    out.insert("type".to_owned(), json!(kind));
    let mut commands = Vec::new();
    for (written, attribute) in entity {
        let name = original(written);
        let value = attribute.get("value").unwrap_or(&Value::Null);
        let attribute_type = attribute.get("type").and_then(Value::as_str).unwrap_or_default();
        match (written.as_str(), attribute_type) {
            ("id" | "type", _) | (_, "commandStatus" | "commandResult") => {}
            (_, "command") => commands.push(name),
            ("@context" | "scope", _) if attribute.is_object() => drop(out.insert(name, value.clone())),
            ("dateCreated", _) => drop(out.insert("createdAt".to_owned(), value.clone())),
            ("dateModified", _) => drop(out.insert("modifiedAt".to_owned(), value.clone())),
            ("dateExpires", _) => drop(out.insert("expiresAt".to_owned(), value.clone())),
            ("timestamp", _) if attribute.is_object() => {
                out.insert("observedAt".to_owned(), json!({ "type": "Property", "value": value }));
            }
            _ if attribute.is_object() => {
                let members = attribute_back(&name, attribute_type, attribute);
                out.insert(name, Value::Object(members));
            }
            // The simplified form.
            _ => drop(out.insert(name, json!({ "type": "Property", "value": attribute }))),
        }
    }
    put_back(&mut out, &commands);
    Ok(out.try_into()?)
}

fn attribute_back(name: &str, kind: &str, attribute: &Value) -> Map<String, Value> {
    let value = attribute.get("value").unwrap_or(&Value::Null);
    let metadata = attribute.get("metadata").and_then(Value::as_object);
    let about = |name: &str| metadata.and_then(|metadata| metadata.get(name)?.get("value"));
    let mut out = if is_relationship(name, kind, value) {
        let entity_type = about("entityType").and_then(Value::as_str);
        let entity_type = entity_type.or_else(|| name.strip_prefix("ref")).unwrap_or(name);
        relationship(value, entity_type)
    } else {
        valued_back(kind, value)
    };
    for (written, element) in metadata.into_iter().flatten() {
        let value = element.get("value").unwrap_or(&Value::Null);
        let kind = element.get("type").and_then(Value::as_str).unwrap_or_default();
        match written.as_str() {
            "TextUnrestricted" => {}
            "entityType" if out.contains_key("object") => {}
            "timestamp" => drop(out.insert("observedAt".to_owned(), value.clone())),
            "dateCreated" => drop(out.insert("createdAt".to_owned(), value.clone())),
            "dateModified" => drop(out.insert("modifiedAt".to_owned(), value.clone())),
            "unitCode" | "datasetId" if value.is_string() => drop(out.insert(written.clone(), value.clone())),
            "TimeInstant" if kind == "ISO8601" => {
                out.insert(written.clone(), json!({ "type": "Property", "value": value }));
            }
            _ => {
                let members = if kind == "Relationship" {
                    relationship(value, written)
                } else {
                    valued_back(kind, value)
                };
                out.insert(original(written), Value::Object(members));
            }
        }
    }
    out
}

fn is_relationship(name: &str, kind: &str, value: &Value) -> bool {
    let named = |value: &Value| value.is_string();
    match kind {
        "Relationship" | "Reference" => true,
        "Text" | "TextUnrestricted" | "String" => looks_like_reference(name) && named(value),
        _ => false,
    }
}

fn relationship(value: &Value, entity_type: &str) -> Map<String, Value> {
    let object = |value: &Value| match value.as_str() {
        Some(text) if !is_absolute(text) => json!(format!("urn:ngsi-ld:{entity_type}:{text}")),
        _ => value.clone(),
    };
    let object = match value {
        Value::Array(items) => items.iter().map(object).collect(),
        one => object(one),
    };
    members("Relationship", "object", object)
}

fn valued_back(kind: &str, value: &Value) -> Map<String, Value> {
    match kind {
        "geo:json" | "GeoProperty" => members("GeoProperty", "value", value.clone()),
        "geo:point" | "coords" | "geo:line" | "geo:polygon" | "geo:box" => match geometry(kind, value) {
            Some(geometry) => members("GeoProperty", "value", geometry),
            None => members("Property", "value", value.clone()),
        },
        "LanguageProperty" => members(kind, "languageMap", value.clone()),
        "VocabProperty" => members(kind, "vocab", value.clone()),
        "JsonProperty" => members(kind, "json", value.clone()),
        "ListProperty" => members(kind, "valueList", value.clone()),
        "ListRelationship" => members(kind, "objectList", value.clone()),
        // What no clock shows is no date, whatever it is called.
        "DateTime" | "ISO8601" if !value.as_str().is_some_and(is_moment) => {
            members("Property", "value", value.clone())
        }
        kind if kind.is_empty() || is_plain(kind) => members("Property", "value", value.clone()),
        kind => members("Property", "value", json!({ "@type": kind, "@value": value })),
    }
}

fn members(kind: &str, member: &str, value: Value) -> Map<String, Value> {
    // There may be metadata, which become members.
    let mut members = Map::with_capacity(4);
    members.insert("type".to_owned(), json!(kind));
    members.insert(member.to_owned(), value);
    members
}

/// GeoJSON of NGSIv2's simple places, which have the latitude first ("Simple Location Format").
fn geometry(kind: &str, value: &Value) -> Option<Value> {
    let place = |value: &Value| -> Option<[f64; 2]> {
        let (latitude, longitude) = value.as_str()?.split_once(',')?;
        Some([longitude.trim().parse().ok()?, latitude.trim().parse().ok()?])
    };
    let places = || value.as_array()?.iter().map(place).collect::<Option<Vec<_>>>();
    Some(match kind {
        "geo:line" => json!({ "type": "LineString", "coordinates": places()? }),
        "geo:polygon" => json!({ "type": "Polygon", "coordinates": [places()?] }),
        "geo:box" => {
            let places = places()?;
            let ([west, south], [east, north]) = (*places.first()?, *places.get(1)?);
            let ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
            json!({ "type": "Polygon", "coordinates": [ring] })
        }
        _ => json!({ "type": "Point", "coordinates": place(value)? }),
    })
}
