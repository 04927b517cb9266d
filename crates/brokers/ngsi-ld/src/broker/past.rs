//! Operations on the temporal evolution of entities (NGSI-LD 5.6.11 to 5.6.16, 5.7.3, 5.7.4).

mod read;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{Broker, Inner, Write};
use crate::{
    Context, Error, ErrorKind,
    history::{Found, History, Past, end_of, is_scope, past_of, scope_instance, stamp},
    model::{Attribute, Changes, Entity, Form, Fragment, Json, Name, Reader, Timestamp},
};

/// How many times the past of an entity is read before a write, as others write to it.
const READS_MAX: usize = 4;

impl Broker {
    fn history(&self) -> Result<&Arc<History>, Error> {
        self.inner.history.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::OperationNotSupported,
                "this broker keeps no temporal evolution of entities; set history_instances to keep it",
            )
        })
    }

    /// Runs `change` with what `read` makes of the past of an entity. It is read before, as reading it may take long, and again when
    /// it has changed since; when it goes on changing, it is read while no other write runs.
    async fn write_knowing<K: Send + 'static, T>(
        &self,
        id: &str,
        read: fn(Found) -> Result<K, Error>,
        change: impl FnOnce(&mut Write<'_>, K) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let history = self.history()?;
        let mut change = Some(change);
        for _ in 0..READS_MAX {
            let (past, seen) = history.look(id, read).await?;
            let done = self.write(|write| match change.take_if(|_| history.is_still(id, seen)) {
                Some(change) => change(write, past).map(Some),
                None => Ok(None),
            });
            if let Some(done) = done.await? {
                return Ok(done);
            }
        }
        self.write(|write| match change.take() {
            Some(change) => change(write, read(history.find(id))?),
            None => {
                Err(Error::new(ErrorKind::InternalError, format!("the past of {id} was changed already")))
            }
        })
        .await
    }

    /// Creates the past of an entity or adds to it (NGSI-LD 5.6.11). Returns its id, and whether it is new.
    pub(crate) async fn upsert_past(&self, json: Json, context: &Context) -> Result<(Box<str>, bool), Error> {
        self.history()?;
        let reader = Reader { context, form: Form::Temporal, now: Timestamp::now() };
        let fragment = reader.fragment(json)?;
        let id = fragment.id.clone().ok_or_else(|| Error::bad("the entity has no id"))?;
        let name = id.clone();
        self.write_knowing(&id, Found::any, |write, is_there| {
            if !is_there && fragment.types.is_empty() {
                return Err(Error::bad(format!("entity {name} has no type")));
            }
            // Told again, an evolution is the same and not twice as long.
            write.more(&name, fragment, true)?;
            Ok((name, !is_there))
        })
        .await
    }

    /// Adds instances to the past of an entity (NGSI-LD 5.6.12).
    pub(crate) async fn add_to_past(&self, id: &str, json: Json, context: &Context) -> Result<(), Error> {
        self.write_knowing(id, Found::any, |write, is_there| {
            if !is_there {
                return Err(Error::entity_not_found(id));
            }
            let reader = Reader { context, form: Form::Temporal, now: write.now };
            write.more(id, reader.fragment(json)?, false)
        })
        .await
    }

    /// Notes in the past of an entity that an attribute ended, for entities that are known by their past alone
    /// (NGSI-LD 4.8). Returns what ended; nothing when the entity or the attribute is not known or has ended already.
    pub(super) async fn end_in_past(
        &self,
        id: &str,
        name: &Name,
        which: Instances<'_>,
    ) -> Result<bool, Error> {
        if self.inner.history.is_none() {
            return Ok(false);
        }
        self.write_knowing(id, Found::build, |write, past| {
            let Some(past) = past else { return Ok(false) };
            let mut newest: Vec<&Attribute> = Vec::new();
            for instance in past.instances(name) {
                newest.retain(|known| known.dataset_id() != instance.dataset_id());
                newest.push(instance);
            }
            let ended: Vec<_> = newest
                .into_iter()
                .filter(|one| one.deleted_at().is_none() && which.has(one))
                .map(|one| one.tombstone(write.now))
                .collect();
            let any = !ended.is_empty();
            if any {
                write.more(id, Fragment { attributes: ended, ..Fragment::default() }, false)?;
            }
            Ok(any)
        })
        .await
    }

    /// The same for the scopes of an entity.
    pub(super) async fn end_scopes_in_past(&self, id: &str) -> Result<bool, Error> {
        if self.inner.history.is_none() {
            return Ok(false);
        }
        self.write_knowing(id, Found::build, |write, past| {
            let Some(past) = past else { return Ok(false) };
            let has_scopes = match past.attributes.iter().rfind(|one| is_scope(one)) {
                Some(last) => last.deleted_at().is_none(),
                None => !past.scopes.is_empty(),
            };
            if has_scopes {
                let ended = vec![scope_instance(&[], write.now)];
                write.more(id, Fragment { attributes: ended, ..Fragment::default() }, false)?;
            }
            Ok(has_scopes)
        })
        .await
    }

    /// Deletes the past of an entity (NGSI-LD 5.6.16).
    pub(crate) async fn delete_past(&self, id: &str) -> Result<(), Error> {
        self.write_knowing(id, Found::any, |write, is_there| {
            if !is_there {
                return Err(Error::entity_not_found(id));
            }
            write.remember(&Past::Gone(id.into()))
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
        self.write_knowing(id, Found::build, |write, past| {
            let mut entity = past.ok_or_else(|| Error::entity_not_found(id))?;
            let before = entity.attributes.len();
            entity.attributes.retain(|attribute| attribute.name != *name || !which.has(attribute));
            if entity.attributes.len() == before {
                return Err(no_instance(id, name));
            }
            write.remember(&Past::Entity(entity))
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
        self.write_knowing(id, Found::build, |write, past| {
            let mut entity = past.ok_or_else(|| Error::entity_not_found(id))?;
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
            write.remember(&Past::Entity(entity))
        })
        .await
    }

    /// Puts the past of entities in beside what is there of them, each instance as it is.
    pub(crate) async fn put_past(&self, entities: Vec<Entity>) -> Result<(), Error> {
        if entities.is_empty() {
            return Ok(());
        }
        self.history()?;
        self.write(|write| {
            for Entity { id, types, scopes, modified_at: at, attributes, .. } in entities {
                let scopes = (!scopes.is_empty()).then_some(scopes);
                write.remember(&Past::More { id, types, scopes, at, attributes, replaces: None })?;
            }
            Ok(())
        })
        .await
    }

    /// Forgets what was written longer ago than the past is kept. It is on the disk a quarter of that longer at most.
    pub(super) async fn forget_old(&self, max_age: Duration) -> Result<(), Error> {
        let Some(history) = &self.inner.history else { return Ok(()) };
        let ago = |age: Duration| {
            let micros = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
            Timestamp::from_micros(Timestamp::now().as_micros().saturating_sub(micros))
        };
        let Some(oldest) = ago(max_age).filter(|oldest| history.has_before(*oldest)) else { return Ok(()) };
        self.write(|write| write.remember(&Past::Before(oldest))).await?;
        if let Some(oldest) = ago(max_age + max_age / 4) {
            history.tidy(oldest);
        }
        Ok(())
    }
}

/// Forgets what is older than `max_age` until the broker is gone; looks often enough that little of it is there longer.
pub(super) async fn keep_young(broker: Weak<Inner>, max_age: Duration, stop: CancellationToken) {
    let period = (max_age / 20).clamp(Duration::from_millis(100), Duration::from_secs(600));
    loop {
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = stop.cancelled() => return,
        }
        let Some(inner) = broker.upgrade() else { return };
        if let Err(error) = (Broker { inner }).forget_old(max_age).await {
            tracing::warn!(%error, "cannot forget the oldest past");
        }
    }
}

/// Which instances of an attribute are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Instances<'a> {
    All,
    Dataset(Option<&'a str>),
    One(&'a str),
}

impl Instances<'_> {
    fn has(self, attribute: &Attribute) -> bool {
        match self {
            Self::All => true,
            Self::Dataset(dataset_id) => attribute.dataset_id() == dataset_id,
            Self::One(instance) => attribute.instance_id() == Some(instance),
        }
    }
}

fn no_instance(id: &str, name: &Name) -> Error {
    let detail = format!("the past of entity {id} has no such instance of the attribute {name}");
    Error::new(ErrorKind::ResourceNotFound, detail)
}

impl Write<'_> {
    fn remember(&mut self, past: &Past) -> Result<(), Error> {
        if let Some(history) = &self.inner.history {
            self.last_past = Some(history.write(past)?);
        }
        Ok(())
    }

    fn more(&mut self, id: &str, fragment: Fragment, replaces: bool) -> Result<(), Error> {
        let mut attributes = fragment.attributes;
        stamp(&mut attributes, self.now);
        let (types, scopes, at) = (fragment.types, fragment.scopes, self.now);
        let replaces = replaces.then_some(true);
        self.remember(&Past::More { id: id.into(), types, scopes, at, attributes, replaces })
    }

    /// Adds what a change of the present wrote and deleted to the past.
    pub(super) fn note_past(
        &mut self,
        entity: &Entity,
        old: Option<&Entity>,
        changes: &Changes,
    ) -> Result<(), Error> {
        if self.inner.history.is_none() || !self.keeps_past {
            return Ok(());
        }
        let now = self.now;
        let written = |name: &Name| changes.created.contains(name) || changes.updated.contains(name);
        let written = |one: &Attribute| written(&one.name) && one.modified_at == now;
        for past in past_of(entity, old, written, now) {
            self.remember(&past)?;
        }
        Ok(())
    }

    /// Adds to the past that an entity was deleted with all it had.
    pub(super) fn note_end(&mut self, old: &Entity) -> Result<(), Error> {
        if self.inner.history.is_none() || !self.keeps_past {
            return Ok(());
        }
        end_of(old, self.now).iter().try_for_each(|past| self.remember(past))
    }
}
