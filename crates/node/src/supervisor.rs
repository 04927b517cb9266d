//! What to do about a workload: pure decisions, no I/O, no clock.

mod phase;
mod policy;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Instant;

use morgana_runtime::Exit;
use morgana_workload::{EXIT_CONFIGURATION, EXIT_PORT_TAKEN};

pub(crate) use phase::Phase;
use phase::{AtDeadline, Then};
pub(crate) use policy::Policy;

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The controller wants it to run.
    Assigned {
        generation: u64,
        /// Whether the image is known to tell when it is ready.
        tells_ready: bool,
    },
    /// The controller wants it gone.
    Removed,
    /// The agent ends.
    ShutDown,
    /// A start went well: there is a process.
    Started { incarnation: u64 },
    /// A start did not.
    NotStarted { incarnation: u64, reason: String, permanent: bool },
    /// The workload told that it is ready.
    Ready { incarnation: u64 },
    /// Nothing of it runs any more.
    Ended { incarnation: u64, exit: Exit, last_lines: Vec<String> },
    /// The deadline has come.
    Tick,
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start it. The answer is `Started` or `NotStarted`.
    Start {
        incarnation: u64,
        /// With ports it did not have before.
        fresh_ports: bool,
    },
    /// End it, gracefully first. The answer is `Ended`, or `NotStarted` when there was nothing yet.
    Stop,
    /// Delete all it has.
    Delete,
    /// Tell the controller.
    Report,
    /// There is nothing more to do.
    Quit,
}

/// The supervisor of one workload.
#[derive(Debug)]
pub(crate) struct Supervisor {
    policy: Policy,
    phase: Phase,
    /// Nothing when the workload is not assigned (any more).
    generation: Option<u64>,
    tells_ready: bool,
    incarnation: u64,
    restarts: u32,
    /// When it ended lately.
    ends: VecDeque<Instant>,
    /// How many starts in a row did not get ready.
    unready: usize,
    /// Whether it was ever ready with the ports it has.
    ports_are_good: bool,
}

impl Supervisor {
    /// A supervisor whose first start has the incarnation after this one.
    pub(crate) fn new(policy: Policy, incarnation: u64) -> Self {
        Self {
            policy,
            phase: Phase::Idle,
            generation: None,
            tells_ready: true,
            incarnation,
            restarts: 0,
            ends: VecDeque::new(),
            unready: 0,
            ports_are_good: false,
        }
    }

    pub(crate) fn phase(&self) -> &Phase {
        &self.phase
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }

    /// When the next `Tick` is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Starting { until, .. } | Phase::Waiting { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Takes an event in. Events of an earlier incarnation change nothing.
    pub(crate) fn apply(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Assigned { generation, tells_ready } => self.assigned(generation, tells_ready),
            Event::Removed => self.removed(),
            Event::ShutDown => self.shut_down(),
            Event::Started { incarnation } if incarnation == self.incarnation => self.started(now),
            Event::Ready { incarnation } if incarnation == self.incarnation => self.ready(),
            Event::NotStarted { incarnation, reason, permanent } if incarnation == self.incarnation => {
                self.not_started(reason, permanent, now)
            }
            Event::Ended { incarnation, exit, last_lines } if incarnation == self.incarnation => {
                self.ended(exit, &last_lines, now)
            }
            Event::Tick => self.tick(now),
            Event::Started { .. } | Event::NotStarted { .. } | Event::Ready { .. } | Event::Ended { .. } => {
                Vec::new()
            }
        }
    }

    fn assigned(&mut self, generation: u64, tells_ready: bool) -> Vec<Action> {
        if matches!(self.phase, Phase::Stopping { then: Then::Rest }) {
            return Vec::new();
        }
        let revived = self.generation == Some(generation) && matches!(self.phase, Phase::Failed { .. });
        if self.generation.is_some_and(|known| known >= generation) && !revived {
            return Vec::new();
        }
        self.generation = Some(generation);
        self.tells_ready = tells_ready;
        self.restarts = 0;
        self.ends.clear();
        self.unready = 0;
        self.ports_are_good = false;
        match &mut self.phase {
            Phase::Stopping { then } => {
                *then = match then {
                    Then::Delete | Then::DeleteAndStart => Then::DeleteAndStart,
                    _ => Then::Start,
                };
                Vec::new()
            }
            Phase::Launching | Phase::Starting { .. } | Phase::Ready => self.stop(Then::Start),
            Phase::Idle | Phase::Waiting { .. } | Phase::Failed { .. } | Phase::Gone => self.start(false),
        }
    }

    fn removed(&mut self) -> Vec<Action> {
        self.generation = None;
        match &mut self.phase {
            Phase::Stopping { then: Then::Rest } => Vec::new(),
            Phase::Stopping { then } => {
                *then = Then::Delete;
                Vec::new()
            }
            Phase::Launching | Phase::Starting { .. } | Phase::Ready => self.stop(Then::Delete),
            Phase::Idle | Phase::Waiting { .. } | Phase::Failed { .. } | Phase::Gone => self.delete(),
        }
    }

    fn shut_down(&mut self) -> Vec<Action> {
        match &mut self.phase {
            Phase::Stopping { then } => {
                // What was to be deleted still is.
                *then = match then {
                    Then::Delete | Then::DeleteAndStart => Then::Delete,
                    _ => Then::Rest,
                };
                Vec::new()
            }
            Phase::Launching | Phase::Starting { .. } | Phase::Ready => self.stop(Then::Rest),
            Phase::Idle | Phase::Waiting { .. } | Phase::Failed { .. } | Phase::Gone => {
                self.phase = Phase::Idle;
                vec![Action::Quit]
            }
        }
    }

    fn started(&mut self, now: Instant) -> Vec<Action> {
        if self.phase != Phase::Launching {
            return Vec::new();
        }
        self.phase = if self.tells_ready {
            Phase::Starting { until: now + self.policy.ready_timeout, at: AtDeadline::GiveUp }
        } else {
            Phase::Starting { until: now + self.policy.settle, at: AtDeadline::CountAsReady }
        };
        vec![Action::Report]
    }

    fn ready(&mut self) -> Vec<Action> {
        // A workload may be ready before we have noted that it was started.
        if !matches!(self.phase, Phase::Launching | Phase::Starting { .. }) {
            return Vec::new();
        }
        self.phase = Phase::Ready;
        self.ports_are_good = true;
        vec![Action::Report]
    }

    fn tick(&mut self, now: Instant) -> Vec<Action> {
        match &self.phase {
            Phase::Waiting { until, fresh_ports, .. } if *until <= now => {
                let fresh_ports = *fresh_ports;
                self.restarts += 1;
                self.start(fresh_ports)
            }
            Phase::Starting { until, at: AtDeadline::CountAsReady } if *until <= now => self.ready(),
            Phase::Starting { until, at: AtDeadline::GiveUp } if *until <= now => {
                let seconds = self.policy.ready_timeout.as_secs_f64();
                self.stop(Then::Retry { reason: format!("did not get ready within {seconds} s") })
            }
            _ => Vec::new(),
        }
    }

    fn not_started(&mut self, reason: String, permanent: bool, now: Instant) -> Vec<Action> {
        match &self.phase {
            Phase::Stopping { .. } => self.stopped(&[], now),
            Phase::Launching if permanent => self.fail(reason, &[]),
            Phase::Launching => self.retry(reason, &[], false, now),
            _ => Vec::new(),
        }
    }

    fn ended(&mut self, exit: Exit, last_lines: &[String], now: Instant) -> Vec<Action> {
        match &self.phase {
            Phase::Stopping { .. } => self.stopped(last_lines, now),
            Phase::Launching | Phase::Starting { .. } | Phase::Ready => match exit {
                Exit::Status(EXIT_CONFIGURATION) => {
                    self.fail(format!("{exit}: its parameters are wrong"), last_lines)
                }
                Exit::Status(EXIT_PORT_TAKEN) => {
                    let fresh_ports = !self.ports_are_good;
                    self.retry(format!("{exit}: a port was taken"), last_lines, fresh_ports, now)
                }
                other => self.retry(other.to_string(), last_lines, false, now),
            },
            _ => Vec::new(),
        }
    }

    /// What we ended has ended.
    fn stopped(&mut self, last_lines: &[String], now: Instant) -> Vec<Action> {
        let Phase::Stopping { then } = &self.phase else { return Vec::new() };
        match then.clone() {
            Then::Start => self.start(false),
            Then::Retry { reason } => self.retry(reason, last_lines, false, now),
            Then::Delete => self.delete(),
            Then::DeleteAndStart => {
                let mut actions = vec![Action::Delete];
                actions.extend(self.start(false));
                actions
            }
            Then::Rest => {
                self.phase = Phase::Idle;
                vec![Action::Quit]
            }
        }
    }

    /// After an end that nobody wanted: waits for the next start, or gives up.
    fn retry(
        &mut self,
        reason: String,
        last_lines: &[String],
        fresh_ports: bool,
        now: Instant,
    ) -> Vec<Action> {
        self.unready = if self.phase == Phase::Ready { 0 } else { self.unready + 1 };
        let window = self.policy.crash_loop_window;
        self.ends.retain(|end| now.saturating_duration_since(*end) < window);
        self.ends.push_back(now);
        if self.ends.len() >= self.policy.crash_loop_ends {
            let (ends, seconds) = (self.ends.len(), window.as_secs_f64());
            return self.fail(format!("ended {ends} times within {seconds} s; last: {reason}"), last_lines);
        }
        if self.unready >= self.policy.crash_loop_ends {
            let times = self.unready;
            return self
                .fail(format!("did not get ready {times} times in a row; last: {reason}"), last_lines);
        }
        let delay = self.policy.delay(self.ends.len().max(self.unready));
        self.phase = Phase::Waiting { until: now + delay, reason, fresh_ports };
        vec![Action::Report]
    }

    fn fail(&mut self, mut reason: String, last_lines: &[String]) -> Vec<Action> {
        if !last_lines.is_empty() {
            reason.push_str("; last lines of its log:\n");
            reason.push_str(&last_lines.join("\n"));
        }
        self.phase = Phase::Failed { reason };
        vec![Action::Report]
    }

    fn start(&mut self, fresh_ports: bool) -> Vec<Action> {
        self.incarnation += 1;
        self.phase = Phase::Launching;
        if fresh_ports {
            self.ports_are_good = false;
        }
        vec![Action::Start { incarnation: self.incarnation, fresh_ports }, Action::Report]
    }

    fn stop(&mut self, then: Then) -> Vec<Action> {
        // A removal is told when it is done, and the end of the agent not at all.
        let tell = matches!(then, Then::Start | Then::Retry { .. });
        self.phase = Phase::Stopping { then };
        if tell { vec![Action::Stop, Action::Report] } else { vec![Action::Stop] }
    }

    fn delete(&mut self) -> Vec<Action> {
        self.phase = Phase::Gone;
        vec![Action::Delete, Action::Report, Action::Quit]
    }
}
