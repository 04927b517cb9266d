use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

/// What a subscription may be interested in. A change that has none of it does not concern the subscription; one that
/// has may, and is then looked at closely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interest<N> {
    /// Entities with one of these ids.
    Ids(Vec<Box<str>>),
    /// Entities with one of these types.
    Types(Vec<N>),
    /// Changes of one of these attributes.
    Attributes(Vec<N>),
    /// Anything.
    Everything,
}

/// Finds the subscriptions that a change may concern, at a cost that grows with those found and not with those there
/// are. `N` is a protocol's name for types and attributes, `K` its key of a subscription.
#[derive(Debug)]
pub struct InterestIndex<N, K> {
    ids: HashMap<Box<str>, HashSet<K>>,
    types: HashMap<N, HashSet<K>>,
    attributes: HashMap<N, HashSet<K>>,
    everything: HashSet<K>,
}

impl<N, K> Default for InterestIndex<N, K> {
    fn default() -> Self {
        Self {
            ids: HashMap::new(),
            types: HashMap::new(),
            attributes: HashMap::new(),
            everything: HashSet::new(),
        }
    }
}

impl<N: Hash + Eq + Clone, K: Hash + Eq + Clone> InterestIndex<N, K> {
    /// Adds a subscription.
    pub fn insert(&mut self, key: &K, interest: &Interest<N>) {
        match interest {
            Interest::Ids(ids) => add(&mut self.ids, ids, key),
            Interest::Types(names) => add(&mut self.types, names, key),
            Interest::Attributes(names) => add(&mut self.attributes, names, key),
            Interest::Everything => {
                self.everything.insert(key.clone());
            }
        }
    }

    /// Removes a subscription; `interest` is what it was added with.
    pub fn remove(&mut self, key: &K, interest: &Interest<N>) {
        match interest {
            Interest::Ids(ids) => ids.iter().for_each(|id| take(&mut self.ids, id, key)),
            Interest::Types(names) => names.iter().for_each(|name| take(&mut self.types, name, key)),
            Interest::Attributes(names) => {
                names.iter().for_each(|name| take(&mut self.attributes, name, key))
            }
            Interest::Everything => {
                self.everything.remove(key);
            }
        }
    }

    /// The subscriptions that a change of these `attributes`, of the entity with this `id` and these `types`, may
    /// concern; each once, in no order.
    pub fn candidates<'a>(
        &'a self,
        id: &str,
        types: impl IntoIterator<Item = &'a N>,
        attributes: impl IntoIterator<Item = &'a N>,
    ) -> HashSet<&'a K> {
        let by_id = self.ids.get(id).into_iter().flatten();
        let by_type = types.into_iter().filter_map(|name| self.types.get(name)).flatten();
        let by_attribute = attributes.into_iter().filter_map(|name| self.attributes.get(name)).flatten();
        by_id.chain(by_type).chain(by_attribute).chain(&self.everything).collect()
    }
}

fn add<N: Hash + Eq + Clone, K: Hash + Eq + Clone>(map: &mut HashMap<N, HashSet<K>>, names: &[N], key: &K) {
    for name in names {
        map.entry(name.clone()).or_default().insert(key.clone());
    }
}

fn take<N: Hash + Eq, K: Hash + Eq>(map: &mut HashMap<N, HashSet<K>>, name: &N, key: &K) {
    if let Some(keys) = map.get_mut(name) {
        keys.remove(key);
        if keys.is_empty() {
            map.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_finds_those_it_may_concern_and_no_other() {
        let mut index = InterestIndex::<&str, u32>::default();
        let interests = [
            (1, Interest::Ids(vec!["urn:a".into()])),
            (2, Interest::Types(vec!["Car", "Bus"])),
            (3, Interest::Attributes(vec!["speed"])),
            (4, Interest::Everything),
        ];
        for (key, interest) in &interests {
            index.insert(key, interest);
        }
        let found = |index: &InterestIndex<&'static str, u32>,
                     id,
                     types: &'static [&str],
                     attributes: &'static [&str]| {
            let mut found: Vec<u32> = index.candidates(id, types, attributes).into_iter().copied().collect();
            found.sort_unstable();
            found
        };
        assert_eq!(found(&index, "urn:a", &["Car", "Bus"], &["speed"]), [1, 2, 3, 4]);
        assert_eq!(found(&index, "urn:b", &["Bus"], &["brand"]), [2, 4]);
        assert_eq!(found(&index, "urn:b", &["Bike"], &["brand"]), [4]);
        for (key, interest) in &interests {
            index.remove(key, interest);
        }
        assert!(found(&index, "urn:a", &["Car"], &["speed"]).is_empty());
        assert!(index.ids.is_empty() && index.types.is_empty() && index.attributes.is_empty());
    }
}
