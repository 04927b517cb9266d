//! The entities of a tenant in memory: by id, by type, and by their end.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    hash::BuildHasher,
    sync::Arc,
};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::model::{Entity, Time};

/// Free places are reused, oldest first, only when there are more than this: so a small state lists in the order of
/// creation, and a large one does not grow with what came and went.
const FREE_PLACES: usize = 1024;

/// All entities. An entity's place is a small number that stays the same while it lives; the indexes hold places.
#[derive(Debug, Default)]
pub(crate) struct Store {
    places: Vec<Option<Arc<Entity>>>,
    free: VecDeque<u32>,
    /// By id: entities that differ in type or service path only are several entries with one hash.
    ids: HashTable<u32>,
    hasher: DefaultHashBuilder,
    types: HashMap<Box<str>, BTreeSet<u32>>,
    ends: BTreeSet<(Time, u32)>,
}

impl Store {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    fn at(&self, place: u32) -> Option<&Arc<Entity>> {
        self.places.get(place as usize)?.as_ref()
    }

    /// The entities with this id, oldest first.
    pub(crate) fn with_id(&self, id: &str) -> Vec<&Arc<Entity>> {
        let hash = self.hasher.hash_one(id);
        let mut places: Vec<u32> = self
            .ids
            .iter_hash(hash)
            .copied()
            .filter(|place| self.at(*place).is_some_and(|entity| &*entity.id == id))
            .collect();
        if places.len() > 1 {
            places.sort_unstable();
        }
        places.into_iter().filter_map(|place| self.at(place)).collect()
    }

    fn place_of(&self, id: &str, kind: &str, path: &str) -> Option<u32> {
        let is_it = |place: &u32| {
            self.at(*place)
                .is_some_and(|entity| &*entity.id == id && &*entity.kind == kind && &*entity.path == path)
        };
        self.ids.find(self.hasher.hash_one(id), is_it).copied()
    }

    /// The one entity with this id, type and service path.
    pub(crate) fn get(&self, id: &str, kind: &str, path: &str) -> Option<&Arc<Entity>> {
        self.at(self.place_of(id, kind, path)?)
    }

    /// Puts an entity in, in place of the one with its id, type and service path. Returns the old one.
    pub(crate) fn put(&mut self, entity: Arc<Entity>) -> Option<Arc<Entity>> {
        let end = entity.expires();
        if let Some(place) = self.place_of(&entity.id, &entity.kind, &entity.path) {
            let old = self.places[place as usize].replace(entity);
            let old_end = old.as_ref().and_then(|old| old.expires());
            if old_end != end {
                old_end.map(|at| self.ends.remove(&(at, place)));
                end.map(|at| self.ends.insert((at, place)));
            }
            return old;
        }
        let place = self.free_place();
        let hash = self.hasher.hash_one(&*entity.id);
        match self.types.get_mut(&entity.kind) {
            Some(places) => {
                places.insert(place);
            }
            None => {
                self.types.insert(entity.kind.clone(), BTreeSet::from([place]));
            }
        }
        end.map(|at| self.ends.insert((at, place)));
        self.places[place as usize] = Some(entity);
        let (places, hasher) = (&self.places, &self.hasher);
        self.ids.insert_unique(hash, place, |place| {
            hasher.hash_one(places[*place as usize].as_ref().map_or("", |entity| &*entity.id))
        });
        None
    }

    /// Takes an entity out.
    pub(crate) fn remove(&mut self, id: &str, kind: &str, path: &str) -> Option<Arc<Entity>> {
        let place = self.place_of(id, kind, path)?;
        if let Ok(entry) = self.ids.find_entry(self.hasher.hash_one(id), |known| *known == place) {
            entry.remove();
        }
        let entity = self.places[place as usize].take()?;
        if let Some(places) = self.types.get_mut(&entity.kind) {
            places.remove(&place);
            if places.is_empty() {
                self.types.remove(&entity.kind);
            }
        }
        entity.expires().map(|at| self.ends.remove(&(at, place)));
        self.free.push_back(place);
        Some(entity)
    }

    fn free_place(&mut self) -> u32 {
        if self.free.len() > FREE_PLACES
            && let Some(place) = self.free.pop_front()
        {
            return place;
        }
        self.places.push(None);
        // Four thousand million entities would not fit into memory.
        (self.places.len() - 1) as u32
    }

    /// The entities that ended by `now`, at most `limit`.
    pub(crate) fn ended(&self, now: Time, limit: usize) -> Vec<Arc<Entity>> {
        let ended = self.ends.iter().take_while(|(at, _)| *at <= now).take(limit);
        ended.filter_map(|(_, place)| self.at(*place).cloned()).collect()
    }

    /// All entities, or those of one type, oldest first.
    pub(crate) fn scan<'a>(&'a self, kind: Option<&str>) -> Box<dyn Iterator<Item = &'a Arc<Entity>> + 'a> {
        match kind {
            None => Box::new(self.places.iter().flatten()),
            Some(kind) => {
                Box::new(self.types.get(kind).into_iter().flatten().filter_map(|place| self.at(*place)))
            }
        }
    }

    /// At most `limit` entities from place `from` on, and the place to go on from.
    pub(crate) fn chunk(&self, from: usize, limit: usize) -> (Vec<Arc<Entity>>, Option<usize>) {
        let mut found = Vec::with_capacity(limit);
        for (place, entity) in self.places.iter().enumerate().skip(from) {
            if found.len() == limit {
                return (found, Some(place));
            }
            found.extend(entity.clone());
        }
        (found, None)
    }

    /// The types there are, with the number of their entities.
    pub(crate) fn types(&self) -> impl Iterator<Item = (&str, usize)> {
        self.types.iter().map(|(name, places)| (&**name, places.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attribute, DATE_EXPIRES};

    fn entity(id: &str, kind: &str, path: &str, end: Option<&str>) -> Arc<Entity> {
        let now = Time::from_millis(0);
        let attributes = end.map(|end| Attribute {
            name: DATE_EXPIRES.into(),
            kind: "DateTime".into(),
            value: end.into(),
            metadata: [].into(),
            created: now,
            modified: now,
        });
        Arc::new(Entity {
            id: id.into(),
            kind: kind.into(),
            path: path.into(),
            attributes: attributes.into_iter().collect(),
            created: now,
            modified: now,
        })
    }

    #[test]
    fn id_type_and_path_identify_an_entity() {
        let mut store = Store::default();
        assert!(store.put(entity("a", "T", "/", None)).is_none());
        assert!(store.put(entity("a", "U", "/", None)).is_none());
        assert!(store.put(entity("a", "T", "/p", None)).is_none());
        assert!(store.put(entity("a", "T", "/", None)).is_some());
        assert_eq!(store.len(), 3);
        assert_eq!(store.with_id("a").len(), 3);
        assert!(store.remove("a", "T", "/").is_some());
        assert!(store.remove("a", "T", "/").is_none());
        assert_eq!(store.with_id("a").iter().map(|entity| &*entity.kind).collect::<Vec<_>>(), ["U", "T"]);
        assert_eq!(store.scan(Some("T")).count(), 1);
        assert_eq!(store.types().count(), 2);
    }

    #[test]
    fn entities_are_listed_in_the_order_of_creation() {
        let mut store = Store::default();
        for number in 0..2000 {
            store.put(entity(&number.to_string(), "T", "/", None));
        }
        for number in 0..1999 {
            store.remove(&number.to_string(), "T", "/");
        }
        store.put(entity("x", "T", "/", None));
        assert!(store.places.len() <= 2000);
        let (found, next) = store.chunk(0, 10);
        assert_eq!((found.len(), next), (2, None));
    }

    #[test]
    fn an_end_is_known_and_moves_with_its_attribute() {
        let mut store = Store::default();
        store.put(entity("a", "T", "/", Some("2000-01-01T00:00:00.000Z")));
        assert_eq!(store.ended(Time::now(), 9).len(), 1);
        store.put(entity("a", "T", "/", Some("2100-01-01T00:00:00.000Z")));
        assert!(store.ended(Time::now(), 9).is_empty());
        store.remove("a", "T", "/");
        assert!(store.ends.is_empty());
    }
}
