use std::{sync::atomic::Ordering, time::Duration};

use super::definition::{Selector, Subscription};
use crate::{
    ChangeKind,
    model::{Changes, Entity, Find, Name, Timestamp},
};

impl Subscription {
    /// Whether the subscription is neither paused nor over.
    pub(crate) fn is_on(&self, now: Timestamp) -> bool {
        self.active && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether a change of `entity` is one to notify about (NGSI-LD 5.8.6); throttling comes later. For a deletion,
    /// `entity` is what it was.
    pub(crate) fn matches(
        &self,
        entity: &Entity,
        kind: ChangeKind,
        changes: &Changes,
        now: Timestamp,
        find: &Find<'_>,
    ) -> bool {
        self.time_interval.is_none()
            && self.is_on(now)
            && self.triggered(kind, changes)
            && self.is_about(entity, find)
    }

    /// Whether the entity is one of those subscribed to.
    pub(crate) fn is_about(&self, entity: &Entity, find: &Find<'_>) -> bool {
        self.selects(entity)
            && (self.time_interval.is_none()
                || self.watched.is_empty()
                || self.watched.iter().any(|name| entity.has(name)))
            && self.scopes.as_ref().is_none_or(|scopes| scopes.matches(entity))
            && self.q.as_ref().is_none_or(|q| q.matches_with(entity, find))
            && self.geo.as_ref().is_none_or(|geo| geo.matches(entity))
    }

    /// Whether the entity is one of those subscribed to, as far as ids and types tell.
    pub(crate) fn selects(&self, entity: &Entity) -> bool {
        self.selectors.is_empty() || self.selectors.iter().any(|selector| selector.matches(entity))
    }

    /// When the next periodic notification is due; the first one at once.
    pub(crate) fn due_at(&self) -> Option<Timestamp> {
        let interval = self.time_interval?;
        match self.last_notified.load(Ordering::Relaxed) {
            0 => Some(self.modified_at),
            last => Timestamp::from_micros(last.saturating_add(interval.as_micros() as i64)),
        }
    }

    /// Counts a periodic notification.
    pub(crate) fn note_periodic(&self, now: Timestamp) {
        self.last_notified.store(now.as_micros(), Ordering::Relaxed);
    }

    /// Whether the endpoint is left alone for a while after a failure (cooldown, NGSI-LD 5.2.15).
    pub(crate) fn cools_down(&self, last_failure: Option<Timestamp>, now: Timestamp) -> bool {
        let since = last_failure.map(|at| now.as_micros().saturating_sub(at.as_micros()).max(0) as u64);
        match (self.delivery.cooldown, since) {
            (Some(cooldown), Some(since)) => Duration::from_micros(since) < cooldown,
            _ => false,
        }
    }

    /// Whether enough time has passed since the last notification (throttling, NGSI-LD 5.2.12); counts as one if so.
    /// Changes are matched under the broker's write lock, so no two ask at once.
    pub(crate) fn may_notify(&self, now: Timestamp) -> bool {
        let Some(period) = self.throttling else { return true };
        let last = self.last_notified.load(Ordering::Relaxed);
        let due = last == 0 || now.as_micros() - last >= period.as_micros() as i64;
        if due {
            self.last_notified.store(now.as_micros(), Ordering::Relaxed);
        }
        due
    }

    fn triggered(&self, kind: ChangeKind, changes: &Changes) -> bool {
        let watched = |names: &[Name]| match &*self.watched {
            [] => !names.is_empty(),
            watched => watched.iter().any(|name| names.contains(name)),
        };
        let on = &self.triggers;
        let attribute = match kind {
            ChangeKind::Created => on.attribute_created && watched(&changes.created),
            ChangeKind::Updated => {
                (on.attribute_created && watched(&changes.created))
                    || (on.attribute_updated && watched(&changes.updated))
                    || (on.attribute_deleted && watched(&changes.deleted))
            }
            // With an entity all its attributes go.
            ChangeKind::Deleted => on.attribute_deleted && watched(&changes.deleted),
        };
        let any_watched = self.watched.is_empty()
            || [&changes.created, &changes.updated, &changes.deleted].into_iter().any(|names| watched(names));
        let entity = match kind {
            ChangeKind::Created => on.entity_created,
            ChangeKind::Updated => on.entity_updated,
            ChangeKind::Deleted => on.entity_deleted,
        };
        attribute || (entity && any_watched)
    }
}

impl Selector {
    fn matches(&self, entity: &Entity) -> bool {
        (self.ids.is_empty() || self.ids.contains(&entity.id))
            && self.types.as_ref().is_none_or(|types| types.matches(&entity.types))
            && self.id_pattern.as_ref().is_none_or(|pattern| pattern.is_match(&entity.id))
    }
}
