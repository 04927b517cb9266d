//! The subscriptions of a tenant, and which of them a change concerns.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use morgana_engine::{Clue, Interest, InterestIndex, Pattern};

use super::{
    Alteration, Subscription,
    opaque::{Opaque, is_opaque},
};
use crate::{model::Entity, query::EntitySelector};

/// All subscriptions of a tenant. Those that a change may concern are found by what their patterns tell of ids and
/// types, and by the attributes they watch: an update does not touch the others, however many there are.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    by_id: BTreeMap<Box<str>, Arc<Subscription>>,
    interests: InterestIndex<Box<str>, Box<str>>,
    /// Those whose patterns tell nothing.
    opaque: Opaque,
    /// How many subscriptions were looked at closely, to find those that changes concern.
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
        if is_opaque(&subscription) {
            self.opaque.put(Arc::clone(&subscription));
        } else {
            self.interests.insert(&subscription.id, &interests(&subscription));
        }
        self.by_id.insert(subscription.id.clone(), subscription);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<Subscription>> {
        let old = self.by_id.remove(id)?;
        self.opaque.remove(id);
        self.interests.remove(&old.id);
        Some(old)
    }

    /// How many subscriptions were looked at closely since the start: what updates cost that grows with them.
    pub(crate) fn looked_at(&self) -> u64 {
        self.looked_at.load(Ordering::Relaxed)
    }

    /// The subscriptions that are about this entity and may be triggered by a change of these attributes; in the order
    /// of their creation.
    pub(crate) fn about<'a>(
        &self,
        entity: &Entity,
        attributes: impl Iterator<Item = &'a Box<str>> + Clone,
    ) -> Vec<Arc<Subscription>> {
        if self.by_id.is_empty() {
            return Vec::new();
        }
        let kind = std::slice::from_ref(&entity.kind);
        let candidates = self.interests.candidates(&entity.id, kind, attributes);
        let (opaque, looked_at) = self.opaque.about(entity);
        self.looked_at.fetch_add((candidates.len() + looked_at) as u64, Ordering::Relaxed);
        let found = candidates.into_iter().filter_map(|id| self.by_id.get(id));
        let mut found: Vec<_> = found.filter(|subscription| subscription.is_about(entity)).cloned().collect();
        if !opaque.is_empty() {
            found.extend(opaque.iter().cloned());
            found.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        }
        found
    }
}

fn interests(subscription: &Subscription) -> Vec<Interest<Box<str>>> {
    // The end of an entity names no attribute.
    let by_attribute =
        !subscription.watched.is_empty() && !subscription.alterations.contains(&Alteration::Delete);
    let attributes = by_attribute.then(|| subscription.watched.iter().map(Into::into).collect());
    let clues = |pattern: Option<&Pattern>| pattern.map(|one| one.clues().to_vec()).unwrap_or_default();
    let interest = |selector: &EntitySelector| Interest {
        types: selector.kind.clone().map(|kind| vec![kind]),
        attributes: attributes.clone(),
        id: match &selector.id {
            Some(id) => vec![Clue::Is([id.clone()].into())],
            None => clues(selector.id_pattern.as_ref()),
        },
        type_text: clues(selector.type_pattern.as_ref()),
    };
    subscription.selectors.iter().map(interest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Json, ServicePath, Time},
        subscriptions::{State, Status, parse_subscription},
    };

    fn subscription(number: usize, subject: &str) -> Arc<Subscription> {
        let document = format!(r#"{{"subject":{subject},"notification":{{"http":{{"url":"http://h:1"}}}}}}"#);
        let document = Json::parse(document.as_bytes()).unwrap();
        let status = Arc::new(Status::new(State::Active));
        let id = format!("{number:024}");
        Arc::new(parse_subscription(&id, document, ServicePath::everything(), status).unwrap())
    }

    fn room(id: &str) -> Entity {
        let now = Time::from_millis(0);
        Entity {
            id: id.into(),
            kind: "Room".into(),
            path: "/".into(),
            attributes: Vec::new(),
            created: now,
            modified: now,
        }
    }

    fn about(all: &Subscriptions, id: &str, attribute: &str) -> usize {
        all.about(&room(id), [&attribute.into()].into_iter()).len()
    }

    #[test]
    fn an_update_looks_at_no_more_of_ten_thousand_subscriptions_than_of_ten() {
        let subjects: [fn(usize) -> String; 6] = [
            |number| format!(r#"{{"entities":[{{"id":"Room{number}"}}]}}"#),
            |number| format!(r#"{{"entities":[{{"idPattern":"^Room{number}$"}}]}}"#),
            |number| format!(r#"{{"entities":[{{"idPattern":"Room{number}$","type":"Room"}}]}}"#),
            |number| format!(r#"{{"entities":[{{"idPattern":".*","type":"Type{number}"}}]}}"#),
            |number| format!(r#"{{"entities":[{{"idPattern":".*","typePattern":"^T{number}$"}}]}}"#),
            |number| {
                format!(
                    r#"{{"entities":[{{"idPattern":".*","type":"Room"}}],"condition":{{"attrs":["a{number}"]}}}}"#
                )
            },
        ];
        for subject in subjects {
            for count in [10, 10_000] {
                let mut all = Subscriptions::default();
                for number in 0..count {
                    all.put(subscription(number, &subject(number)));
                }
                assert!(about(&all, "Room7", "a7") <= 1);
                assert!(all.looked_at() <= 2, "{} of {count}: {}", all.looked_at(), subject(7));
            }
        }
    }

    #[test]
    fn patterns_that_tell_nothing_are_tried_once_an_entity() {
        let mut all = Subscriptions::default();
        for number in 0..50 {
            let subject = format!(r#"{{"entities":[{{"idPattern":"^[A-Z]?[a-z]*[0-9]{{{number}}}$"}}]}}"#);
            all.put(subscription(number, &subject));
        }
        for _ in 0..100 {
            assert_eq!(about(&all, "Room77", "a"), 1);
        }
        assert_eq!(all.looked_at(), 50);
        all.remove(&format!("{:024}", 2));
        assert_eq!(about(&all, "Room77", "a"), 0, "what ended is not remembered");
        all.put(subscription(60, r#"{"entities":[{"idPattern":"[A-Z]+"}]}"#));
        all.put(subscription(59, r#"{"entities":[{"idPattern":"^Room"}]}"#));
        let found = all.about(&room("Room77"), [].into_iter());
        let ids: Vec<_> = found.iter().map(|one| one.id.trim_start_matches('0')).collect();
        assert_eq!(ids, ["59", "60"], "in the order of creation");
    }
}
