//! Subscriptions of a broker (NGSI-LD 5.8) and their notifications.

use std::{sync::Arc, time::Duration};

use morgana_engine::DeliveryCounts;
use uuid::Uuid;

use super::{Broker, ChangeKind, Inner, Write};
use crate::{
    Context, Error, ErrorKind,
    model::{Changes, Entity, Json, Timestamp, encode_context, encode_subscription},
    subscriptions::{Shown, Subscription, context_key, message, stored},
};

impl Broker {
    /// Creates a subscription (NGSI-LD 5.8.1) and gives its id.
    ///
    /// # Errors
    /// When the document is not a subscription, or there is one with its id.
    pub async fn subscribe(&self, document: Json, context: Arc<Context>) -> Result<Box<str>, Error> {
        let document = with_id(document)?;
        self.write(|write| {
            let now = write.now;
            let subscription = Subscription::new(document, context, now, now, write.inner.timeout())?;
            let id = subscription.id.clone();
            if write.inner.subscriptions.read().get(&id).is_some() {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!("subscription {id} already exists"),
                ));
            }
            if subscription.expires_at.is_some_and(|end| end <= now) {
                return Err(Error::bad("expiresAt is in the past"));
            }
            write.keep(subscription, &DeliveryCounts::default())?;
            Ok(id)
        })
        .await
    }

    /// Changes members of a subscription (NGSI-LD 5.8.2): each is replaced; null removes it.
    pub(crate) async fn update_subscription(
        &self,
        id: &str,
        patch: Json,
        context: Arc<Context>,
    ) -> Result<(), Error> {
        self.write(|write| {
            let old = write.inner.subscriptions.read().get(id).cloned().ok_or_else(|| not_found(id))?;
            let document = patched(&old, patch)?;
            // Without a context of its own, a patch is written in that of the subscription.
            let context =
                if Arc::ptr_eq(&context, &Context::core()) { Arc::clone(&old.context) } else { context };
            let subscription =
                Subscription::new(document, context, old.created_at, write.now, write.inner.timeout())?;
            if subscription.expires_at.is_some_and(|end| end <= write.now) {
                return Err(Error::bad("expiresAt is in the past"));
            }
            let counts = write.inner.notifier.counts(id).unwrap_or_default();
            write.keep(subscription, &counts)
        })
        .await
    }

    /// Ends a subscription (NGSI-LD 5.8.5).
    ///
    /// # Errors
    /// When there is none with this id.
    pub async fn unsubscribe(&self, id: &str) -> Result<(), Error> {
        self.write(|write| {
            if write.inner.subscriptions.read().get(id).is_none() {
                return Err(not_found(id));
            }
            write.append(&encode_subscription(id, None))?;
            write.inner.subscriptions.write().remove(id);
            write.inner.notifier.close(id);
            Ok(())
        })
        .await
    }

    /// A subscription as it is shown (NGSI-LD 5.8.3).
    pub(crate) fn subscription(
        &self,
        id: &str,
        context: &Context,
        sys_attrs: bool,
        with_context: bool,
    ) -> Result<Json, Error> {
        let subscription = self.inner.subscriptions.read().get(id).cloned().ok_or_else(|| not_found(id))?;
        Ok(self.show(&subscription, context, sys_attrs, with_context))
    }

    /// Subscriptions as they are shown, in the order of creation, and how many there are (NGSI-LD 5.8.4).
    pub(crate) fn subscriptions(
        &self,
        offset: usize,
        limit: usize,
        context: &Context,
        sys_attrs: bool,
        with_context: bool,
    ) -> (Vec<Json>, usize) {
        let (page, total) = {
            let subscriptions = self.inner.subscriptions.read();
            let page: Vec<_> = subscriptions.iter().skip(offset).take(limit).cloned().collect();
            (page, subscriptions.len())
        };
        (page.iter().map(|one| self.show(one, context, sys_attrs, with_context)).collect(), total)
    }

    fn show(
        &self,
        subscription: &Subscription,
        context: &Context,
        sys_attrs: bool,
        with_context: bool,
    ) -> Json {
        let counts = self.inner.notifier.counts(&subscription.id).unwrap_or_default();
        Shown { subscription, counts, context, now: Timestamp::now(), sys_attrs, with_context }.json()
    }

    /// Opens the queues of subscriptions that the journal brought back.
    pub(super) fn revive_subscriptions(&self) {
        for (subscription, counts) in self.inner.subscriptions.write().revive() {
            self.inner.notifier.open(&subscription.id, subscription.endpoint.clone(), counts);
        }
    }

    /// Writes what became of notifications, so that a restart goes on counting.
    pub(super) async fn save_counts(&self) -> Result<(), Error> {
        self.write(|write| {
            for (id, document) in write.inner.stored_subscriptions() {
                write.append(&encode_subscription(&id, Some(&document)))?;
            }
            Ok(())
        })
        .await
    }
}

impl Write<'_> {
    /// Puts a subscription in, new or changed.
    fn keep(&mut self, subscription: Subscription, counts: &DeliveryCounts) -> Result<(), Error> {
        if let Some(key) = context_key(&subscription.context)
            && !self.inner.subscriptions.read().has_context(&key)
        {
            self.append(&encode_context(&key, &subscription.context.terms()))?;
        }
        self.append(&encode_subscription(&subscription.id, Some(&stored(&subscription, counts))))?;
        self.inner.notifier.open(&subscription.id, subscription.endpoint.clone(), counts.clone());
        self.inner.subscriptions.write().insert(Arc::new(subscription));
        Ok(())
    }
}

impl Inner {
    fn timeout(&self) -> Duration {
        self.notifier.default_timeout()
    }

    /// Every subscription as the journal keeps it.
    pub(super) fn stored_subscriptions(&self) -> Vec<(Box<str>, Json)> {
        let subscriptions: Vec<_> = self.subscriptions.read().iter().cloned().collect();
        let document = |one: Arc<Subscription>| {
            let counts = self.notifier.counts(&one.id).unwrap_or_default();
            (one.id.clone(), stored(&one, &counts))
        };
        subscriptions.into_iter().map(document).collect()
    }

    /// Hands a notification to every subscription that a change matches. Called under the write lock, so that each
    /// subscription's queue has the order of the changes; the message itself is put together when its turn has come.
    pub(super) fn notify(&self, entity: &Arc<Entity>, kind: ChangeKind, changes: &Changes, now: Timestamp) {
        let subscriptions = self.subscriptions.read();
        if subscriptions.len() == 0 {
            return;
        }
        let attributes = [&changes.created, &changes.updated, &changes.deleted].into_iter().flatten();
        for subscription in subscriptions.candidates(entity, attributes) {
            if subscription.matches(entity, kind, changes, now) && subscription.may_notify(now) {
                let (subscription, entity) = (Arc::clone(subscription), Arc::clone(entity));
                let id = subscription.id.clone();
                self.notifier.send(&id, move || message(&subscription, &entity, kind, now));
            }
        }
    }
}

fn not_found(id: &str) -> Error {
    Error::new(ErrorKind::ResourceNotFound, format!("subscription {id} does not exist"))
}

/// The document without what the broker itself writes, and with an id.
pub(super) fn with_id(document: Json) -> Result<Json, Error> {
    let Json::Object(members) = document else {
        return Err(Error::bad(format!("a subscription must be a JSON object, not {}", document.kind())));
    };
    let mut members: Vec<_> = Vec::from(members).into_iter().filter(|(name, _)| !is_system(name)).collect();
    if !members.iter().any(|(name, _)| &**name == "id") {
        let id = format!("urn:ngsi-ld:Subscription:{}", Uuid::new_v4());
        members.insert(0, ("id".into(), Json::String(id.into())));
    }
    Ok(Json::Object(members.into()))
}

fn is_system(name: &str) -> bool {
    matches!(name, "@context" | "status" | "createdAt" | "modifiedAt")
}

pub(super) fn patched(old: &Subscription, patch: Json) -> Result<Json, Error> {
    let Json::Object(patch) = patch else {
        return Err(Error::bad(format!("a subscription must be a JSON object, not {}", patch.kind())));
    };
    let mut members = Vec::from(old.document.as_object().unwrap_or_default());
    for (name, value) in patch {
        match &*name {
            "id" if value.as_str() != Some(&old.id) => {
                return Err(Error::bad("the id of a subscription cannot be changed"));
            }
            "type" if value.as_str() != Some("Subscription") => {
                return Err(Error::bad("type must be \"Subscription\""));
            }
            name if is_system(name) => continue,
            _ => {}
        }
        members.retain(|(known, _)| *known != name || matches!(&**known, "id" | "type" | "notification"));
        match (&*name, value) {
            ("id" | "type", _) | (_, Json::Null) => {}
            // A notification is patched member by member: who changes its endpoint keeps its format.
            ("notification", Json::Object(changes)) => {
                let known = members.iter_mut().find(|(known, _)| &**known == "notification");
                if let Some((_, Json::Object(inner))) = known {
                    let mut merged = Vec::from(std::mem::take(inner));
                    for (name, value) in changes {
                        merged.retain(|(known, _)| *known != name);
                        if value != Json::Null {
                            merged.push((name, value));
                        }
                    }
                    *inner = merged.into();
                }
            }
            ("notification", other) => {
                return Err(Error::bad(format!("notification must be an object, not {}", other.kind())));
            }
            (_, value) => members.push((name, value)),
        }
    }
    Ok(Json::Object(members.into()))
}
