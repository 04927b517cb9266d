//! The only way to change the broker's state.

use std::sync::Arc;

use morgana_journal::Ticket;

use super::{Broker, Inner, Scope, keep::stored, tenant::Tenant};
use crate::{
    Error,
    change::{Applied, Effect},
    model::{Entity, RecordRef, Time, encode_record},
    subscriptions::{Change, Origin},
};

/// A write under way, in one service.
pub(super) struct Write<'a> {
    pub(super) inner: &'a Arc<Inner>,
    pub(super) tenant: &'a Tenant,
    pub(super) scope: &'a Scope,
    pub(super) now: Time,
    last: Option<Ticket>,
    /// Notifications that this request led to so far.
    notified: u32,
}

impl Broker {
    /// Runs `change` while no other write runs, and returns when what it wrote is durable.
    pub(super) async fn write<T>(
        &self,
        scope: &Scope,
        change: impl FnOnce(&mut Write<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.inner.journal.room().await?;
        let (result, last) = {
            let _writing = self.inner.writing.lock();
            let tenant = self.inner.tenants.for_write(&scope.service);
            let mut write = Write {
                inner: &self.inner,
                tenant: &tenant,
                scope,
                now: Time::now(),
                last: None,
                notified: 0,
            };
            let result = change(&mut write);
            let last = write.last;
            if last.is_some() {
                self.inner.tenants.keep(tenant);
            }
            (result, last)
        };
        if let Some(ticket) = last {
            ticket.durable().await?;
        }
        result
    }
}

impl Write<'_> {
    /// Writes a record down.
    pub(super) fn append(&mut self, record: RecordRef<'_>) -> Result<(), Error> {
        self.record(record).map(drop)
    }

    /// Writes a record down, and gives what to wait for until it is durable.
    fn record(&mut self, record: RecordRef<'_>) -> Result<Ticket, Error> {
        let written = self.inner.journal.append(&encode_record(&self.tenant.name, record))?;
        // Tickets resolve in order, so the last one stands for all.
        self.last = Some(written.clone());
        Ok(written)
    }

    /// The entities with this id, and this type if one is given, at exactly this service path.
    pub(super) fn find(&self, id: &str, kind: Option<&str>, path: &str) -> Vec<Arc<Entity>> {
        let store = self.tenant.store.read();
        match kind {
            Some(kind) => store.get(id, kind, path).cloned().into_iter().collect(),
            None => store.with_id(id).into_iter().filter(|entity| &*entity.path == path).cloned().collect(),
        }
    }

    /// Puts in what an update made, and tells who wants to know.
    pub(super) fn put(&mut self, applied: Applied) -> Result<(), Error> {
        let written = self.record(RecordRef::Entity(&applied.entity))?;
        let kept = Arc::new(applied.entity);
        let entity = applied.told.map_or_else(|| Arc::clone(&kept), Arc::new);
        let previous = self.tenant.store.write().put(kept);
        self.tell(written, Change { entity, previous, effects: applied.effects, is_deletion: false })
    }

    /// Takes an entity out, and tells who wants to know.
    pub(super) fn remove(&mut self, entity: &Entity) -> Result<(), Error> {
        let written = self.record(RecordRef::NoEntity(entity))?;
        let removed = self.tenant.store.write().remove(&entity.id, &entity.kind, &entity.path);
        if let Some(removed) = removed {
            let effects =
                removed.attributes.iter().map(|attribute| Effect::deleted(&attribute.name)).collect();
            let previous = Some(Arc::clone(&removed));
            self.tell(written, Change { entity: removed, previous, effects, is_deletion: true })?;
        }
        Ok(())
    }

    fn tell(&mut self, written: Ticket, change: Change) -> Result<(), Error> {
        if !self.inner.watchers.is_empty() {
            super::watch::tell(&self.inner.watchers, &written, &change);
        }
        let names = change.effects.iter().map(|effect| &effect.name);
        let concerned = self.tenant.subscriptions.read().about(&change.entity, names);
        if concerned.is_empty() {
            return Ok(());
        }
        let change = Arc::new(change);
        for subscription in concerned.iter() {
            if subscription.is_expired(self.now) || !subscription.triggers(&change) {
                continue;
            }
            let Some(is_last) = subscription.status.claim(self.now, subscription.throttling) else {
                continue;
            };
            let written = match is_last {
                // A oneshot subscription must not notify again after a crash.
                true => self.record(RecordRef::Subscription(&stored(subscription)))?,
                false => written.clone(),
            };
            self.notified += 1;
            let origin = Origin {
                service: self.scope.service.clone(),
                correlator: self.scope.correlator.clone(),
                token: self.scope.token.clone(),
                number: self.notified,
            };
            self.inner.notify(written, Arc::clone(subscription), Arc::clone(&change), origin);
        }
        Ok(())
    }
}
