//! Tells every silo which vThings it has.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use morgana_access::FabricRole;
use morgana_fabric::{Client, Server};
use morgana_model::{ControlMessage, Topic, VSiloId, VThingId, VThingReference, WorkloadName};
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
        // The right first, then the message that makes the silo use it.
        let gone = self.index.set(silo, has.clone());
        if let Some((incarnation, before)) = self.running(silo) {
            match before {
                None => {
                    self.tell_all(silo, &has).await?;
                    outcome.did.push("told it the whole list of its vThings");
                }
                Some(before) => {
                    for v_thing in has.difference(&before) {
                        self.tell_added(silo, v_thing).await?;
                        outcome.did.push("told it of a new vThing");
                    }
                    for v_thing in before.difference(&has) {
                        let message = ControlMessage::DeleteVThing {
                            v_silo: silo.to_string(),
                            v_thing: v_thing.clone(),
                        };
                        tell(&self.fabric, &Topic::VSiloIn(silo.clone()), &message).await?;
                        outcome.did.push("told it of a vThing that is gone");
                    }
                }
            }
            let told = Told { incarnation, v_things: has, asked_for_all: false };
            self.told.lock().insert(silo.clone(), told);
        }
        if !gone.is_empty() {
            self.fabric_server.recheck_user(&FabricRole::VSilo(silo.clone()).to_string()).await;
            outcome.did.push("took back its right to a vThing");
        }
        Ok(outcome)
    }
}

impl SiloConnections {
    /// Notes that the silo asked for the whole list.
    pub(crate) fn asked_for_all(&self, silo: &VSiloId) {
        self.told.lock().entry(silo.clone()).or_default().asked_for_all = true;
    }

    /// The incarnation of a running silo, and what it was told; `None` where it knows nothing.
    fn running(&self, silo: &VSiloId) -> Option<(u64, Option<BTreeSet<VThingId>>)> {
        let report = self.node.report(&WorkloadName::VSilo(silo.clone()));
        let mut told = self.told.lock();
        match report {
            Some(report) if report.state == State::Ready => {
                let known = told
                    .get(silo)
                    .filter(|told| told.incarnation == report.incarnation && !told.asked_for_all);
                Some((report.incarnation, known.map(|told| told.v_things.clone())))
            }
            Some(_) => None,
            None => {
                told.remove(silo);
                None
            }
        }
    }

    /// The whole list at once for Morgana's silos, and one by one for those that know only
    /// VirIoT's `addVThing`; whoever understands both loses nothing by it.
    async fn tell_all(&self, silo: &VSiloId, has: &BTreeSet<VThingId>) -> Result<(), Error> {
        let mut v_things = Vec::with_capacity(has.len());
        for id in has {
            v_things.push(VThingReference { id: id.clone(), kind: self.kind_of(id).await? });
        }
        let message = ControlMessage::SetVThings { v_silo: silo.clone(), v_things };
        tell(&self.fabric, &Topic::VSiloIn(silo.clone()), &message).await?;
        for v_thing in has {
            self.tell_added(silo, v_thing).await?;
        }
        Ok(())
    }

    async fn tell_added(&self, silo: &VSiloId, v_thing: &VThingId) -> Result<(), Error> {
        let v_thing_type = self.kind_of(v_thing).await?;
        let message =
            ControlMessage::AddVThing { v_silo: silo.clone(), v_thing: v_thing.clone(), v_thing_type };
        tell(&self.fabric, &Topic::VSiloIn(silo.clone()), &message).await
    }

    async fn kind_of(&self, v_thing: &VThingId) -> Result<String, Error> {
        let found = self.controller.v_things().get(v_thing.as_str()).await?;
        Ok(found.and_then(|found| found.value.spec.kind).unwrap_or_default())
    }
}
