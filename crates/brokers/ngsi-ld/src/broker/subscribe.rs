//! Subscriptions of a broker (NGSI-LD 5.8) and their notifications.

use std::{sync::Arc, time::Duration};

use morgana_engine::{DeliveryCounts, DeliveryError, Message};
use morgana_journal::Ticket;
use uuid::Uuid;

use super::{Broker, ChangeKind, Inner, Write};
use crate::{
    Context, Error, ErrorKind,
    model::{
        Changes, Entity, Json, Timestamp, check_uri, encode_context, encode_no_hosted, encode_subscription,
    },
    subscriptions::{Contexts, Event, Origin, Shown, Subscription, Told, context_key, message, stored},
};

impl Broker {
    /// Creates a subscription (NGSI-LD 5.8.1) and gives its id.
    ///
    /// # Errors
    /// When the document is not a subscription, or there is one with its id.
    pub async fn subscribe(&self, document: Json, context: Arc<Context>) -> Result<Box<str>, Error> {
        self.subscribe_from(document, context, Origin::default()).await
    }

    /// As [`subscribe`](Self::subscribe), with where the subscription came from: sources get copies of it, and tell
    /// this broker as the subscriber reached it (NGSI-LD 5.8.1.4).
    pub(crate) async fn subscribe_from(
        &self,
        document: Json,
        context: Arc<Context>,
        origin: Origin,
    ) -> Result<Box<str>, Error> {
        let document = with_id(document)?;
        let contexts = self.contexts_of(&document, context).await?;
        let id = self
            .write(|write| {
                let now = write.now;
                let subscription = Subscription::new(document, contexts, now, now, write.inner.timeout())?;
                let subscription = subscription.from(origin);
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
            .await?;
        self.inner.periodic.notify_one();
        Ok(id)
    }

    /// The contexts of a subscription: `jsonldContext` names that of its notifications (NGSI-LD 5.2.12).
    async fn contexts_of(&self, document: &Json, context: Arc<Context>) -> Result<Contexts, Error> {
        let notification = match document.get("jsonldContext") {
            None => Arc::clone(&context),
            Some(Json::String(url)) => {
                check_uri(url, "jsonldContext")?;
                self.inner.contexts.resolve(Some(&Json::from(&**url))).await?
            }
            Some(other) => {
                return Err(Error::bad(format!("jsonldContext must be a URL, not {}", other.kind())));
            }
        };
        Ok(Contexts { document: context, notification })
    }

    /// Changes members of a subscription (NGSI-LD 5.8.2): each is replaced; null removes it.
    pub(crate) async fn update_subscription(
        &self,
        id: &str,
        patch: Json,
        context: Arc<Context>,
    ) -> Result<(), Error> {
        let known = self.inner.subscriptions.read().get(id).cloned().ok_or_else(|| not_found(id))?;
        // Without a context of its own, a patch is written in that of the subscription.
        let context =
            if Arc::ptr_eq(&context, &Context::core()) { Arc::clone(&known.context) } else { context };
        let contexts = self.contexts_of(&patched(&known, patch.clone())?, context).await?;
        self.write(|write| {
            let old = write.inner.subscriptions.read().get(id).cloned().ok_or_else(|| not_found(id))?;
            let document = patched(&old, patch)?;
            let subscription =
                Subscription::new(document, contexts, old.created_at, write.now, write.inner.timeout())?;
            let subscription = subscription.from(old.origin.clone());
            if subscription.expires_at.is_some_and(|end| end <= write.now) {
                return Err(Error::bad("expiresAt is in the past"));
            }
            let counts = write.inner.notifier.counts(id).unwrap_or_default();
            write.keep(subscription, &counts)
        })
        .await?;
        self.inner.periodic.notify_one();
        Ok(())
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
            let gone = write.inner.subscriptions.write().remove(id);
            write.forget_implicit_context(gone.as_deref())?;
            write.inner.notifier.close(id);
            write.inner.copies.touch(id);
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
        (offset, limit): (usize, usize),
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
        let (now, has_triggers) = (Timestamp::now(), true);
        Shown { subscription, counts, context, now, sys_attrs, with_context, has_triggers }.json()
    }

    /// Opens the queues of subscriptions that the journal brought back.
    pub(super) fn revive_subscriptions(&self) {
        for (subscription, counts) in self.inner.subscriptions.write().revive() {
            self.inner.notifier.open(&subscription.id, subscription.delivery.endpoint.clone(), counts);
        }
    }

    /// Writes what became of notifications, so that a restart goes on counting.
    pub(super) async fn save_counts(&self) -> Result<(), Error> {
        self.write(|write| {
            for (id, document) in write.inner.stored_subscriptions() {
                write.append(&encode_subscription(&id, Some(&document)))?;
            }
            write.save_csource_counts()
        })
        .await
    }
}

impl Write<'_> {
    /// A context that was made for a subscription goes with it.
    fn forget_implicit_context(&mut self, subscription: Option<&Subscription>) -> Result<(), Error> {
        let url = subscription.and_then(|one| one.document.get("jsonldContext")?.as_str());
        let Some((_, id)) = url.and_then(|url| url.rsplit_once("/jsonldContexts/")) else { return Ok(()) };
        let hosted = self.inner.contexts.hosted();
        if hosted.is_implicit(id) {
            self.append(&encode_no_hosted(id))?;
            hosted.remove(id);
        }
        Ok(())
    }

    /// Puts a subscription in, new or changed.
    fn keep(&mut self, subscription: Subscription, counts: &DeliveryCounts) -> Result<(), Error> {
        for context in [&subscription.context, &subscription.notify_context] {
            if let Some(key) = context_key(context)
                && !self.inner.subscriptions.read().has_context(&key)
            {
                self.append(&encode_context(&key, &context.terms()))?;
            }
        }
        self.append(&encode_subscription(&subscription.id, Some(&stored(&subscription, counts))))?;
        self.inner.notifier.open(&subscription.id, subscription.delivery.endpoint.clone(), counts.clone());
        let subscription = Arc::new(subscription);
        self.inner.subscriptions.write().insert(Arc::clone(&subscription));
        self.plan_copies(&subscription)
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
    /// subscription's queue has the order of the changes; the message itself is put together when its turn has come,
    /// which is not before what was `written` is durable.
    pub(super) fn notify(
        self: &Arc<Self>,
        written: Option<&Ticket>,
        entity: &Arc<Entity>,
        old: Option<&Arc<Entity>>,
        kind: ChangeKind,
        changes: &Changes,
        now: Timestamp,
    ) {
        let subscriptions = self.subscriptions.read();
        if subscriptions.len() == 0 {
            return;
        }
        let find = |id: &str| self.store.read().get(id).cloned();
        let mut event: Option<Arc<Event>> = None;
        let attributes = [&changes.created, &changes.updated, &changes.deleted].into_iter().flatten();
        for subscription in subscriptions.candidates(entity, attributes) {
            if subscription.matches(entity, kind, changes, now, &find)
                && !self.cools_down(subscription, now)
                && subscription.may_notify(now)
            {
                let event = event.get_or_insert_with(|| {
                    let (entity, old, changes) = (Arc::clone(entity), old.cloned(), changes.clone());
                    Arc::new(Event { entity, old, kind, changes, at: now })
                });
                let (subscription, event) = (Arc::clone(subscription), Arc::clone(event));
                let (id, broker) = (subscription.id.clone(), Arc::downgrade(self));
                self.send(written, &id, move || {
                    let find = |id: &str| broker.upgrade()?.store.read().get(id).cloned();
                    message(&subscription, &Told::Change(&event), now, &find)
                });
            }
        }
    }

    /// Queues a message, which leaves once what was written is durable.
    pub(super) fn send(
        &self,
        written: Option<&Ticket>,
        lane: &str,
        render: impl FnOnce() -> Result<Message, DeliveryError> + Send + 'static,
    ) {
        match written {
            Some(written) => self.notifier.send_after(written.clone(), lane, render),
            None => self.notifier.send(lane, render),
        }
    }

    pub(super) fn cools_down(&self, subscription: &Subscription, now: Timestamp) -> bool {
        if subscription.delivery.cooldown.is_none() {
            return false;
        }
        let counts = self.notifier.counts(&subscription.id).unwrap_or_default();
        let last_failure = counts.last_failure.filter(|_| counts.failing);
        subscription.cools_down(last_failure.map(Timestamp::from), now)
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
    let kept = Vec::from(members).into_iter().filter(|(name, _)| !is_system(name));
    let mut members: Vec<_> = kept
        .map(|(name, value)| {
            let value = if &*name == "notification" { without_status(value) } else { value };
            (name, value)
        })
        .collect();
    if !members.iter().any(|(name, _)| &**name == "id") {
        let id = format!("urn:ngsi-ld:Subscription:{}", Uuid::new_v4());
        members.insert(0, ("id".into(), Json::String(id.into())));
    }
    Ok(Json::Object(members.into()))
}

/// What the broker itself writes, and what is no member of a subscription at all (NGSI-LD 5.2.12): neither is kept.
fn is_system(name: &str) -> bool {
    !MEMBERS.contains(&name)
}

/// The members that a subscriber gives.
const MEMBERS: [&str; 24] = [
    "id",
    "type",
    "subscriptionName",
    "description",
    "entities",
    "watchedAttributes",
    "notificationTrigger",
    "timeInterval",
    "q",
    "geoQ",
    "csf",
    "isActive",
    "notification",
    "expiresAt",
    "throttling",
    "temporalQ",
    "scopeQ",
    "lang",
    "datasetId",
    "jsonldContext",
    "localOnly",
    "splitEntities",
    "expandValues",
    "jsonKeys",
];

/// A notification without what the broker itself counts (NGSI-LD 5.2.14.2).
fn without_status(notification: Json) -> Json {
    let is_status = |name: &str| {
        matches!(
            name,
            "status" | "timesSent" | "timesFailed" | "lastNotification" | "lastFailure" | "lastSuccess"
        )
    };
    match notification {
        Json::Object(members) => {
            Json::Object(Vec::from(members).into_iter().filter(|(name, _)| !is_status(name)).collect())
        }
        other => other,
    }
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
        if matches!(&*name, "id" | "type") {
            continue;
        }
        members.retain(|(known, _)| *known != name);
        match (&*name, value) {
            (_, Json::Null) => {}
            ("notification", value) => members.push((name, without_status(value))),
            (_, value) => members.push((name, value)),
        }
    }
    Ok(Json::Object(members.into()))
}
