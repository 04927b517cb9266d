//! Writes: one at a time, each appended to the journal before it is true.

use std::sync::Arc;

use morgana_journal::Ticket;

use super::{Broker, ChangeKind, Inner};
use crate::{
    Error,
    model::{Changes, Entity, Timestamp, encode_delete, encode_entity, live},
};

impl Broker {
    /// Runs `change` while no other write runs, and returns when what it wrote is durable.
    pub(super) async fn write<T>(
        &self,
        change: impl FnOnce(&mut Write<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.inner.journal.room().await?;
        if let Some(history) = &self.inner.history {
            history.room().await?;
        }
        let (result, tickets) = {
            let _writing = self.inner.writing.lock();
            let mut write = Write {
                inner: &self.inner,
                now: Timestamp::now(),
                last: None,
                last_past: None,
                keeps_past: true,
            };
            let result = change(&mut write);
            (result, [write.last, write.last_past])
        };
        for ticket in tickets.into_iter().flatten() {
            ticket.durable().await?;
        }
        result
    }
}

/// A write under way: the only way to change the broker's state.
pub(super) struct Write<'a> {
    pub(super) inner: &'a Arc<Inner>,
    pub(super) now: Timestamp,
    pub(super) last: Option<Ticket>,
    /// The same, of the journal of the past.
    pub(super) last_past: Option<Ticket>,
    /// Whether what is written becomes part of the past.
    pub(super) keeps_past: bool,
}

impl Write<'_> {
    pub(super) fn get(&self, id: &str) -> Option<Arc<Entity>> {
        let stored = self.inner.store.read().get(id).cloned()?;
        live(&stored, self.now)
    }

    pub(super) fn append(&mut self, record: &[u8]) -> Result<(), Error> {
        // Tickets resolve in order, so the last one stands for all.
        self.last = Some(self.inner.journal.append(record)?);
        Ok(())
    }

    /// Puts an entity in and tells who wants to know.
    pub(super) fn put(&mut self, entity: Entity, changes: &Changes) -> Result<(), Error> {
        self.append(&encode_entity(&entity))?;
        if self.inner.history.is_some() {
            let old = self.inner.store.read().get(&entity.id).cloned();
            self.note_past(&entity, old.as_deref(), changes)?;
        }
        let entity = Arc::new(entity);
        let old = self.inner.store.write().put(Arc::clone(&entity));
        let kind = if old.is_none() { ChangeKind::Created } else { ChangeKind::Updated };
        self.tell(&entity, old.as_ref(), kind, changes);
        Ok(())
    }

    /// Takes an entity out and tells who wants to know.
    pub(super) fn delete(&mut self, id: &str) -> Result<(), Error> {
        if self.get(id).is_none() {
            return Err(Error::entity_not_found(id));
        }
        self.remove(id)
    }

    /// Takes an entity out, be it expired or not.
    pub(super) fn remove(&mut self, id: &str) -> Result<(), Error> {
        self.append(&encode_delete(id, self.now))?;
        if self.inner.history.is_some()
            && let Some(old) = self.inner.store.read().get(id).cloned()
        {
            self.note_end(&old)?;
        }
        if let Some(old) = self.inner.store.write().remove(id) {
            let mut changes = Changes::all_created(&old);
            changes.deleted = std::mem::take(&mut changes.created);
            self.tell(&old, Some(&old), ChangeKind::Deleted, &changes);
        }
        Ok(())
    }

    pub(super) fn tell(
        &self,
        entity: &Arc<Entity>,
        old: Option<&Arc<Entity>>,
        kind: ChangeKind,
        changes: &Changes,
    ) {
        self.inner.watchers.tell(self.last.as_ref(), entity, kind, changes);
        self.inner.notify(self.last.as_ref(), entity, old, kind, changes, self.now);
    }
}
