//! Which silo has which vThing, in memory, for the fabric's topic rules.

use std::collections::{BTreeSet, HashMap};

use morgana_model::{Connection, ThingVisorId, VSiloId, VThingId};
use morgana_store::{Error, Store, Table};
use parking_lot::RwLock;
use std::sync::Arc;

/// The connections of the platform by silo. The System DB is the truth; this follows it, and the
/// fabric asks it at every publish and subscribe.
#[derive(Debug, Default)]
pub struct ConnectionIndex {
    by_silo: RwLock<HashMap<VSiloId, BTreeSet<VThingId>>>,
}

impl ConnectionIndex {
    /// Reads the connections that the System DB has now.
    ///
    /// # Errors
    /// Why the store did not answer.
    pub async fn load(store: &Arc<dyn Store>) -> Result<Arc<Self>, Error> {
        let index = Self::default();
        for found in Table::<Connection>::new(Arc::clone(store)).all("").await? {
            let spec = found.value.spec;
            index.by_silo.write().entry(spec.v_silo).or_default().insert(spec.v_thing);
        }
        Ok(Arc::new(index))
    }

    /// Takes over what a silo has now; returns what it has no more.
    pub(crate) fn set(&self, silo: &VSiloId, now: BTreeSet<VThingId>) -> BTreeSet<VThingId> {
        let mut by_silo = self.by_silo.write();
        let before = by_silo.remove(silo).unwrap_or_default();
        let gone = before.difference(&now).cloned().collect();
        if !now.is_empty() {
            by_silo.insert(silo.clone(), now);
        }
        gone
    }

    /// The silos that have the vThing.
    pub(crate) fn silos_with(&self, v_thing: &VThingId) -> Vec<VSiloId> {
        let by_silo = self.by_silo.read();
        by_silo.iter().filter(|(_, has)| has.contains(v_thing)).map(|(silo, _)| silo.clone()).collect()
    }

    /// Every silo that has something.
    pub(crate) fn silos(&self) -> Vec<VSiloId> {
        self.by_silo.read().keys().cloned().collect()
    }

    /// Whether the silo has the vThing.
    pub(crate) fn has(&self, silo: &VSiloId, v_thing: &VThingId) -> bool {
        self.by_silo.read().get(silo).is_some_and(|has| has.contains(v_thing))
    }

    /// Whether the silo has any vThing of the ThingVisor.
    pub(crate) fn has_any_of(&self, silo: &VSiloId, visor: &ThingVisorId) -> bool {
        self.by_silo
            .read()
            .get(silo)
            .is_some_and(|has| has.iter().any(|v_thing| v_thing.thing_visor() == *visor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_silo_has_no_more_is_told_and_no_longer_connected() {
        let index = ConnectionIndex::default();
        let silo: VSiloId = "t_s".parse().unwrap();
        let (a, b): (VThingId, VThingId) = ("tv/a".parse().unwrap(), "tv/b".parse().unwrap());
        index.set(&silo, [a.clone(), b.clone()].into());
        assert!(index.has(&silo, &a) && index.has_any_of(&silo, &"tv".parse().unwrap()));
        assert_eq!(index.set(&silo, [b.clone()].into()), [a.clone()].into());
        assert!(!index.has(&silo, &a) && index.has(&silo, &b));
        assert_eq!(index.silos_with(&b), [silo]);
    }
}
