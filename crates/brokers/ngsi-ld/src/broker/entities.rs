//! Operations on one entity (NGSI-LD 5.6.1 to 5.6.6, 5.6.17 to 5.6.19, 5.7.1).

use std::sync::Arc;

use super::{Broker, EntityQuery, Instances};
use crate::{
    Context, Error, ErrorKind,
    model::{self, Changes, Entity, Form, Json, MergeOptions, Name, Reader, Timestamp, live},
};

/// What appending does to attributes that are there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AppendMode {
    /// They are written over.
    #[default]
    Overwrite,
    /// They are left alone (`noOverwrite`).
    NoOverwrite,
}

impl Broker {
    /// The entity with this id.
    pub fn get(&self, id: &str) -> Option<Arc<Entity>> {
        let stored = self.inner.store.read().get(id).cloned()?;
        live(&stored, Timestamp::now())
    }

    /// Creates an entity (NGSI-LD 5.6.1) and gives its id.
    pub(crate) async fn create(&self, json: Json, context: &Context) -> Result<Box<str>, Error> {
        self.write(|write| {
            let entity = Reader { context, form: Form::Full, now: write.now }.entity(json)?;
            if write.get(&entity.id).is_some() {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!("entity {} already exists", entity.id),
                ));
            }
            let id = entity.id.clone();
            let changes = Changes::all_created(&entity);
            write.put(entity, &changes)?;
            Ok(id)
        })
        .await
    }

    /// Deletes an entity (NGSI-LD 5.6.6).
    pub(crate) async fn delete_one(&self, id: &str) -> Result<(), Error> {
        self.write(|write| write.delete(id)).await
    }

    /// Changes the entity `id` as `change` decides; the change is pure.
    async fn change(
        &self,
        id: &str,
        context: &Context,
        form: Form,
        change: impl FnOnce(&mut Entity, &Reader<'_>) -> Result<Changes, Error>,
    ) -> Result<Changes, Error> {
        self.write(|write| {
            let mut entity = Entity::clone(&*write.get(id).ok_or_else(|| Error::entity_not_found(id))?);
            let reader = Reader { context, form, now: write.now };
            let changes = change(&mut entity, &reader)?;
            entity.shrink();
            write.put(entity, &changes)?;
            Ok(changes)
        })
        .await
    }

    /// Appends attributes (NGSI-LD 5.6.3).
    pub(crate) async fn append(
        &self,
        id: &str,
        json: Json,
        context: &Context,
        mode: AppendMode,
    ) -> Result<Changes, Error> {
        self.change(id, context, Form::Full, |entity, reader| {
            let fragment = reader.fragment(json)?;
            same_id(entity, fragment.id.as_deref())?;
            Ok(model::append(entity, fragment, mode == AppendMode::Overwrite, reader.now))
        })
        .await
    }

    /// Updates attributes that are there (NGSI-LD 5.6.2).
    pub(crate) async fn update(&self, id: &str, json: Json, context: &Context) -> Result<Changes, Error> {
        self.change(id, context, Form::Full, |entity, reader| {
            let fragment = reader.fragment(json)?;
            same_id(entity, fragment.id.as_deref())?;
            Ok(model::update(entity, fragment, reader.now))
        })
        .await
    }

    /// Replaces the entity (NGSI-LD 5.6.18).
    pub(crate) async fn replace(
        &self,
        id: &str,
        json: Json,
        context: &Context,
        form: Form,
    ) -> Result<Changes, Error> {
        self.change(id, context, form, |entity, reader| {
            let fragment = reader.fragment(json)?;
            same_id(entity, fragment.id.as_deref())?;
            let types = if fragment.types.is_empty() { entity.types.clone() } else { fragment.types };
            if types != entity.types {
                return Err(Error::bad(format!("the type of entity {id} cannot be replaced by another")));
            }
            let new = Entity {
                id: entity.id.clone(),
                types,
                scopes: fragment.scopes.unwrap_or_default(),
                created_at: entity.created_at,
                modified_at: reader.now,
                attributes: fragment.attributes,
                expires_at: fragment.expires_at.flatten(),
            };
            Ok(model::replace(entity, new))
        })
        .await
    }

    /// Merges a patch into the entity (NGSI-LD 5.6.17).
    pub(crate) async fn merge(
        &self,
        id: &str,
        json: Json,
        context: &Context,
        form: Form,
        options: &MergeOptions,
    ) -> Result<Changes, Error> {
        self.change(id, context, form, |entity, reader| {
            same_id(entity, json.get("id").or_else(|| json.get("@id")).and_then(Json::as_str))?;
            model::merge(entity, json, reader, options)
        })
        .await
    }

    /// Changes members of one attribute (NGSI-LD 5.6.4).
    pub(crate) async fn partial_update(
        &self,
        id: &str,
        attribute: &Name,
        json: Json,
        context: &Context,
    ) -> Result<Changes, Error> {
        self.change(id, context, Form::Full, |entity, reader| {
            model::partial_update(entity, attribute, json, reader)
        })
        .await
    }

    /// Replaces one attribute (NGSI-LD 5.6.19).
    pub(crate) async fn replace_attribute(
        &self,
        id: &str,
        attribute: &Name,
        json: Json,
        context: &Context,
    ) -> Result<Changes, Error> {
        self.change(id, context, Form::Full, |entity, reader| {
            let fragment = reader.attribute(&context.compact(attribute), json)?;
            model::replace_attribute(entity, fragment, reader.now)
        })
        .await
    }

    /// Takes all scopes away (NGSI-LD 5.6.5).
    pub(crate) async fn delete_scope(&self, id: &str) -> Result<(), Error> {
        if self.get(id).is_none() && self.end_scopes_in_past(id).await? {
            return Ok(());
        }
        let core = Context::core();
        let change = self.change(id, &core, Form::Full, |entity, reader| {
            if entity.scopes.is_empty() {
                let detail = format!("entity {id} has no scope");
                return Err(Error::new(ErrorKind::ResourceNotFound, detail));
            }
            entity.scopes.clear();
            entity.modified_at = reader.now;
            Ok(Changes::default())
        });
        change.await.map(drop)
    }

    /// Refuses an entity that is of none of the types of a request's selection (NGSI-LD 5.6.2 to 5.6.6): to the
    /// request, it is not there.
    pub(crate) fn check_types(&self, id: &str, selection: &str, context: &Context) -> Result<(), Error> {
        let query = EntityQuery::default().with_types(selection, context)?;
        match self.get(id) {
            Some(entity) if query.matches(&entity) => Ok(()),
            _ => Err(Error::entity_not_found(id)),
        }
    }

    /// Deletes one attribute, or one instance of it (NGSI-LD 5.6.5).
    pub(crate) async fn delete_attribute(
        &self,
        id: &str,
        attribute: &Name,
        dataset_id: Option<&str>,
        all: bool,
    ) -> Result<Changes, Error> {
        let which = if all { Instances::All } else { Instances::Dataset(dataset_id) };
        if self.get(id).is_none() && self.end_in_past(id, attribute, which).await? {
            return Ok(Changes { deleted: vec![attribute.clone()], ..Changes::default() });
        }
        self.change(id, &Context::core(), Form::Full, |entity, reader| {
            model::delete_attribute(entity, attribute, dataset_id, all, reader.now)
        })
        .await
    }
}

fn same_id(entity: &Entity, id: Option<&str>) -> Result<(), Error> {
    match id {
        Some(id) if id != &*entity.id => {
            Err(Error::bad(format!("the body's id {id} is not the id {} of the request", entity.id)))
        }
        _ => Ok(()),
    }
}
