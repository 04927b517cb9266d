//! What the broker counts, for `GET /statistics`, `GET /admin/metrics` and `GET /metrics`.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::Scope;

/// Services and service paths that are counted one by one; all further ones are counted together, so that names that
/// clients make up do not fill the memory.
const PLACES: usize = 1_000;
/// Where those are counted. No service can have this name.
const OTHERS: (&str, &str) = ("other-services", "other-subservs");

/// Counters of one service path of one service, by the names that Orion gives them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Traffic {
    pub(crate) incoming: u64,
    pub(crate) incoming_errors: u64,
    pub(crate) incoming_request_bytes: u64,
    pub(crate) incoming_response_bytes: u64,
    /// All the time that answers took together.
    pub(crate) busy: Duration,
    pub(crate) outgoing: u64,
    pub(crate) outgoing_errors: u64,
    pub(crate) outgoing_request_bytes: u64,
    pub(crate) outgoing_response_bytes: u64,
}

impl Traffic {
    /// Adds another's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.incoming += other.incoming;
        self.incoming_errors += other.incoming_errors;
        self.incoming_request_bytes += other.incoming_request_bytes;
        self.incoming_response_bytes += other.incoming_response_bytes;
        self.busy += other.busy;
        self.outgoing += other.outgoing;
        self.outgoing_errors += other.outgoing_errors;
        self.outgoing_request_bytes += other.outgoing_request_bytes;
        self.outgoing_response_bytes += other.outgoing_response_bytes;
    }
}

/// Traffic by service and, in it, by service path.
pub(crate) type Places = BTreeMap<Box<str>, BTreeMap<Box<str>, Traffic>>;

#[derive(Debug, Default)]
struct Kept {
    places: Places,
    /// Service paths in all services.
    known: usize,
}

impl Kept {
    fn at(&mut self, service: &str, path: &str) -> &mut Traffic {
        let is_known = self.places.get(service).is_some_and(|paths| paths.contains_key(path));
        let (service, path) = match is_known {
            false if self.known >= PLACES => OTHERS,
            false => {
                self.known += 1;
                (service, path)
            }
            true => (service, path),
        };
        if !self.places.contains_key(service) {
            self.places.insert(service.into(), BTreeMap::new());
        }
        let paths = self.places.entry(service.into()).or_default();
        paths.entry(path.into()).or_default()
    }
}

/// An answer that was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub(crate) is_failure: bool,
    pub(crate) bytes_in: usize,
    pub(crate) bytes_out: usize,
    pub(crate) took: Duration,
}

/// What was counted since the start, or since it was last forgotten.
#[derive(Debug)]
pub(crate) struct Statistics {
    started: Instant,
    counting_since: Mutex<Instant>,
    requests: AtomicU64,
    failures: AtomicU64,
    notifications: AtomicU64,
    kept: Mutex<Kept>,
}

impl Default for Statistics {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            counting_since: Mutex::new(now),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            notifications: AtomicU64::new(0),
            kept: Mutex::default(),
        }
    }
}

impl Statistics {
    /// Counts a request. One whose service or path is misspelt has no scope, and is only counted in the total.
    pub(crate) fn answered(&self, scope: Option<&Scope>, answered: Answered) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(u64::from(answered.is_failure), Ordering::Relaxed);
        let Some(scope) = scope else { return };
        let mut kept = self.kept.lock();
        let traffic = kept.at(service_name(&scope.service), path_name(scope));
        traffic.incoming += 1;
        traffic.incoming_errors += u64::from(answered.is_failure);
        traffic.incoming_request_bytes += answered.bytes_in as u64;
        traffic.incoming_response_bytes += answered.bytes_out as u64;
        traffic.busy += answered.took;
    }

    /// Counts a notification about an entity of this service and path, with the bytes that went out; `answer` is what
    /// came back, in bytes, if it came.
    pub(crate) fn notified(&self, service: &str, path: &str, sent: usize, answer: Option<usize>) {
        self.notifications.fetch_add(1, Ordering::Relaxed);
        self.went_out(service, path, sent, answer);
    }

    /// Counts a request of ours, be it a notification or one that a context provider answers, for the service and path
    /// that it is about.
    pub(crate) fn went_out(&self, service: &str, path: &str, sent: usize, answer: Option<usize>) {
        let mut kept = self.kept.lock();
        let traffic = kept.at(service_name(service), bare(path));
        traffic.outgoing += 1;
        traffic.outgoing_errors += u64::from(answer.is_none());
        traffic.outgoing_request_bytes += sent as u64;
        traffic.outgoing_response_bytes += answer.unwrap_or(0) as u64;
    }

    /// Traffic by service and path; with `forget`, it is counted from nothing again.
    pub(crate) fn traffic(&self, forget: bool) -> Places {
        let mut kept = self.kept.lock();
        if forget { std::mem::take(&mut *kept).places } else { kept.places.clone() }
    }

    /// Counts requests and notifications from nothing again.
    pub(crate) fn forget(&self) {
        *self.counting_since.lock() = Instant::now();
        for counter in [&self.requests, &self.failures, &self.notifications] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn uptime_s(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    pub(crate) fn counting_s(&self) -> u64 {
        self.counting_since.lock().elapsed().as_secs()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn notifications(&self) -> u64 {
        self.notifications.load(Ordering::Relaxed)
    }
}

fn service_name(service: &str) -> &str {
    if service.is_empty() { "default-service" } else { service }
}

/// The first path of a request, as Orion counts it.
fn path_name(scope: &Scope) -> &str {
    bare(scope.paths.as_slice().first().map_or("/", |path| path.as_str()))
}

/// A path without its first slash and without `#`.
fn bare(path: &str) -> &str {
    match path.trim_end_matches('#').trim_matches('/') {
        "" => "root-subserv",
        bare => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Answered =
        Answered { is_failure: false, bytes_in: 1, bytes_out: 2, took: Duration::from_millis(1) };

    #[test]
    fn made_up_names_do_not_fill_the_memory() {
        let statistics = Statistics::default();
        for number in 0..PLACES + 50 {
            let scope = Scope { service: format!("s{number}").into(), ..Scope::default() };
            statistics.answered(Some(&scope), ONE);
        }
        let places = statistics.traffic(true);
        assert_eq!(places.len(), PLACES + 1);
        assert_eq!(places["other-services"]["other-subservs"].incoming, 50);
        assert!(statistics.traffic(false).is_empty());
    }

    #[test]
    fn a_path_is_counted_without_its_slash_and_its_wildcard() {
        for (path, name) in [("/", "root-subserv"), ("/#", "root-subserv"), ("/a/b/#", "a/b"), ("/a", "a")] {
            assert_eq!(bare(path), name);
        }
    }
}
