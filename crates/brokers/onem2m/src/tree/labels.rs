use std::collections::{BTreeSet, HashMap};

use super::{Resource, Slot};

/// Which resources have a label (TS-0001 9.6.1.3.1), so that a discovery of one does not look at all others.
#[derive(Debug, Default)]
pub(super) struct Labels(HashMap<Box<str>, BTreeSet<Slot>>);

impl Labels {
    pub(super) fn of(&self, label: &str) -> Option<&BTreeSet<Slot>> {
        self.0.get(label)
    }

    pub(super) fn add(&mut self, slot: Slot, resource: &Resource) {
        for label in resource.attributes.texts("lbl") {
            match self.0.get_mut(label) {
                Some(known) => drop(known.insert(slot)),
                None => drop(self.0.insert(label.into(), BTreeSet::from([slot]))),
            }
        }
    }

    pub(super) fn remove(&mut self, slot: Slot, resource: &Resource) {
        for label in resource.attributes.texts("lbl") {
            if let Some(known) = self.0.get_mut(label) {
                known.remove(&slot);
                if known.is_empty() {
                    self.0.remove(label);
                }
            }
        }
    }
}
