use std::time::Instant;

/// Where a workload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing runs and nothing is wanted.
    Idle,
    /// Being started: there may be no process yet.
    Launching,
    /// There is a process that is not ready.
    Starting { until: Instant, at: AtDeadline },
    /// It is ready.
    Ready,
    /// We are ending it.
    Stopping { then: Then },
    /// It ended; it is started again at that time.
    Waiting { until: Instant, reason: String, fresh_ports: bool },
    /// It stays down until it is assigned again.
    Failed { reason: String },
    /// It was removed.
    Gone,
}

/// What it means when a workload has not told that it is ready for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtDeadline {
    /// It is stuck.
    GiveUp,
    /// It is one that does not tell.
    CountAsReady,
}

/// Why we are ending a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Then {
    /// To start it with a new assignment.
    Start,
    /// Because it got stuck.
    Retry { reason: String },
    /// To delete it.
    Delete,
    /// It was removed and then assigned again.
    DeleteAndStart,
    /// The agent ends.
    Rest,
}
