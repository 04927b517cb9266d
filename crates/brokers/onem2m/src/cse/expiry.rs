//! The CSE's tasks: taking resources out whose time is over, and snapshots.

use std::{sync::Weak, time::Duration};

use morgana_journal::{Journal, SnapshotError};
use tokio_util::sync::CancellationToken;

use super::{Cse, Inner};
use crate::{status::Failure, tree::Slot};

/// Resources that are taken out under one lock; then others get their turn.
const AT_ONCE: usize = 256;

/// Looks for resources whose time is over until the CSE is gone.
pub(super) async fn run(cse: Weak<Inner>, stop: CancellationToken) {
    loop {
        let Some(inner) = cse.upgrade() else { return };
        let wait = Duration::from_secs(inner.limits().expiration_check_seconds.max(1));
        let changed = inner.subscribers.limits_changed();
        drop(inner);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = changed => continue,
            () = stop.cancelled() => return,
        }
        let Some(inner) = cse.upgrade() else { return };
        if let Err(failure) = (Cse { inner }).expire().await {
            tracing::warn!(%failure, "cannot take out resources whose time is over");
        }
    }
}

impl Cse {
    /// Takes out the resources whose time is over.
    pub(crate) async fn expire(&self) -> Result<(), Failure> {
        loop {
            let (more, announces) = self
                .write(|transaction| {
                    for _ in 0..AT_ONCE {
                        let now = transaction.now;
                        let Some(slot) = transaction.tree.next_expired(now) else {
                            return Ok((false, transaction.announces));
                        };
                        transaction.remove(slot, None)?;
                    }
                    Ok((true, transaction.announces))
                })
                .await?;
            if announces {
                self.announce().await;
            }
            if !more {
                return Ok(());
            }
        }
    }
}

/// Takes a snapshot whenever the log has grown large. Holds the CSE only while it takes one.
pub(super) async fn keep_small(cse: Weak<Inner>, journal: Journal, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = journal.snapshot_due() => {}
            () = stop.cancelled() => return,
        }
        let Some(inner) = cse.upgrade() else { return };
        match tokio::task::spawn_blocking(move || snapshot(&inner)).await {
            Ok(Ok(bytes)) => tracing::info!(bytes, "took a snapshot"),
            Ok(Err(error)) => tracing::error!(%error, "cannot take a snapshot; the log keeps everything"),
            Err(error) => tracing::error!(%error, "the snapshot ended early"),
        }
    }
}

/// Streams the whole state into a snapshot. It may change meanwhile: what is read is at least as new as the start of
/// the snapshot, and later changes are in the log.
fn snapshot(inner: &Inner) -> Result<u64, SnapshotError> {
    const STEP: Slot = 512;
    let mut snapshot = inner.journal.begin_snapshot()?;
    let mut from = 0;
    loop {
        let (records, end) = {
            let tree = inner.tree.read();
            (tree.records(from, from + STEP), tree.end())
        };
        for record in records {
            snapshot.push(&record)?;
        }
        from += STEP;
        if from >= end {
            break;
        }
    }
    for record in inner.shelf.records() {
        snapshot.push(&record)?;
    }
    tokio::runtime::Handle::current().block_on(snapshot.finish())
}

impl Cse {
    /// Takes everything out but the CSEBase.
    pub(crate) async fn reset(&self) -> Result<(), Failure> {
        self.write(|transaction| {
            let family = transaction.tree.at(crate::tree::ROOT).family.as_deref();
            let top: Vec<Slot> = family.into_iter().flat_map(|family| family.all()).collect();
            for slot in top {
                if transaction.tree.get(slot).is_some() {
                    transaction.remove(slot, None)?;
                }
            }
            Ok(())
        })
        .await
    }
}
