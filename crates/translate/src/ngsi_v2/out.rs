//! NGSI-LD to NGSIv2.

use morgana_model::Entity;
use serde_json::{Map, Value, json};

use super::{
    MODEL, Translated,
    names::{MAX, attribute_name, comes_back, identifier, is_absolute, looks_like_reference, metadata_name},
    values::{
        DEPTH_MAX, depth, has_forbidden, holds_forbidden, is_exact, is_moment, type_of, typed, typed_member,
    },
};
use crate::{
    Inexpressible, LossKind,
    commands::{COMMANDS, commands_of, is_plain_list},
    kinds::{Parts, main_instance, parts},
    loss::Losses,
};

/// Translates an entity, or a part of one.
///
/// # Errors
/// When its id or its type is longer than an NGSIv2 identifier.
pub fn to_ngsi_v2(entity: &Entity) -> Result<Translated, Inexpressible> {
    let mut losses = Losses::default();
    let mut out = Map::with_capacity(entity.members().len());
    out.insert("id".to_owned(), json!(id(entity.id(), &mut losses)?));
    out.insert("type".to_owned(), json!(kind(entity, &mut losses)?));
    let commands = commands_of(entity);
    for (name, value) in entity.members() {
        match name.as_str() {
            "id" | "type" => {}
            COMMANDS if commands.is_some() => {
                let commands = commands.as_deref().unwrap_or_default();
                if commands.is_empty() || !is_plain_list(value, commands) {
                    losses.add(COMMANDS, LossKind::Commands);
                }
            }
            "@context" => insert(&mut out, "@context", unrestricted(type_of(value), value.clone())),
            "scope" => insert(&mut out, "scope", unrestricted("Scope", value.clone())),
            "createdAt" => date_member(&mut out, "dateCreated", name, value, &mut losses),
            "modifiedAt" => date_member(&mut out, "dateModified", name, value, &mut losses),
            "expiresAt" => date_member(&mut out, "dateExpires", name, value, &mut losses),
            "deletedAt" => losses.add(name.as_str(), LossKind::Member),
            _ => {
                if commands.iter().flatten().any(|command| is_pipe(name, command)) {
                    // The pipe takes its place.
                    losses.add(name.as_str(), LossKind::Kind);
                }
                attribute(&mut out, name, value, &mut losses);
            }
        }
    }
    Ok(Translated { entity: out, commands, losses: losses.into_vec() })
}

fn is_pipe(name: &str, command: &str) -> bool {
    name.strip_prefix(command).is_some_and(|rest| matches!(rest, "" | "-status" | "-result"))
}

fn insert(out: &mut Map<String, Value>, name: impl Into<String>, members: Map<String, Value>) {
    out.insert(name.into(), Value::Object(members));
}

fn id(id: &str, losses: &mut Losses) -> Result<String, Inexpressible> {
    let written = identifier(id);
    if !comes_back(&written, id) || !is_absolute(id) {
        losses.add("", LossKind::Id);
    }
    fits("id", written)
}

fn kind(entity: &Entity, losses: &mut Losses) -> Result<String, Inexpressible> {
    let first = entity.types().first().copied().unwrap_or_default();
    let written = identifier(first);
    if entity.get("type").is_some_and(Value::is_array) || !comes_back(&written, first) {
        losses.add("", LossKind::Types);
    }
    fits("type", written)
}

fn fits(what: &'static str, written: String) -> Result<String, Inexpressible> {
    let bytes = written.len();
    if bytes > MAX { Err(Inexpressible { model: MODEL, what, bytes, limit: MAX }) } else { Ok(written) }
}

fn date_member(out: &mut Map<String, Value>, to: &str, from: &str, value: &Value, losses: &mut Losses) {
    match value.as_str().filter(|text| is_moment(text)) {
        Some(_) => insert(out, to, typed_member("DateTime", value.clone())),
        None => losses.add(from, LossKind::Member),
    }
}

fn attribute(out: &mut Map<String, Value>, name: &str, value: &Value, losses: &mut Losses) {
    let written = attribute_name(name);
    if written.len() > MAX {
        return losses.add(name, LossKind::Name);
    }
    if name == "timestamp" {
        // On the way back it is the time of the whole entity, as FIWARE writes it.
        losses.add(name, LossKind::Kind);
    }
    let (instance, several) = main_instance(value);
    if several {
        losses.add(name, LossKind::Instances);
    }
    let taken = parts(instance);
    if !taken.normalized {
        losses.add(name, LossKind::Form);
    }
    let Some(mut members) = valued(name, &taken, losses) else { return };
    if taken.kind == "Property"
        && looks_like_reference(name)
        && members.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("Text"))
    {
        losses.add(name, LossKind::Kind);
    }
    let mut metadata = metadata(name, &taken, losses);
    if members.get("type").is_some_and(|kind| kind != "TextUnrestricted")
        && members.get("value").is_some_and(holds_forbidden)
    {
        metadata.insert("TextUnrestricted".to_owned(), json!({ "type": "Boolean", "value": true }));
    }
    if !metadata.is_empty() {
        members.insert("metadata".to_owned(), Value::Object(metadata));
    }
    insert(out, written, members);
}

/// Type and value; nothing when NGSIv2 has no room for the value.
fn valued(place: &str, taken: &Parts<'_>, losses: &mut Losses) -> Option<Map<String, Value>> {
    let value = taken.value.unwrap_or(&Value::Null);
    if !is_exact(value) {
        losses.add(place, LossKind::Precision);
    }
    if depth(value) > DEPTH_MAX {
        losses.add(place, LossKind::Nested);
        return None;
    }
    Some(match taken.kind {
        "Property" => match typed(value) {
            Some((kind, inner, common)) => {
                if !common {
                    losses.add(place, LossKind::Form);
                }
                typed_member(kind, inner.clone())
            }
            None => typed_member(type_of(value), value.clone()),
        },
        "Relationship" => {
            let objects = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            if !objects.iter().all(|object| object.as_str().is_some_and(is_absolute)) {
                losses.add(place, LossKind::Kind);
            }
            typed_member("Relationship", value.clone())
        }
        "GeoProperty" => typed_member("geo:json", value.clone()),
        kind => typed_member(kind, value.clone()),
    })
}

/// What an attribute says besides its value.
fn metadata(name: &str, taken: &Parts<'_>, losses: &mut Losses) -> Map<String, Value> {
    let mut metadata = Map::with_capacity(taken.others.len());
    if taken.kind == "Relationship"
        && let Some(kind) = taken.value.and_then(Value::as_str).and_then(urn_type)
    {
        insert(&mut metadata, "entityType", typed_member("Text", json!(kind)));
    }
    for (member, value) in &taken.others {
        let text = value.as_str();
        let is_date = text.is_some_and(is_moment);
        let date_type = if is_date { "DateTime" } else { type_of(value) };
        match *member {
            "observedAt" if text.is_some() => {
                insert(&mut metadata, "timestamp", typed_member(date_type, (*value).clone()));
            }
            "createdAt" if is_date => {
                insert(&mut metadata, "dateCreated", typed_member("DateTime", (*value).clone()));
            }
            "modifiedAt" if is_date => {
                insert(&mut metadata, "dateModified", typed_member("DateTime", (*value).clone()));
            }
            "unitCode" | "datasetId" if text.is_some() => {
                insert(&mut metadata, *member, typed_member(type_of(value), (*value).clone()));
            }
            _ => sub_attribute(&mut metadata, member, value, &format!("{name}.{member}"), losses),
        }
    }
    metadata
}

fn sub_attribute(
    metadata: &mut Map<String, Value>,
    member: &str,
    value: &Value,
    place: &str,
    losses: &mut Losses,
) {
    let written = metadata_name(member);
    if written.len() > MAX {
        return losses.add(place, LossKind::Name);
    }
    let (instance, several) = main_instance(value);
    if several {
        losses.add(place, LossKind::Instances);
    }
    let taken = parts(instance);
    if !taken.normalized {
        losses.add(place, LossKind::Form);
    }
    if !taken.others.is_empty() {
        losses.add(place, LossKind::Nested);
    }
    if matches!(member, "unitCode" | "datasetId") {
        losses.add(place, LossKind::Member);
    }
    let Some(mut members) = valued(place, &taken, losses) else { return };
    let is_instant = member == "TimeInstant" && taken.value.and_then(Value::as_str).is_some_and(is_moment);
    if is_instant {
        members.insert("type".to_owned(), json!("ISO8601"));
        if taken.kind != "Property" {
            losses.add(place, LossKind::Kind);
        }
    } else if members.get("value").is_some_and(holds_forbidden) {
        // Metadata have no metadata to say it: the type has to, and the kind is lost with it.
        if taken.kind != "Property" || members.get("type").is_some_and(|kind| kind != type_of_taken(&taken)) {
            losses.add(place, LossKind::Kind);
        }
        members.insert("type".to_owned(), json!("TextUnrestricted"));
    } else if member == "TimeInstant" && members.get("type").is_some_and(|kind| kind == "ISO8601") {
        losses.add(place, LossKind::Kind);
    }
    insert(metadata, written, members);
}

fn type_of_taken(taken: &Parts<'_>) -> &'static str {
    type_of(taken.value.unwrap_or(&Value::Null))
}

/// A value with what tells NGSIv2 not to look at its characters.
fn unrestricted(kind: &str, value: Value) -> Map<String, Value> {
    let marked = !value.as_str().is_some_and(|text| has_forbidden(text) && kind.starts_with("Text"))
        && holds_forbidden(&value);
    let mut members = typed_member(kind, value);
    if marked {
        let metadata = json!({ "TextUnrestricted": { "type": "Boolean", "value": true } });
        members.insert("metadata".to_owned(), metadata);
    }
    members
}

/// The type in `urn:ngsi-ld:<type>:<rest>`.
fn urn_type(urn: &str) -> Option<&str> {
    let (kind, _) = urn.strip_prefix("urn:ngsi-ld:")?.split_once(':')?;
    (!kind.is_empty() && !has_forbidden(kind)).then_some(kind)
}
