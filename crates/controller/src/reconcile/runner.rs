//! Runs a reconciler: woken by hints and by a timer, a few keys at a time.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::queue::Queue;
use crate::{Error, metrics};

/// Makes the world as it is wanted, one key at a time. It takes no other input: it reads what is
/// desired and what is, and acts so that doing it twice does nothing more.
#[async_trait]
pub(crate) trait Reconciler: Send + Sync + 'static {
    /// What it works on.
    type Key: Ord + Hash + Clone + Display + Send + Sync + 'static;

    /// Its name in logs and metrics.
    const NAME: &'static str;

    /// Every key there is, for the timer.
    async fn keys(&self) -> Result<Vec<Self::Key>, Error>;

    /// One pass over one key.
    async fn reconcile(&self, key: &Self::Key) -> Result<Outcome, Error>;
}

/// What a pass came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What was done, in words; empty when all was well.
    pub(crate) did: Vec<&'static str>,
    /// When to look again even if nothing wakes the reconciler.
    pub(crate) again_in: Option<Duration>,
}

/// When a reconciler last ran, and what it did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReconcilerReport {
    /// The reconciler.
    pub name: &'static str,
    /// How many passes it made since the controller started.
    pub passes: u64,
    /// How many of them failed.
    pub failures: u64,
    /// When the last pass that did something ended.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub last_acted_at: Option<Timestamp>,
    /// What that pass did, and to what.
    pub last_action: Option<String>,
    /// The last failure.
    pub last_failure: Option<String>,
}

/// How long to wait after a pass that failed; twice as long after each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// How long at most.
const LAST_RETRY: Duration = Duration::from_secs(60);

pub(crate) struct Runner<R: Reconciler> {
    reconciler: R,
    queue: Queue<R::Key>,
    /// How often each key failed in a row.
    failures: Mutex<HashMap<R::Key, u32>>,
    report: Mutex<ReconcilerReport>,
}

impl<R: Reconciler> Runner<R> {
    pub(crate) fn new(reconciler: R) -> Arc<Self> {
        let report = ReconcilerReport {
            name: R::NAME,
            passes: 0,
            failures: 0,
            last_acted_at: None,
            last_action: None,
            last_failure: None,
        };
        Arc::new(Self {
            reconciler,
            queue: Queue::new(),
            failures: Mutex::default(),
            report: Mutex::new(report),
        })
    }

    pub(crate) fn reconciler(&self) -> &R {
        &self.reconciler
    }

    /// Hints that something about a key changed.
    pub(crate) fn wake(&self, key: R::Key) {
        self.queue.wake(key);
    }

    pub(crate) fn report(&self) -> ReconcilerReport {
        self.report.lock().clone()
    }

    /// Looks at every key, `every` so often and at once.
    pub(crate) async fn run_timer(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.reconciler.keys().await {
                Ok(keys) => keys.into_iter().for_each(|key| self.wake(key)),
                Err(error) => tracing::error!(reconciler = R::NAME, %error, "keys could not be listed"),
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Works on the keys that were woken, `at_once` of them side by side, until told to stop; then
    /// lets the passes that run come to their end.
    pub(crate) async fn run(self: Arc<Self>, at_once: usize, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(at_once.max(1)));
        let passes = TaskTracker::new();
        loop {
            let place = Arc::clone(&places).acquire_owned();
            let key = async { (place.await, self.queue.take().await) };
            let (place, key) = tokio::select! {
                taken = key => taken,
                () = stop.cancelled() => break,
            };
            let runner = Arc::clone(&self);
            passes.spawn(async move {
                runner.pass(key).await;
                drop(place);
            });
        }
        passes.close();
        passes.wait().await;
    }

    async fn pass(&self, key: R::Key) {
        let started = Instant::now();
        let result = self.reconciler.reconcile(&key).await;
        metrics::reconciled(R::NAME, result.is_ok(), started.elapsed());
        self.note(&key, &result);
        let again_in = match result {
            Ok(outcome) => {
                self.failures.lock().remove(&key);
                outcome.again_in
            }
            Err(_) => Some(self.pause_after_failure(&key)),
        };
        if let Some(after) = again_in {
            self.queue.wake_at(key.clone(), time::Instant::now() + after);
        }
        self.queue.done(&key);
    }

    fn pause_after_failure(&self, key: &R::Key) -> Duration {
        let mut failures = self.failures.lock();
        let count = failures.entry(key.clone()).or_insert(0);
        let pause = FIRST_RETRY.saturating_mul(1 << (*count).min(6)).min(LAST_RETRY);
        *count += 1;
        pause
    }

    fn note(&self, key: &R::Key, result: &Result<Outcome, Error>) {
        let mut report = self.report.lock();
        report.passes += 1;
        match result {
            Ok(outcome) if outcome.did.is_empty() => {}
            Ok(outcome) => {
                let did = outcome.did.join(", ");
                tracing::info!(reconciler = R::NAME, %key, did, "reconciled");
                report.last_acted_at = Some(Timestamp::now());
                report.last_action = Some(format!("{key}: {did}"));
            }
            Err(error) => {
                tracing::warn!(reconciler = R::NAME, %key, error = %crate::error::chain(error), "reconciling failed; it is tried again");
                report.failures += 1;
                report.last_failure = Some(format!("{key}: {error}"));
            }
        }
    }
}
