use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::Arc,
};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;

use super::courier::Statistics;
use crate::time::Time;

/// Samples of a series that are remembered to see which came.
const SAMPLES: usize = 64;

/// What the CSE remembers of subscribers and series while it runs; none of it outlives it.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    batches: Mutex<HashMap<Box<str>, Vec<Value>>>,
    series: Mutex<HashMap<String, Series>>,
    /// The missing samples that a subscription has not been told of, with when they were missed.
    missing: Mutex<HashMap<Box<str>, VecDeque<Missing>>>,
    /// How many notifications a subscription with a rate limit sent in its window, and those that wait for the next.
    rates: Mutex<HashMap<Box<str>, Rate>>,
    /// What was counted when a subscription began to count, by lane.
    counted_before: Mutex<HashMap<String, Statistics>>,
    limits: Arc<Notify>,
}

/// A rate limit at work.
#[derive(Debug)]
struct Rate {
    until: Time,
    sent: u64,
    held: Vec<Value>,
}

/// What becomes of a notification under a rate limit.
pub(super) enum Admission {
    /// It may go.
    Now(Value),
    /// It waits for the next window; `true` when it is the first, so that someone has to wait for that.
    Held(bool),
}

/// A sample that did not come.
#[derive(Debug, Clone, Copy)]
struct Missing {
    noticed: Time,
    moment: Time,
}

#[derive(Debug, Default)]
struct Series {
    generation: u64,
    came: VecDeque<Time>,
}

impl Subscribers {
    /// Adds to a subscription's batch; says how many wait in it.
    pub(super) fn add_to_batch(&self, ri: &str, notification: Value) -> usize {
        let mut batches = self.batches.lock();
        let batch = batches.entry(ri.into()).or_default();
        batch.push(notification);
        batch.len()
    }

    /// Lets `most` notifications of a subscription go in a window of `millis`, and holds those beyond, at most `queue`
    /// of them: the oldest are lost first.
    pub(super) fn admit(
        &self,
        ri: &str,
        notification: Value,
        most: u64,
        millis: i64,
        queue: usize,
    ) -> Admission {
        let now = Time::now();
        let mut rates = self.rates.lock();
        let fresh = || Rate { until: now.plus_millis(millis), sent: 0, held: Vec::new() };
        let rate = rates.entry(ri.into()).or_insert_with(fresh);
        if rate.until <= now && rate.held.is_empty() {
            *rate = fresh();
        }
        if rate.sent < most && rate.held.is_empty() {
            rate.sent += 1;
            return Admission::Now(notification);
        }
        rate.held.push(notification);
        if rate.held.len() > queue {
            rate.held.remove(0);
        }
        Admission::Held(rate.held.len() == 1)
    }

    /// What was held, when the window is over; a new one begins with it.
    pub(super) fn release(&self, ri: &str, millis: i64) -> Vec<Value> {
        let mut rates = self.rates.lock();
        let Some(rate) = rates.get_mut(ri) else { return Vec::new() };
        let held = std::mem::take(&mut rate.held);
        rate.until = Time::now().plus_millis(millis);
        rate.sent = held.len() as u64;
        held
    }

    pub(super) fn take_batch(&self, ri: &str) -> Vec<Value> {
        self.batches.lock().remove(ri).unwrap_or_default()
    }

    /// Tells the expiry task that the time between two looks changed.
    pub(crate) fn change_limits(&self) {
        self.limits.notify_one();
    }

    pub(crate) fn limits_changed(&self) -> impl Future<Output = ()> + Send + 'static {
        let limits = Arc::clone(&self.limits);
        async move { limits.notified().await }
    }

    pub(crate) fn count_from(&self, lane: &str, now: Statistics) {
        self.counted_before.lock().insert(lane.to_owned(), now);
    }

    pub(crate) fn counted_since(&self, lane: &str, now: Statistics) -> Statistics {
        let before = self.counted_before.lock().get(lane).copied().unwrap_or_default();
        Statistics {
            requests: now.requests.saturating_sub(before.requests),
            responses: now.responses.saturating_sub(before.responses),
            events: now.events.saturating_sub(before.events),
        }
    }

    /// Adds a missing sample for a subscription that wants to hear of `needed` within `millis`. Gives them when there
    /// are as many, and begins again.
    pub(super) fn add_missing(
        &self,
        ri: &str,
        moment: Time,
        needed: usize,
        millis: i64,
    ) -> Option<Vec<Time>> {
        let now = Time::now();
        let mut all = self.missing.lock();
        let missing = all.entry(ri.into()).or_default();
        missing.push_back(Missing { noticed: now, moment });
        while missing.front().is_some_and(|missed| missed.noticed.plus_millis(millis) < now) {
            missing.pop_front();
        }
        if missing.len() < needed {
            return None;
        }
        Some(std::mem::take(missing).into_iter().map(|missed| missed.moment).collect())
    }

    /// Forgets what was remembered of a subscription.
    pub(super) fn forget(&self, ri: &str) {
        self.batches.lock().remove(ri);
        self.missing.lock().remove(ri);
        self.rates.lock().remove(ri);
    }

    /// Starts the clock of a series; the number tells this run of it from others.
    pub(crate) fn start_series(&self, ri: &str, first: Time) -> u64 {
        let mut all = self.series.lock();
        let series = all.entry(ri.to_owned()).or_default();
        series.generation = u64::try_from(Time::now().0).unwrap_or_default();
        series.came.push_back(first);
        series.generation
    }

    /// A sample came. Says whether the clock of its series runs.
    pub(crate) fn series_came(&self, ri: &str, moment: Option<Time>) -> bool {
        let mut all = self.series.lock();
        let Some(series) = all.get_mut(ri) else { return false };
        series.came.extend(moment);
        if series.came.len() > SAMPLES {
            series.came.pop_front();
        }
        true
    }

    pub(crate) fn stop_series(&self, ri: &str) {
        self.series.lock().remove(ri);
    }

    /// Whether a sample of this time came; `None` when this run of the clock is over.
    pub(crate) fn series_has(&self, ri: &str, generation: u64, early: Time, late: Time) -> Option<bool> {
        let all = self.series.lock();
        let series = all.get(ri).filter(|series| series.generation == generation)?;
        Some(series.came.iter().any(|moment| early < *moment && *moment < late))
    }
}
