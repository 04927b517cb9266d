use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::courier::Statistics;
use crate::time::Time;

/// Samples of a series that are remembered to see which came.
const SAMPLES: usize = 64;

/// What the CSE remembers of subscribers and series while it runs; none of it outlives it.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    series: Mutex<HashMap<String, Series>>,
    /// The missing samples that a subscription has not been told of, with when they were missed.
    missing: Mutex<HashMap<Box<str>, VecDeque<Missing>>>,
    /// How many notifications a subscription with a rate limit sent in its window.
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
    /// Whether a subscription may send one more notification in its window of `millis`, in which it may send `most`.
    /// While others wait it may not: they go first.
    pub(super) fn admits(&self, ri: &str, most: u64, millis: i64, others_wait: bool) -> bool {
        let now = Time::now();
        let mut rates = self.rates.lock();
        let fresh = || Rate { until: now.plus_millis(millis), sent: 0 };
        let rate = rates.entry(ri.into()).or_insert_with(fresh);
        if rate.until <= now && !others_wait {
            *rate = fresh();
        }
        let admits = rate.sent < most && !others_wait;
        rate.sent += u64::from(admits);
        admits
    }

    /// A new window of `millis` begins, with what waited for it.
    pub(super) fn begin_window(&self, ri: &str, millis: i64, sent: usize) {
        let rate = Rate { until: Time::now().plus_millis(millis), sent: sent as u64 };
        self.rates.lock().insert(ri.into(), rate);
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
