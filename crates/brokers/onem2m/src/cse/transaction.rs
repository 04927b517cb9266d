use morgana_journal::Ticket;
use parking_lot::RwLockWriteGuard;

use super::{Cse, Inner};
use crate::{
    notify::Event,
    status::Failure,
    time::Time,
    tree::{Resource, Slot, Tree, encode_gone},
};

/// A change under way: the only way to change the tree. It holds the tree's lock.
pub(crate) struct Transaction<'a> {
    pub(crate) cse: &'a Cse,
    pub(crate) inner: &'a Inner,
    pub(crate) tree: RwLockWriteGuard<'a, Tree>,
    pub(crate) now: Time,
    ticket: Option<Ticket>,
    /// Whether it left something to do for announced resources.
    pub(crate) announces: bool,
}

impl<'a> Transaction<'a> {
    pub(super) fn begin(cse: &'a Cse) -> Self {
        let inner = &*cse.inner;
        Self { cse, inner, tree: inner.tree.write(), now: Time::now(), ticket: None, announces: false }
    }

    /// What to wait for: of what changed, and of notifications that wait because of it. Tickets resolve in order, so the
    /// last of each stands for all.
    pub(super) fn finish(self) -> [Option<Ticket>; 2] {
        [self.ticket, self.inner.shelf.ticket()]
    }

    /// Puts a new resource in. Its number is given here, under the lock: the order in memory is the one that is written
    /// down.
    pub(crate) fn insert(&mut self, mut resource: Resource) -> Result<Slot, Failure> {
        resource.sequence = self.inner.next_sequence();
        let record = resource.to_record(&self.tree);
        self.ticket = Some(self.inner.journal.append(&record)?);
        self.announces |= self.inner.announcer.changed(&resource);
        Ok(self.tree.insert(resource))
    }

    /// Writes down what a resource is now.
    pub(crate) fn keep(&mut self, slot: Slot) -> Result<(), Failure> {
        let record = self.tree.at(slot).to_record(&self.tree);
        self.ticket = Some(self.inner.journal.append(&record)?);
        self.announces |= self.inner.announcer.changed(self.tree.at(slot));
        Ok(())
    }

    /// Takes a resource out with everything below it, quietly.
    pub(crate) fn take_out(&mut self, slot: Slot) -> Result<Vec<Resource>, Failure> {
        let record = encode_gone(&self.tree.at(slot).ri);
        self.ticket = Some(self.inner.journal.append(&record)?);
        let removed = self.tree.remove(slot);
        self.announces |= self.inner.announcer.gone(&removed);
        Ok(removed)
    }

    /// Tells the subscribers of an event.
    pub(crate) fn tell(&mut self, event: &Event<'_>) -> Result<(), Failure> {
        crate::notify::publish(self, event)
    }
}
