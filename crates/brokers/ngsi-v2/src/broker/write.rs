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
        let tenant = self.inner.tenants.create(&scope.service);
        let (result, last) = {
            let _writing = self.inner.writing.lock();
            let mut write = Write {
                inner: &self.inner,
                tenant: &tenant,
                scope,
                now: Time::now(),
                last: None,
                notified: 0,
            };
            let result = change(&mut write);
            (result, write.last)
        };
        if let Some(ticket) = last {
            ticket.durable().await?;
        }
        result
    }
}

impl Write<'_> {
    pub(super) fn append(&mut self, record: RecordRef<'_>) -> Result<(), Error> {
        // Tickets resolve in order, so the last one stands for all.
        self.last = Some(self.inner.journal.append(&encode_record(&self.tenant.name, record))?);
        Ok(())
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
        self.append(RecordRef::Entity(&applied.entity))?;
        let entity = Arc::new(applied.entity);
        let previous = self.tenant.store.write().put(Arc::clone(&entity));
        self.tell(Change { entity, previous, effects: applied.effects, is_deletion: false })
    }

    /// Takes an entity out, and tells who wants to know.
    pub(super) fn remove(&mut self, entity: &Entity) -> Result<(), Error> {
        self.append(RecordRef::NoEntity(entity))?;
        let removed = self.tenant.store.write().remove(&entity.id, &entity.kind, &entity.path);
        if let Some(removed) = removed {
            let effects =
                removed.attributes.iter().map(|attribute| Effect::deleted(&attribute.name)).collect();
            let previous = Some(Arc::clone(&removed));
            self.tell(Change { entity: removed, previous, effects, is_deletion: true })?;
        }
        Ok(())
    }

    fn tell(&mut self, change: Change) -> Result<(), Error> {
        if !self.inner.watchers.is_empty() {
            super::watch::tell(&self.inner.watchers, &change);
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
            if is_last {
                // A oneshot subscription must not notify again after a crash.
                self.append(RecordRef::Subscription(&stored(subscription)))?;
            }
            self.notified += 1;
            let origin = Origin {
                service: self.scope.service.clone(),
                correlator: self.scope.correlator.clone(),
                token: self.scope.token.clone(),
                number: self.notified,
            };
            self.inner.notify(Arc::clone(subscription), Arc::clone(&change), origin);
        }
        Ok(())
    }
}
