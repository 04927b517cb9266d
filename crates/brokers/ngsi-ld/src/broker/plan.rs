//! Which entities a query has to look at: what the indexes know is used before the first entity is.

use roaring::RoaringBitmap;

use super::EntityQuery;
use crate::{query::TypeSelection, store::Store};

impl EntityQuery {
    /// The places of entities that may match, or `None` for all. Every entity that matches is among them.
    pub(super) fn candidates(&self, store: &Store) -> Option<RoaringBitmap> {
        let mut found: Option<RoaringBitmap> = None;
        // An index that finds nothing ends the search.
        let mut narrow = |places: RoaringBitmap| match &mut found {
            None => found = Some(places),
            Some(known) => *known &= places,
        };
        if let Some(types) = &self.types {
            narrow(store.of_types(&types.cover()));
        }
        if !self.attributes.is_empty() {
            narrow(store.with_attributes(&self.attributes));
        }
        if let Some(q) = &self.q {
            q.needs().into_iter().for_each(|names| narrow(store.with_attributes(&names)));
        }
        if let Some(scopes) = &self.scopes {
            narrow(store.in_scopes(|scope| scopes.mentions(scope)));
        }
        if let Some(geo) = &self.geo {
            match geo.area() {
                Some(area) => narrow(store.in_area(geo.property(), area)),
                None => narrow(store.with_attributes(std::slice::from_ref(geo.property()))),
            }
        }
        found
    }

    /// The type alone that is asked for, when nothing else is that an index knows.
    pub(super) fn only_type(&self) -> Option<&crate::Name> {
        match &self.types {
            Some(TypeSelection::Is(name))
                if self.attributes.is_empty()
                    && self.q.is_none()
                    && self.scopes.is_none()
                    && self.geo.is_none() =>
            {
                Some(name)
            }
            _ => None,
        }
    }
}
