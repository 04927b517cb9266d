use std::sync::Arc;

pub use morgana_engine::Lagged;
use morgana_journal::Ticket;

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

/// Changes as they happen, inside the broker's process. Dropping it ends it.
pub type Watch = morgana_engine::Watch<WatchFilter, Change>;

/// All watches of a broker.
#[derive(Debug, Default)]
pub(super) struct Watchers(morgana_engine::Watchers<WatchFilter, Change>);

impl Watchers {
    /// Tells every watch that wants to know. Called under the write lock, so it never waits.
    pub(super) fn tell(
        &self,
        written: Option<&Ticket>,
        entity: &Arc<Entity>,
        kind: ChangeKind,
        changes: &Changes,
    ) {
        if self.0.is_empty() {
            return;
        }
        let attributes: Vec<Name> =
            [&changes.created, &changes.updated, &changes.deleted].into_iter().flatten().cloned().collect();
        self.0.tell(written, |filter| {
            let change = || Change { kind, entity: Arc::clone(entity), attributes: attributes.clone() };
            filter.wants(entity, &attributes).then(change)
        });
    }
}

impl Broker {
    /// Watches changes from now on. At most `capacity` of them wait to be read.
    pub fn watch(&self, filter: WatchFilter, capacity: usize) -> Watch {
        self.inner.watchers.0.watch(filter, capacity)
    }
}
