use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use morgana_model::WorkloadName;
use morgana_runtime::{Instance, Log, Runtime};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, broadcast, mpsc};

use crate::notify_socket::SocketFolder;
use crate::ports::Ports;
use crate::workload::Command;
use crate::{Options, Report, State};

/// What the workloads of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    /// Where the folders of the workloads are, as a whole path.
    pub(crate) workloads_dir: PathBuf,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) ports: Ports,
    pub(crate) sockets: SocketFolder,
    pub(crate) next_socket: AtomicU64,
    /// A permit for each workload that may be between start and ready.
    pub(crate) starts: Arc<Semaphore>,
    pub(crate) workloads: Mutex<HashMap<WorkloadName, Entry>>,
    pub(crate) reports: Reports,
}

/// How the node reaches a workload.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) slot: Arc<Mutex<Slot>>,
}

/// What a workload has right now.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) log: Option<Arc<Log>>,
    pub(crate) instance: Option<Arc<dyn Instance>>,
}

/// The latest report of each workload, and those who listen.
#[derive(Debug)]
pub(crate) struct Reports {
    latest: Mutex<BTreeMap<WorkloadName, Report>>,
    sender: broadcast::Sender<Report>,
}

impl Reports {
    pub(crate) fn new(queue: usize) -> Self {
        Self { latest: Mutex::default(), sender: broadcast::channel(queue.max(1)).0 }
    }

    /// Notes a report and sends it. Both under the lock, so that listeners hear in the order of
    /// what [`Self::latest`] shows.
    pub(crate) fn publish(&self, report: Report) {
        let mut latest = self.latest.lock();
        if report.state == State::Gone {
            latest.remove(&report.name);
        } else {
            latest.insert(report.name.clone(), report.clone());
        }
        // Nobody may be listening.
        let _ = self.sender.send(report);
    }

    pub(crate) fn latest(&self) -> Vec<Report> {
        self.latest.lock().values().cloned().collect()
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Report> {
        self.sender.subscribe()
    }
}
