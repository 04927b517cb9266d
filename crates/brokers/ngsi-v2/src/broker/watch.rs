//! Changes as they happen, for parts of the same process.

use std::{collections::HashSet, sync::Arc};

use morgana_journal::Ticket;

use super::Broker;
use crate::{Entity, subscriptions::Change};

/// The names of the attributes whose changes a watch sees.
pub type WatchFilter = HashSet<Box<str>>;

/// A change that a [`Watch`] saw.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The entity after the change; before it for a deletion.
    pub entity: Arc<Entity>,
    /// Those attributes of the watch's filter that a request wrote, whether their value is another now or not.
    pub attributes: Vec<Box<str>>,
    /// Whether the entity is gone.
    pub is_deletion: bool,
}

/// Changes as they happen, inside the broker's process. Dropping it ends it.
pub type Watch = morgana_engine::Watch<WatchFilter, Watched>;

/// All watches of a broker.
pub(super) type Watchers = morgana_engine::Watchers<WatchFilter, Watched>;

impl Broker {
    /// Watches changes of attributes with these names from now on, in every service. At most `capacity` of them wait
    /// to be read.
    pub fn watch(&self, filter: WatchFilter, capacity: usize) -> Watch {
        self.inner.watchers.watch(filter, capacity)
    }
}

/// Tells every watch that wants to know of a change. Called under the write lock, so it never waits.
pub(super) fn tell(watchers: &Watchers, written: &Ticket, change: &Change) {
    watchers.tell(Some(written), |filter| {
        let names = change.effects.iter().map(|effect| &effect.name).filter(|name| filter.contains(*name));
        let attributes: Vec<Box<str>> = names.cloned().collect();
        (!attributes.is_empty()).then(|| Watched {
            entity: Arc::clone(&change.entity),
            attributes,
            is_deletion: change.is_deletion,
        })
    });
}
