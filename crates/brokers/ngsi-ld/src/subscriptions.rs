//! Subscriptions (NGSI-LD 5.2.12, 5.8): what they say, which changes they match, and what their notifications look
//! like. Pure; the broker acts.

mod definition;
mod delivery;
mod event;
mod matching;
mod notification;
mod params;
mod show;
mod stored;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use morgana_engine::{DeliveryCounts, InterestIndex};

pub(crate) use definition::{Contexts, Origin, Selected, Subscription};
pub(crate) use delivery::{Accept, MQTT_QOS, MQTT_VERSION};
pub(crate) use event::Event;
pub(crate) use notification::{Told, carried, link_header, message};
pub(crate) use show::Shown;
pub(crate) use stored::{context_key, counts_of, stored, with_counts};

use crate::{
    Context,
    model::{Entity, Json, Name},
};

/// All subscriptions, with the index that finds those a change may concern.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    by_id: HashMap<Box<str>, Arc<Subscription>>,
    /// In the order of creation, for lists.
    order: Vec<Box<str>>,
    index: InterestIndex<Name, Box<str>>,
    /// Those that notify at intervals.
    periodic: BTreeSet<Box<str>>,
    /// The contexts that stored subscriptions name.
    contexts: HashMap<Box<str>, Arc<Context>>,
    /// Subscriptions read from the disk, before they are opened.
    restored: HashMap<Box<str>, Json>,
}

impl Subscriptions {
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Subscription>> {
        self.by_id.get(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// All of them, in the order of creation.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.order.iter().filter_map(|id| self.by_id.get(id))
    }

    pub(crate) fn insert(&mut self, subscription: Arc<Subscription>) {
        let id = subscription.id.clone();
        self.index.insert(&id, &subscription.interests());
        match subscription.time_interval {
            Some(_) => self.periodic.insert(id.clone()),
            None => self.periodic.remove(&id),
        };
        if self.by_id.insert(id.clone(), Arc::clone(&subscription)).is_none() {
            self.order.push(id);
        }
        for context in [&subscription.context, &subscription.notify_context] {
            if let Some(key) = stored::context_key(context) {
                self.contexts.insert(key, Arc::clone(context));
            }
        }
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<Subscription>> {
        let subscription = self.by_id.remove(id)?;
        self.index.remove(&subscription.id);
        self.periodic.remove(id);
        self.order.retain(|known| **known != *id);
        Some(subscription)
    }

    /// The subscriptions that a change may concern.
    pub(crate) fn candidates<'a>(
        &'a self,
        entity: &'a Entity,
        attributes: impl Iterator<Item = &'a Name> + Clone,
    ) -> impl Iterator<Item = &'a Arc<Subscription>> {
        self.index
            .candidates(&entity.id, &entity.types, attributes)
            .into_iter()
            .filter_map(|id| self.by_id.get(id))
    }

    /// Takes a subscription from the journal; it is opened later, by [`Self::revive`].
    pub(crate) fn restore(&mut self, id: Box<str>, document: Json) {
        self.restored.insert(id, document);
    }

    pub(crate) fn forget(&mut self, id: &str) {
        self.restored.remove(id);
    }

    pub(crate) fn restore_context(&mut self, key: &str, terms: &Json) {
        if let Ok(source) = Json::parse(key.as_bytes()) {
            self.contexts.insert(key.into(), Arc::new(Context::from_terms(source, terms)));
        }
    }

    /// The contexts in use and their terms, for a snapshot; the others are forgotten, as the disk will not have them
    /// any more.
    pub(crate) fn contexts_in_use(&mut self) -> Vec<(Box<str>, Json)> {
        let keys: HashSet<Box<str>> = self
            .by_id
            .values()
            .flat_map(|subscription| [&subscription.context, &subscription.notify_context])
            .filter_map(stored::context_key)
            .collect();
        self.contexts.retain(|key, _| keys.contains(key));
        self.contexts.iter().map(|(key, context)| (key.clone(), context.terms())).collect()
    }

    /// Those that notify at intervals.
    pub(crate) fn periodic(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.periodic.iter().filter_map(|id| self.by_id.get(id))
    }

    /// Whether the disk has the terms of this context already.
    pub(crate) fn has_context(&self, key: &str) -> bool {
        self.contexts.contains_key(key)
    }

    /// Opens what was restored. Returns each with what it counted before.
    pub(crate) fn revive(&mut self) -> Vec<(Arc<Subscription>, DeliveryCounts)> {
        let mut revived = Vec::new();
        for (id, document) in std::mem::take(&mut self.restored) {
            match stored::revive(&document, &self.contexts) {
                Ok((subscription, counts)) => revived.push((Arc::new(subscription), counts)),
                Err(error) => tracing::error!(subscription = %id, %error, "cannot revive a subscription"),
            }
        }
        revived.sort_by_key(|(subscription, _)| (subscription.created_at, subscription.id.clone()));
        for (subscription, _) in &revived {
            self.insert(Arc::clone(subscription));
        }
        revived
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Form, Reader, Timestamp};

    /// Subscriptions to types, ids, patterns and attributes of their own, and ten that a change of `speed` of a Car concerns.
    fn many(count: usize) -> Subscriptions {
        let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let mut all = Subscriptions::default();
        for number in 0..count {
            let selection = match (number < 10, number % 4) {
                (true, _) => r#""entities": [{"type": "Car"}], "watchedAttributes": ["speed"]"#.to_owned(),
                (_, 0) => format!(r#""entities": [{{"type": "Type{number}"}}]"#),
                (_, 1) => format!(r#""entities": [{{"type": "Car", "id": "urn:c:{number}"}}]"#),
                (_, 2) => format!(r#""entities": [{{"type": "Car", "idPattern": "^urn:c:{number}:.*"}}]"#),
                _ => format!(r#""entities": [{{"type": "Car"}}], "watchedAttributes": ["a{number}"]"#),
            };
            let text = format!(
                r#"{{"id": "urn:s:{number}", "type": "Subscription", {selection},
                    "notification": {{"endpoint": {{"uri": "http://h/x"}}}}}}"#
            );
            let document = Json::parse(text.as_bytes()).unwrap();
            let contexts = Contexts::one(&Context::core());
            let one = Subscription::new(document, contexts, now, now, Duration::from_secs(1)).unwrap();
            all.insert(Arc::new(one));
        }
        all
    }

    #[test]
    fn a_change_looks_at_no_more_of_ten_thousand_subscriptions_than_of_ten() {
        let context = Context::core();
        let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let reader = Reader { context: &context, form: Form::Full, now };
        let car = br#"{"id": "urn:c:0", "type": "Car", "speed": 1}"#;
        let car = reader.entity(Json::parse(car).unwrap()).unwrap();
        let speed = [context.name("speed", "").unwrap()];
        for count in [10, 10_000] {
            assert_eq!(many(count).candidates(&car, speed.iter()).count(), 10, "of {count}");
        }
    }
}
