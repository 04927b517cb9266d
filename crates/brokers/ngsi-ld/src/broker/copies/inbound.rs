//! What sources notify, passed on under the subscriber's own subscription (NGSI-LD 5.8.6).

use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::super::Broker;
use crate::{
    ChangeKind, Context, Entity, Error, ErrorKind,
    model::{Changes, Form, Json, Reader, Timestamp, live},
    registrations::Mode,
    sources::{Copied, RemoteEntity, merge, read_entity},
    subscriptions::{Event, Told, message},
};

/// An entity that a source notified of.
pub(crate) enum Notified {
    /// As it is there now.
    Is(Entity),
    /// The same, and attributes that went.
    Lost(Entity, Changes),
    /// It went.
    Gone(Entity, Timestamp),
}

impl Notified {
    /// The id of an entity that is still there.
    pub(crate) fn living(&self) -> Option<&str> {
        match self {
            Self::Is(entity) | Self::Lost(entity, _) => Some(&entity.id),
            Self::Gone(..) => None,
        }
    }

    /// Reads an entity of a notification.
    ///
    /// # Errors
    /// When it is not an entity.
    pub(crate) fn read(json: &Json, context: &Context) -> Result<Self, Error> {
        let reader = Reader { context, form: Form::Full, now: Timestamp::now() };
        let deleted_at = json.get("deletedAt").and_then(Json::as_str).and_then(Timestamp::parse);
        let without = |gone: &dyn Fn(&str, &Json) -> bool| {
            let members = json.as_object().unwrap_or_default();
            Json::Object(members.iter().filter(|(name, value)| !gone(name, value)).cloned().collect())
        };
        if let Some(at) = deleted_at {
            let bare = without(&|name, _| !matches!(name, "id" | "type" | "@id" | "@type"));
            return Ok(Self::Gone(read_entity(&bare, context)?, at));
        }
        let deletions = reader.fragment(without(&|name, _| name == "@context"))?.deletions;
        if deletions.is_empty() {
            return read_entity(json, context).map(Self::Is);
        }
        let is_gone = |name: &str, value: &Json| {
            let name = context.expand(name);
            deletions.iter().any(|(gone, _)| **gone == *name) && value.as_array().is_none()
        };
        let entity = read_entity(&without(&is_gone), context)?;
        let deleted = deletions.into_iter().map(|(name, _)| name).collect();
        Ok(Self::Lost(entity, Changes { deleted, ..Changes::default() }))
    }
}

impl Broker {
    /// Whether `shown` is what the source of a copy was given to show: gives the id of the copy then. How long it takes
    /// says nothing about the secret.
    pub(crate) fn copy_of(&self, shown: &str) -> Option<Box<str>> {
        let (id, secret) = shown.rsplit_once('.')?;
        let copy = self.inner.copies.get(id)?;
        bool::from(copy.secret.expose().as_bytes().ct_eq(secret.as_bytes())).then_some(copy.id)
    }

    /// The registration of the source of a copy whose subscription is to entities in parts.
    pub(crate) fn source_of_split(&self, id: &str) -> Option<Box<str>> {
        let copy = self.inner.copies.get(id)?;
        let is_split = self.inner.subscriptions.read().get(&copy.subscription)?.is_split;
        is_split.then_some(copy.registration)
    }

    /// Passes on what a source notified for its copy `id`; with each entity, what other sources have of it.
    ///
    /// # Errors
    /// When there is no such copy.
    pub(crate) fn pass_on(
        &self,
        id: &str,
        notified: Vec<(Notified, Vec<RemoteEntity>)>,
    ) -> Result<(), Error> {
        let unknown = || {
            let detail = format!("subscription {id} is not one that this broker made at a context source");
            Error::new(ErrorKind::ResourceNotFound, detail)
        };
        let copy = self.inner.copies.get(id).ok_or_else(unknown)?;
        let subscription = self.inner.subscriptions.read().get(&copy.subscription).cloned();
        let subscription = subscription.ok_or_else(unknown)?;
        let now = Timestamp::now();
        let registration = self.inner.registrations.read().get(&copy.registration, now).cloned();
        let registration = registration.ok_or_else(unknown)?;
        if !subscription.is_on(now) {
            return Ok(());
        }
        let is_filtered =
            Copied::new(&subscription, &registration).is_some_and(|copied| copied.is_filtered());
        let mode = registration.access.mode;
        let find = |id: &str| self.inner.store.read().get(id).cloned();
        let whole = |entity: Entity, mut parts: Vec<RemoteEntity>| {
            let here = find(&entity.id).filter(|_| subscription.is_split).and_then(|one| live(&one, now));
            let mode = if here.is_some() || !parts.is_empty() { mode } else { Mode::Inclusive };
            parts.push(RemoteEntity { mode, entity });
            let whole = merge(here.as_deref(), &parts)?;
            let wanted =
                if is_filtered { subscription.selects(&whole) } else { subscription.is_about(&whole, &find) };
            wanted.then(|| Arc::new(whole))
        };
        let (mut told, mut events) = (Vec::new(), Vec::new());
        for (one, rest) in notified {
            match one {
                Notified::Is(entity) => told.extend(whole(entity, rest)),
                Notified::Lost(entity, changes) => events.extend(whole(entity, rest).map(|entity| {
                    let old = Some(with_deleted(&entity, &changes));
                    Event { entity, old, kind: ChangeKind::Updated, changes, at: now }
                })),
                Notified::Gone(entity, at) if subscription.selects(&entity) => {
                    let (entity, changes) = (Arc::new(entity), Changes::default());
                    events.push(Event { entity, old: None, kind: ChangeKind::Deleted, changes, at });
                }
                Notified::Gone(..) => {}
            }
        }
        let none = told.is_empty() && events.is_empty();
        if none || self.inner.cools_down(&subscription, now) || !subscription.may_notify(now) {
            return Ok(());
        }
        let send = |told: Vec<Arc<Entity>>, event: Option<Event>| {
            let (subscription, broker) = (Arc::clone(&subscription), Arc::downgrade(&self.inner));
            self.inner.notifier.send(&copy.subscription, move || {
                let find = |id: &str| broker.upgrade()?.store.read().get(id).cloned();
                let told = event.as_ref().map_or(Told::All(&told), Told::Change);
                message(&subscription, &told, now, &find)
            });
        };
        if !told.is_empty() {
            send(told, None);
        }
        events.into_iter().for_each(|event| send(Vec::new(), Some(event)));
        Ok(())
    }
}

/// The entity as it was before these attributes went; what their values were is not known.
fn with_deleted(entity: &Entity, changes: &Changes) -> Arc<Entity> {
    let mut old = entity.clone();
    for name in &changes.deleted {
        old.attributes.push(crate::Attribute {
            name: name.clone(),
            kind: crate::Kind::Property,
            value: Json::Null,
            created_at: entity.created_at,
            modified_at: entity.modified_at,
            observed_at: None,
            details: None,
            observed_digits: None,
        });
    }
    Arc::new(old)
}
