//! The order of results: `orderBy`.

use std::{cmp::Ordering, sync::Arc};

use super::{GeoQuery, compare::compare_json};
use crate::{
    Error,
    model::{Entity, Json},
};

/// What results are ordered by, most important first; without any key they keep the order of creation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order(Vec<Key>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    by: By,
    reversed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum By {
    Id,
    Type,
    ServicePath,
    Created,
    Modified,
    Distance,
    Attribute(Box<str>),
}

impl Order {
    /// Reads the value of `orderBy`.
    ///
    /// # Errors
    /// When it names something twice or nothing.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut keys: Vec<Key> = Vec::new();
        for token in text.split(',') {
            let (name, reversed) = match token.strip_prefix('!') {
                Some(name) => (name, true),
                None => (token, false),
            };
            let by = match name {
                "" => return Err(Error::bad("empty token in orderBy")),
                "id" => By::Id,
                "type" => By::Type,
                "servicePath" => By::ServicePath,
                "dateCreated" => By::Created,
                "dateModified" => By::Modified,
                "geo:distance" => By::Distance,
                name => By::Attribute(name.into()),
            };
            if keys.iter().any(|key| key.by == by) {
                return Err(Error::bad("duplicate orderBy token detected"));
            }
            keys.push(Key { by, reversed });
        }
        Ok(Self(keys))
    }

    /// Whether the order of creation stays.
    pub(super) fn is_creation(&self) -> bool {
        self.0.is_empty()
    }

    /// Orders entities; equal ones keep their order.
    pub(super) fn sort(&self, entities: &mut [Arc<Entity>], geo: Option<&GeoQuery>) {
        entities.sort_by(|one, other| {
            self.0
                .iter()
                .map(|key| key.compare(one, other, geo))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        });
    }
}

impl Key {
    fn compare(&self, one: &Entity, other: &Entity, geo: Option<&GeoQuery>) -> Ordering {
        let order = match &self.by {
            By::Id => one.id.cmp(&other.id),
            By::Type => one.kind.cmp(&other.kind),
            By::ServicePath => one.path.cmp(&other.path),
            By::Created => one.created.cmp(&other.created),
            By::Modified => one.modified.cmp(&other.modified),
            By::Distance => match geo.filter(|geo| geo.is_near()) {
                Some(geo) => geo.distance(one).total_cmp(&geo.distance(other)),
                None => Ordering::Equal,
            },
            By::Attribute(name) => {
                let one = one.attribute(name).map_or(&Json::Null, |attribute| &attribute.value);
                let other = other.attribute(name).map_or(&Json::Null, |attribute| &attribute.value);
                compare_json(one, other)
            }
        };
        if self.reversed { order.reverse() } else { order }
    }
}
