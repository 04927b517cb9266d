//! Tells every silo which vThings it has.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use morgana_access::FabricRole;
use morgana_fabric::{Client, Server};
use morgana_model::{ControlMessage, ThingVisorId, Topic, VSiloId, VThingId, VThingReference, WorkloadName};
use morgana_node::{NodeAgent, State};
use parking_lot::Mutex;

use super::runner::{Outcome, Reconciler};
use crate::inbox::tell;
use crate::{ConnectionIndex, Controller, Error};

pub(crate) struct SiloConnections {
    pub(crate) controller: Controller,
    pub(crate) node: Arc<dyn NodeAgent>,
    pub(crate) fabric: Client,
    pub(crate) fabric_server: Arc<Server>,
    pub(crate) index: Arc<ConnectionIndex>,
    pub(crate) told: Mutex<HashMap<VSiloId, Told>>,
}

/// What a silo was told last.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The start of its workload that was told; one started again knows nothing of it.
    incarnation: u64,
    /// Its vThings.
    v_things: BTreeSet<VThingId>,
    /// It asked for the whole list, and gets it at the next pass.
    asked_for_all: bool,
}

#[async_trait]
impl Reconciler for SiloConnections {
    type Key = VSiloId;

    const NAME: &'static str = "silo-connections";

    async fn keys(&self) -> Result<Vec<VSiloId>, Error> {
        let mut keys: BTreeSet<VSiloId> = self.index.silos().into_iter().collect();
        keys.extend(self.controller.v_silos().all("").await?.into_iter().map(|found| found.value.id));
        Ok(keys.into_iter().collect())
    }

    async fn reconcile(&self, silo: &VSiloId) -> Result<Outcome, Error> {
        let mut outcome = Outcome { did: Vec::new(), again_in: None };
        let has: BTreeSet<VThingId> = self.controller.v_things_in(silo).await?.into_iter().collect();
        // The right first, then the message that makes the silo use it. What fails below is tried
        // again; a right that was not taken back would not be noticed again.
        let gone = self.index.set(silo, has.clone());
        if !gone.is_empty() {
            self.fabric_server.recheck_user(&FabricRole::VSilo(silo.clone()).to_string()).await;
            outcome.did.push("took back its right to a vThing");
        }
        let Some(known) = self.known_to(silo) else { return Ok(outcome) };
        match self.tell(silo, &has, &known).await {
            Ok(did) => outcome.did.extend(did),
            Err(error) => {
                if known.asked_for_all {
                    self.asked_for_all(silo);
                }
                return Err(error);
            }
        }
        let mut told = self.told.lock();
        let entry = told.entry(silo.clone()).or_default();
        (entry.incarnation, entry.v_things) = (known.incarnation, has);
        Ok(outcome)
    }
}

impl SiloConnections {
    /// Notes that the silo asked for the whole list.
    pub(crate) fn asked_for_all(&self, silo: &VSiloId) {
        self.told.lock().entry(silo.clone()).or_default().asked_for_all = true;
    }

    /// The silos that run and were told last that they have a vThing of the ThingVisor.
    pub(crate) fn silos_told_of(&self, visor: &ThingVisorId) -> Vec<VSiloId> {
        let runs = |silo: &VSiloId, incarnation: u64| {
            let report = self.node.report(&WorkloadName::VSilo(silo.clone()));
            report.is_some_and(|report| report.state == State::Ready && report.incarnation == incarnation)
        };
        let told = self.told.lock();
        let has = |told: &Told| told.v_things.iter().any(|v_thing| v_thing.thing_visor() == *visor);
        let silos = told.iter().filter(|(silo, told)| has(told) && runs(silo, told.incarnation));
        silos.map(|(silo, _)| silo.clone()).collect()
    }

    /// What a silo that runs knows. Its request for the whole list is taken up by this.
    fn known_to(&self, silo: &VSiloId) -> Option<Told> {
        let report = self.node.report(&WorkloadName::VSilo(silo.clone()));
        let mut told = self.told.lock();
        match report {
            Some(report) if report.state == State::Ready => {
                let entry = told.entry(silo.clone()).or_default();
                let same = entry.incarnation == report.incarnation;
                let v_things = if same { entry.v_things.clone() } else { BTreeSet::new() };
                let asked_for_all = std::mem::take(&mut entry.asked_for_all);
                Some(Told { incarnation: report.incarnation, v_things, asked_for_all })
            }
            Some(_) => None,
            None => {
                told.remove(silo);
                None
            }
        }
    }

    /// A silo that asks is told the whole list at once. Another is told what came and went, one by
    /// one, in VirIoT's words; after a start that is all it has.
    async fn tell(
        &self,
        silo: &VSiloId,
        has: &BTreeSet<VThingId>,
        known: &Told,
    ) -> Result<Vec<&'static str>, Error> {
        let topic = Topic::VSiloIn(silo.clone());
        if known.asked_for_all {
            let mut v_things = Vec::with_capacity(has.len());
            for id in has {
                v_things.push(VThingReference { id: id.clone(), kind: self.kind_of(id).await? });
            }
            let message = ControlMessage::SetVThings { v_silo: silo.clone(), v_things };
            tell(&self.fabric, &topic, &message).await?;
            // It asks every half minute; only what is new to it is worth a line.
            let news = *has != known.v_things;
            return Ok(news.then_some("told it the whole list of its vThings").into_iter().collect());
        }
        let mut did = Vec::new();
        for v_thing in has.difference(&known.v_things) {
            let v_thing_type = self.kind_of(v_thing).await?;
            let (v_silo, v_thing) = (silo.clone(), v_thing.clone());
            tell(&self.fabric, &topic, &ControlMessage::AddVThing { v_silo, v_thing, v_thing_type }).await?;
            did.push("told it of a vThing");
        }
        for v_thing in known.v_things.difference(has) {
            let (v_silo, v_thing) = (silo.to_string(), v_thing.clone());
            tell(&self.fabric, &topic, &ControlMessage::DeleteVThing { v_silo, v_thing }).await?;
            did.push("told it of a vThing that is gone");
        }
        Ok(did)
    }

    async fn kind_of(&self, v_thing: &VThingId) -> Result<String, Error> {
        let found = self.controller.v_things().get(v_thing.as_str()).await?;
        Ok(found.and_then(|found| found.value.spec.kind).unwrap_or_default())
    }
}
