//! The context of a vThing: its entities, merged from all that was published.

use std::time::Instant;

use indexmap::IndexMap;
use morgana_model::Entity;

/// The entities of one vThing, in the order in which they first came.
#[derive(Debug, Default)]
pub(crate) struct Context {
    entities: IndexMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    entity: Entity,
    changed: Instant,
}

impl Context {
    /// How many entities there are.
    pub(crate) fn len(&self) -> usize {
        self.entities.len()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Entity> {
        self.entities.get(id).map(|known| &known.entity)
    }

    /// Takes over what a maybe partial entity says.
    pub(crate) fn merge(&mut self, newer: Entity, now: Instant) {
        match self.entities.get_mut(newer.id()) {
            Some(known) => {
                known.entity.merge(newer);
                known.changed = now;
            }
            None => {
                self.entities.insert(newer.id().to_owned(), Known { entity: newer, changed: now });
            }
        }
    }

    /// How many attributes an entity would have after [`Context::merge`].
    pub(crate) fn attributes_after(&self, newer: &Entity) -> usize {
        match self.get(newer.id()) {
            None => newer.attributes().count(),
            Some(known) => {
                known.attributes().count()
                    + newer.attributes().filter(|(name, _)| known.get(name).is_none()).count()
            }
        }
    }

    /// The whole context.
    pub(crate) fn entities(&self) -> impl Iterator<Item = &Entity> {
        self.entities.values().map(|known| &known.entity)
    }

    /// The entities that changed at `since` or later, whole.
    pub(crate) fn changed_since(&self, since: Instant) -> impl Iterator<Item = &Entity> {
        self.entities.values().filter(move |known| known.changed >= since).map(|known| &known.entity)
    }
}
