//! Changes to an entity, decided without the store: append, update, replace, merge (NGSI-LD 5.6, 5.5.8 to 5.5.12).

use super::{
    Attribute, Entity, Fragment, Json, Name, Timestamp, View,
    read::{Form, Reader, is_instance_list, is_null},
    write::Instances,
};
use crate::{Context, Error, ErrorKind};

/// What a change did to an entity's attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Attributes the entity did not have before.
    pub created: Vec<Name>,
    /// Attributes that were written over.
    pub updated: Vec<Name>,
    /// Attributes of which an instance was deleted.
    pub deleted: Vec<Name>,
    /// Attributes the request named that were left as they are.
    pub not_updated: Vec<NotUpdated>,
}

/// An attribute that a request named and that was left as it is (NGSI-LD 5.2.19).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotUpdated {
    /// The attribute.
    pub name: Name,
    /// Why.
    pub reason: &'static str,
}

impl Changes {
    /// Everything about a new entity.
    pub(crate) fn all_created(entity: &Entity) -> Self {
        Self { created: distinct(&entity.attributes), ..Self::default() }
    }

    /// Whether an attribute changed.
    pub fn any(&self) -> bool {
        !(self.created.is_empty() && self.updated.is_empty() && self.deleted.is_empty())
    }

    fn note(list: &mut Vec<Name>, name: &Name) {
        if !list.contains(name) {
            list.push(name.clone());
        }
    }

    fn refuse(&mut self, name: &Name, reason: &'static str) {
        self.not_updated.push(NotUpdated { name: name.clone(), reason });
    }
}

/// The name of the scopes of an entity.
const SCOPE: &str = "https://uri.etsi.org/ngsi-ld/scope";

fn distinct(attributes: &[Attribute]) -> Vec<Name> {
    let mut names = Vec::new();
    for attribute in attributes {
        Changes::note(&mut names, &attribute.name);
    }
    names
}

/// Adds the fragment's attributes and types to the entity (NGSI-LD 5.6.3); what is there is written over, or left
/// alone with `overwrite` off.
pub(crate) fn append(entity: &mut Entity, fragment: Fragment, overwrite: bool, now: Timestamp) -> Changes {
    let mut changes = Changes::default();
    let scopes = std::mem::take(&mut entity.scopes);
    head(entity, &fragment);
    if fragment.scopes.is_none() || !overwrite {
        // Without overwriting, scopes are added to those there are.
        let added = std::mem::replace(&mut entity.scopes, scopes);
        entity.scopes.extend(added);
        let mut seen = Vec::new();
        entity.scopes.retain(|scope| {
            !seen.contains(scope) && {
                seen.push(scope.clone());
                true
            }
        });
    }
    for attribute in fragment.attributes {
        let known = |known: &Attribute| known.is(&attribute.name, attribute.dataset_id());
        if !overwrite && entity.attributes.iter().any(known) {
            changes.refuse(&attribute.name, "the entity has it already and noOverwrite was asked for");
        } else {
            put(entity, attribute, &mut changes);
        }
    }
    delete_all(entity, fragment.deletions, &mut changes);
    entity.modified_at = now;
    changes
}

/// Writes over the attributes that the entity has and adds the others (NGSI-LD 5.6.2, 5.5.8). Scopes are replaced where
/// there are some; what is to be deleted has to be there.
pub(crate) fn update(entity: &mut Entity, mut fragment: Fragment, now: Timestamp) -> Changes {
    let mut changes = Changes::default();
    if entity.scopes.is_empty() && fragment.scopes.take_if(|scopes| !scopes.is_empty()).is_some() {
        changes.refuse(&Name::new(SCOPE), "the entity has no scope");
    }
    head(entity, &fragment);
    for attribute in fragment.attributes {
        put(entity, attribute, &mut changes);
    }
    delete_all(entity, fragment.deletions, &mut changes);
    entity.modified_at = now;
    changes
}

/// Makes the entity what `new` says, except for its time of creation (NGSI-LD 5.6.18).
pub(crate) fn replace(entity: &mut Entity, new: Entity) -> Changes {
    let mut changes = Changes::default();
    for attribute in &new.attributes {
        let list = if entity.has(&attribute.name) { &mut changes.updated } else { &mut changes.created };
        Changes::note(list, &attribute.name);
    }
    for attribute in entity.attributes.iter().filter(|old| !new.has(&old.name)) {
        Changes::note(&mut changes.deleted, &attribute.name);
    }
    *entity = Entity { created_at: entity.created_at, ..new };
    changes
}

/// Replaces one instance of an attribute that is there (NGSI-LD 5.6.19).
pub(crate) fn replace_attribute(
    entity: &mut Entity,
    fragment: Fragment,
    now: Timestamp,
) -> Result<Changes, Error> {
    let mut changes = Changes::default();
    for attribute in fragment.attributes {
        let dataset_id = attribute.dataset_id().map(Box::<str>::from);
        require(entity, &attribute.name, dataset_id.as_deref())?;
        put(entity, attribute, &mut changes);
    }
    delete_all(entity, fragment.deletions, &mut changes);
    entity.modified_at = now;
    Ok(changes)
}

/// Changes the members that `patch` names of one instance of an attribute (NGSI-LD 5.6.4).
pub(crate) fn partial_update(
    entity: &mut Entity,
    name: &Name,
    patch: Json,
    reader: &Reader<'_>,
) -> Result<Changes, Error> {
    let key = reader.context.compact(name).into_owned();
    let patch = match (reader.form, patch) {
        // What has no members of an attribute is its value.
        (Form::Full, Json::Object(members)) if !is_geometry_alone(&members) => Json::Object(members),
        (_, value) => as_attribute(reader, &key, value)?,
    };
    if patch.get("datasetId").is_some_and(is_null) {
        return Err(Error::bad(format!(
            "datasetId of attribute \"{key}\" cannot be deleted (NGSI-LD 5.5.8)"
        )));
    }
    let dataset_id = patch.get("datasetId").and_then(Json::as_str).map(Box::<str>::from);
    let old = require(entity, name, dataset_id.as_deref())?;
    if let Some(kind) = patch.get("type").and_then(Json::as_str)
        && kind != old.kind.name()
    {
        let is = old.kind.name();
        return Err(Error::bad(format!(
            "attribute \"{key}\" is a {is}, and a partial update cannot make it a {kind}"
        )));
    }
    let merged = overlay(show(old, reader.context), patch, false);
    change_one(entity, name, &key, merged, reader)
}

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
        (super::Kind::LanguageProperty, text @ Json::String(_), Some(language)) => {
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

/// Deletes an instance of an attribute, or with `all` every instance (NGSI-LD 5.6.5).
pub(crate) fn delete_attribute(
    entity: &mut Entity,
    name: &Name,
    dataset_id: Option<&str>,
    all: bool,
    now: Timestamp,
) -> Result<Changes, Error> {
    let before = entity.attributes.len();
    entity
        .attributes
        .retain(|attribute| attribute.name != *name || !(all || attribute.dataset_id() == dataset_id));
    if entity.attributes.len() == before {
        return Err(missing(entity, name, dataset_id));
    }
    entity.modified_at = now;
    Ok(Changes { deleted: vec![name.clone()], ..Changes::default() })
}

/// Types are added (NGSI-LD 5.6.2, 5.6.3), scopes are replaced.
fn head(entity: &mut Entity, fragment: &Fragment) {
    for name in &fragment.types {
        if !entity.has_type(name) {
            entity.types.push(name.clone());
        }
    }
    if let Some(scopes) = &fragment.scopes {
        entity.scopes.clone_from(scopes);
    }
    if let Some(expires_at) = fragment.expires_at {
        entity.expires_at = expires_at;
    }
}

/// Writes an instance in its place, beside its siblings, or at the end.
fn put(entity: &mut Entity, mut attribute: Attribute, changes: &mut Changes) {
    let list = if entity.has(&attribute.name) { &mut changes.updated } else { &mut changes.created };
    if !changes_has(list, &attribute.name) {
        list.push(attribute.name.clone());
    }
    let at = |known: &Attribute| known.is(&attribute.name, attribute.dataset_id());
    if let Some(known) = entity.attributes.iter_mut().find(|known| at(known)) {
        attribute.created_at = known.created_at;
        keep_creation(known.attributes(), &mut attribute);
        *known = attribute;
    } else if let Some(last) = entity.attributes.iter().rposition(|known| known.name == attribute.name) {
        entity.attributes.insert(last + 1, attribute);
    } else {
        entity.attributes.push(attribute);
    }
}

fn changes_has(list: &[Name], name: &Name) -> bool {
    list.contains(name)
}

/// Attributes of attributes that stay keep their time of creation.
fn keep_creation(old: &[Attribute], attribute: &mut Attribute) {
    let Some(details) = &mut attribute.details else { return };
    for sub in &mut details.attributes {
        if let Some(known) = old.iter().find(|known| known.is(&sub.name, sub.dataset_id())) {
            sub.created_at = known.created_at;
            keep_creation(known.attributes(), sub);
        }
    }
}

fn delete_all(entity: &mut Entity, deletions: Vec<(Name, Option<Box<str>>)>, changes: &mut Changes) {
    for (name, dataset_id) in deletions {
        let before = entity.attributes.len();
        entity.attributes.retain(|attribute| !attribute.is(&name, dataset_id.as_deref()));
        if entity.attributes.len() < before {
            Changes::note(&mut changes.deleted, &name);
        } else {
            changes.refuse(&name, "the entity does not have it");
        }
    }
}

fn require<'a>(entity: &'a Entity, name: &Name, dataset_id: Option<&str>) -> Result<&'a Attribute, Error> {
    let found = entity.attributes.iter().find(|known| known.is(name, dataset_id));
    found.ok_or_else(|| missing(entity, name, dataset_id))
}

fn missing(entity: &Entity, name: &Name, dataset_id: Option<&str>) -> Error {
    let instance = dataset_id.map(|id| format!(" with datasetId {id}")).unwrap_or_default();
    let detail = format!("entity {} does not have the attribute {name}{instance}", entity.id);
    Error::new(ErrorKind::ResourceNotFound, detail)
}

fn change_one(
    entity: &mut Entity,
    name: &Name,
    key: &str,
    merged: Json,
    reader: &Reader<'_>,
) -> Result<Changes, Error> {
    let mut changes = Changes::default();
    let fragment = Reader { form: Form::Full, ..*reader }.attribute(key, merged)?;
    for attribute in fragment.attributes.into_iter().filter(|attribute| attribute.name == *name) {
        put(entity, attribute, &mut changes);
    }
    delete_all(entity, fragment.deletions, &mut changes);
    entity.modified_at = reader.now;
    Ok(changes)
}

/// An attribute in the normalized representation, as a patch applies to it.
fn show(attribute: &Attribute, context: &Context) -> Json {
    // With the expiry, that a patch keeps; the times of the broker itself are ignored when they are read again.
    let view = View { sys_attrs: true, ..View::default() };
    let instances = Instances { instances: &[attribute], context, view: &view };
    // What the broker holds always has a JSON form.
    serde_json::to_value(instances).map_or(Json::Null, Json::from)
}

/// A bare value as an attribute in the normalized representation.
fn as_attribute(reader: &Reader<'_>, key: &str, value: Json) -> Result<Json, Error> {
    if is_null(&value) {
        return Ok(Json::Object([("value".into(), value)].into()));
    }
    let fragment = reader.attribute(key, value)?;
    Ok(fragment.attributes.first().map_or(Json::Null, |attribute| show(attribute, reader.context)))
}

/// Whether a bare value can be one of the attribute's kind; else it makes the attribute a Property.
fn keeps_kind(old: &Attribute, value: &Json, options: &MergeOptions) -> bool {
    use super::Kind;
    is_null(value)
        || match old.kind {
            Kind::Property => false,
            Kind::LanguageProperty => {
                value.as_object().is_some() || (value.as_str().is_some() && options.language.is_some())
            }
            Kind::Relationship => value.as_str().is_some_and(|text| super::check_uri(text, "").is_ok()),
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
fn is_geometry_alone(members: &[(Box<str>, Json)]) -> bool {
    members.iter().any(|(name, _)| &**name == "coordinates")
        && !members.iter().any(|(name, _)| &**name == "value")
}

/// Whether a patch makes an attribute one of another kind; its old members then mean nothing.
fn other_kind(old: &Attribute, patch: &Json) -> bool {
    match patch.get("type").and_then(Json::as_str) {
        Some(kind) => kind != old.kind.name(),
        None => {
            patch.get(old.kind.value_member()).is_none()
                && super::Kind::ALL.iter().any(|kind| patch.get(kind.value_member()).is_some())
        }
    }
}

/// A language map that deletes its attribute (NGSI-LD 5.5.12); merged, it would only delete its own `@none`.
fn is_null_language_map(patch: &Json) -> bool {
    let map = patch.get("languageMap").and_then(Json::as_object);
    matches!(map, Some([(language, text)]) if &**language == "@none" && is_null(text))
}

/// `patch` over `target`, member by member; deeper too with `deep` (RFC 7396, with the NGSI-LD null for null).
fn overlay(target: Json, patch: Json, deep: bool) -> Json {
    match (target, patch) {
        (Json::Object(target), Json::Object(patch)) => {
            let mut members = Vec::from(target);
            for (name, value) in patch {
                let at = members.iter().position(|(known, _)| *known == name);
                // The value's own null deletes the attribute, not the member, so it stays for the reader to see.
                let deletes_member =
                    is_null(&value) && !super::Kind::ALL.iter().any(|kind| kind.value_member() == &*name);
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
