use std::{collections::VecDeque, pin::Pin, sync::Arc};

use jiff::Timestamp;
use morgana_journal::Ticket;
use parking_lot::Mutex;

use crate::{
    DeliveryError, Endpoint, Message,
    metrics::{DELIVERED, DROPPED, FAILED},
};

/// What became of a subscription's messages. Every message handed over ends as sent, waiting, or dropped:
/// `sent + waiting + dropped` is the number of messages, and `failed` of those sent had no success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Messages that were attempted, however often, and are finished.
    pub sent: u64,
    /// Of those sent, the ones that were given up.
    pub failed: u64,
    /// Messages that never left, because the queue was full or the write that they tell of was not kept.
    pub dropped: u64,
    /// Messages in the queue or under way.
    pub waiting: u64,
    /// Whether one of those that wait is on its way: whoever gets it may ask for these counts before it has answered.
    pub attempting: bool,
    /// When the last attempt began.
    pub last_attempt: Option<Timestamp>,
    /// When the last successful attempt ended.
    pub last_success: Option<Timestamp>,
    /// When the last failed attempt ended.
    pub last_failure: Option<Timestamp>,
    /// Why the last failed attempt failed.
    pub last_error: Option<Arc<str>>,
    /// Whether the last message was given up or dropped.
    pub failing: bool,
}

/// Makes a message when its turn has come, so that waiting costs little and no lock is held for it.
pub(crate) type Render = Box<dyn FnOnce() -> Result<Message, DeliveryError> + Send>;

/// One message's turn.
pub(crate) struct Turn {
    /// The write that the message tells of: nobody hears of one that may yet be lost.
    pub(crate) after: Option<Ticket>,
    pub(crate) job: Job,
}

/// What is done when a message's turn has come.
pub(crate) enum Job {
    /// The notifier makes the message and hands it to its transport, again and again if need be.
    Message(Render),
    /// The message delivers itself, once.
    Delivery(Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send>>),
}

/// The queue of one subscription.
pub(crate) struct Lane {
    pub(crate) endpoint: Mutex<Arc<Endpoint>>,
    pub(crate) state: Mutex<LaneState>,
}

#[derive(Default)]
pub(crate) struct LaneState {
    pub(crate) queue: VecDeque<Turn>,
    /// Whether a task is working on the queue.
    pub(crate) running: bool,
    /// Whether the subscription is gone.
    pub(crate) closed: bool,
    pub(crate) counts: DeliveryCounts,
}

impl Lane {
    pub(crate) fn new(endpoint: Endpoint, counts: DeliveryCounts) -> Self {
        Self {
            endpoint: Mutex::new(Arc::new(endpoint)),
            state: Mutex::new(LaneState { counts, ..LaneState::default() }),
        }
    }

    /// Adds a message; when the queue is full the oldest one goes, because the newest state is worth more. Returns
    /// whether a task has to be started.
    pub(crate) fn push(&self, turn: Turn, max: usize) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        if state.queue.len() >= max.max(1) {
            state.queue.pop_front();
            state.counts.waiting -= 1;
            state.counts.dropped += 1;
            ::metrics::counter!(DROPPED).increment(1);
            state.counts.failing = true;
        }
        state.queue.push_back(turn);
        state.counts.waiting += 1;
        !std::mem::replace(&mut state.running, true)
    }

    /// The next message, or `None` after which the task ends.
    pub(crate) fn next(&self) -> Option<Turn> {
        let mut state = self.state.lock();
        let next = if state.closed { None } else { state.queue.pop_front() };
        state.running = next.is_some();
        next
    }

    /// Notes that a message that had its turn was not attempted.
    pub(crate) fn dropped(&self) {
        let mut state = self.state.lock();
        state.counts.waiting -= 1;
        state.counts.dropped += 1;
        ::metrics::counter!(DROPPED).increment(1);
    }

    pub(crate) fn attempt(&self, now: Timestamp) {
        let counts = &mut self.state.lock().counts;
        counts.last_attempt = Some(now);
        counts.attempting = true;
    }

    pub(crate) fn attempt_failed(&self, now: Timestamp, error: &DeliveryError) {
        let mut state = self.state.lock();
        state.counts.last_failure = Some(now);
        state.counts.last_error = Some(error.to_string().into());
    }

    pub(crate) fn finished(&self, now: Timestamp, success: bool) {
        let mut state = self.state.lock();
        state.counts.waiting -= 1;
        state.counts.sent += 1;
        state.counts.attempting = false;
        state.counts.failing = !success;
        if success {
            state.counts.last_success = Some(now);
            ::metrics::counter!(DELIVERED).increment(1);
        } else {
            state.counts.failed += 1;
            ::metrics::counter!(FAILED).increment(1);
        }
    }
}
