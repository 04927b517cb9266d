//! The commands that were sent, through restarts.

use std::path::Path;

use futures_util::FutureExt;
use morgana_journal::{Durability, Journal, OpenError, Options, Snapshot, SnapshotError, Ticket};

use super::{Key, Seen};

/// Bytes of log after which a snapshot replaces it.
const SNAPSHOT_AFTER_BYTES: u64 = 4 * 1024 * 1024;

/// Keeps the [`Key`]s of commands on the disk; a record is the sixteen bytes of one.
#[derive(Debug)]
pub(crate) struct Memory {
    seen: Seen,
    journal: Journal,
}

impl Memory {
    /// Reads what the last run left in a folder. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be used, or what is in it is damaged.
    pub(crate) fn open(dir: &Path) -> Result<Self, OpenError> {
        let options = Options {
            dir: dir.to_owned(),
            durability: Durability::Interval,
            snapshot_after_bytes: SNAPSHOT_AFTER_BYTES,
            ..Options::default()
        };
        let mut seen = Seen::default();
        let (journal, _) = Journal::open(options, |_, record: &[u8]| {
            let bytes: [u8; 16] = record.try_into()?;
            seen.insert(Key(u128::from_be_bytes(bytes)));
            Ok::<_, std::array::TryFromSliceError>(())
        })?;
        Ok(Self { seen, journal })
    }

    /// What it remembers.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.clone()
    }

    /// Writes a command down. The ticket tells when it survives a kill; there is none when the disk refuses, and then
    /// a restart may let the command through again.
    pub(crate) fn remember(&mut self, key: Key) -> Option<Ticket> {
        self.seen.insert(key);
        let ticket = self.journal.append(&key.0.to_be_bytes());
        if self.journal.snapshot_due().now_or_never().is_some() {
            let seen = self.seen.clone();
            match self.journal.begin_snapshot() {
                Ok(snapshot) => drop(tokio::task::spawn_blocking(move || {
                    if let Err(error) = write(snapshot, &seen) {
                        tracing::warn!(%error, "no snapshot of the silo's commands; their log grows on");
                    }
                })),
                Err(error) => {
                    tracing::warn!(%error, "no snapshot of the silo's commands; their log grows on")
                }
            }
        }
        ticket
            .inspect_err(|error| tracing::error!(%error, "a restart will not know a command that was sent"))
            .ok()
    }
}

fn write(mut snapshot: Snapshot, seen: &Seen) -> Result<(), SnapshotError> {
    for key in seen.iter() {
        snapshot.push(&key.0.to_be_bytes())?;
    }
    tokio::runtime::Handle::current().block_on(snapshot.finish()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_restart_knows_the_commands_that_were_sent() {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = Memory::open(dir.path()).unwrap();
        memory.remember(Key(1)).unwrap().durable().await.unwrap();
        drop(memory);
        let mut seen = Memory::open(dir.path()).unwrap().seen();
        assert!(!seen.insert(Key(1)) && seen.insert(Key(2)));
    }
}
