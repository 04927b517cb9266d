//! The subscriptions of a tenant, and which of them an entity concerns.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use morgana_engine::{Interest, InterestIndex};
use parking_lot::Mutex;

use super::Subscription;
use crate::model::Entity;

/// Entities whose subscriptions are remembered.
const REMEMBERED: usize = 16 * 1024;

type Concerned = Arc<[Arc<Subscription>]>;
type Key = (Box<str>, Box<str>, Box<str>);

/// All subscriptions of a tenant. Which of them an entity concerns depends on its id, type and service path only, none
/// of which change: so it is found once an entity, and thousands of patterns cost nothing at the next update.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    by_id: BTreeMap<Box<str>, Arc<Subscription>>,
    interests: InterestIndex<Box<str>, Box<str>>,
    remembered: Mutex<HashMap<Key, Concerned>>,
}

impl Subscriptions {
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Subscription>> {
        self.by_id.get(id)
    }

    /// In the order of creation: ids begin with their time.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.by_id.values()
    }

    /// Puts a subscription in, in place of the one with its id.
    pub(crate) fn put(&mut self, subscription: Arc<Subscription>) {
        self.remove(&subscription.id);
        self.interests.insert(&subscription.id, &interest(&subscription));
        self.by_id.insert(subscription.id.clone(), subscription);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<Subscription>> {
        self.remembered.get_mut().clear();
        let old = self.by_id.remove(id)?;
        self.interests.remove(&old.id, &interest(&old));
        Some(old)
    }

    /// The subscriptions that are about this entity.
    pub(crate) fn about(&self, entity: &Entity) -> Concerned {
        if self.by_id.is_empty() {
            return Arc::default();
        }
        let key: Key = (entity.id.clone(), entity.kind.clone(), entity.path.clone());
        let mut remembered = self.remembered.lock();
        if let Some(known) = remembered.get(&key) {
            return Arc::clone(known);
        }
        let mut ids: Vec<_> = self.interests.candidates(&entity.id, [&entity.kind], []).into_iter().collect();
        ids.sort_unstable();
        let concerned: Concerned = ids
            .into_iter()
            .filter_map(|id| self.by_id.get(id))
            .filter(|subscription| subscription.is_about(entity))
            .cloned()
            .collect();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key, Arc::clone(&concerned));
        concerned
    }
}

fn interest(subscription: &Subscription) -> Interest<Box<str>> {
    let ids: Option<Vec<_>> = subscription.selectors.iter().map(|selector| selector.id.clone()).collect();
    let types: Option<Vec<_>> = subscription.selectors.iter().map(|selector| selector.kind.clone()).collect();
    match (ids, types) {
        (Some(ids), _) => Interest::Ids(ids),
        (None, Some(types)) => Interest::Types(types),
        (None, None) => Interest::Everything,
    }
}
