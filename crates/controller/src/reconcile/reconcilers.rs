//! The running reconcilers, for those who wake them or ask what they did.

use std::sync::{Arc, Weak};

use morgana_model::WorkloadName;

use super::{Housekeeping, ReconcilerReport, Runner, SiloConnections, Workloads};

/// Holds none of them: they end with the service, whoever still has this.
pub(crate) struct Reconcilers {
    workloads: Weak<Runner<Workloads>>,
    silo_connections: Weak<Runner<SiloConnections>>,
    housekeeping: Weak<Runner<Housekeeping>>,
}

impl Reconcilers {
    pub(crate) fn new(
        workloads: &Arc<Runner<Workloads>>,
        silo_connections: &Arc<Runner<SiloConnections>>,
        housekeeping: &Arc<Runner<Housekeeping>>,
    ) -> Self {
        Self {
            workloads: Arc::downgrade(workloads),
            silo_connections: Arc::downgrade(silo_connections),
            housekeeping: Arc::downgrade(housekeeping),
        }
    }

    pub(crate) fn wake_workload(&self, name: WorkloadName) {
        if let Some(workloads) = self.workloads.upgrade() {
            workloads.wake(name);
        }
    }

    pub(crate) fn reports(&self) -> Vec<ReconcilerReport> {
        let reports = [
            self.workloads.upgrade().map(|runner| runner.report()),
            self.silo_connections.upgrade().map(|runner| runner.report()),
            self.housekeeping.upgrade().map(|runner| runner.report()),
        ];
        reports.into_iter().flatten().collect()
    }
}
