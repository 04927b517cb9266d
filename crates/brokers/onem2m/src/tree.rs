//! The resource tree in memory: resources by id, by parent and name, and by the time they expire.

mod attributes;
mod labels;
mod record;
mod resource;
mod walk;

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher, Hasher},
};

use hashbrown::{DefaultHashBuilder, HashTable};
use serde_json::Value;

pub(crate) use attributes::Attributes;
pub(crate) use record::{RecordError, Recovery, encode_gone, encode_resource};
pub(crate) use resource::Resource;
pub(crate) use walk::Below;

use crate::{time::Time, types::ty};

/// The place of a resource; it stays the same while the resource lives.
pub(crate) type Slot = u32;

/// The CSEBase is always here.
pub(crate) const ROOT: Slot = 0;

/// All resources of a CSE.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    slots: Vec<Option<Resource>>,
    free: Vec<Slot>,
    ids: HashTable<Slot>,
    names: HashTable<Slot>,
    hasher: DefaultHashBuilder,
    expiring: BTreeSet<(Time, Slot)>,
    /// AEs by AE-ID.
    registered: HashMap<Box<str>, Slot>,
    /// Everything but instances, by type.
    types: HashMap<u32, BTreeSet<Slot>>,
    labels: labels::Labels,
}

impl Tree {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Every place up to here may hold a resource.
    pub(crate) fn end(&self) -> Slot {
        self.slots.len() as Slot
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Resource> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// A resource that is known to be there.
    ///
    /// # Panics
    /// When it is not: slots come from the tree itself, within one lock.
    pub(crate) fn at(&self, slot: Slot) -> &Resource {
        self.get(slot).expect("the slot was taken from the tree under the same lock")
    }

    /// As [`Self::at`], to change it.
    ///
    /// # Panics
    /// As [`Self::at`].
    pub(crate) fn at_mut(&mut self, slot: Slot) -> &mut Resource {
        let found = self.slots.get_mut(slot as usize).and_then(Option::as_mut);
        found.expect("the slot was taken from the tree under the same lock")
    }

    /// The resource with this resourceID.
    pub(crate) fn by_id(&self, ri: &str) -> Option<Slot> {
        self.ids.find(self.hash_id(ri), |slot| &*self.at(*slot).ri == ri).copied()
    }

    /// The child of this name.
    pub(crate) fn child(&self, parent: Slot, rn: &str) -> Option<Slot> {
        let is_it = |slot: &Slot| {
            let resource = self.at(*slot);
            resource.parent == Some(parent) && &*resource.rn == rn
        };
        self.names.find(self.hash_name(Some(parent), rn), is_it).copied()
    }

    /// The AE with this AE-ID.
    pub(crate) fn ae(&self, aei: &str) -> Option<Slot> {
        self.registered.get(aei).copied()
    }

    fn hash_id(&self, ri: &str) -> u64 {
        self.hasher.hash_one(ri)
    }

    fn hash_name(&self, parent: Option<Slot>, rn: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u32(parent.unwrap_or(Slot::MAX));
        hasher.write(rn.as_bytes());
        hasher.finish()
    }

    /// Puts a resource in. Its id and its name under its parent must be free.
    pub(crate) fn insert(&mut self, resource: Resource) -> Slot {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as Slot
            }
        };
        let (id_hash, name_hash) =
            (self.hash_id(&resource.ri), self.hash_name(resource.parent, &resource.rn));
        if let Some(aei) = resource.ae_id() {
            self.registered.insert(aei.into(), slot);
        }
        if resource.expires_on_its_own() {
            self.expiring.insert((resource.expires, slot));
        }
        if !is_instance(resource.ty) {
            self.types.entry(resource.ty).or_default().insert(slot);
        }
        self.labels.add(slot, &resource);
        if let Some(parent) = resource.parent {
            self.at_mut(parent).family_mut().adopt(slot, &resource);
        }
        self.slots[slot as usize] = Some(resource);
        let (slots, hasher) = (&self.slots, &self.hasher);
        let of = |slot: &Slot| slots[*slot as usize].as_ref();
        self.ids
            .insert_unique(id_hash, slot, |slot| hasher.hash_one(of(slot).map_or("", |found| &*found.ri)));
        self.names.insert_unique(name_hash, slot, |slot| {
            let mut state = hasher.build_hasher();
            if let Some(found) = of(slot) {
                state.write_u32(found.parent.unwrap_or(Slot::MAX));
                state.write(found.rn.as_bytes());
            }
            state.finish()
        });
        slot
    }

    /// Takes a resource out with everything below it; the children come first.
    pub(crate) fn remove(&mut self, slot: Slot) -> Vec<Resource> {
        let mut removed = Vec::new();
        self.remove_into(slot, true, &mut removed);
        removed
    }

    fn remove_into(&mut self, slot: Slot, from_parent: bool, removed: &mut Vec<Resource>) {
        let Some(resource) = self.get(slot) else { return };
        let below: Vec<Slot> = resource.family.iter().flat_map(|family| family.all()).collect();
        for child in below {
            self.remove_into(child, false, removed);
        }
        let resource = self.at(slot);
        let (id_hash, name_hash) =
            (self.hash_id(&resource.ri), self.hash_name(resource.parent, &resource.rn));
        let expires = resource.expires;
        if let Ok(entry) = self.ids.find_entry(id_hash, |found| *found == slot) {
            entry.remove();
        }
        if let Ok(entry) = self.names.find_entry(name_hash, |found| *found == slot) {
            entry.remove();
        }
        self.expiring.remove(&(expires, slot));
        let Some(resource) = self.slots[slot as usize].take() else { return };
        self.free.push(slot);
        if let Some(known) = self.types.get_mut(&resource.ty) {
            known.remove(&slot);
        }
        self.labels.remove(slot, &resource);
        if let Some(aei) = resource.ae_id() {
            self.registered.remove(aei);
        }
        if from_parent && let Some(parent) = resource.parent {
            self.at_mut(parent).family_mut().release(slot, &resource);
        }
        removed.push(resource);
    }

    /// Changes when a resource expires.
    pub(crate) fn expire_at(&mut self, slot: Slot, expires: Time) {
        let resource = self.at_mut(slot);
        let old = std::mem::replace(&mut resource.expires, expires);
        let listed = resource.expires_on_its_own();
        self.expiring.remove(&(old, slot));
        if listed {
            self.expiring.insert((expires, slot));
        }
    }

    /// Sets an attribute, or takes it away.
    pub(crate) fn set_attribute(&mut self, slot: Slot, name: Cow<'static, str>, value: Option<Value>) {
        let Some(resource) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        let is_label = name == "lbl";
        if is_label {
            self.labels.remove(slot, resource);
        }
        match value {
            Some(value) => resource.attributes.set(name, value),
            None => drop(resource.attributes.remove(&name)),
        }
        if is_label {
            self.labels.add(slot, resource);
        }
    }

    /// The next resource whose time is over.
    pub(crate) fn next_expired(&self, now: Time) -> Option<Slot> {
        self.expiring.first().filter(|(time, _)| *time <= now).map(|(_, slot)| *slot)
    }

    /// The subscriptions directly below a resource.
    pub(crate) fn subscriptions(&self, slot: Slot) -> &[Slot] {
        self.get(slot).and_then(|found| found.family.as_deref()).map_or(&[], |family| &family.subscriptions)
    }

    /// The name of a resource from the CSEBase on: `Mobius/ae/cnt`.
    pub(crate) fn structured(&self, slot: Slot) -> String {
        let mut names = Vec::new();
        let mut next = Some(slot);
        while let Some(resource) = next.and_then(|slot| self.get(slot)) {
            names.push(&*resource.rn);
            next = resource.parent;
        }
        names.reverse();
        names.join("/")
    }

    /// The parent's resourceID; empty for the CSEBase.
    pub(crate) fn parent_id(&self, resource: &Resource) -> &str {
        resource.parent.and_then(|parent| self.get(parent)).map_or("", |parent| &parent.ri)
    }

    /// All resources of a type, which is not one of instances.
    pub(crate) fn of_type(&self, ty: u32) -> impl Iterator<Item = Slot> {
        self.types.get(&ty).into_iter().flatten().copied()
    }

    /// How many resources of a type there are, which is not one of instances.
    pub(crate) fn count_of_type(&self, ty: u32) -> usize {
        self.types.get(&ty).map_or(0, BTreeSet::len)
    }

    /// All resources with a label.
    pub(crate) fn labelled(&self, label: &str) -> impl Iterator<Item = Slot> {
        self.labels.of(label).into_iter().flatten().copied()
    }

    /// How many resources have a label.
    pub(crate) fn count_labelled(&self, label: &str) -> usize {
        self.labels.of(label).map_or(0, BTreeSet::len)
    }

    /// All resources but instances.
    pub(crate) fn regular(&self) -> impl Iterator<Item = Slot> {
        self.types.values().flatten().copied()
    }
}

/// Whether resources of a type are the instances of a container: ordered, counted, and without `acpi`.
pub(crate) fn is_instance(ty: u32) -> bool {
    matches!(ty, ty::CIN | ty::TSI | ty::FCI)
}
