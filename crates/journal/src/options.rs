use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// When an appended record counts as done, that is, when its [`Ticket`](crate::Ticket) resolves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// After `fdatasync`: the record survives a power cut. Records that wait together share one `fdatasync`.
    #[default]
    Commit,
    /// After the operating system has it: the record survives a `kill -9`. The disk has it at most
    /// [`Options::sync_interval_ms`] later.
    Interval,
    /// At once. The record is written soon after; a `kill -9` may lose the last milliseconds.
    None,
}

/// How a [`Journal`](crate::Journal) keeps its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The folder that holds the journal; it is created when missing. One process at a time may open it.
    pub dir: PathBuf,
    /// When a record counts as done.
    pub durability: Durability,
    /// Milliseconds between two `fdatasync` with [`Durability::Interval`].
    pub sync_interval_ms: u64,
    /// A snapshot is due once the log since the last one is larger than this and than that snapshot, in bytes.
    pub snapshot_after_bytes: u64,
    /// Bytes that may wait for the disk before [`Journal::room`](crate::Journal::room) makes callers wait.
    pub queue_max_bytes: usize,
    /// The largest record, in bytes.
    pub record_max_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("journal"),
            durability: Durability::default(),
            sync_interval_ms: 1_000,
            snapshot_after_bytes: 64 * 1024 * 1024,
            queue_max_bytes: 8 * 1024 * 1024,
            record_max_bytes: 64 * 1024 * 1024,
        }
    }
}
