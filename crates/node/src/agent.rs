use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use morgana_model::WorkloadName;
use morgana_runtime::Usage;
use tokio::sync::broadcast;

use crate::{Assignment, Error, Inventory, Report};

/// A node agent, as the controller sees it. [`Node`](crate::Node) is the real one.
#[async_trait]
pub trait NodeAgent: Send + Sync {
    /// Has a workload run from now on. Returns when that is noted, not when it runs: reports tell.
    ///
    /// The same generation again changes nothing that runs, except that a failed workload is tried again; the
    /// next start has what was assigned last. A
    /// higher one restarts the workload with the new assignment; a lower one is passed over. A
    /// workload that is just being removed is started afresh, with empty folders.
    ///
    /// # Errors
    /// When the agent is being shut down.
    async fn assign(&self, assignment: Assignment) -> Result<(), Error>;

    /// Ends a workload and deletes all it had: data folder, log, ports, limits. Returns when that
    /// is noted; the report [`State::Gone`](crate::State::Gone) tells when it is done. One that
    /// the node does not know is gone at once, and folders of it that are still there too.
    ///
    /// # Errors
    /// When the agent is being shut down.
    async fn remove(&self, name: &WorkloadName) -> Result<(), Error>;

    /// The latest report of every workload; those that are gone are not in it.
    fn reports(&self) -> Vec<Report>;

    /// The latest report of one workload; nothing where it is gone or was never there.
    fn report(&self, name: &WorkloadName) -> Option<Report> {
        self.reports().into_iter().find(|report| report.name == *name)
    }

    /// Reports from now on. One that is behind gets `Lagged` and should read [`Self::reports`].
    fn subscribe(&self) -> broadcast::Receiver<Report>;

    /// The last lines that a workload printed, the newest at the end.
    ///
    /// # Errors
    /// When the node does not have the workload, or its log cannot be read.
    async fn log_tail(&self, name: &WorkloadName, lines: usize) -> Result<Vec<String>, Error>;

    /// The last `lines` lines that a workload printed and then those it prints, over its
    /// restarts, until it is removed. Where the reader is too slow, a line says what is missing.
    ///
    /// # Errors
    /// When the node does not have the workload, or its log cannot be read.
    async fn log_follow(
        &self,
        name: &WorkloadName,
        lines: usize,
    ) -> Result<BoxStream<'static, String>, Error>;

    /// What each running workload uses now.
    async fn usage(&self) -> BTreeMap<WorkloadName, Usage>;

    /// What the node has.
    fn inventory(&self) -> Inventory;

    /// Ends every workload gracefully, and keeps their folders for the next agent. After it the
    /// agent takes no work. No workload is reported as gone.
    async fn shutdown(&self);
}
