//! Whose an entity is, in brokers where all vThings of a silo share one space of entities.
//!
//! It is the ThingVisor's whose vThing gave it first. What a vThing of another ThingVisor says of it is refused:
//! else one ThingVisor could overwrite what another one measured, take its commands, or have it erased by going. The
//! vThings of one ThingVisor share their entities. The ledger says who gave what, so an owner is known after a restart;
//! nothing that was refused is in it.

use std::collections::{BTreeSet, HashMap};

use morgana_model::{Entity, VSiloId, VThingId};

use crate::ledger::Ledger;
use crate::metrics;
use crate::notices::{Notices, notices_id};

/// The `reason` of the counter.
const REASON: &str = "foreign_entity";

/// Decides whose an entity is.
#[derive(Debug)]
pub(crate) struct Owners {
    /// What an entity with this id is called in the broker.
    name: fn(&str) -> String,
    /// Of each name that is not the id itself, the ids that are called so.
    renamed: HashMap<String, BTreeSet<String>>,
    /// The silo's own entity.
    notices: String,
    /// The vThings that were refused something, which may be let in when another one goes.
    refused: BTreeSet<VThingId>,
}

/// What a vThing says of an entity that is not its ThingVisor's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Foreign {
    /// Another ThingVisor's vThing gave it first.
    #[error("vThing '{given}' gave it too, and it belongs to vThing '{owner}', which gave it first")]
    Owned {
        /// Who was refused.
        given: VThingId,
        /// A vThing of the ThingVisor whose it is.
        owner: VThingId,
    },
    /// It is the entity in which the silo tells of refusals.
    #[error("vThing '{given}' gave it, and it is the silo's own")]
    Silo {
        /// Who was refused.
        given: VThingId,
    },
}

impl Owners {
    /// Owners in a broker that calls entities by their ids.
    pub(crate) fn by_id(silo: &VSiloId) -> Self {
        Self::new(silo, str::to_owned)
    }

    /// Owners in a broker that has another `name` for some ids; `ledger` is what is known.
    pub(crate) fn by_name(silo: &VSiloId, name: fn(&str) -> String, ledger: &Ledger) -> Self {
        let mut owners = Self::new(silo, name);
        for v_thing in ledger.v_things() {
            ledger.entities(v_thing).for_each(|(id, _)| owners.remember(id, name(id)));
        }
        owners
    }

    fn new(silo: &VSiloId, name: fn(&str) -> String) -> Self {
        Self { name, renamed: HashMap::new(), notices: notices_id(silo), refused: BTreeSet::new() }
    }

    /// Whether a vThing may say something of an entity. If so, it has to be in the ledger before the next question.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(&mut self, ledger: &Ledger, v_thing: &VThingId, entity: &str) -> Result<(), Foreign> {
        if ledger.get(v_thing, entity).is_some() {
            return Ok(());
        }
        let name = (self.name)(entity);
        if name == (self.name)(&self.notices) {
            return Err(Foreign::Silo { given: v_thing.clone() });
        }
        match self.owner(ledger, v_thing, &name) {
            Some(owner) => {
                self.refused.insert(v_thing.clone());
                Err(Foreign::Owned { given: v_thing.clone(), owner })
            }
            None => {
                self.remember(entity, name);
                Ok(())
            }
        }
    }

    /// A vThing of another ThingVisor that has an entity of this name.
    fn owner(&self, ledger: &Ledger, v_thing: &VThingId, name: &str) -> Option<VThingId> {
        let visor = v_thing.thing_visor();
        let others = ledger.v_things().filter(|other| other.thing_visor() != visor);
        let renamed = self.renamed.get(name);
        let has = |other: &&VThingId| {
            let ids = renamed.into_iter().flatten().map(String::as_str).chain([name]);
            ids.into_iter().any(|id| ledger.get(other, id).is_some())
        };
        others.into_iter().find(has).cloned()
    }

    fn remember(&mut self, id: &str, name: String) {
        if name != id {
            self.renamed.entry(name).or_default().insert(id.to_owned());
        }
    }

    /// A vThing is gone. Gives those that were refused something: what they have may have its place now.
    pub(crate) fn gone(&mut self, v_thing: &VThingId) -> Vec<VThingId> {
        self.refused.remove(v_thing);
        std::mem::take(&mut self.refused).into_iter().collect()
    }
}

/// Counts a refusal, and adds it to what the tenant is told; it is logged once.
pub(crate) fn refuse(notices: &mut Notices, entity: &str, foreign: &Foreign) -> Option<Entity> {
    metrics::refused(REASON);
    let notice = notices.add(entity, &foreign.to_string());
    if notice.is_some() {
        let entity: String = entity.chars().take(128).collect();
        tracing::warn!(entity, %foreign, "an entity was refused");
    }
    notice
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Silo {
        ledger: Ledger,
        owners: Owners,
        _folder: tempfile::TempDir,
    }

    impl Silo {
        fn with(owners: impl FnOnce(&VSiloId) -> Owners, v_things: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut ledger = Ledger::open(folder.path()).unwrap();
            v_things.iter().for_each(|id| ledger.connect(&v_thing(id)));
            Self { ledger, owners: owners(&"tenant1_s".parse().unwrap()), _folder: folder }
        }

        /// Whether the vThing may give the entity; if so, it gave it.
        fn gives(&mut self, by: &str, entity: &str) -> bool {
            let may = self.owners.check(&self.ledger, &v_thing(by), entity).is_ok();
            if may {
                drop(self.ledger.set(&v_thing(by), entity, "{}"));
            }
            may
        }

        fn goes(&mut self, by: &str) -> Vec<String> {
            self.ledger.disconnect(&v_thing(by));
            self.owners.gone(&v_thing(by)).iter().map(ToString::to_string).collect()
        }
    }

    fn v_thing(id: &str) -> VThingId {
        id.parse().unwrap()
    }

    #[tokio::test]
    async fn an_entity_is_the_thing_visors_that_gave_it_first_until_its_last_vthing_goes() {
        let mut silo = Silo::with(Owners::by_id, &["a/1", "a/2", "b/1"]);
        assert!(
            silo.gives("a/1", "urn:x") && silo.gives("a/2", "urn:x"),
            "one ThingVisor shares its entities"
        );
        assert!(!silo.gives("b/1", "urn:x") && silo.gives("b/1", "urn:y") && !silo.gives("a/1", "urn:y"));
        assert_eq!(silo.goes("a/1"), ["b/1"], "who is to be asked again");
        assert!(!silo.gives("b/1", "urn:x"), "it is a/2's still");
        assert_eq!(silo.goes("a/2"), ["b/1"]);
        assert!(silo.gives("b/1", "urn:x"));
        assert_eq!(silo.goes("b/1"), [""; 0], "nobody was refused since");
    }

    #[tokio::test]
    async fn a_thing_visor_whose_name_begins_like_anothers_is_another() {
        let mut silo = Silo::with(Owners::by_id, &["lamp/1", "lamp2/1"]);
        assert!(silo.gives("lamp/1", "urn:x") && !silo.gives("lamp2/1", "urn:x"));
    }

    #[tokio::test]
    async fn two_ids_that_have_one_name_in_the_broker_are_one_entity() {
        let name = |id: &str| id.replace(' ', "_");
        let empty = Ledger::open(tempfile::tempdir().unwrap().path()).unwrap();
        let mut silo = Silo::with(|silo| Owners::by_name(silo, name, &empty), &["a/1", "b/1"]);
        assert!(
            silo.gives("a/1", "urn:x y") && !silo.gives("b/1", "urn:x_y") && !silo.gives("b/1", "urn:x y")
        );
        assert!(silo.gives("b/1", "urn:z_z") && !silo.gives("a/1", "urn:z z"));
        silo.owners = Owners::by_name(&"tenant1_s".parse().unwrap(), name, &silo.ledger);
        assert!(!silo.gives("b/1", "urn:x_y") && !silo.gives("a/1", "urn:z z"), "after a restart, too");
    }

    #[tokio::test]
    async fn what_the_silo_tells_its_tenant_is_no_vthings() {
        let mut silo = Silo::with(Owners::by_id, &["a/1"]);
        assert!(
            !silo.gives("a/1", "urn:ngsi-ld:VSilo:tenant1_s")
                && silo.gives("a/1", "urn:ngsi-ld:VSilo:tenant1_t")
        );
    }

    #[test]
    fn a_refusal_names_both() {
        let foreign = Foreign::Owned { given: v_thing("b/1"), owner: v_thing("a/1") };
        assert_eq!(
            foreign.to_string(),
            "vThing 'b/1' gave it too, and it belongs to vThing 'a/1', which gave it first"
        );
    }
}
