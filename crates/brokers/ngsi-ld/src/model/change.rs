//! Changes to an entity, decided without the store: append, update, replace, merge (NGSI-LD 5.6, 5.5.8 to 5.5.12).

use super::{
    Attribute, Entity, Fragment, Json, Name, Timestamp,
    merge::{as_attribute, is_geometry_alone, overlay, show},
    read::{Form, Reader},
    told::is_null,
};
use crate::{Error, ErrorKind};

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
pub(super) fn head(entity: &mut Entity, fragment: &Fragment) {
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
pub(super) fn put(entity: &mut Entity, mut attribute: Attribute, changes: &mut Changes) {
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

pub(super) fn delete_all(
    entity: &mut Entity,
    deletions: Vec<(Name, Option<Box<str>>)>,
    changes: &mut Changes,
) {
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
