//! Operations on many entities at once (NGSI-LD 5.6.7 to 5.6.10, 5.6.20). Each entity stands for itself: some may
//! fail while others succeed.

use std::sync::Arc;

use super::{AppendMode, Broker, Write};
use crate::{
    Context, Error, ErrorKind,
    model::{self, Changes, Entity, Form, Json, MergeOptions, Reader},
};

/// What an upsert does to an entity that is there already (NGSI-LD 5.6.8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UpsertMode {
    /// It is replaced.
    #[default]
    Replace,
    /// Its attributes are appended or written over.
    Update,
}

/// What a batch did, by entity id (NGSI-LD 5.2.16).
#[derive(Debug, Clone, Default)]
pub struct BatchResult {
    /// Entities that are new.
    pub created: Vec<Box<str>>,
    /// Entities that were changed or deleted.
    pub updated: Vec<Box<str>>,
    /// Entities that were left as they are.
    pub failed: Vec<BatchFailure>,
}

/// An entity of a batch that was left as it is.
#[derive(Debug, Clone)]
pub struct BatchFailure {
    /// Its id, as far as it has one.
    pub id: Box<str>,
    /// Why.
    pub error: Error,
}

/// An entity of a batch with the context its names are written in.
pub(crate) type BatchItem = (Json, Arc<Context>);

/// The operations on a list of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchOperation {
    Create,
    Upsert(UpsertMode),
    Update(AppendMode),
    Merge,
}

impl Broker {
    /// Creates or changes entities, given as NGSI-LD documents in the normalized or concise representation; a document
    /// may have an `@context`, else the core context holds (NGSI-LD 5.6.8). Returns when all of it is durable.
    ///
    /// # Errors
    /// When nothing could be done at all: the broker cannot write. What is wrong with one entity is in the result.
    pub async fn upsert(
        &self,
        entities: Vec<serde_json::Value>,
        mode: UpsertMode,
    ) -> Result<BatchResult, Error> {
        let mut result = BatchResult::default();
        let mut items = Vec::with_capacity(entities.len());
        for entity in entities {
            let json = Json::from(entity);
            match self.context(json.get("@context")).await {
                Ok(context) => items.push((json, context)),
                Err(error) => result.failed.push(BatchFailure { id: id_of(&json), error }),
            }
        }
        let done =
            self.batch(items, BatchOperation::Upsert(mode), Form::Full, &MergeOptions::default()).await?;
        result.created = done.created;
        result.updated = done.updated;
        result.failed.extend(done.failed);
        Ok(result)
    }

    /// Deletes entities by id (NGSI-LD 5.6.10). Returns when all of it is durable.
    ///
    /// # Errors
    /// When the broker cannot write. An id that is not there is in the result.
    pub async fn delete(&self, ids: &[impl AsRef<str>]) -> Result<BatchResult, Error> {
        self.write(|write| {
            let mut result = BatchResult::default();
            for id in ids {
                let id: Box<str> = id.as_ref().into();
                match write.delete(&id) {
                    Ok(()) => result.updated.push(id),
                    Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                    Err(error) => result.failed.push(BatchFailure { id, error }),
                }
            }
            Ok(result)
        })
        .await
    }

    /// Runs one of the batch operations.
    pub(crate) async fn batch(
        &self,
        items: Vec<BatchItem>,
        operation: BatchOperation,
        form: Form,
        options: &MergeOptions,
    ) -> Result<BatchResult, Error> {
        self.write(|write| {
            let mut result = BatchResult::default();
            for (json, context) in items {
                let id = id_of(&json);
                let reader = Reader { context: &context, form, now: write.now };
                match one(write, json, &reader, operation, options) {
                    Ok(true) => result.created.push(id),
                    Ok(false) => result.updated.push(id),
                    Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                    Err(error) => result.failed.push(BatchFailure { id, error }),
                }
            }
            Ok(result)
        })
        .await
    }
}

/// Handles one entity of a batch. Returns whether it is new.
fn one(
    write: &mut Write<'_>,
    json: Json,
    reader: &Reader<'_>,
    operation: BatchOperation,
    options: &MergeOptions,
) -> Result<bool, Error> {
    let old = write.get(&id_of(&json));
    match (operation, old) {
        (BatchOperation::Create, Some(old)) => {
            Err(Error::new(ErrorKind::AlreadyExists, format!("entity {} already exists", old.id)))
        }
        (BatchOperation::Create | BatchOperation::Upsert(_), None) => {
            let entity = reader.entity(json)?;
            let changes = Changes::all_created(&entity);
            write.put(entity, &changes)?;
            Ok(true)
        }
        (_, None) => {
            let id = id_of(&json);
            // What is wrong with the document itself comes first.
            reader.fragment(json)?;
            Err(Error::entity_not_found(&id))
        }
        (BatchOperation::Upsert(UpsertMode::Replace), Some(old)) => {
            let new = reader.entity(json)?;
            change(write, &old, |entity| Ok(model::replace(entity, new)))
        }
        (BatchOperation::Upsert(UpsertMode::Update), Some(old)) => {
            let fragment = reader.fragment(json)?;
            change(write, &old, |entity| Ok(model::append(entity, fragment, true, reader.now)))
        }
        (BatchOperation::Update(mode), Some(old)) => {
            let fragment = reader.fragment(json)?;
            let overwrite = mode == AppendMode::Overwrite;
            let mut refused = Vec::new();
            let new = change(write, &old, |entity| {
                let changes = model::append(entity, fragment, overwrite, reader.now);
                refused.clone_from(&changes.not_updated);
                Ok(changes)
            })?;
            match refused.first() {
                None => Ok(new),
                Some(first) => Err(Error::bad(format!("attribute {}: {}", first.name, first.reason))),
            }
        }
        (BatchOperation::Merge, Some(old)) => {
            change(write, &old, |entity| model::merge(entity, json, reader, options))
        }
    }
}

fn change(
    write: &mut Write<'_>,
    old: &Entity,
    change: impl FnOnce(&mut Entity) -> Result<Changes, Error>,
) -> Result<bool, Error> {
    let mut entity = old.clone();
    let changes = change(&mut entity)?;
    entity.shrink();
    write.put(entity, &changes)?;
    Ok(false)
}

/// The id a document says it has, for messages; empty without one.
fn id_of(json: &Json) -> Box<str> {
    json.get("id").or_else(|| json.get("@id")).and_then(Json::as_str).unwrap_or_default().into()
}
