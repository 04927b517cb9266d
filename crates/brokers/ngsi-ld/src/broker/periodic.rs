//! Notifications at intervals (NGSI-LD 5.8.6, `timeInterval`).

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{Broker, Inner};
use crate::{
    model::{Entity, Timestamp, live},
    subscriptions::{Subscription, Told, message},
};

/// The most entities that one notification tells of.
const MAX_ENTITIES: usize = 1000;

/// How many entities are looked at while the store is locked for reading.
const SCAN_STEP: usize = 256;

/// Notifies whenever the time of a subscription has come, until the broker is gone. Without periodic subscriptions it
/// sleeps until there is one.
pub(super) async fn notify_at_intervals(broker: Weak<Inner>, stop: CancellationToken) {
    loop {
        let Some(inner) = broker.upgrade() else { return };
        let changed = Arc::clone(&inner.periodic);
        let wait = Broker { inner }.notify_due();
        let sleep = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = changed.notified() => {}
            () = stop.cancelled() => return,
        }
    }
}

impl Broker {
    /// Notifies those whose time has come. Returns how long it is until the next one's.
    fn notify_due(&self) -> Option<Duration> {
        let now = Timestamp::now();
        let periodic: Vec<Arc<Subscription>> = {
            let subscriptions = self.inner.subscriptions.read();
            subscriptions.periodic().filter(|one| one.is_on(now)).cloned().collect()
        };
        for subscription in &periodic {
            if subscription.due_at().is_some_and(|at| at <= now) {
                subscription.note_periodic(now);
                self.notify_of_all(subscription, now);
            }
        }
        let next = periodic.iter().filter_map(|one| one.due_at()).min()?;
        Some(Duration::from_micros(next.as_micros().saturating_sub(now.as_micros()).max(1_000) as u64))
    }

    /// Tells a subscriber of all entities subscribed to; of none there is nothing to tell.
    fn notify_of_all(&self, subscription: &Arc<Subscription>, now: Timestamp) {
        let find = |id: &str| self.inner.store.read().get(id).cloned();
        let mut found: Vec<Arc<Entity>> = Vec::new();
        let cover = subscription.types();
        let mut from = Some(0);
        while let Some(start) = from
            && found.len() < MAX_ENTITIES
        {
            let (entities, next) = self.inner.store.read().scan(cover.as_deref(), start, SCAN_STEP);
            let living = entities.iter().filter_map(|entity| live(entity, now));
            found.extend(living.filter(|entity| subscription.is_about(entity, &find)));
            from = next;
        }
        if found.is_empty() {
            return;
        }
        found.truncate(MAX_ENTITIES);
        let (subscription, broker) = (Arc::clone(subscription), Arc::downgrade(&self.inner));
        let id = subscription.id.clone();
        self.inner.notifier.send(&id, move || {
            let find = |id: &str| broker.upgrade()?.store.read().get(id).cloned();
            message(&subscription, &Told::All(&found), now, &find)
        });
    }
}
