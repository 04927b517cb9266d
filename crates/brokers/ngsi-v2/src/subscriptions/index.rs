//! The subscriptions of a tenant, and which of them an entity concerns.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
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
    /// How many subscriptions were looked at closely, to find those that entities concern.
    looked_at: AtomicU64,
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

    /// How many subscriptions were looked at closely since the start: what updates cost that grows with patterns.
    pub(crate) fn looked_at(&self) -> u64 {
        self.looked_at.load(Ordering::Relaxed)
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
        self.looked_at.fetch_add(ids.len() as u64, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Json, ServicePath, Time},
        subscriptions::{State, Status, parse_subscription},
    };

    fn with_patterns(count: usize) -> Subscriptions {
        let mut all = Subscriptions::default();
        for number in 0..count {
            let document = format!(
                r#"{{"subject":{{"entities":[{{"idPattern":"^Room{number}$"}}]}},"notification":{{"http":{{"url":"http://h:1"}}}}}}"#
            );
            let document = Json::parse(document.as_bytes()).unwrap();
            let status = Arc::new(Status::new(State::Active));
            let id = format!("{number:024}");
            let parsed = parse_subscription(&id, document, ServicePath::everything(), status).unwrap();
            all.put(Arc::new(parsed));
        }
        all
    }

    fn room(number: usize) -> Entity {
        let now = Time::from_millis(0);
        Entity {
            id: format!("Room{number}").into(),
            kind: "Room".into(),
            path: "/".into(),
            attributes: Vec::new(),
            created: now,
            modified: now,
        }
    }

    #[test]
    fn thousands_of_patterns_are_looked_at_once_an_entity_and_not_once_an_update() {
        for count in [10, 10_000] {
            let all = with_patterns(count);
            let room = room(7);
            assert_eq!(all.about(&room).len(), 1);
            assert_eq!(all.looked_at(), count as u64);
            for _ in 0..1_000 {
                assert_eq!(all.about(&room).len(), 1);
            }
            assert_eq!(all.looked_at(), count as u64, "{count} subscriptions");
        }
    }
}
