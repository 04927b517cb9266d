//! Subscriptions to context sources and their notifications (NGSI-LD 5.11).

use std::{collections::BTreeMap, sync::Arc};

use morgana_engine::DeliveryCounts;
use morgana_journal::Ticket;

use super::{Broker, Inner, Write, copies::shadow_id, subscribe};
use crate::{
    Context, Error, ErrorKind,
    model::{Json, NoteKind, Timestamp},
    registrations::{CsourceSubscription, Reason, Registration, csource_message, told},
    subscriptions::{Shown, Subscription, counts_of, with_counts},
};

/// All of them, by id.
pub(super) type CsourceSubscriptions = BTreeMap<Box<str>, Arc<CsourceSubscription>>;

/// The queue of a subscription: ids of subscriptions to entities are ids of their own.
fn lane(id: &str) -> String {
    format!("csource {id}")
}

impl Broker {
    /// Creates a subscription to context sources (NGSI-LD 5.11.2) and gives its id.
    pub(crate) async fn subscribe_to_sources(
        &self,
        document: Json,
        context: Arc<Context>,
    ) -> Result<Box<str>, Error> {
        let document = subscribe::with_id(document)?;
        let timeout = self.inner.notifier.default_timeout();
        let id = self
            .write(|write| {
                let one = CsourceSubscription::new(document, context, write.now, write.now, timeout)?;
                let id = one.inner.id.clone();
                if write.inner.csource_subscriptions.read().contains_key(&id) {
                    let detail = format!("subscription {id} already exists");
                    return Err(Error::new(ErrorKind::AlreadyExists, detail));
                }
                write.keep_csource_subscription(one)?;
                Ok(id)
            })
            .await?;
        self.notify_at_intervals(&id);
        Ok(id)
    }

    /// Changes members of one (NGSI-LD 5.11.3).
    pub(crate) async fn update_csource_subscription(
        &self,
        id: &str,
        patch: Json,
        context: Arc<Context>,
    ) -> Result<(), Error> {
        let timeout = self.inner.notifier.default_timeout();
        self.write(|write| {
            let old = write.inner.csource_subscription(id)?;
            let document = subscribe::patched(&old.inner, patch)?;
            let is_core = Arc::ptr_eq(&context, &Context::core());
            let context = if is_core { Arc::clone(&old.inner.context) } else { context };
            let one = CsourceSubscription::new(document, context, old.inner.created_at, write.now, timeout)?;
            write.keep_csource_subscription(one)
        })
        .await?;
        self.notify_at_intervals(id);
        Ok(())
    }

    /// Ends one (NGSI-LD 5.11.6).
    pub(crate) async fn unsubscribe_from_sources(&self, id: &str) -> Result<(), Error> {
        self.write(|write| {
            write.inner.csource_subscription(id)?;
            write.remove_note(NoteKind::CsourceSubscription, id)?;
            write.inner.csource_subscriptions.write().remove(id);
            write.inner.notifier.close(&lane(id));
            Ok(())
        })
        .await
    }

    /// One as it is shown (NGSI-LD 5.11.4).
    pub(crate) fn csource_subscription(
        &self,
        id: &str,
        context: &Context,
        sys_attrs: bool,
        with_context: bool,
    ) -> Result<Json, Error> {
        let shadow = || {
            let copied = self.copied_subscriptions();
            self.shadow_of(copied.iter().find(|one| shadow_id(&one.id) == id)?)
        };
        let one = match self.inner.csource_subscription(id) {
            Ok(one) => one,
            Err(missing) => shadow().ok_or(missing)?,
        };
        Ok(self.show_csource(&one, context, sys_attrs, with_context))
    }

    /// A page of them as they are shown, and how many there are (NGSI-LD 5.11.5).
    pub(crate) fn csource_subscriptions(
        &self,
        (offset, limit): (usize, usize),
        context: &Context,
        sys_attrs: bool,
        with_context: bool,
    ) -> (Vec<Json>, usize) {
        let mut all: Vec<_> = self.inner.csource_subscriptions.read().values().cloned().collect();
        let copied = self.copied_subscriptions();
        all.extend(copied.iter().filter_map(|subscription| self.shadow_of(subscription)));
        let page = all.iter().skip(offset).take(limit);
        let shown = page.map(|one| self.show_csource(one, context, sys_attrs, with_context));
        (shown.collect(), all.len())
    }

    /// The subscription to sources that stands for a subscription with copies at them (NGSI-LD 5.8.1.4).
    fn shadow_of(&self, subscription: &Subscription) -> Option<Arc<CsourceSubscription>> {
        let (document, context) = (self.shadow(subscription), Arc::clone(&subscription.context));
        let (created, modified) = (subscription.created_at, subscription.modified_at);
        let timeout = self.inner.notifier.default_timeout();
        CsourceSubscription::new(document, context, created, modified, timeout).ok().map(Arc::new)
    }

    fn show_csource(
        &self,
        one: &CsourceSubscription,
        context: &Context,
        sys_attrs: bool,
        with_context: bool,
    ) -> Json {
        let counts = self.inner.notifier.counts(&lane(&one.inner.id)).unwrap_or_default();
        let now = Timestamp::now();
        let (subscription, has_triggers) = (&one.inner, false);
        Shown { subscription, counts, context, now, sys_attrs, with_context, has_triggers }.json()
    }

    /// Opens what the journal brought back.
    pub(super) fn revive_csource_subscriptions(&self) {
        for (id, note) in self.notes(NoteKind::CsourceSubscription) {
            match revived(&note, self.inner.notifier.default_timeout()) {
                Some(one) => {
                    let endpoint = one.inner.delivery.endpoint.clone();
                    self.inner.notifier.open(&lane(&id), endpoint, counts_of(&note));
                    self.inner.csource_subscriptions.write().insert(id.clone(), Arc::new(one));
                    self.notify_at_intervals(&id);
                }
                None => {
                    tracing::error!(subscription = %id, "cannot revive a subscription to context sources")
                }
            }
        }
    }

    /// Tells a subscription with `timeInterval` what matches, again and again, until it ends or changes.
    fn notify_at_intervals(&self, id: &str) {
        let Ok(one) = self.inner.csource_subscription(id) else { return };
        let Some(interval) = one.interval else { return };
        let (weak, stop) = (Arc::downgrade(&self.inner), self.inner.stop.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(interval) => {}
                    () = stop.cancelled() => return,
                }
                let Some(inner) = weak.upgrade() else { return };
                match inner.csource_subscription(&one.inner.id) {
                    Ok(now) if Arc::ptr_eq(&now, &one) => inner.tell_all(None, &one, Reason::Updated),
                    _ => return,
                }
            }
        });
    }
}

impl Write<'_> {
    /// Writes what became of notifications, so that a restart goes on counting.
    pub(super) fn save_csource_counts(&mut self) -> Result<(), Error> {
        let all: Vec<_> = self.inner.csource_subscriptions.read().values().cloned().collect();
        for one in all {
            let counts = self.inner.notifier.counts(&lane(&one.inner.id)).unwrap_or_default();
            self.put_note(NoteKind::CsourceSubscription, &one.inner.id, stored(&one, &counts))?;
        }
        Ok(())
    }

    fn keep_csource_subscription(&mut self, one: CsourceSubscription) -> Result<(), Error> {
        if one.inner.expires_at.is_some_and(|end| end <= self.now) {
            return Err(Error::bad("expiresAt is in the past"));
        }
        let one = Arc::new(one);
        let counts = self.inner.notifier.counts(&lane(&one.inner.id)).unwrap_or_default();
        self.put_note(NoteKind::CsourceSubscription, &one.inner.id, stored(&one, &counts))?;
        self.inner.notifier.open(&lane(&one.inner.id), one.inner.delivery.endpoint.clone(), counts);
        self.inner.csource_subscriptions.write().insert(one.inner.id.clone(), Arc::clone(&one));
        // Who subscribes, or changes what to, first hears what there is (NGSI-LD 5.11.7).
        self.inner.tell_all(self.last.as_ref(), &one, Reason::NewlyMatching);
        Ok(())
    }

    /// Tells of a registration that came, changed or went. Called under the write lock, for the order.
    pub(super) fn tell_of_source(&self, old: Option<&Registration>, new: Option<&Registration>) {
        let all: Vec<_> = self.inner.csource_subscriptions.read().values().cloned().collect();
        for one in all.iter().filter(|one| one.interval.is_none()) {
            let parts = |registration: Option<&Registration>| {
                registration.map(|registration| one.matching(registration)).unwrap_or_default()
            };
            let (before, after) = (parts(old), parts(new));
            let (registration, parts, reason) = match (before.is_empty(), after.is_empty(), old, new) {
                (true, false, _, Some(new)) => (new, after, Reason::NewlyMatching),
                (false, false, _, Some(new)) => (new, after, Reason::Updated),
                (false, true, Some(old), _) => (old, before, Reason::NoLongerMatching),
                _ => continue,
            };
            self.inner.tell_csource(
                self.last.as_ref(),
                one,
                vec![told(&relevant(registration, &parts), &one.inner.context)],
                reason,
                self.now,
            );
        }
    }
}

impl Inner {
    fn csource_subscription(&self, id: &str) -> Result<Arc<CsourceSubscription>, Error> {
        self.csource_subscriptions.read().get(id).cloned().ok_or_else(|| {
            Error::new(ErrorKind::ResourceNotFound, format!("subscription {id} does not exist"))
        })
    }

    /// Tells everything that matches.
    fn tell_all(&self, written: Option<&Ticket>, one: &Arc<CsourceSubscription>, reason: Reason) {
        let now = Timestamp::now();
        let registrations: Vec<_> = self.registrations.read().iter(now).cloned().collect();
        let data = registrations.iter().filter_map(|registration| {
            let parts = one.matching(registration);
            (!parts.is_empty()).then(|| told(&relevant(registration, &parts), &one.inner.context))
        });
        let data: Vec<Json> = data.collect();
        if !data.is_empty() {
            self.tell_csource(written, one, data, reason, now);
        }
    }

    fn tell_csource(
        &self,
        written: Option<&Ticket>,
        one: &Arc<CsourceSubscription>,
        data: Vec<Json>,
        reason: Reason,
        now: Timestamp,
    ) {
        if one.inner.is_on(now) && one.inner.may_notify(now) {
            let subscription = Arc::clone(one);
            self.send(written, &lane(&one.inner.id), move || {
                csource_message(&subscription, &data, reason, Timestamp::now())
            });
        }
    }
}

/// A registration with these parts of its information.
pub(super) fn relevant(registration: &Registration, parts: &[usize]) -> Json {
    let member = |(name, value): &(Box<str>, Json)| match (&**name, value) {
        ("information", Json::Array(all)) => {
            let matching = parts.iter().filter_map(|at| all.get(*at)).cloned().collect();
            (name.clone(), Json::Array(matching))
        }
        _ => (name.clone(), value.clone()),
    };
    let members = registration.document.as_object().unwrap_or_default().iter().map(member);
    Json::Object(members.collect())
}

fn stored(one: &CsourceSubscription, counts: &DeliveryCounts) -> Json {
    let inner = &one.inner;
    let time = |time: Timestamp| Json::Number(time.as_micros().into());
    let mut members: Vec<(Box<str>, Json)> = vec![
        ("document".into(), inner.document.clone()),
        ("context".into(), inner.context.source().clone()),
        ("terms".into(), inner.context.terms()),
        ("createdAt".into(), time(inner.created_at)),
        ("modifiedAt".into(), time(inner.modified_at)),
    ];
    with_counts(&mut members, counts);
    Json::Object(members.into())
}

fn revived(note: &Json, timeout: std::time::Duration) -> Option<CsourceSubscription> {
    let time = |member: &str| match note.get(member)? {
        Json::Number(micros) => Timestamp::from_micros(micros.as_i64()?),
        _ => None,
    };
    let context = match note.get("terms")? {
        Json::Object(terms) if terms.is_empty() => Context::core(),
        terms => Arc::new(Context::from_terms(note.get("context")?.clone(), terms)),
    };
    let document = note.get("document")?.clone();
    CsourceSubscription::new(document, context, time("createdAt")?, time("modifiedAt")?, timeout).ok()
}
