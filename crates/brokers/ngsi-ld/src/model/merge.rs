//! Merging a patch into an entity (NGSI-LD 5.6.17, 5.5.12).

use super::{
    Attribute, Changes, Entity, Json, Kind, Timestamp, View,
    change::{delete_all, head, put},
    check_uri,
    read::{Form, Reader},
    told::{is_instance_list, is_null},
    write::Instances,
};
use crate::{Context, Error};

/// What a merge does beside merging (NGSI-LD 5.6.17).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MergeOptions {
    /// When the values were true, for attributes that say when but are not told anew.
    pub(crate) observed_at: Option<Timestamp>,
    /// The language of texts for language maps.
    pub(crate) language: Option<Box<str>>,
}

/// A bare value for an attribute that is there: it keeps its kind.
fn of_kind(old: &Attribute, value: Json, options: &MergeOptions) -> Json {
    if is_null(&value) {
        return Json::Object([("value".into(), value)].into());
    }
    let member = old.kind.value_member();
    let value = match (old.kind, value, &options.language) {
        (Kind::LanguageProperty, text @ Json::String(_), Some(language)) => {
            Json::Object([(language.clone(), text)].into())
        }
        // The simplified form of some kinds has their member around the value (NGSI-LD 4.5.4).
        (_, value, _) => match value.get(member) {
            Some(inner) if matches!(&value, Json::Object(members) if members.len() == 1) => inner.clone(),
            _ => value,
        },
    };
    Json::Object([("type".into(), old.kind.name().into()), (member.into(), value)].into())
}

/// Merges `patch` into the entity (NGSI-LD 5.6.17, 5.5.12): objects member by member, everything else as a whole.
pub(crate) fn merge(
    entity: &mut Entity,
    patch: Json,
    reader: &Reader<'_>,
    options: &MergeOptions,
) -> Result<Changes, Error> {
    let Json::Object(members) = patch else {
        return Err(Error::bad(format!("an entity must be a JSON object, not {}", patch.kind())));
    };
    let full = Reader { form: Form::Full, ..*reader };
    let mut changes = Changes::default();
    let mut rest = Vec::new();
    for (key, value) in members {
        let is_attribute = !matches!(
            &*key,
            "id" | "@id" | "type" | "@type" | "scope" | "@context" | "expiresAt" | "createdAt" | "modifiedAt"
        );
        if !is_attribute || is_null(&value) {
            rest.push((key, value));
            continue;
        }
        let name = reader.context.name(&key, "attribute name")?;
        let patches = match value {
            Json::Array(items) if reader.form == Form::Full && is_instance_list(&items) => Vec::from(items),
            one => vec![one],
        };
        for patch in patches {
            let default = entity.attributes.iter().find(|known| known.is(&name, None));
            let patch = match (reader.form, patch) {
                (Form::Full, Json::Object(members)) if !is_geometry_alone(&members) => Json::Object(members),
                (Form::Simplified, value) if default.is_some_and(|old| keeps_kind(old, &value, options)) => {
                    default.map_or(Json::Null, |old| of_kind(old, value, options))
                }
                (_, value) => as_attribute(reader, &key, value)?,
            };
            if is_null_language_map(&patch) {
                let dataset_id = patch.get("datasetId").and_then(Json::as_str).map(Into::into);
                delete_all(entity, vec![(name.clone(), dataset_id)], &mut changes);
                continue;
            }
            let dataset_id = patch.get("datasetId").and_then(Json::as_str);
            let old = entity.attributes.iter().find(|known| known.is(&name, dataset_id));
            let told = patch.get("observedAt").is_some();
            let merged = match old {
                Some(old) if !other_kind(old, &patch) => {
                    let mut merged = overlay(show(old, reader.context), patch, true);
                    if let (Some(at), Some(_), false) = (options.observed_at, old.observed_at, told) {
                        merged = set(merged, "observedAt", Json::String(at.to_string().into()));
                    }
                    merged
                }
                _ => patch,
            };
            let fragment = full.attribute(&key, merged)?;
            for attribute in fragment.attributes {
                put(entity, attribute, &mut changes);
            }
            delete_all(entity, fragment.deletions, &mut changes);
        }
    }
    let fragment = reader.fragment(Json::Object(rest.into()))?;
    head(entity, &fragment);
    delete_all(entity, fragment.deletions, &mut changes);
    entity.modified_at = reader.now;
    Ok(changes)
}

/// An attribute in the normalized representation, as a patch applies to it.
pub(super) fn show(attribute: &Attribute, context: &Context) -> Json {
    // With the expiry, that a patch keeps; the times of the broker itself are ignored when they are read again.
    let view = View { sys_attrs: true, ..View::default() };
    let instances = Instances { instances: &[attribute], context, view: &view };
    // What the broker holds always has a JSON form.
    serde_json::to_value(instances).map_or(Json::Null, Json::from)
}

/// A bare value as an attribute in the normalized representation.
pub(super) fn as_attribute(reader: &Reader<'_>, key: &str, value: Json) -> Result<Json, Error> {
    if is_null(&value) {
        return Ok(Json::Object([("value".into(), value)].into()));
    }
    let fragment = reader.attribute(key, value)?;
    Ok(fragment.attributes.first().map_or(Json::Null, |attribute| show(attribute, reader.context)))
}

/// Whether a bare value can be one of the attribute's kind; else it makes the attribute a Property.
fn keeps_kind(old: &Attribute, value: &Json, options: &MergeOptions) -> bool {
    is_null(value)
        || match old.kind {
            Kind::Property => false,
            Kind::LanguageProperty => {
                value.as_object().is_some() || (value.as_str().is_some() && options.language.is_some())
            }
            Kind::Relationship => value.as_str().is_some_and(|text| check_uri(text, "").is_ok()),
            Kind::GeoProperty => false,
            _ => true,
        }
}

/// An object with a member set.
fn set(object: Json, name: &str, value: Json) -> Json {
    let Json::Object(members) = object else { return object };
    let mut members = Vec::from(members);
    members.retain(|(known, _)| &**known != name);
    members.push((name.into(), value));
    Json::Object(members.into())
}

/// A concise GeoProperty: a geometry in the place of an attribute.
pub(super) fn is_geometry_alone(members: &[(Box<str>, Json)]) -> bool {
    members.iter().any(|(name, _)| &**name == "coordinates")
        && !members.iter().any(|(name, _)| &**name == "value")
}

/// Whether a patch makes an attribute one of another kind; its old members then mean nothing.
fn other_kind(old: &Attribute, patch: &Json) -> bool {
    match patch.get("type").and_then(Json::as_str) {
        Some(kind) => kind != old.kind.name(),
        None => {
            patch.get(old.kind.value_member()).is_none()
                && Kind::ALL.iter().any(|kind| patch.get(kind.value_member()).is_some())
        }
    }
}

/// A language map that deletes its attribute (NGSI-LD 5.5.12); merged, it would only delete its own `@none`.
fn is_null_language_map(patch: &Json) -> bool {
    let map = patch.get("languageMap").and_then(Json::as_object);
    matches!(map, Some([(language, text)]) if &**language == "@none" && is_null(text))
}

/// `patch` over `target`, member by member; deeper too with `deep` (RFC 7396, with the NGSI-LD null for null).
pub(super) fn overlay(target: Json, patch: Json, deep: bool) -> Json {
    match (target, patch) {
        (Json::Object(target), Json::Object(patch)) => {
            let mut members = Vec::from(target);
            for (name, value) in patch {
                let at = members.iter().position(|(known, _)| *known == name);
                // The value's own null deletes the attribute, not the member, so it stays for the reader to see.
                let deletes_member =
                    is_null(&value) && !Kind::ALL.iter().any(|kind| kind.value_member() == &*name);
                match at {
                    Some(at) if deletes_member => drop(members.remove(at)),
                    Some(at) if deep => {
                        let old = std::mem::replace(&mut members[at].1, Json::Null);
                        members[at].1 = overlay(old, value, true);
                    }
                    Some(at) => members[at].1 = value,
                    None if deletes_member => {}
                    None => members.push((name, value)),
                }
            }
            Json::Object(members.into())
        }
        (_, patch) => patch,
    }
}
