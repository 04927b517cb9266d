//! Which types and attributes there are (NGSI-LD 5.7.5 to 5.7.10).

use std::{collections::HashMap, sync::Arc};

use super::Broker;
use crate::model::{Entity, Kind, Name, Timestamp, live};

/// How many entities are looked at while the store is locked for reading.
const SCAN_STEP: usize = 256;

/// A type and what its entities have.
#[derive(Debug, Clone)]
pub(crate) struct TypeUse {
    pub(crate) name: Name,
    pub(crate) entities: usize,
    pub(crate) attributes: Vec<(Name, Vec<Kind>)>,
}

/// An attribute and where it is used.
#[derive(Debug, Clone)]
pub(crate) struct AttributeUse {
    pub(crate) name: Name,
    pub(crate) count: usize,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) types: Vec<Name>,
}

impl Broker {
    /// All types of entities there are.
    pub(crate) fn types(&self) -> Vec<Name> {
        self.inner.store.read().types().map(|(name, _)| name.clone()).collect()
    }

    /// What entities of a type have; `None` when there is none.
    pub(crate) fn type_use(&self, name: &Name) -> Option<TypeUse> {
        let mut found = TypeUse { name: name.clone(), entities: 0, attributes: Vec::new() };
        self.each(Some(name), |entity| {
            found.entities += 1;
            for attribute in &entity.attributes {
                match found.attributes.iter_mut().find(|(known, _)| *known == attribute.name) {
                    Some((_, kinds)) => note(kinds, &attribute.kind),
                    None => found.attributes.push((attribute.name.clone(), vec![attribute.kind])),
                }
            }
        });
        (found.entities > 0).then_some(found)
    }

    /// All attributes there are.
    pub(crate) fn attribute_uses(&self) -> Vec<AttributeUse> {
        let mut found: HashMap<Name, AttributeUse> = HashMap::new();
        self.each(None, |entity| {
            for attribute in &entity.attributes {
                let name = &attribute.name;
                let known = found.entry(name.clone()).or_insert_with(|| AttributeUse {
                    name: name.clone(),
                    count: 0,
                    kinds: Vec::new(),
                    types: Vec::new(),
                });
                known.count += 1;
                note(&mut known.kinds, &attribute.kind);
                entity.types.iter().for_each(|name| note(&mut known.types, name));
            }
        });
        let mut found: Vec<_> = found.into_values().collect();
        found.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        found
    }

    fn each(&self, name: Option<&Name>, mut visit: impl FnMut(&Arc<Entity>)) {
        let types = name.map(|name| [name]);
        let now = Timestamp::now();
        let mut from = Some(0);
        while let Some(start) = from {
            let types = types.as_ref().map(<[_; 1]>::as_slice);
            let (entities, next) = self.inner.store.read().scan(types, start, SCAN_STEP);
            entities.iter().filter_map(|entity| live(entity, now)).for_each(|entity| visit(&entity));
            from = next;
        }
    }
}

fn note<T: PartialEq + Clone>(list: &mut Vec<T>, item: &T) {
    if !list.contains(item) {
        list.push(item.clone());
    }
}
