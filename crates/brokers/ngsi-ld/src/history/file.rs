//! Writing the past to files: recent changes to a file of their own when the journal has grown large, and files into
//! one when there are many or much of what they have is too old. Both happen beside reads and writes.
//!
//! A file has its name when it is on the disk. Recent changes leave the journal with its next snapshot, which says that
//! the file counts; until then a crash finds them in the journal, and the file is removed. Files that were merged are
//! removed when the merged one has its name; after a crash in between, whoever is contained in another goes.

use std::{mem, sync::Arc};

use morgana_journal::{Snapshot, SnapshotError, TableError, TableWriter};
use tokio_util::sync::CancellationToken;

use super::{
    Building, History, Past,
    codec::{Filed, decode, encode, is_whole},
    find::Merged,
    recent::{Recent, earlier},
    run::{self, Note, Run},
};
use crate::model::Timestamp;

/// Why the past could not be written to a file. Nothing is lost: the journal, or the files before, have it.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("the journal refused a snapshot: {0}")]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("the past of {0} cannot be decoded: {1}")]
    Record(Box<str>, #[source] minicbor::decode::Error),
}

impl History {
    /// Writes recent changes to a file whenever the journal has grown large, until `stop`.
    pub(crate) async fn keep_small(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = self.journal.snapshot_due() => {}
                () = self.signals.file.notified() => {}
                () = stop.cancelled() => return,
            }
            let history = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || history.file()).await {
                Ok(Ok(())) => self.signals.merge.notify_one(),
                Ok(Err(error)) => {
                    tracing::error!(%error, "cannot write the past to a file; the journal keeps it")
                }
                Err(error) => tracing::error!(%error, "writing the past to a file ended early"),
            }
            self.signals.room.notify_waiters();
        }
    }

    /// Merges files whenever that makes them few, until `stop`.
    pub(crate) async fn keep_merged(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = self.signals.merge.notified() => {}
                () = stop.cancelled() => return,
            }
            let (history, stopped) = (Arc::clone(&self), stop.clone());
            match tokio::task::spawn_blocking(move || history.merge(&stopped)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "cannot merge files of the past; they stay as they are")
                }
                Err(error) => tracing::error!(%error, "merging files of the past ended early"),
            }
        }
    }

    /// Lets go of what is in files and was written before `floor`, and files what is in memory and was.
    pub(crate) fn tidy(&self, floor: Timestamp) {
        let is_old = |oldest: Option<Timestamp>| oldest.is_some_and(|oldest| oldest < floor);
        let mut state = self.state.write();
        if is_old(state.recent.oldest()) {
            self.signals.file.notify_one();
        }
        if state.runs.iter().any(|run| is_old(run.note.oldest)) {
            state.merge_all = true;
            self.signals.merge.notify_one();
        }
    }

    /// Writes recent changes to a file, and lets the journal forget them.
    pub(super) fn file(&self) -> Result<(), FileError> {
        let _one = self.filing.lock();
        let (snapshot, filing, number, filed) = {
            let mut state = self.state.write();
            // Under the same lock as writes, so that the journal goes on exactly where the file ends.
            let snapshot = self.journal.begin_snapshot()?;
            let filing = Arc::new(mem::take(&mut state.recent));
            state.filing = Some(Arc::clone(&filing));
            let runs = state.next_run + u64::from(!filing.is_empty());
            let filed = Filed { runs, floor: state.floor, last: state.last };
            (snapshot, filing, state.next_run, filed)
        };
        let written = self.write_run(snapshot, &filing, number, filed);
        let mut state = self.state.write();
        state.filing = None;
        match written {
            Ok(run) => {
                state.runs.extend(run.map(Arc::new));
                state.next_run = filed.runs;
                state.trouble = None;
                Ok(())
            }
            Err(error) => {
                state.recent.put_back(&filing);
                state.trouble = Some(error.to_string());
                Err(error)
            }
        }
    }

    fn write_run(
        &self,
        mut snapshot: Snapshot,
        filing: &Recent,
        number: u64,
        filed: Filed,
    ) -> Result<Option<Run>, FileError> {
        let mut run = None;
        if !filing.is_empty() {
            let mut writer = TableWriter::create(&run::path(&self.dir, number, number))?;
            for (id, changes) in filing.iter() {
                for record in &changes.records {
                    writer.push(id.as_bytes(), record)?;
                }
            }
            let note = Note { oldest: filing.oldest() };
            run = Some(Run::new(number, number, writer.finish(&note.encoded())?)?);
        }
        snapshot.push(&encode(&Past::Filed(filed)))?;
        tokio::runtime::Handle::current().block_on(snapshot.finish())?;
        if let Some(run) = &run {
            tracing::info!(file = %run.table.path().display(), bytes = run.table.size(), "wrote recent past to a file");
        }
        Ok(run)
    }

    /// Merges files until they are few.
    pub(super) fn merge(&self, stop: &CancellationToken) -> Result<(), FileError> {
        let _one = self.merging.lock();
        loop {
            let (runs, floor) = {
                let mut state = self.state.write();
                let sizes: Vec<u64> = state.runs.iter().map(|run| run.table.size()).collect();
                let from = if mem::take(&mut state.merge_all) && !sizes.is_empty() {
                    Some(0)
                } else {
                    run::merge_from(&sizes)
                };
                let Some(from) = from else { return Ok(()) };
                (state.runs[from..].to_vec(), state.floor.max(self.rules.floor(Timestamp::now())))
            };
            let Some(merged) = self.write_merged(&runs, floor, stop)? else { return Ok(()) };
            {
                let mut state = self.state.write();
                // Only this changes what is in front of new runs.
                let at = state.runs.iter().position(|run| Arc::ptr_eq(run, &runs[0]));
                if let Some(at) = at {
                    state.runs.splice(at..at + runs.len(), [Arc::new(merged)]);
                }
            }
            for run in &runs {
                // One file that was written anew has the same name.
                if runs.len() > 1
                    && let Err(error) = run.table.remove()
                {
                    tracing::warn!(%error, "cannot remove a file of the past that was merged");
                }
            }
        }
    }

    /// Writes what these runs have into one; `None` when it is to stop.
    fn write_merged(
        &self,
        runs: &[Arc<Run>],
        floor: Option<Timestamp>,
        stop: &CancellationToken,
    ) -> Result<Option<Run>, FileError> {
        let (first, last) = (runs[0].first, runs[runs.len() - 1].last);
        let mut writer = TableWriter::create(&run::path(&self.dir, first, last))?;
        let mut merged = Merged::new(runs, Vec::new(), None, false)?;
        let mut note = Note::default();
        while let Some((id, records)) = merged.next()? {
            if stop.is_cancelled() {
                return Ok(None);
            }
            if first > 0 {
                // What came before is in another file, so the changes stay as they are.
                let whole = records.iter().rposition(|record| is_whole(record)).unwrap_or_default();
                for record in &records[whole..] {
                    writer.push(id.as_bytes(), record)?;
                }
                continue;
            }
            let mut building = Building::default();
            for record in records {
                let past = decode(&record).map_err(|error| FileError::Record(id.clone(), error))?;
                building.apply(past, self.rules);
            }
            if let Some(entity) = building.finish(self.rules.max, floor) {
                let past = Past::Entity(entity);
                note.oldest = earlier(note.oldest, past.oldest());
                writer.push(id.as_bytes(), &encode(&past))?;
            }
        }
        if first > 0 {
            note.oldest = runs.iter().fold(None, |oldest, run| earlier(oldest, run.note.oldest));
        }
        let table = writer.finish(&note.encoded())?;
        tracing::info!(file = %table.path().display(), bytes = table.size(), files = runs.len(), "merged files of the past");
        Ok(Some(Run::new(first, last, table)?))
    }
}
