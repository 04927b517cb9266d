//! Operations on the temporal evolution of entities (NGSI-LD 5.6.11 to 5.6.16, 5.7.3, 5.7.4).

use std::sync::Arc;

use super::{Broker, EntityQuery, Page, Write};
use crate::{
    Context, Error, ErrorKind,
    history::{History, Past, Window, stamp},
    model::{Changes, Entity, Form, Fragment, Json, Name, Reader},
};

/// How many entities are looked at while the past is locked for reading.
const SCAN_STEP: usize = 256;

impl Broker {
    fn history(&self) -> Result<&History, Error> {
        self.inner.history.as_deref().ok_or_else(|| {
            Error::new(
                ErrorKind::OperationNotSupported,
                "this broker keeps no temporal evolution of entities; set history_instances to keep it",
            )
        })
    }

    /// Creates the past of an entity or adds to it (NGSI-LD 5.6.11). Returns its id, and whether it is new.
    pub(crate) async fn upsert_past(&self, json: Json, context: &Context) -> Result<(Box<str>, bool), Error> {
        self.history()?;
        self.write(|write| {
            let reader = Reader { context, form: Form::Temporal, now: write.now };
            let fragment = reader.fragment(json)?;
            let id = fragment.id.clone().ok_or_else(|| Error::bad("the entity has no id"))?;
            let new = write.past(&id).is_none();
            if new && fragment.types.is_empty() {
                return Err(Error::bad(format!("entity {id} has no type")));
            }
            write.more(&id, fragment)?;
            Ok((id, new))
        })
        .await
    }

    /// Adds instances to the past of an entity (NGSI-LD 5.6.12).
    pub(crate) async fn add_to_past(&self, id: &str, json: Json, context: &Context) -> Result<(), Error> {
        self.history()?;
        self.write(|write| {
            write.past(id).ok_or_else(|| Error::entity_not_found(id))?;
            let reader = Reader { context, form: Form::Temporal, now: write.now };
            write.more(id, reader.fragment(json)?)
        })
        .await
    }

    /// Deletes the past of an entity (NGSI-LD 5.6.16).
    pub(crate) async fn delete_past(&self, id: &str) -> Result<(), Error> {
        self.history()?;
        self.write(|write| {
            write.past(id).ok_or_else(|| Error::entity_not_found(id))?;
            write.remember(Past::Gone(id.into()))
        })
        .await
    }

    /// Deletes instances of an attribute from the past (NGSI-LD 5.6.13): one by its id, those of a dataset, or all.
    pub(crate) async fn delete_past_attribute(
        &self,
        id: &str,
        name: &Name,
        which: Instances<'_>,
    ) -> Result<(), Error> {
        self.history()?;
        self.write(|write| {
            let mut entity = write.past_entity(id)?;
            let before = entity.attributes.len();
            entity.attributes.retain(|attribute| {
                attribute.name != *name
                    || match which {
                        Instances::All => false,
                        Instances::Dataset(dataset_id) => attribute.dataset_id() != dataset_id,
                        Instances::One(instance) => attribute.instance_id() != Some(instance),
                    }
            });
            if entity.attributes.len() == before {
                return Err(no_instance(id, name));
            }
            write.remember(Past::Entity(entity))
        })
        .await
    }

    /// Changes one instance of an attribute in the past (NGSI-LD 5.6.14).
    pub(crate) async fn change_past_instance(
        &self,
        id: &str,
        name: &Name,
        instance: &str,
        json: Json,
        context: &Context,
    ) -> Result<(), Error> {
        self.history()?;
        self.write(|write| {
            let mut entity = write.past_entity(id)?;
            let known = entity
                .attributes
                .iter_mut()
                .find(|known| known.name == *name && known.instance_id() == Some(instance))
                .ok_or_else(|| no_instance(id, name))?;
            let reader = Reader { context, form: Form::Temporal, now: write.now };
            let fragment = match json {
                // The body is a fragment with the attribute, or the attribute alone.
                Json::Object(members) if members.iter().any(|(key, _)| context.expand(key) == **name) => {
                    reader.fragment(Json::Object(members))?
                }
                json => reader.attribute(&context.compact(name), json)?,
            };
            let mut changed = fragment
                .attributes
                .into_iter()
                .find(|attribute| attribute.name == *name)
                .ok_or_else(|| Error::bad(format!("the body does not have the attribute {name}")))?;
            changed.created_at = known.created_at;
            changed.details_mut().instance_id = Some(instance.into());
            *known = changed;
            write.remember(Past::Entity(entity))
        })
        .await
    }

    /// What a window shows of the past of an entity (NGSI-LD 5.7.3).
    pub(crate) fn past(&self, id: &str, window: &Window) -> Result<Entity, Error> {
        let entity = self.history()?.get(id).ok_or_else(|| Error::entity_not_found(id))?;
        Ok(window.of(&entity))
    }

    /// The entities whose past matches in a window, in the order of their ids (NGSI-LD 5.7.4).
    pub(crate) fn query_past(
        &self,
        queries: &[EntityQuery],
        window: &Window,
        (offset, limit, count): (usize, usize, bool),
        backwards: bool,
    ) -> Result<Page, Error> {
        let history = self.history()?;
        let mut page = Page::default();
        let mut seen = 0;
        let mut after: Option<Arc<Entity>> = None;
        'pages: loop {
            let found = history.scan(after.as_ref().map(|entity| &*entity.id), SCAN_STEP, backwards);
            let Some(last) = found.last() else { break };
            after = Some(Arc::clone(last));
            for entity in found {
                // The window decides what there is; its last instances are only how much of it is shown.
                let inside = Window { last: None, ..window.clone() }.of(&entity);
                if inside.attributes.is_empty() || !queries.iter().any(|query| query.matches(&inside)) {
                    continue;
                }
                seen += 1;
                if seen > offset && page.entities.len() < limit {
                    page.entities.push(Arc::new(window.of(&entity)));
                } else if seen > offset {
                    page.more = true;
                    if !count {
                        break 'pages;
                    }
                }
            }
        }
        page.total = count.then_some(seen);
        Ok(page)
    }
}

/// Which instances of an attribute are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Instances<'a> {
    All,
    Dataset(Option<&'a str>),
    One(&'a str),
}

fn no_instance(id: &str, name: &Name) -> Error {
    let detail = format!("the past of entity {id} has no such instance of the attribute {name}");
    Error::new(ErrorKind::ResourceNotFound, detail)
}

impl Write<'_> {
    fn past(&self, id: &str) -> Option<Arc<Entity>> {
        self.inner.history.as_ref()?.get(id)
    }

    fn past_entity(&self, id: &str) -> Result<Entity, Error> {
        self.past(id).map(Arc::unwrap_or_clone).ok_or_else(|| Error::entity_not_found(id))
    }

    fn remember(&mut self, past: Past) -> Result<(), Error> {
        if let Some(history) = &self.inner.history {
            self.last_past = Some(history.write(past)?);
        }
        Ok(())
    }

    fn more(&mut self, id: &str, fragment: Fragment) -> Result<(), Error> {
        let mut attributes = fragment.attributes;
        stamp(&mut attributes, self.now);
        let (types, scopes, at) = (fragment.types, fragment.scopes, self.now);
        self.remember(Past::More { id: id.into(), types, scopes, at, attributes })
    }

    /// Adds what a change of the present wrote to the past.
    pub(super) fn note_past(&mut self, entity: &Entity, changes: &Changes) -> Result<(), Error> {
        if self.inner.history.is_none() {
            return Ok(());
        }
        let written = |name: &Name| changes.created.contains(name) || changes.updated.contains(name);
        let is_new = |time| time == self.now;
        let attributes: Vec<_> = entity
            .attributes
            .iter()
            .filter(|attribute| written(&attribute.name) && is_new(attribute.modified_at))
            .cloned()
            .collect();
        if attributes.is_empty() {
            return Ok(());
        }
        let scopes = (!entity.scopes.is_empty()).then(|| entity.scopes.clone());
        self.more(
            &entity.id,
            Fragment { types: entity.types.clone(), scopes, attributes, ..Fragment::default() },
        )
    }
}
