use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::{
    Broker,
    model::{Changes, Entity, Name},
};

/// What happened to an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was created.
    Created,
    /// It was changed.
    Updated,
    /// It was deleted.
    Deleted,
}

/// A change that a [`Watch`] saw.
#[derive(Debug, Clone)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The entity after the change; before it for a deletion.
    pub entity: Arc<Entity>,
    /// The attributes that were created, updated or deleted.
    pub attributes: Vec<Name>,
}

/// Which changes a watch sees. The default sees all.
#[derive(Debug, Clone, Default)]
pub struct WatchFilter {
    /// Only changes of entities with one of these types, unless empty.
    pub types: Vec<Name>,
    /// Only changes of one of these attributes, unless empty.
    pub attributes: Vec<Name>,
}

impl WatchFilter {
    fn wants(&self, entity: &Entity, attributes: &[Name]) -> bool {
        (self.types.is_empty() || self.types.iter().any(|name| entity.has_type(name)))
            && (self.attributes.is_empty() || self.attributes.iter().any(|name| attributes.contains(name)))
    }
}

/// The watch fell behind: this many changes were not kept for it. Read the state again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a watch of the broker fell behind by {0} changes")]
pub struct Lagged(pub u64);

/// Changes as they happen, inside the broker's process. Dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    changes: mpsc::Receiver<Change>,
    missed: Arc<AtomicU64>,
}

impl Watch {
    /// The next change, in order; `None` when the broker is gone.
    ///
    /// # Errors
    /// [`Lagged`] when changes were missed; the ones after them follow.
    pub async fn next(&mut self) -> Option<Result<Change, Lagged>> {
        match self.missed.swap(0, Ordering::AcqRel) {
            0 => self.changes.recv().await.map(Ok),
            missed => Some(Err(Lagged(missed))),
        }
    }
}

#[derive(Debug)]
struct Watcher {
    filter: WatchFilter,
    changes: mpsc::Sender<Change>,
    missed: Arc<AtomicU64>,
}

/// All watches of a broker.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<Vec<Watcher>>);

impl Watchers {
    /// Tells every watch that wants to know. Called under the write lock, so it never waits: a watch whose queue is
    /// full is told that it lags.
    pub(super) fn tell(&self, entity: &Arc<Entity>, kind: ChangeKind, changes: &Changes) {
        let mut watchers = self.0.lock();
        if watchers.is_empty() {
            return;
        }
        let attributes: Vec<Name> =
            [&changes.created, &changes.updated, &changes.deleted].into_iter().flatten().cloned().collect();
        watchers.retain(|watcher| {
            if !watcher.filter.wants(entity, &attributes) {
                return !watcher.changes.is_closed();
            }
            let change = Change { kind, entity: Arc::clone(entity), attributes: attributes.clone() };
            match watcher.changes.try_send(change) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    watcher.missed.fetch_add(1, Ordering::AcqRel);
                    true
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
    }
}

impl Broker {
    /// Watches changes from now on. At most `capacity` of them wait to be read.
    pub fn watch(&self, filter: WatchFilter, capacity: usize) -> Watch {
        let (sender, changes) = mpsc::channel(capacity.max(1));
        let missed = Arc::new(AtomicU64::new(0));
        self.inner.watchers.0.lock().push(Watcher { filter, changes: sender, missed: Arc::clone(&missed) });
        Watch { changes, missed }
    }
}
