use jiff::Timestamp;
use morgana_model::{Endpoints, WorkloadName};

/// What a node says about a workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Which workload.
    pub name: WorkloadName,
    /// The generation of the assignment that it runs, or tries to.
    pub generation: u64,
    /// Where it is in its life.
    pub state: State,
    /// Grows with each start, also over the life of the node agent: it tells a workload from
    /// the one before it.
    pub incarnation: u64,
    /// The [`Assignment::update`](crate::Assignment::update) with which it was started.
    pub update: u64,
    /// Its first process, while it runs.
    pub pid: Option<u32>,
    /// Its doors: `<inner port>/tcp` to the outer port. Empty before the first start.
    pub endpoints: Endpoints,
    /// How often the node started it again by itself, in this generation.
    pub restarts: u32,
    /// For people: the limits that hold for it, or why there are none. Nothing before the first
    /// start.
    pub limits: Option<String>,
}

/// Where a workload is in its life, as its node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is being started, or has been and does not answer yet.
    Starting,
    /// It answers.
    Ready,
    /// It has ended, and will be started again.
    Waiting {
        /// Why it ended.
        reason: String,
        /// When it is started again.
        restart_at: Timestamp,
    },
    /// It stays down until it is assigned again.
    Failed {
        /// Why, with the last lines of its log.
        reason: String,
    },
    /// It was removed: nothing of it is left.
    Gone,
}
