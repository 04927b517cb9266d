use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a controller uses a PostgreSQL server. The defaults serve a server in the same site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresOptions {
    /// Connections that read side by side; each is opened when it is first needed.
    pub reader_connections: u32,
    /// Commits that may wait for the writer before the next caller has to wait to hand one over.
    pub commit_queue: usize,
    /// Commits that one transaction may carry.
    pub commits_per_write: usize,
    /// Notices that a watcher may be behind before it misses some.
    pub watch_queue: usize,
    /// How long to wait for the server, in milliseconds.
    pub patience_milliseconds: u64,
    /// How long a controller that leads goes on without a word from the server, in milliseconds.
    /// Then it ends, because the server may have given the lead to another.
    pub lead_patience_milliseconds: u64,
    /// How long one that takes the lead from another waits before it acts, in milliseconds: the other
    /// asks the server twice a second, and ends when it hears that it leads no more.
    pub lead_pause_milliseconds: u64,
    /// How long the server waits for a word of the controller that leads before it gives the lead
    /// away, in seconds. A controller that is killed loses it at once; this is for one that hangs, or
    /// whose machine is cut off. Must be longer than `lead_patience_milliseconds`.
    pub lead_release_seconds: u32,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            reader_connections: 4,
            commit_queue: 256,
            commits_per_write: 64,
            watch_queue: 256,
            patience_milliseconds: 10_000,
            lead_patience_milliseconds: 5_000,
            lead_pause_milliseconds: 2_000,
            lead_release_seconds: 10,
        }
    }
}

impl PostgresOptions {
    pub(super) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_milliseconds)
    }

    pub(super) fn lead_patience(&self) -> Duration {
        Duration::from_millis(self.lead_patience_milliseconds)
    }

    pub(super) fn lead_pause(&self) -> Duration {
        Duration::from_millis(self.lead_pause_milliseconds)
    }

    pub(super) fn lead_release(&self) -> Duration {
        Duration::from_secs(u64::from(self.lead_release_seconds))
    }
}
