//! The entities in memory, by id, and by what they have in common.

mod index;
mod loading;

use std::{
    collections::{BTreeSet, VecDeque},
    hash::BuildHasher,
    sync::Arc,
};

use hashbrown::{DefaultHashBuilder, HashTable};
use roaring::RoaringBitmap;

use self::index::Indexes;
pub(crate) use self::{index::Area, loading::Loading};

use crate::model::{Entity, Name, Timestamp, next_expiry};

/// Free places are reused, oldest first, only when there are more than this: so a small state lists in the order of
/// creation, and a large one does not grow with what came and went.
const FREE_PLACES: usize = 1024;

/// All entities. An entity's place is a small number that stays the same while it lives; the indexes hold places.
#[derive(Debug, Default)]
pub(crate) struct Store {
    places: Vec<Option<Arc<Entity>>>,
    free: VecDeque<u32>,
    ids: HashTable<u32>,
    hasher: DefaultHashBuilder,
    indexes: Indexes,
    /// What expires next.
    expiries: BTreeSet<(Timestamp, u32)>,
}

impl Store {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Entity>> {
        let place = self.ids.find(self.hasher.hash_one(id), |place| self.id_at(*place) == Some(id))?;
        self.at(*place)
    }

    pub(crate) fn at(&self, place: u32) -> Option<&Arc<Entity>> {
        self.places.get(place as usize)?.as_ref()
    }

    fn id_at(&self, place: u32) -> Option<&str> {
        self.at(place).map(|entity| &*entity.id)
    }

    /// Puts an entity in, in place of one with its id. Returns the old one.
    pub(crate) fn put(&mut self, entity: Arc<Entity>) -> Option<Arc<Entity>> {
        let (place, old) = self.set(Arc::clone(&entity));
        if let Some(at) = old.as_deref().and_then(next_expiry) {
            self.expiries.remove(&(at, place));
        }
        self.expiries.extend(next_expiry(&entity).map(|at| (at, place)));
        match &old {
            Some(old) => self.indexes.update(place, old, &entity),
            None => self.indexes.insert(place, &entity),
        }
        old
    }

    /// Takes an entity out.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<Entity>> {
        let (place, entity) = self.take(id)?;
        if let Some(at) = next_expiry(&entity) {
            self.expiries.remove(&(at, place));
        }
        self.indexes.remove(place, &entity);
        Some(entity)
    }

    /// Puts an entity into its place alone. Returns the place, and what was there.
    fn set(&mut self, entity: Arc<Entity>) -> (u32, Option<Arc<Entity>>) {
        let hash = self.hasher.hash_one(&*entity.id);
        let known = self.ids.find(hash, |place| self.id_at(*place) == Some(&entity.id)).copied();
        if let Some(place) = known {
            return (place, self.places[place as usize].replace(entity));
        }
        let place = self.free_place();
        self.places[place as usize] = Some(entity);
        let (places, hasher) = (&self.places, &self.hasher);
        self.ids.insert_unique(hash, place, |place| {
            hasher.hash_one(places[*place as usize].as_ref().map_or("", |entity| &*entity.id))
        });
        (place, None)
    }

    /// Takes an entity out of its place alone. Returns the place, and what was there.
    fn take(&mut self, id: &str) -> Option<(u32, Arc<Entity>)> {
        let hash = self.hasher.hash_one(id);
        let places = &self.places;
        let is_it = |place: &u32| places[*place as usize].as_ref().is_some_and(|entity| &*entity.id == id);
        let (place, _) = self.ids.find_entry(hash, is_it).ok()?.remove();
        let entity = self.places[place as usize].take()?;
        self.free.push_back(place);
        Some((place, entity))
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

    /// The ids of entities of which something has expired by `now`.
    pub(crate) fn expired(&self, now: Timestamp) -> Vec<Box<str>> {
        let due = self.expiries.iter().take_while(|(at, _)| *at <= now);
        due.filter_map(|(_, place)| self.id_at(*place).map(Into::into)).collect()
    }

    /// How many places there are, used or free.
    pub(crate) fn end(&self) -> u32 {
        self.places.len() as u32
    }

    /// At most `limit` entities from place `from` on, in order; with `types`, only those that have one of them. Also
    /// the place to go on from, or `None` at the end.
    pub(crate) fn scan(
        &self,
        types: Option<&[&Name]>,
        from: u32,
        limit: usize,
    ) -> (Vec<Arc<Entity>>, Option<u32>) {
        let mut found = Vec::with_capacity(limit.min(64));
        let mut next = None;
        match types {
            Some([name]) => {
                for place in self.indexes.of_type(name).into_iter().flat_map(|places| places.range(from..)) {
                    if found.len() == limit {
                        next = Some(place);
                        break;
                    }
                    found.extend(self.at(place).cloned());
                }
            }
            Some(names) => {
                let mut merged = BTreeSet::new();
                for name in names {
                    let places =
                        self.indexes.of_type(name).into_iter().flat_map(|places| places.range(from..));
                    merged.extend(places.take(limit + 1));
                }
                for place in merged {
                    if found.len() == limit {
                        next = Some(place);
                        break;
                    }
                    found.extend(self.at(place).cloned());
                }
            }
            None => {
                for place in from..self.end() {
                    if found.len() == limit {
                        next = Some(place);
                        break;
                    }
                    found.extend(self.at(place).cloned());
                }
            }
        }
        (found, next)
    }

    /// The types there are, with the number of their entities.
    pub(crate) fn types(&self) -> impl Iterator<Item = (&Name, usize)> {
        self.indexes.types()
    }

    /// The places of entities that have one of these types.
    pub(crate) fn of_types(&self, names: &[&Name]) -> RoaringBitmap {
        union(names.iter().filter_map(|name| self.indexes.of_type(name)))
    }

    /// The places of entities that have one of these attributes.
    pub(crate) fn with_attributes(&self, names: &[Name]) -> RoaringBitmap {
        union(names.iter().filter_map(|name| self.indexes.with_attribute(name)))
    }

    /// The places of entities with a scope that is as `wanted` says.
    pub(crate) fn in_scopes(&self, wanted: impl Fn(&str) -> bool) -> RoaringBitmap {
        self.indexes.in_scopes(wanted)
    }

    /// The places of entities whose geometry of this name may touch the area.
    pub(crate) fn in_area(&self, name: &Name, area: Area) -> RoaringBitmap {
        self.indexes.in_area(name, area)
    }
}

fn union<'a>(sets: impl Iterator<Item = &'a RoaringBitmap>) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    sets.for_each(|places| all |= places);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(id: &str, types: &[&str]) -> Arc<Entity> {
        let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        Arc::new(Entity {
            id: id.into(),
            types: types.iter().map(|name| Name::new(name)).collect(),
            scopes: Vec::new(),
            created_at: now,
            modified_at: now,
            attributes: Vec::new(),
            expires_at: None,
        })
    }

    fn ids(store: &Store, types: Option<&[&Name]>) -> Vec<String> {
        let (mut all, mut from) = (Vec::new(), Some(0));
        while let Some(start) = from {
            let (found, next) = store.scan(types, start, 2);
            all.extend(found.iter().map(|entity| entity.id.to_string()));
            from = next;
        }
        all
    }

    #[test]
    fn entities_are_found_by_id_and_type_in_the_order_of_creation() {
        let (a, b) = (Name::new("urn:t:A"), Name::new("urn:t:B"));
        let mut store = Store::default();
        for number in 0..7 {
            store.put(entity(
                &format!("urn:e:{number}"),
                if number % 2 == 0 { &["urn:t:A"] } else { &["urn:t:B"] },
            ));
        }
        assert_eq!(ids(&store, Some(&[&a])), ["urn:e:0", "urn:e:2", "urn:e:4", "urn:e:6"]);
        assert_eq!(ids(&store, Some(&[&a, &b])).len(), 7);
        assert_eq!(ids(&store, None).len(), 7);
        assert!(store.remove("urn:e:2").is_some());
        assert!(store.remove("urn:e:2").is_none());
        assert!(store.get("urn:e:2").is_none());
        assert!(store.put(entity("urn:e:4", &["urn:t:B"])).is_some());
        assert_eq!(ids(&store, Some(&[&a])), ["urn:e:0", "urn:e:6"]);
        assert_eq!(ids(&store, Some(&[&b])), ["urn:e:1", "urn:e:3", "urn:e:4", "urn:e:5"]);
        assert_eq!(store.len(), 6);
    }

    #[test]
    fn places_are_reused_when_many_are_free() {
        let mut store = Store::default();
        for round in 0..10 {
            for number in 0..2000 {
                store.put(entity(&format!("urn:e:{round}:{number}"), &["urn:t:A"]));
            }
            for number in 0..2000 {
                store.remove(&format!("urn:e:{round}:{number}"));
            }
        }
        assert!(store.end() < 5000, "{}", store.end());
        assert_eq!(store.types().count(), 0);
    }
}
