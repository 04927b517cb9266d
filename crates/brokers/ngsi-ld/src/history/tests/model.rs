//! The past as a map in memory: how the broker kept it before it was on the disk.

use std::collections::BTreeMap;

use super::super::{Past, time};
use crate::model::{Attribute, Entity, Name};

pub(super) struct Model {
    pub(super) entities: BTreeMap<Box<str>, Entity>,
    max: usize,
}

impl Model {
    pub(super) fn new(max: usize) -> Self {
        Self { entities: BTreeMap::new(), max }
    }

    pub(super) fn apply(&mut self, past: Past) {
        match past {
            Past::Entity(entity) => drop(self.entities.insert(entity.id.clone(), entity)),
            Past::Gone(id) => drop(self.entities.remove(&id)),
            Past::Before(time) => {
                self.entities.retain(|_, entity| {
                    entity.attributes.retain(|one| one.modified_at >= time);
                    !entity.attributes.is_empty() || entity.modified_at >= time
                });
            }
            Past::Transient { id, gone } => {
                let Some(entity) = self.entities.get_mut(&id) else { return };
                let is_gone = |one: &Attribute| {
                    one.expires_at().is_some()
                        && gone.iter().any(|(name, dataset)| one.is(name, dataset.as_deref()))
                };
                entity.attributes.retain(|one| !is_gone(one));
                if entity.attributes.is_empty() {
                    self.entities.remove(&id);
                }
            }
            Past::More { id, types, scopes, at, attributes, replaces } => {
                let entity = self.entities.entry(id.clone()).or_insert_with(|| Entity {
                    id,
                    types: Vec::new(),
                    scopes: Vec::new(),
                    created_at: at,
                    modified_at: at,
                    attributes: Vec::new(),
                    expires_at: None,
                });
                for name in types {
                    if !entity.types.contains(&name) {
                        entity.types.push(name);
                    }
                }
                if let Some(scopes) = scopes {
                    entity.scopes = scopes;
                }
                entity.modified_at = at;
                for attribute in attributes {
                    if replaces == Some(true) {
                        entity.attributes.retain(|known| !is_told_again(known, &attribute));
                    }
                    add(&mut entity.attributes, attribute, self.max);
                }
            }
            Past::Filed(_) => {}
        }
    }
}

fn is_told_again(known: &Attribute, told: &Attribute) -> bool {
    told.observed_at.is_some()
        && known.observed_at == told.observed_at
        && known.is(&told.name, told.dataset_id())
}

fn add(instances: &mut Vec<Attribute>, attribute: Attribute, max: usize) {
    if instances.iter().any(|known| known.instance_id() == attribute.instance_id()) {
        return;
    }
    let start = first_of(instances, &attribute.name);
    let end = start + instances[start..].iter().take_while(|known| known.name == attribute.name).count();
    let at = instances[start..end].partition_point(|known| time(known) <= time(&attribute));
    let (name, dataset_id) = (attribute.name.clone(), attribute.dataset_id().map(Box::<str>::from));
    let is_end = attribute.deleted_at().is_some();
    instances.insert(start + at, attribute);
    let same =
        |known: &Attribute| known.is(&name, dataset_id.as_deref()) && known.deleted_at().is_some() == is_end;
    if instances.iter().filter(|known| same(known)).count() > max
        && let Some(oldest) = instances.iter().position(same)
    {
        instances.remove(oldest);
    }
}

fn first_of(instances: &[Attribute], name: &Name) -> usize {
    instances.iter().position(|known| known.name == *name).unwrap_or(instances.len())
}
