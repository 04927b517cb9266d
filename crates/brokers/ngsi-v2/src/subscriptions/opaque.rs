//! Subscriptions by patterns that tell nothing of the texts they match, such as `[A-Z]+`: each has to be tried.

use std::{collections::BTreeMap, sync::Arc};

use hashbrown::{Equivalent, HashMap};
use morgana_engine::Pattern;
use parking_lot::Mutex;

use super::Subscription;
use crate::{model::Entity, query::EntitySelector};

/// Entities whose subscriptions are remembered.
const REMEMBERED: usize = 16 * 1024;

/// Whether an entity can only be told to be none of the subscription's by trying a compiled expression.
pub(super) fn is_opaque(subscription: &Subscription) -> bool {
    let is_opaque = |selector: &EntitySelector| {
        let patterns = [selector.id_pattern.as_ref(), selector.type_pattern.as_ref()];
        let tells = |pattern: &Pattern| !pattern.clues().is_empty();
        selector.id.is_none()
            && patterns.into_iter().flatten().any(Pattern::is_opaque)
            && !patterns.into_iter().flatten().any(tells)
    };
    subscription.selectors.iter().any(is_opaque)
}

/// Which subscriptions an entity concerns depends on its id, type and service path only, none of which change: so these
/// are tried once an entity, and not once an update.
#[derive(Debug, Default)]
pub(super) struct Opaque {
    all: BTreeMap<Box<str>, Arc<Subscription>>,
    remembered: Mutex<HashMap<Key, Concerned>>,
}

type Concerned = Arc<[Arc<Subscription>]>;

/// Id, type and service path.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key(Box<str>, Box<str>, Box<str>);

/// A key that is not copied to be looked up. It has the hash of the other.
#[derive(Debug, Hash)]
struct Lookup<'a>(&'a str, &'a str, &'a str);

impl Equivalent<Key> for Lookup<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self.0 == *key.0 && *self.1 == *key.1 && *self.2 == *key.2
    }
}

impl Opaque {
    pub(super) fn put(&mut self, subscription: Arc<Subscription>) {
        self.remembered.get_mut().clear();
        self.all.insert(subscription.id.clone(), subscription);
    }

    pub(super) fn remove(&mut self, id: &str) {
        if self.all.remove(id).is_some() {
            self.remembered.get_mut().clear();
        }
    }

    /// The subscriptions that are about this entity, in the order of their ids, and how many were tried to find them.
    pub(super) fn about(&self, entity: &Entity) -> (Concerned, usize) {
        if self.all.is_empty() {
            return (Concerned::default(), 0);
        }
        let mut remembered = self.remembered.lock();
        if let Some(known) = remembered.get(&Lookup(&entity.id, &entity.kind, &entity.path)) {
            return (Arc::clone(known), 0);
        }
        let concerned: Concerned =
            self.all.values().filter(|subscription| subscription.is_about(entity)).cloned().collect();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        let key = Key(entity.id.clone(), entity.kind.clone(), entity.path.clone());
        remembered.insert(key, Arc::clone(&concerned));
        (concerned, self.all.len())
    }
}
