//! The task of one workload: it asks the [`Supervisor`] what to do, and does it.

mod run;

use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use metrics::{counter, histogram};
use morgana_model::{Endpoints, ImageName, WorkloadKind, WorkloadName};
use morgana_workload::Start;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use self::run::{Launching, Run};
use crate::folders::Folders;
use crate::metrics::{ENDS_TOTAL, READY_SECONDS, STARTS_TOTAL};
use crate::shared::{Entry, Shared, Slot};
use crate::supervisor::{Action, Event, Phase, Policy, Supervisor};
use crate::{Assignment, Report, State};

/// What the node asks of a workload's task.
#[derive(Debug)]
pub(crate) enum Command {
    Assign(Box<Assignment>),
    Remove,
    ShutDown,
}

pub(crate) struct Workload {
    shared: Arc<Shared>,
    name: WorkloadName,
    folders: Folders,
    commands: mpsc::Receiver<Command>,
    slot: Arc<Mutex<Slot>>,
    supervisor: Supervisor,
    /// Nothing when it is not assigned (any more).
    assignment: Option<Assignment>,
    generation: u64,
    /// The update that it was started with.
    update: u64,
    endpoints: Endpoints,
    limits: Option<String>,
    run: Run,
    started: Instant,
}

impl Workload {
    /// Makes the task of a workload, which runs until there is nothing more to do.
    pub(crate) fn spawn(shared: &Arc<Shared>, name: &WorkloadName) -> Entry {
        let (sender, commands) = mpsc::channel(shared.options.command_queue.max(1));
        let entry = Entry { commands: sender, slot: Arc::new(Mutex::new(Slot::default())) };
        // Milliseconds since 1970 grow over the life of the agent, and faster than starts do.
        let before = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
        let workload = Self {
            shared: Arc::clone(shared),
            name: name.clone(),
            folders: Folders::of(&shared.workloads_dir, name),
            commands,
            slot: Arc::clone(&entry.slot),
            supervisor: Supervisor::new(Policy::from(&shared.options), before),
            assignment: None,
            generation: 0,
            update: 0,
            endpoints: Endpoints::new(),
            limits: None,
            run: Run::Nothing,
            started: Instant::now(),
        };
        tokio::spawn(workload.work());
        entry
    }

    async fn work(mut self) {
        loop {
            let event = self.next_event().await;
            let mut quit = false;
            for action in self.supervisor.apply(event, Instant::now()) {
                match action {
                    Action::Start { incarnation, fresh_ports } => self.start(incarnation, fresh_ports),
                    Action::Stop => self.run.stop(self.shared.options.stop_grace()),
                    Action::Delete => self.delete().await,
                    Action::Report => self.report(),
                    Action::Quit => quit = true,
                }
            }
            if quit && self.may_quit() {
                return;
            }
        }
    }

    async fn next_event(&mut self) -> Event {
        let deadline = self.supervisor.deadline();
        let tick = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let incarnation = self.supervisor.incarnation();
        tokio::select! {
            Some(command) = self.commands.recv() => self.take(command),
            happened = self.run.next() => self.note(incarnation, happened),
            () = tick => Event::Tick,
        }
    }

    fn take(&mut self, command: Command) -> Event {
        match command {
            Command::Assign(assignment) => {
                let event = Event::Assigned {
                    generation: assignment.generation,
                    tells_ready: !matches!(assignment.image, ImageName::Exec(_)),
                };
                if self.assignment.is_none() {
                    self.endpoints.clone_from(&assignment.endpoints);
                }
                if self.assignment.is_none() || assignment.generation >= self.generation {
                    self.generation = assignment.generation;
                    self.assignment = Some(*assignment);
                }
                event
            }
            Command::Remove => {
                self.assignment = None;
                Event::Removed
            }
            Command::ShutDown => Event::ShutDown,
        }
    }

    /// Notes what the run told, and puts it in the supervisor's words.
    fn note(&mut self, incarnation: u64, happened: run::Happened) -> Event {
        let kind = kind(&self.name);
        match happened {
            run::Happened::Started(instance) => {
                self.limits = Some(instance.limits().to_owned());
                self.slot.lock().instance = Some(instance);
                Event::Started { incarnation }
            }
            run::Happened::NotStarted { reason, permanent } => {
                tracing::warn!(workload = %self.name, incarnation, reason, "could not start");
                Event::NotStarted { incarnation, reason, permanent }
            }
            run::Happened::Ready => {
                let took = self.started.elapsed();
                histogram!(READY_SECONDS, "kind" => kind).record(took.as_secs_f64());
                tracing::info!(workload = %self.name, incarnation, took_ms = took.as_millis(), "ready");
                Event::Ready { incarnation }
            }
            run::Happened::Ended(exit) => {
                if !matches!(self.supervisor.phase(), Phase::Stopping { .. }) {
                    counter!(ENDS_TOTAL, "kind" => kind).increment(1);
                    tracing::warn!(workload = %self.name, incarnation, %exit, "ended");
                }
                let log = {
                    let mut slot = self.slot.lock();
                    slot.instance = None;
                    slot.log.clone()
                };
                let last_lines = log.and_then(|log| log.tail(LAST_LINES).ok()).unwrap_or_default();
                Event::Ended { incarnation, exit, last_lines }
            }
        }
    }

    fn start(&mut self, incarnation: u64, fresh_ports: bool) {
        counter!(STARTS_TOTAL, "kind" => kind(&self.name)).increment(1);
        self.started = Instant::now();
        self.run = match self.launching(incarnation, fresh_ports) {
            Ok(launching) => Run::start(Arc::clone(&self.shared), launching),
            Err(reason) => Run::failed(reason),
        };
        tracing::debug!(workload = %self.name, incarnation, "starting");
    }

    /// Puts together what a start needs.
    fn launching(&mut self, incarnation: u64, fresh_ports: bool) -> Result<Launching, String> {
        // The supervisor starts nothing that is not assigned.
        let assignment = self.assignment.clone().ok_or("it is not assigned")?;
        self.update = assignment.update;
        let start = Start { incarnation, update: self.update };
        let wanted = if fresh_ports { Endpoints::new() } else { self.endpoints.clone() };
        let taken = self.shared.ports.take(&self.name, &assignment.doors, &assignment.asked, &wanted);
        self.endpoints = taken.map_err(|error| error.to_string())?;
        self.folders.create(assignment.born).map_err(in_full)?;
        let log = self.log().map_err(in_full)?;
        let (endpoints, data) = (self.endpoints.clone(), self.folders.data());
        Ok(Launching { assignment, start, endpoints, data, log })
    }

    fn log(&self) -> Result<Arc<morgana_runtime::Log>, morgana_runtime::Error> {
        let mut slot = self.slot.lock();
        if let Some(log) = &slot.log {
            return Ok(Arc::clone(log));
        }
        let max_bytes = self.shared.options.log_max_mib.saturating_mul(1024 * 1024);
        let log = Arc::new(morgana_runtime::Log::open(self.folders.log(), max_bytes)?);
        slot.log = Some(Arc::clone(&log));
        Ok(log)
    }

    async fn delete(&mut self) {
        self.run = Run::Nothing;
        *self.slot.lock() = Slot::default();
        self.shared.ports.release(&self.name);
        self.endpoints = self.assignment.as_ref().map(|next| next.endpoints.clone()).unwrap_or_default();
        self.limits = None;
        if let Err(error) = self.folders.delete().await {
            tracing::error!(workload = %self.name, reason = in_full(error), "could not delete what it had");
        }
    }

    fn report(&self) {
        let state = match self.supervisor.phase() {
            Phase::Launching | Phase::Starting { .. } => State::Starting,
            Phase::Ready => State::Ready,
            Phase::Waiting { until, reason, .. } => {
                let left = until.saturating_duration_since(Instant::now());
                let left = SignedDuration::try_from(left).unwrap_or(SignedDuration::MAX);
                let restart_at = Timestamp::now().checked_add(left).unwrap_or(Timestamp::MAX);
                State::Waiting { reason: reason.clone(), restart_at }
            }
            Phase::Failed { reason } => State::Failed { reason: reason.clone() },
            Phase::Gone => State::Gone,
            // It is being ended to be started again.
            Phase::Stopping { .. } | Phase::Idle => State::Starting,
        };
        self.shared.reports.publish(Report {
            name: self.name.clone(),
            generation: self.generation,
            state,
            incarnation: self.supervisor.incarnation(),
            update: self.update,
            pid: self.slot.lock().instance.as_ref().and_then(|instance| instance.pid()),
            endpoints: self.endpoints.clone(),
            restarts: self.supervisor.restarts(),
            limits: self.limits.clone(),
        });
    }

    /// Leaves the node's list, unless a command has come in meanwhile.
    fn may_quit(&mut self) -> bool {
        let mut workloads = self.shared.workloads.lock();
        if !self.commands.is_empty() {
            return false;
        }
        workloads.remove(&self.name);
        // From here on a command is refused, and its sender makes a new task.
        self.commands.close();
        true
    }
}

/// How many lines of its log tell why a workload failed.
const LAST_LINES: usize = 5;

fn kind(name: &WorkloadName) -> &'static str {
    match name.kind() {
        WorkloadKind::ThingVisor => "thingvisor",
        WorkloadKind::VSilo => "vsilo",
    }
}

/// An error with its causes, in one line.
fn in_full(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
