use serde::{Deserialize, Serialize};

/// How the embedded database runs. The defaults serve one machine in little memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SqliteOptions {
    /// Connections that read side by side; each is opened when it is first needed.
    pub reader_connections: u32,
    /// Page cache of each connection, in KiB.
    pub cache_kibibytes: u32,
    /// Commits that may wait for the writer before the next caller has to wait to hand one over.
    pub commit_queue: usize,
    /// Commits that one write to the disk may carry.
    pub commits_per_write: usize,
    /// Notices that a watcher may be behind before it misses some.
    pub watch_queue: usize,
    /// How long to wait for a lock that another process holds, such as a backup tool, in milliseconds.
    pub busy_timeout_milliseconds: u64,
    /// Whether to read the whole file for damage when it is opened.
    pub check_at_open: bool,
    /// The size that the database may grow to, in MiB; without it, that of the disk.
    pub size_limit_mebibytes: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            reader_connections: 2,
            cache_kibibytes: 512,
            commit_queue: 256,
            commits_per_write: 64,
            watch_queue: 256,
            busy_timeout_milliseconds: 5000,
            check_at_open: true,
            size_limit_mebibytes: None,
        }
    }
}
