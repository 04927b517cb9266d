//! A node agent without processes, for the tests of what talks to one.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;
use morgana_model::{Endpoints, WorkloadName};
use morgana_runtime::{Limits, Usage};
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::{Assignment, Error, Inventory, NodeAgent, Report, State};

/// The twin of [`Node`](crate::Node): it keeps the same contract and says the same reports, but
/// nothing runs. A test plays the part of the workloads with [`Self::set_ready`],
/// [`Self::crash`], [`Self::fail`] and [`Self::print`].
#[derive(Debug)]
pub struct SimulatedNode {
    state: Mutex<Simulation>,
    reports: broadcast::Sender<Report>,
}

#[derive(Debug)]
struct Simulation {
    workloads: BTreeMap<WorkloadName, Simulated>,
    ready_at_once: bool,
    shut_down: bool,
    next_port: u16,
    next_pid: u32,
    next_incarnation: u64,
}

#[derive(Debug)]
struct Simulated {
    assignment: Assignment,
    report: Report,
    log: Vec<String>,
    lines: broadcast::Sender<String>,
}

impl Default for SimulatedNode {
    fn default() -> Self {
        Self::new()
    }
}

impl SimulatedNode {
    /// A node on which every workload is ready as soon as it is assigned.
    pub fn new() -> Self {
        let simulation = Simulation {
            workloads: BTreeMap::new(),
            ready_at_once: true,
            shut_down: false,
            next_port: 20_000,
            next_pid: 1_000,
            next_incarnation: 1,
        };
        Self { state: Mutex::new(simulation), reports: broadcast::channel(1_024).0 }
    }

    /// Whether workloads that are started from now on are ready at once, or wait for
    /// [`Self::set_ready`].
    pub fn ready_at_once(&self, yes: bool) {
        self.state.lock().ready_at_once = yes;
    }

    /// The assignments in force, by name.
    pub fn assignments(&self) -> Vec<Assignment> {
        self.state.lock().workloads.values().map(|workload| workload.assignment.clone()).collect()
    }

    /// The latest report of one workload.
    pub fn report(&self, name: &WorkloadName) -> Option<Report> {
        self.state.lock().workloads.get(name).map(|workload| workload.report.clone())
    }

    /// A workload tells that it is ready.
    pub fn set_ready(&self, name: &WorkloadName) {
        self.change(name, |report| report.state = State::Ready);
    }

    /// A workload ends and waits for its restart, which [`Self::restart`] is.
    pub fn crash(&self, name: &WorkloadName, reason: &str) {
        self.change(name, |report| {
            report.pid = None;
            report.state = State::Waiting { reason: reason.to_owned(), restart_at: Timestamp::now() };
        });
    }

    /// A workload that has crashed is started again: same ports, next incarnation.
    pub fn restart(&self, name: &WorkloadName) {
        let mut state = self.state.lock();
        let Some(mut workload) = state.workloads.remove(name) else { return };
        workload.report.restarts += 1;
        state.start(&mut workload, &self.reports);
        state.workloads.insert(name.clone(), workload);
    }

    /// A workload fails for good.
    pub fn fail(&self, name: &WorkloadName, reason: &str) {
        self.change(name, |report| {
            report.pid = None;
            report.state = State::Failed { reason: reason.to_owned() };
        });
    }

    /// A workload prints a line.
    pub fn print(&self, name: &WorkloadName, line: &str) {
        if let Some(workload) = self.state.lock().workloads.get_mut(name) {
            workload.log.push(line.to_owned());
            let _ = workload.lines.send(line.to_owned());
        }
    }

    fn change(&self, name: &WorkloadName, change: impl FnOnce(&mut Report)) {
        if let Some(workload) = self.state.lock().workloads.get_mut(name) {
            change(&mut workload.report);
            let _ = self.reports.send(workload.report.clone());
        }
    }
}

impl Simulation {
    /// Starts a workload: new incarnation and process, its ports or new ones, reports.
    fn start(&mut self, workload: &mut Simulated, reports: &broadcast::Sender<Report>) {
        let mut endpoints = Endpoints::new();
        for inner in &workload.assignment.doors {
            let door = format!("{inner}/tcp");
            let kept = workload.report.endpoints.get(&door).copied();
            let outer = kept.unwrap_or_else(|| {
                self.next_port += 1;
                self.next_port - 1
            });
            endpoints.insert(door, outer);
        }
        let report = &mut workload.report;
        report.generation = workload.assignment.generation;
        report.incarnation = self.next_incarnation;
        report.update = workload.assignment.update;
        report.pid = Some(self.next_pid);
        report.endpoints = endpoints;
        report.limits = Some(format!("{} (simulated)", Limits::default()));
        report.state = State::Starting;
        let _ = reports.send(report.clone());
        if self.ready_at_once {
            report.state = State::Ready;
            let _ = reports.send(report.clone());
        }
        self.next_incarnation += 1;
        self.next_pid += 1;
    }
}

#[async_trait]
impl NodeAgent for SimulatedNode {
    async fn assign(&self, assignment: Assignment) -> Result<(), Error> {
        let mut state = self.state.lock();
        if state.shut_down {
            return Err(Error::ShuttingDown);
        }
        let name = assignment.name.clone();
        let mut workload = match state.workloads.remove(&name) {
            Some(known) => known,
            None => Simulated {
                report: Report {
                    name: name.clone(),
                    generation: 0,
                    state: State::Starting,
                    incarnation: 0,
                    update: 0,
                    pid: None,
                    endpoints: assignment.endpoints.clone(),
                    restarts: 0,
                    limits: None,
                },
                assignment: assignment.clone(),
                log: Vec::new(),
                lines: broadcast::channel(256).0,
            },
        };
        let new = workload.report.incarnation == 0 || assignment.generation > workload.assignment.generation;
        let same = assignment.generation == workload.assignment.generation;
        if new || same {
            workload.assignment = assignment;
        }
        if new || same && matches!(workload.report.state, State::Failed { .. }) {
            workload.report.restarts = 0;
            state.start(&mut workload, &self.reports);
        }
        state.workloads.insert(name, workload);
        Ok(())
    }

    async fn remove(&self, name: &WorkloadName) -> Result<(), Error> {
        let mut state = self.state.lock();
        if state.shut_down {
            return Err(Error::ShuttingDown);
        }
        let last = state.workloads.remove(name).map(|workload| workload.report);
        let _ = self.reports.send(gone(name, last));
        Ok(())
    }

    fn reports(&self) -> Vec<Report> {
        self.state.lock().workloads.values().map(|workload| workload.report.clone()).collect()
    }

    fn subscribe(&self) -> broadcast::Receiver<Report> {
        self.reports.subscribe()
    }

    async fn log_tail(&self, name: &WorkloadName, lines: usize) -> Result<Vec<String>, Error> {
        let state = self.state.lock();
        let workload = state.workloads.get(name).ok_or_else(|| Error::Unknown(name.clone()))?;
        Ok(workload.log[workload.log.len().saturating_sub(lines)..].to_vec())
    }

    async fn log_follow(
        &self,
        name: &WorkloadName,
        lines: usize,
    ) -> Result<BoxStream<'static, String>, Error> {
        let state = self.state.lock();
        let workload = state.workloads.get(name).ok_or_else(|| Error::Unknown(name.clone()))?;
        let past = workload.log[workload.log.len().saturating_sub(lines)..].to_vec();
        let coming = tokio_stream::wrappers::BroadcastStream::new(workload.lines.subscribe());
        Ok(stream::iter(past).chain(coming.filter_map(|line| async { line.ok() })).boxed())
    }

    async fn usage(&self) -> BTreeMap<WorkloadName, Usage> {
        let usage = Usage { rss_bytes: 8 << 20, cpu_seconds: 0.1, processes: 1 };
        let state = self.state.lock();
        let running = state.workloads.values().filter(|workload| workload.report.pid.is_some());
        running.map(|workload| (workload.report.name.clone(), usage)).collect()
    }

    fn inventory(&self) -> Inventory {
        Inventory {
            cores: 2,
            memory_mib: 4_096,
            arch: std::env::consts::ARCH,
            limits: format!("{} (simulated)", Limits::default()),
        }
    }

    async fn shutdown(&self) {
        let mut state = self.state.lock();
        state.shut_down = true;
        state.workloads.clear();
    }
}

/// The report of a workload that is not there any more.
fn gone(name: &WorkloadName, last: Option<Report>) -> Report {
    Report {
        name: name.clone(),
        generation: last.as_ref().map_or(0, |last| last.generation),
        state: State::Gone,
        incarnation: last.as_ref().map_or(0, |last| last.incarnation),
        update: last.as_ref().map_or(0, |last| last.update),
        pid: None,
        endpoints: Endpoints::new(),
        restarts: last.as_ref().map_or(0, |last| last.restarts),
        limits: None,
    }
}
