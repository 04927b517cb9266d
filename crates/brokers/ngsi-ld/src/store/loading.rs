use std::{collections::BTreeSet, sync::Arc};

use super::{Store, index::Indexes};
use crate::model::{Entity, next_expiry};

/// A store while it is read from the disk. What its entities have in common is looked at once, when all are there: many
/// are read again and again, as each change has them whole, and an R-tree of all is made faster than one by one.
#[derive(Debug, Default)]
pub(crate) struct Loading(Store);

impl Loading {
    /// Puts an entity in, in place of one with its id. Returns the old one.
    pub(crate) fn put(&mut self, entity: Arc<Entity>) -> Option<Arc<Entity>> {
        self.0.set(entity).1
    }

    /// Takes an entity out.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<Entity>> {
        self.0.take(id).map(|(_, entity)| entity)
    }

    /// The store, with its indexes.
    pub(crate) fn finish(mut self) -> Store {
        let places = self.0.places.iter().enumerate();
        // A place is a u32 from the start.
        let entities = || places.clone().filter_map(|(place, one)| Some((place as u32, one.as_deref()?)));
        let mut expiries = BTreeSet::new();
        let note = |(place, one): &(u32, &Entity)| expiries.extend(next_expiry(one).map(|at| (at, *place)));
        self.0.indexes = Indexes::of(entities().inspect(note), entities());
        self.0.expiries = expiries;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Context,
        model::{Form, Json, Name, Reader, Timestamp},
    };

    fn entity(text: &str) -> Arc<Entity> {
        let (context, now) = (Context::core(), Timestamp::now());
        let reader = Reader { context: &context, form: Form::Full, now };
        Arc::new(reader.entity(Json::parse(text.as_bytes()).unwrap()).unwrap())
    }

    #[test]
    fn a_store_that_was_loaded_is_one_that_was_filled() {
        let room = |number: usize, rest: &str| {
            entity(&format!(
                r#"{{"id":"urn:r:{number}","type":"Room","scope":["/a/s{}"],"t":{number},"location":{{"type":"Point",
                "coordinates":[{},44.5]}}{rest}}}"#,
                number % 3,
                number % 90
            ))
        };
        let (mut loading, mut store) = (Loading::default(), Store::default());
        for number in 0..500 {
            loading.put(room(number, ""));
            store.put(room(number, ""));
        }
        for number in (0..500).step_by(7) {
            let rest = r#","expiresAt":"2090-01-01T00:00:00Z","u":1"#;
            loading.put(room(number, rest));
            store.put(room(number, rest));
        }
        for number in (0..500).step_by(5) {
            loading.remove(&format!("urn:r:{number}"));
            store.remove(&format!("urn:r:{number}"));
        }
        let loaded = loading.finish();
        let name = |term: &str| Name::new(&Context::core().expand(term));
        let (kind, location) = (name("Room"), name("location"));
        let facts = |store: &Store| {
            (
                (store.len(), store.end(), store.expired(Timestamp::parse("2091-01-01T00:00:00Z").unwrap())),
                (store.of_types(&[&kind]), store.with_attributes(&[name("u")])),
                (
                    store.in_scopes(|scope| scope == "a/s1"),
                    store.in_area(&location, [10.0, 40.0, 20.5, 50.0]),
                ),
                store.types().map(|(name, count)| (name.to_string(), count)).collect::<Vec<_>>(),
            )
        };
        assert_eq!(facts(&loaded), facts(&store));
        assert_eq!(loaded.of_types(&[&kind]).len(), 400);
        assert!(!loaded.in_area(&location, [10.0, 40.0, 20.5, 50.0]).is_empty());
        assert!(loaded.get("urn:r:1").is_some() && loaded.get("urn:r:5").is_none());
    }
}
