mod texts;
mod trie;

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    ops::Deref,
};

use self::texts::Texts;
use crate::Clue;

/// What a subscription may be interested in: a change that concerns it meets all of this. One that does is then looked
/// at closely. A subscription that has several selections has an interest for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest<N> {
    /// The entity has one of these types; `None` is any.
    pub types: Option<Vec<N>>,
    /// One of these attributes changes; `None` is any.
    pub attributes: Option<Vec<N>>,
    /// What is known of the entity's id. Any one of the clues is enough to find it.
    pub id: Vec<Clue>,
    /// What is known of the text of one of its types.
    pub type_text: Vec<Clue>,
}

impl<N> Default for Interest<N> {
    fn default() -> Self {
        Self { types: None, attributes: None, id: Vec::new(), type_text: Vec::new() }
    }
}

/// Finds the subscriptions that a change may concern, at a cost that grows with those found and not with those there
/// are: by type, in these by attribute, in these by what is known of ids. `N` is a protocol's name for types and
/// attributes, `K` its key of a subscription.
#[derive(Debug)]
pub struct InterestIndex<N, K> {
    places: ByName<N, ByName<N, Place<K>>>,
    /// Where the keys are.
    placed: HashMap<K, Vec<Placed<N>>>,
}

/// Pairs of type and attribute under which an interest is kept; when there are more, it is kept under the types.
const PAIRS: usize = 64;

impl<N, K> Default for InterestIndex<N, K> {
    fn default() -> Self {
        Self { places: ByName::default(), placed: HashMap::new() }
    }
}

impl<N: Hash + Eq + Clone + Deref<Target = str>, K: Hash + Ord + Clone> InterestIndex<N, K> {
    /// Adds a subscription, in place of what was known by its key.
    pub fn insert(&mut self, key: &K, interests: &[Interest<N>]) {
        self.remove(key);
        let mut placed = Vec::new();
        for interest in interests {
            let types = each(interest.types.as_deref());
            let attributes = match each(interest.attributes.as_deref()) {
                many if many.len() * types.len() > PAIRS => vec![None],
                few => few,
            };
            for kind in &types {
                for attribute in &attributes {
                    let place = self.places.at(kind.clone()).at(attribute.clone());
                    let clue = place.insert(interest, key);
                    placed.push(Placed { kind: kind.clone(), attribute: attribute.clone(), clue });
                }
            }
        }
        self.placed.insert(key.clone(), placed);
    }

    /// Removes a subscription.
    pub fn remove(&mut self, key: &K) {
        for placed in self.placed.remove(key).into_iter().flatten() {
            let of_type = self.places.at(placed.kind.clone());
            let place = of_type.at(placed.attribute.clone());
            place.remove(placed.clue.as_ref(), key);
            if place.is_empty() {
                of_type.clean(placed.attribute.as_ref());
            }
            if of_type.named.is_empty() && of_type.any.is_empty() {
                self.places.clean(placed.kind.as_ref());
            }
        }
    }

    /// The subscriptions that a change of these `attributes`, of the entity with this `id` and these `types`, may
    /// concern; each once, in the order of their keys.
    pub fn candidates<'n>(
        &self,
        id: &str,
        types: &[N],
        attributes: impl IntoIterator<Item = &'n N, IntoIter: Clone>,
    ) -> Vec<&K>
    where
        N: 'n,
    {
        let attributes = attributes.into_iter();
        let mut found = Vec::new();
        let of_types = types.iter().filter_map(|name| self.places.named.get(name));
        for of_type in std::iter::once(&self.places.any).chain(of_types) {
            of_type.any.find(id, types, &mut found);
            if !of_type.named.is_empty() {
                for place in attributes.clone().filter_map(|name| of_type.named.get(name)) {
                    place.find(id, types, &mut found);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Each name, or the one of them all.
fn each<N: Clone>(names: Option<&[N]>) -> Vec<Option<N>> {
    match names {
        None => vec![None],
        Some(names) => names.iter().cloned().map(Some).collect(),
    }
}

/// Where a key is.
#[derive(Debug)]
struct Placed<N> {
    kind: Option<N>,
    attribute: Option<N>,
    clue: Option<(Of, Clue)>,
}

/// Which text a clue is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Id,
    Type,
}

/// Something for each name, and something for any.
#[derive(Debug)]
struct ByName<N, V> {
    any: V,
    named: HashMap<N, V>,
}

impl<N, V: Default> Default for ByName<N, V> {
    fn default() -> Self {
        Self { any: V::default(), named: HashMap::new() }
    }
}

impl<N: Hash + Eq, V: Default> ByName<N, V> {
    fn at(&mut self, name: Option<N>) -> &mut V {
        match name {
            None => &mut self.any,
            Some(name) => self.named.entry(name).or_default(),
        }
    }

    /// Lets go of what is empty.
    fn clean(&mut self, name: Option<&N>) {
        if let Some(name) = name {
            self.named.remove(name);
        }
    }
}

/// Keys of one type and one attribute, or of any.
#[derive(Debug)]
struct Place<K> {
    ids: Option<Box<Texts<K>>>,
    types: Option<Box<Texts<K>>>,
    /// Those of which nothing is known.
    all: HashSet<K>,
}

impl<K> Default for Place<K> {
    fn default() -> Self {
        Self { ids: None, types: None, all: HashSet::new() }
    }
}

impl<K: Hash + Ord + Clone> Place<K> {
    fn texts(&mut self, of: Of) -> &mut Option<Box<Texts<K>>> {
        match of {
            Of::Id => &mut self.ids,
            Of::Type => &mut self.types,
        }
    }

    /// Adds a key by the clue that the fewest others share, so that it is seldom found in vain. Returns which.
    fn insert<N>(&mut self, interest: &Interest<N>, key: &K) -> Option<(Of, Clue)> {
        let of_id = interest.id.iter().map(|clue| (Of::Id, clue));
        let clues = of_id.chain(interest.type_text.iter().map(|clue| (Of::Type, clue)));
        let best =
            clues.min_by_key(|(of, clue)| self.texts(*of).as_ref().map_or(0, |texts| texts.shared(clue)));
        match best {
            None => {
                self.all.insert(key.clone());
            }
            Some((of, clue)) => self.texts(of).get_or_insert_default().insert(clue, key),
        }
        best.map(|(of, clue)| (of, clue.clone()))
    }

    fn remove(&mut self, clue: Option<&(Of, Clue)>, key: &K) {
        let Some((of, clue)) = clue else {
            self.all.remove(key);
            return;
        };
        let texts = self.texts(*of);
        if let Some(known) = texts {
            known.remove(clue, key);
            if known.is_empty() {
                *texts = None;
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty() && self.ids.is_none() && self.types.is_none()
    }

    fn find<'a, N: Deref<Target = str>>(&'a self, id: &str, types: &[N], found: &mut Vec<&'a K>) {
        found.extend(&self.all);
        if let Some(ids) = &self.ids {
            ids.find(id, found);
        }
        if let Some(texts) = &self.types {
            types.iter().for_each(|name| texts.find(name, found));
        }
    }
}

#[cfg(test)]
mod tests;
