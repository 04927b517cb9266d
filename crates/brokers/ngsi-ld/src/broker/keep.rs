//! The state as a snapshot of the journal, which the log begins after.

use morgana_journal::{Journal, SnapshotError};
use tokio_util::sync::CancellationToken;

use super::{Inner, registrations};
use crate::model::{
    Timestamp, encode_context, encode_entity, encode_hosted, encode_registration, encode_subscription,
};

/// Takes a snapshot whenever the log has grown large. Holds the broker only while it takes one.
pub(super) async fn keep_small(broker: std::sync::Weak<Inner>, journal: Journal, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = journal.snapshot_due() => {}
            () = stop.cancelled() => return,
        }
        let Some(inner) = broker.upgrade() else { return };
        let taken = tokio::task::spawn_blocking(move || inner.snapshot()).await;
        match taken {
            Ok(Ok(bytes)) => tracing::info!(bytes, "took a snapshot"),
            Ok(Err(error)) => tracing::error!(%error, "cannot take a snapshot; the log keeps everything"),
            Err(error) => tracing::error!(%error, "the snapshot ended early"),
        }
    }
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
        let mut from = Some(0);
        while let Some(start) = from {
            let (entities, next) = self.store.read().scan(None, start, 512);
            for entity in entities {
                snapshot.push(&encode_entity(&entity))?;
            }
            from = next;
        }
        let contexts = {
            // No subscription may rely on a context between its being left out here and being forgotten.
            let _writing = self.writing.lock();
            self.subscriptions.write().contexts_in_use()
        };
        for (key, terms) in contexts {
            snapshot.push(&encode_context(&key, &terms))?;
        }
        for (id, kind, document, at) in self.contexts.hosted().stored() {
            snapshot.push(&encode_hosted(&id, kind, &document, at))?;
        }
        let registered: Vec<_> = self.registrations.read().iter(Timestamp::now()).cloned().collect();
        for one in registered {
            snapshot.push(&encode_registration(&one.id, Some(&registrations::stored(&one))))?;
        }
        for record in self.notes.read().records() {
            snapshot.push(&record)?;
        }
        for (id, document) in self.stored_subscriptions() {
            snapshot.push(&encode_subscription(&id, Some(&document)))?;
        }
        tokio::runtime::Handle::current().block_on(snapshot.finish())
    }
}
