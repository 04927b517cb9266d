//! Copies of subscriptions at context sources (NGSI-LD 5.8.1.4, 5.8.2.4, 5.8.5.4): which there are, and the task that
//! makes it true. What is to be is decided where subscriptions and registrations change, in the same write; a source
//! that does not answer is asked again, and delays no one.

mod inbound;
mod record;
mod settle;
mod state;

use std::sync::{Arc, Weak};

use tokio_util::sync::CancellationToken;

use super::{Broker, Inner, Write};
use crate::{
    Error,
    model::{Json, NoteKind},
    registrations::Registration,
    sources::Copied,
    subscriptions::Subscription,
};

pub(crate) use self::inbound::Notified;
use self::record::Copy;
pub(super) use self::state::Copies;

/// Keeps the copies as they are to be, until the broker is gone.
pub(super) async fn keep_true(broker: Weak<Inner>, stop: CancellationToken) {
    let copies = {
        let Some(inner) = broker.upgrade() else { return };
        let copies = Arc::clone(&inner.copies);
        // What was there before there were copies gets its own.
        if let Err(error) = (Broker { inner }).plan_all_copies().await {
            tracing::warn!(%error, "cannot plan the copies of subscriptions");
        }
        copies
    };
    loop {
        let woken = copies.woken.notified();
        let wait = {
            let Some(inner) = broker.upgrade() else { return };
            Broker { inner }.settle_due()
        };
        let sleep = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = woken => {}
            () = sleep => {}
            () = stop.cancelled() => return,
        }
    }
}

impl Broker {
    async fn plan_all_copies(&self) -> Result<(), Error> {
        if !self.has_sources() || self.inner.subscriptions.read().len() == 0 {
            return Ok(());
        }
        self.write(|write| {
            let all: Vec<_> = write.inner.registrations.read().iter(write.now).cloned().collect();
            all.iter().try_for_each(|registration| write.plan_copies_at(registration))
        })
        .await
    }

    /// Where a source notifies this broker; `None` when neither the options nor the subscriber say how it is reached.
    fn callback(&self, subscription: &Subscription) -> Option<String> {
        let options = self.inner.tenants.options();
        let base = options.public_url.as_deref().or(subscription.origin.base.as_deref())?;
        Some(format!("{}{}", base.trim_end_matches('/'), crate::sources::CALLBACK))
    }

    /// The subscriptions that have copies at sources.
    pub(super) fn copied_subscriptions(&self) -> Vec<Arc<Subscription>> {
        let subscriptions = self.inner.subscriptions.read();
        let ids = self.inner.copies.subscriptions();
        ids.iter().filter_map(|id| subscriptions.get(id).cloned()).collect()
    }

    /// The subscription to sources that stands for a subscription with copies (NGSI-LD 5.8.1.4): what it would say if
    /// someone had written it.
    pub(super) fn shadow(&self, subscription: &Subscription) -> Json {
        let taken = ["entities", "watchedAttributes", "csf", "isActive", "expiresAt"];
        let mut members: Vec<(Box<str>, Json)> = vec![
            ("id".into(), Json::String(shadow_id(&subscription.id).into())),
            ("type".into(), "Subscription".into()),
            (
                "description".into(),
                Json::String(format!("keeps the copies of {} at context sources", subscription.id).into()),
            ),
        ];
        let written = subscription.document.as_object().unwrap_or_default();
        members.extend(written.iter().filter(|(name, _)| taken.contains(&&**name)).cloned());
        let uri = self.callback(subscription).unwrap_or_default();
        let endpoint = Json::Object([("uri".into(), Json::String(uri.into()))].into());
        members.push(("notification".into(), Json::Object([("endpoint".into(), endpoint)].into())));
        Json::Object(members.into())
    }
}

/// The id of the subscription to sources that stands for a subscription.
pub(super) fn shadow_id(subscription: &str) -> String {
    format!("{subscription}:sources")
}

impl Write<'_> {
    /// Decides which sources are to have a copy of a subscription that is new or changed.
    pub(super) fn plan_copies(&mut self, subscription: &Subscription) -> Result<(), Error> {
        let all: Vec<_> = self.inner.registrations.read().iter(self.now).cloned().collect();
        for registration in &all {
            self.plan_copy(subscription, registration)?;
        }
        self.inner.copies.touch(&subscription.id);
        Ok(())
    }

    /// Decides which subscriptions a source that is new or changed is to have copies of.
    pub(super) fn plan_copies_at(&mut self, registration: &Registration) -> Result<(), Error> {
        let all: Vec<_> = self.inner.subscriptions.read().iter().cloned().collect();
        for subscription in &all {
            self.plan_copy(subscription, registration)?;
        }
        self.inner.copies.touch_at(&registration.id, None);
        Ok(())
    }

    fn plan_copy(&mut self, subscription: &Subscription, registration: &Registration) -> Result<(), Error> {
        if self.inner.copies.has(&subscription.id, &registration.id)
            || Copied::new(subscription, registration).is_none()
        {
            return Ok(());
        }
        if (Broker { inner: Arc::clone(self.inner) }).callback(subscription).is_none() {
            tracing::debug!(
                subscription = %subscription.id,
                "no copies at context sources: set public_url, so that they can notify this broker"
            );
            return Ok(());
        }
        let copy = Copy::new(&subscription.id, &registration.id);
        self.put_note(NoteKind::Copies, &copy.id, copy.note())?;
        self.inner.copies.insert(copy);
        Ok(())
    }

    /// Lets the copies at a source go that is registered no more. Its registration is kept until they are gone.
    pub(super) fn orphan_copies(&mut self, registration: &Arc<Registration>) -> Result<(), Error> {
        for copy in self.inner.copies.touch_at(&registration.id, Some(registration)) {
            self.put_note(NoteKind::Copies, &copy.id, copy.note())?;
        }
        Ok(())
    }
}
