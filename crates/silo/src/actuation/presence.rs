//! Whether a vThing is there to get commands.
//!
//! A command is sent once and kept by nobody. Feedback says that it arrived. Where none comes soon (`cmd-qos` 0, or an
//! actuator that takes its time), the silo asks the vThing for its context, as it does after every reconnect: every
//! ThingVisor answers that, VirIoT's too, and its answer means that it got what was sent before. Without an answer the
//! commands are refused. `docs/decisions` says why it is not the fabric or the controller that is asked.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// How long a vThing has to show that it is there.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long feedback may take before the vThing is asked.
const GRACE: Duration = Duration::from_millis(500);
/// The shortest time between two questions: an answer may be large.
const INTERVAL: Duration = Duration::from_secs(1);
/// Commands that wait for a sign of one vThing. Beyond it the oldest are taken to have arrived.
const CAPACITY: usize = 10_000;

/// A command that was sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waiting {
    pub(super) entity: String,
    pub(super) kind: Value,
    pub(super) command: String,
    pub(super) value: Map<String, Value>,
}

/// What the silo knows of one vThing.
#[derive(Debug, Default)]
pub(super) struct Presence {
    waiting: VecDeque<(Instant, Waiting)>,
    asked: Option<Instant>,
    last_asked: Option<Instant>,
}

impl Presence {
    pub(super) fn sent(&mut self, waiting: Waiting, now: Instant) {
        self.waiting.push_back((now, waiting));
        if self.waiting.len() > CAPACITY {
            self.waiting.pop_front();
        }
    }

    /// Feedback for a command: it arrived, and what was sent before it.
    pub(super) fn answered(&mut self, entity: &str, command: &str, id: &Value) {
        let is_it = |(_, waiting): &(Instant, Waiting)| {
            waiting.entity == entity && waiting.command == command && waiting.value.get("cmd-id") == Some(id)
        };
        if let Some(at) = self.waiting.iter().position(is_it) {
            self.waiting.drain(..=at);
        }
    }

    /// It answered a question: what was sent before the question arrived.
    pub(super) fn alive(&mut self) {
        if let Some(asked) = self.asked.take() {
            while self.waiting.front().is_some_and(|(sent, _)| *sent <= asked) {
                self.waiting.pop_front();
            }
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let (sent, _) = self.waiting.front()?;
        let ask = self.asked.is_none().then(|| self.may_ask(*sent + GRACE));
        Some(ask.map_or(*sent + PATIENCE, |ask| ask.min(*sent + PATIENCE)))
    }

    /// Whether to ask now.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let Some((sent, _)) = self.waiting.front() else { return false };
        let ask = self.asked.is_none() && self.may_ask(*sent + GRACE) <= now;
        if ask {
            (self.asked, self.last_asked) = (Some(now), Some(now));
        }
        ask
    }

    fn may_ask(&self, wanted: Instant) -> Instant {
        self.last_asked.map_or(wanted, |last| wanted.max(last + INTERVAL))
    }

    /// Commands whose time is over.
    pub(super) fn lost(&mut self, now: Instant) -> Vec<Waiting> {
        let mut lost = Vec::new();
        while self.waiting.front().is_some_and(|(sent, _)| *sent + PATIENCE <= now) {
            lost.extend(self.waiting.pop_front().map(|(_, waiting)| waiting));
        }
        if !lost.is_empty() {
            // The question was lost as well; the next commands get one of their own.
            self.asked = None;
        }
        lost
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }
}
