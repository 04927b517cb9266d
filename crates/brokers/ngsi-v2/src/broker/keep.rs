//! What the broker does by itself: snapshots, ends of entities, counters.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use morgana_journal::{Journal, SnapshotError};
use tokio_util::sync::CancellationToken;

use super::{Broker, Inner, Scope, tenant::Tenant};
use crate::{
    Error,
    model::{Json, RecordRef, Time, encode_record},
    subscriptions::Subscription,
};

/// Entities that are taken out in one go.
const ENDED_AT_ONCE: usize = 256;

/// Keeps the state in order until `stop`. Holds the broker only while it works.
pub(super) async fn keep(broker: Weak<Inner>, journal: Journal, stop: CancellationToken) {
    let interval = match broker.upgrade() {
        Some(inner) => Duration::from_millis(inner.options.keep_interval_ms.max(1)),
        None => return,
    };
    loop {
        let snapshot = tokio::select! {
            () = journal.snapshot_due() => true,
            () = tokio::time::sleep(interval) => false,
            () = stop.cancelled() => return,
        };
        let Some(inner) = broker.upgrade() else { return };
        if snapshot {
            match tokio::task::spawn_blocking(move || inner.snapshot()).await {
                Ok(Ok(bytes)) => tracing::info!(bytes, "took a snapshot"),
                Ok(Err(error)) => tracing::error!(%error, "cannot take a snapshot; the log keeps everything"),
                Err(error) => tracing::error!(%error, "the snapshot ended early"),
            }
            continue;
        }
        {
            let _writing = inner.writing.lock();
            inner.tenants.forget_empty();
        }
        let broker = Broker { inner };
        if let Err(error) = broker.remove_ended().await {
            tracing::warn!(%error, "cannot remove entities that ended");
        }
        if let Err(error) = broker.save_counts_if(|subscription| subscription.status.take_stopped()).await {
            tracing::warn!(%error, "cannot write down that a subscription stopped");
        }
    }
}

impl Broker {
    /// Takes out the entities whose `dateExpires` has come. Nobody is told: they were not deleted by anyone.
    async fn remove_ended(&self) -> Result<(), Error> {
        for tenant in self.inner.tenants.all() {
            while !tenant.store.read().ended(Time::now(), 1).is_empty() {
                let scope = Scope { service: tenant.name.clone(), ..Scope::default() };
                self.write(&scope, |write| {
                    let ended = write.tenant.store.read().ended(write.now, ENDED_AT_ONCE);
                    for entity in ended {
                        write.append(RecordRef::NoEntity(&entity))?;
                        write.tenant.store.write().remove(&entity.id, &entity.kind, &entity.path);
                    }
                    Ok(())
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Writes down what became of every subscription.
    pub(super) async fn save_counts(&self) -> Result<(), Error> {
        self.save_counts_if(|_| true).await
    }

    async fn save_counts_if(&self, wanted: impl Fn(&Subscription) -> bool) -> Result<(), Error> {
        for tenant in self.inner.tenants.all() {
            let chosen: Vec<Arc<Subscription>> = tenant
                .subscriptions
                .read()
                .iter()
                .filter(|subscription| wanted(subscription))
                .cloned()
                .collect();
            if chosen.is_empty() {
                continue;
            }
            let scope = Scope { service: tenant.name.clone(), ..Scope::default() };
            self.write(&scope, |write| {
                for subscription in chosen {
                    // One that was changed or ended meanwhile has been written down already.
                    let known = write.tenant.subscriptions.read().get(&subscription.id).cloned();
                    if known.is_some_and(|known| Arc::ptr_eq(&known, &subscription)) {
                        write.append(RecordRef::Subscription(&stored(&subscription)))?;
                    }
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

/// A subscription as the journal keeps it.
pub(super) fn stored(subscription: &Subscription) -> Json {
    Json::object([
        ("id", Json::String(subscription.id.clone())),
        ("path", Json::from(subscription.path.as_str())),
        ("document", subscription.document.clone()),
        ("status", subscription.status.to_json()),
    ])
}

impl Inner {
    /// Streams the whole state into a snapshot. Entities may change meanwhile: what is read is at least as new as the
    /// start of the snapshot, and later changes are in the log.
    fn snapshot(&self) -> Result<u64, SnapshotError> {
        let mut snapshot = {
            // Not between a record and its change of the memory: the record would be in the log before the snapshot, and
            // the snapshot would have what was before the change.
            let _writing = self.writing.lock();
            self.journal.begin_snapshot()?
        };
        for tenant in self.tenants.all() {
            let mut from = Some(0);
            while let Some(start) = from {
                let (entities, next) = tenant.store.read().chunk(start, 512);
                for entity in entities {
                    snapshot.push(&encode_record(&tenant.name, RecordRef::Entity(&entity)))?;
                }
                from = next;
            }
            let subscriptions: Vec<Arc<Subscription>> = tenant.subscriptions.read().iter().cloned().collect();
            for subscription in subscriptions {
                snapshot
                    .push(&encode_record(&tenant.name, RecordRef::Subscription(&stored(&subscription))))?;
            }
            for registration in registrations(&tenant) {
                snapshot.push(&encode_record(&tenant.name, RecordRef::Registration(&registration)))?;
            }
        }
        tokio::runtime::Handle::current().block_on(snapshot.finish())
    }
}

fn registrations(tenant: &Tenant) -> Vec<Json> {
    tenant.registrations.read().iter().map(|registration| registration.stored()).collect()
}
