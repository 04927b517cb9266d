//! Keeps every ThingVisor and vSilo running, and takes down those whose end was asked for.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use morgana_access::{FabricRole, SigningKey};
use morgana_fabric::{Client, Server};
use morgana_model::{
    Access, Connection, ConnectionSpec, ControlMessage, Endpoints, Failure, ImageName, Metadata, Phase,
    ThingVisor, ThingVisorId, ThingVisorStatus, Topic, VSilo, VThing, WorkloadKind, WorkloadName,
};
use morgana_node::{Assignment, NodeAgent, Report};
use morgana_store::{Expect, Transaction, connection_key};
use morgana_workload::{FabricAccess, Role};
use parking_lot::Mutex;
use serde_json::Value;

use super::SiloConnections;
use super::book::WorkloadBook;
use super::decide::{Desired, Patience, Step, Updates, decide};
use super::runner::{Outcome, Reconciler, Runner};
use crate::{Controller, Error};

/// What the reconciler acts with.
pub(crate) struct Workloads {
    pub(crate) controller: Controller,
    pub(crate) node: Arc<dyn NodeAgent>,
    pub(crate) fabric: Client,
    pub(crate) fabric_server: Arc<Server>,
    /// Where workloads reach the fabric.
    pub(crate) fabric_address: (IpAddr, u16),
    pub(crate) key: SigningKey,
    pub(crate) book: Arc<WorkloadBook>,
    /// Who tells silos what they have no more.
    pub(crate) silo_connections: Arc<Runner<SiloConnections>>,
    /// What of its updates the node was given, of each workload.
    pub(crate) given: Mutex<HashMap<WorkloadName, Updates>>,
}

/// A ThingVisor or a vSilo, as far as their lives are the same.
enum Resource {
    ThingVisor(Box<ThingVisor>),
    VSilo(Box<VSilo>),
}

impl Resource {
    fn metadata(&self) -> &Metadata {
        match self {
            Self::ThingVisor(visor) => &visor.metadata,
            Self::VSilo(silo) => &silo.metadata,
        }
    }

    fn phase(&self) -> &Phase {
        match self {
            Self::ThingVisor(visor) => &visor.status.phase,
            Self::VSilo(silo) => &silo.status.phase,
        }
    }

    /// How often what may change while it runs was changed.
    fn updates(&self) -> Updates {
        match self {
            Self::ThingVisor(visor) => {
                Updates { all: visor.status.updates, at_start: visor.status.start_update() }
            }
            Self::VSilo(_) => Updates::default(),
        }
    }

    /// The update that it is to be told next.
    fn next_update(&self) -> u64 {
        match self {
            Self::ThingVisor(visor) => visor.status.next_update(),
            Self::VSilo(_) => 0,
        }
    }
}

#[async_trait]
impl Reconciler for Workloads {
    type Key = WorkloadName;

    const NAME: &'static str = "workloads";

    async fn keys(&self) -> Result<Vec<WorkloadName>, Error> {
        let mut keys: BTreeSet<WorkloadName> =
            self.node.reports().into_iter().map(|report| report.name).collect();
        let visors = self.controller.thing_visors().all("").await?;
        keys.extend(visors.into_iter().map(|found| WorkloadName::ThingVisor(found.value.id)));
        let silos = self.controller.v_silos().all("").await?;
        keys.extend(silos.into_iter().map(|found| WorkloadName::VSilo(found.value.id)));
        Ok(keys.into_iter().collect())
    }

    async fn reconcile(&self, name: &WorkloadName) -> Result<Outcome, Error> {
        let resource = self.resource(name).await?;
        let report = self.node.report(name);
        let desired = match &resource {
            Some(resource) => Some(self.desired(name, resource).await?),
            None => None,
        };
        let options = self.controller.options();
        let patience = Patience {
            grace: options.destroy_grace(),
            revive_first: options.revive_first(),
            revive_last: options.revive_last(),
        };
        let steps =
            decide(desired.as_ref(), report.as_ref(), self.book.get(name), Timestamp::now(), patience);
        let mut outcome = Outcome { did: Vec::new(), again_in: None };
        for step in steps {
            match step {
                Step::LookAgain(after) => outcome.again_in = Some(after),
                step => outcome.did.extend(self.act(name, resource.as_ref(), report.as_ref(), step).await?),
            }
        }
        Ok(outcome)
    }
}

impl Workloads {
    async fn desired(&self, name: &WorkloadName, resource: &Resource) -> Result<Desired, Error> {
        let metadata = resource.metadata();
        let plugged = match resource {
            Resource::ThingVisor(visor) if metadata.is_ending() => self.is_plugged(&visor.id).await?,
            _ => false,
        };
        Ok(Desired {
            generation: metadata.generation,
            ending_since: metadata.deletion_requested_at,
            phase: resource.phase().clone(),
            plugged,
            updates: resource.updates(),
            next: resource.next_update(),
            given: self.given.lock().get(name).copied(),
        })
    }

    /// Whether a silo has a vThing of the ThingVisor, or has not yet been told that it has not.
    async fn is_plugged(&self, visor: &ThingVisorId) -> Result<bool, Error> {
        Ok(!self.connections_of(visor).await?.is_empty()
            || !self.silo_connections.reconciler().silos_told_of(visor).is_empty())
    }

    async fn connections_of(&self, visor: &ThingVisorId) -> Result<Vec<ConnectionSpec>, Error> {
        let all = self.controller.connections().all("").await?;
        let specs = all.into_iter().map(|found| found.value.spec);
        Ok(specs.filter(|spec| spec.v_thing.thing_visor() == *visor).collect())
    }

    /// Takes the vThings of the ThingVisor out of every silo, in one commit, and has the silos told.
    async fn unplug(&self, visor: &ThingVisorId) -> Result<(), Error> {
        let mut transaction = Transaction::new();
        for spec in self.connections_of(visor).await? {
            transaction.delete::<Connection>(connection_key(&spec), Expect::Any);
        }
        transaction.commit(self.controller.store()).await?;
        for silo in self.silo_connections.reconciler().silos_told_of(visor) {
            self.silo_connections.wake(silo);
        }
        Ok(())
    }

    async fn resource(&self, name: &WorkloadName) -> Result<Option<Resource>, Error> {
        Ok(match name {
            WorkloadName::ThingVisor(id) => {
                let found = self.controller.thing_visors().get(id.as_str()).await?;
                found.map(|found| Resource::ThingVisor(Box::new(found.value)))
            }
            WorkloadName::VSilo(id) => {
                let found = self.controller.v_silos().get(id.as_str()).await?;
                found.map(|found| Resource::VSilo(Box::new(found.value)))
            }
        })
    }

    async fn act(
        &self,
        name: &WorkloadName,
        resource: Option<&Resource>,
        report: Option<&Report>,
        step: Step,
    ) -> Result<Option<&'static str>, Error> {
        match step {
            Step::Assign => {
                if let Some(resource) = resource {
                    let assignment = match self.assignment(name, resource).await {
                        Ok(assignment) => assignment,
                        // What users did wrong does not get better by trying; they are shown it.
                        Err(Error::Failure(Failure { message: reason, .. })) => {
                            let shown = self.show(name, Phase::Failed { reason }, None).await?;
                            return Ok(shown.then_some("showed why it cannot be started"));
                        }
                        Err(error) => return Err(error),
                    };
                    self.node
                        .assign(assignment)
                        .await
                        .map_err(|source| Error::Node { doing: "starting a workload", source })?;
                    self.given.lock().insert(name.clone(), resource.updates());
                }
                Ok(Some("assigned"))
            }
            Step::Show(phase) => Ok(self.show(name, phase, report).await?.then_some("showed its status")),
            Step::Unplug => {
                if let WorkloadName::ThingVisor(visor) = name {
                    self.unplug(visor).await?;
                }
                Ok(Some("took its vThings out of every silo"))
            }
            Step::NoteFailure => {
                self.book.failed(name, Timestamp::now());
                Ok(None)
            }
            Step::NoteRevival => {
                self.book.revived(name);
                Ok(Some("tried again what had failed"))
            }
            Step::NoteHealth => {
                self.book.well(name);
                Ok(None)
            }
            Step::Record(reason) => {
                tracing::warn!(workload = %name, reason, "a workload does not end as it should");
                let line = crate::audit::entry("morgana", None, "endWorkload", &name.to_string(), reason);
                self.controller.audit().note(line);
                Ok(Some(reason))
            }
            Step::AskToEnd => {
                self.book.asked(name, Timestamp::now());
                self.ask_to_end(name).await?;
                Ok(Some("asked it to end"))
            }
            Step::Remove => {
                self.node
                    .remove(name)
                    .await
                    .map_err(|source| Error::Node { doing: "removing a workload", source })?;
                Ok(Some("removed from its node"))
            }
            Step::Forget => {
                let _nothing_is_made = self.controller.while_removing().await;
                self.forget(name).await?;
                self.book.forget(name);
                self.given.lock().remove(name);
                self.fabric_server.forget_user(&fabric_role(name).to_string()).await;
                Ok(Some("forgot"))
            }
            Step::Tell => {
                let (Some(Resource::ThingVisor(visor)), Some(report)) = (resource, report) else {
                    return Ok(None);
                };
                self.tell_update(visor).await?;
                let told = (report.incarnation, visor.status.next_update());
                self.book.told(name, told, Timestamp::now());
                Ok(Some("told it of an update"))
            }
            Step::Told(update) => {
                if let Some(Resource::ThingVisor(visor)) = resource {
                    let told = |visor: &mut ThingVisor| {
                        visor.status.update_infos.retain(|info| info.update > update);
                    };
                    self.controller.thing_visors().update(visor.id.as_str(), told).await?;
                }
                Ok(Some("told it what is told once"))
            }
            Step::LookAgain(_) => Ok(None),
        }
    }

    async fn tell_update(&self, visor: &ThingVisor) -> Result<(), Error> {
        let number = visor.status.next_update();
        let once = visor.status.update_infos.first().filter(|once| once.update == number);
        let message = ControlMessage::UpdateThingVisor {
            thing_visor: visor.id.clone(),
            params: visor.spec.params.clone(),
            description: visor.spec.description.clone(),
            update_info: once.map_or(Value::Null, |once| once.info.clone()),
            number: Some(number),
        };
        crate::inbox::tell(&self.fabric, &Topic::ThingVisorIn(visor.id.clone()), &message).await
    }

    async fn assignment(&self, name: &WorkloadName, resource: &Resource) -> Result<Assignment, Error> {
        let mut asked = Endpoints::new();
        let (role, image, endpoints) = match resource {
            Resource::ThingVisor(visor) => (
                Role::ThingVisor { id: visor.id.clone(), params: visor.spec.params.clone() },
                visor.spec.image_name.clone(),
                visor.status.endpoints.clone(),
            ),
            Resource::VSilo(silo) => {
                let flavour = self.controller.flavour_of(silo).await?;
                let token = match flavour.spec.access().map_err(Failure::invalid)? {
                    Access::Token => silo.token.clone(),
                    Access::Open => None,
                };
                let doors = self.doors(name.kind(), &flavour.spec.image_name);
                asked = flavour.spec.ports(&doors).map_err(Failure::invalid)?;
                (
                    Role::VSilo { id: silo.id.clone(), params: flavour.spec.params, token },
                    flavour.spec.image_name,
                    silo.status.endpoints.clone(),
                )
            }
        };
        let (host, port) = self.fabric_address;
        let fabric_role = fabric_role(name);
        let fabric = FabricAccess {
            host,
            port,
            user: fabric_role.to_string(),
            password: fabric_role.password(&self.key),
        };
        let doors = self.doors(name.kind(), &image);
        let (generation, born) = (resource.metadata().generation, resource.metadata().created_at);
        let (name, update) = (name.clone(), resource.updates().at_start);
        Ok(Assignment { name, generation, update, born, image, role, fabric, doors, endpoints, asked })
    }

    fn doors(&self, kind: WorkloadKind, image: &ImageName) -> Vec<u16> {
        match image {
            ImageName::Builtin(builtin) => self
                .controller
                .place()
                .builtin(kind, builtin)
                .map(|builtin| builtin.doors.clone())
                .unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// Writes what the node reports where users see it; tells whether that was anything new.
    async fn show(&self, name: &WorkloadName, phase: Phase, report: Option<&Report>) -> Result<bool, Error> {
        let node = self.controller.place().node.clone();
        macro_rules! show_on {
            ($table:expr, $id:expr, $further:expr) => {{
                let mut new = false;
                let shown = $table.update($id.as_str(), |resource| {
                    let before = resource.status.clone();
                    // A phase read a moment ago does not undo a deletion that was asked for since.
                    if !resource.metadata.is_ending() || phase == Phase::Stopping {
                        resource.status.phase = phase.clone();
                    }
                    if let Some(report) = report {
                        resource.status.node = Some(node.clone());
                        resource.status.endpoints = report.endpoints.clone();
                        resource.status.restarts = report.restarts;
                        resource.status.limits = report.limits.clone();
                        $further(&mut resource.status, report);
                    }
                    new = resource.status != before;
                });
                shown.await?;
                Ok(new)
            }};
        }
        match name {
            WorkloadName::ThingVisor(id) => {
                let knows = self.book.get(name).knows;
                show_on!(
                    self.controller.thing_visors(),
                    id,
                    |status: &mut ThingVisorStatus, report: &Report| {
                        let said = knows.filter(|knows| knows.incarnation == report.incarnation);
                        status.updates_known = said.map(|knows| knows.update);
                    }
                )
            }
            WorkloadName::VSilo(id) => show_on!(self.controller.v_silos(), id, |_: &mut _, _: &Report| {}),
        }
    }

    async fn ask_to_end(&self, name: &WorkloadName) -> Result<(), Error> {
        let (topic, message) = match name {
            WorkloadName::ThingVisor(id) => (
                Topic::ThingVisorIn(id.clone()),
                ControlMessage::DestroyThingVisor { thing_visor: id.clone() },
            ),
            WorkloadName::VSilo(id) => {
                (Topic::VSiloIn(id.clone()), ControlMessage::DestroyVSilo { v_silo: id.clone() })
            }
        };
        crate::inbox::tell(&self.fabric, &topic, &message).await
    }

    /// Removes the resource with all that hangs on it, in one commit.
    async fn forget(&self, name: &WorkloadName) -> Result<(), Error> {
        let mut transaction = Transaction::new();
        match name {
            WorkloadName::ThingVisor(id) => {
                transaction.delete::<ThingVisor>(id.as_str(), Expect::Any);
                for found in self.controller.v_things().all(&format!("{id}/")).await? {
                    transaction.delete::<VThing>(found.value.id.as_str(), Expect::Any);
                }
                for spec in self.connections_of(id).await? {
                    transaction.delete::<Connection>(connection_key(&spec), Expect::Any);
                }
            }
            WorkloadName::VSilo(id) => {
                transaction.delete::<VSilo>(id.as_str(), Expect::Any);
                for v_thing in self.controller.v_things_in(id).await? {
                    let spec = morgana_model::ConnectionSpec { v_silo: id.clone(), v_thing };
                    transaction.delete::<Connection>(connection_key(&spec), Expect::Any);
                }
            }
        }
        transaction.commit(self.controller.store()).await?;
        Ok(())
    }
}

/// Whose credential the workload has.
pub(crate) fn fabric_role(name: &WorkloadName) -> FabricRole {
    match name {
        WorkloadName::ThingVisor(id) => FabricRole::ThingVisor(id.clone()),
        WorkloadName::VSilo(id) => FabricRole::VSilo(id.clone()),
    }
}
