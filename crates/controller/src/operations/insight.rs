//! Looking into the platform: logs, nodes, reconcilers.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use morgana_access::{Action, Caller};
use morgana_model::{
    ErrorCode, Failure, LogLines, NodeId, Role, ThingVisor, VSilo, WorkloadName, WorkloadUsage, Zone, ZoneId,
};
use serde::Serialize;

use super::existing;
use super::sessions::Lease;
use crate::reconcile::fabric_role;
use crate::streams::OpenStream;
use crate::{Controller, Error, ReconcilerReport};

/// How often a reader of a log is looked at again.
const LEASE_CHECK: Duration = Duration::from_secs(1);

/// A machine of the platform.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its zone.
    pub zone: ZoneId,
    /// How many workloads it has.
    pub workloads: usize,
    /// Processor cores for workloads.
    pub cores: usize,
    /// Main memory in MiB; 0 where the machine does not tell.
    pub memory_mib: u64,
    /// The processor architecture.
    pub arch: &'static str,
    /// The limits each workload gets, or why none can be set; in words for people.
    pub limits: String,
}

impl Controller {
    /// The last lines of a workload's log.
    ///
    /// # Errors
    /// When the caller may not see the workload, it does not exist, or its log cannot be read.
    pub async fn logs(
        &self,
        caller: &Caller,
        name: &WorkloadName,
        lines: usize,
    ) -> Result<LogLines, Failure> {
        self.operation("logs", async {
            self.check_log_access(caller, name).await?;
            let lines = self.node().log_tail(name, lines).await.map_err(reading_log)?;
            Ok(LogLines { lines })
        })
        .await
    }

    /// The last lines of a workload's log, and then every line as it comes.
    ///
    /// # Errors
    /// As [`Controller::logs`].
    pub async fn follow_logs(
        &self,
        lease: Lease,
        name: &WorkloadName,
        lines: usize,
    ) -> Result<BoxStream<'static, String>, Failure> {
        self.operation("logs", async {
            self.check_log_access(lease.caller(), name).await?;
            let open = lease.open_stream()?;
            let lines = self.node().log_follow(name, lines).await.map_err(reading_log)?;
            Ok(while_it_holds(lines, lease, open))
        })
        .await
    }

    async fn check_log_access(&self, caller: &Caller, name: &WorkloadName) -> Result<(), Error> {
        match name {
            WorkloadName::ThingVisor(id) => {
                self.authorize(caller, Action::ReadThingVisorLog, None)?;
                existing(self.thing_visors(), "ThingVisor", id.as_str()).await?;
            }
            WorkloadName::VSilo(id) => {
                self.authorize(caller, Action::ReadVSiloLog, Some(&id.tenant()))?;
                existing(self.v_silos(), "vSilo", id.as_str()).await?;
            }
        }
        Ok(())
    }

    /// What the caller's workloads use: a tenant's silos, or for an administrator everything that runs.
    ///
    /// # Errors
    /// When the System DB cannot be read.
    pub async fn list_workloads(&self, caller: &Caller) -> Result<Vec<WorkloadUsage>, Failure> {
        self.operation("listWorkloads", async {
            self.authorize(caller, Action::ListWorkloads, None)?;
            let mut found = Vec::new();
            let mut prefix = format!("{}_", caller.user);
            if caller.role == Role::Administrator {
                prefix.clear();
                for visor in self.thing_visors().all("").await? {
                    let ThingVisor { id, status, .. } = visor.value;
                    found.push((WorkloadName::ThingVisor(id), status.phase, status.restarts));
                }
            }
            for silo in self.v_silos().all(&prefix).await? {
                let VSilo { id, status, .. } = silo.value;
                found.push((WorkloadName::VSilo(id), status.phase, status.restarts));
            }
            let usage = self.node().usage().await;
            let workloads = found.into_iter().map(|(name, phase, restarts)| WorkloadUsage {
                phase,
                restarts,
                memory_bytes: usage.get(&name).map_or(0, |usage| usage.rss_bytes),
                cpu_seconds: usage.get(&name).map_or(0.0, |usage| usage.cpu_seconds),
                published_messages: self.published_by(&fabric_role(&name).to_string()),
                name,
            });
            Ok(workloads.collect())
        })
        .await
    }

    /// The zones, each with its nodes.
    ///
    /// # Errors
    /// When the caller may not.
    pub async fn list_zones(&self, caller: &Caller) -> Result<Vec<Zone>, Failure> {
        self.operation("listZones", async {
            self.authorize(caller, Action::ListZones, None)?;
            let place = self.place();
            Ok(vec![Zone { id: place.zone.clone(), nodes: vec![place.node.clone()] }])
        })
        .await
    }

    /// One machine.
    ///
    /// # Errors
    /// When the caller is no administrator or it does not exist.
    pub async fn inspect_node(&self, caller: &Caller, id: &NodeId) -> Result<Node, Failure> {
        let nodes = self.list_nodes(caller).await?;
        let found = nodes.into_iter().find(|node| node.id == *id);
        found.ok_or_else(|| Failure::not_found(format_args!("node '{id}'")))
    }

    /// The machines of the platform.
    ///
    /// # Errors
    /// When the caller is no administrator.
    pub async fn list_nodes(&self, caller: &Caller) -> Result<Vec<Node>, Failure> {
        self.operation("listNodes", async {
            self.authorize(caller, Action::ListNodes, None)?;
            let node = self.node();
            let inventory = node.inventory();
            Ok(vec![Node {
                id: self.place().node.clone(),
                zone: self.place().zone.clone(),
                workloads: node.reports().len(),
                cores: inventory.cores,
                memory_mib: inventory.memory_mib,
                arch: inventory.arch,
                limits: inventory.limits,
            }])
        })
        .await
    }

    /// When each reconciler last ran, and what it did.
    ///
    /// # Errors
    /// When the caller is no administrator.
    pub async fn reconcilers(&self, caller: &Caller) -> Result<Vec<ReconcilerReport>, Failure> {
        self.operation("listReconcilers", async {
            self.authorize(caller, Action::InspectNode, None)?;
            Ok(self.reconciler_reports())
        })
        .await
    }
}

/// The lines until the reader's right has ended, which is looked at once a second.
fn while_it_holds(
    lines: BoxStream<'static, String>,
    lease: Lease,
    open: OpenStream,
) -> BoxStream<'static, String> {
    let reader = (lines, lease, Instant::now(), open);
    stream::unfold(reader, |(mut lines, lease, mut looked, open)| async move {
        let line = lines.next().await?;
        if looked.elapsed() >= LEASE_CHECK {
            looked = Instant::now();
            if !lease.holds().await {
                return None;
            }
        }
        Some((line, (lines, lease, looked, open)))
    })
    .boxed()
}

fn reading_log(error: morgana_node::Error) -> Error {
    match error {
        morgana_node::Error::Unknown { .. } => {
            Failure::new(ErrorCode::NotFound, "the workload has no log yet; it was not started").into()
        }
        source => Error::Node { doing: "reading a log", source },
    }
}
