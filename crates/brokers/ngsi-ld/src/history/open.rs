//! Opening the past: its files, and the changes since that the journal has.

use std::{path::Path, sync::Arc};

use morgana_journal::{Journal, Source, TableError, TableWriter};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use super::{
    History, Past, READS_MAX, RECENT_BYTES, RECENT_TIMES_MAX, Rules, Signals, State,
    codec::decode,
    recent::earlier,
    run::{self, Note, Run},
};
use crate::OpenError;

impl History {
    /// Opens the past that is in `dir`. Blocks while it reads the changes that are in no file yet.
    pub(crate) fn open(
        dir: &Path,
        options: &morgana_journal::Options,
        rules: Rules,
    ) -> Result<Self, OpenError> {
        let dir = dir.join("history");
        let snapshot_after_bytes = options.snapshot_after_bytes.min(RECENT_BYTES);
        let options = morgana_journal::Options { dir: dir.clone(), snapshot_after_bytes, ..options.clone() };
        let mut state = State::default();
        let mut before = Before::default();
        let (journal, _) = Journal::open(options, |source: Source, record: &[u8]| {
            let past = decode(record).map_err(Unreadable::Record)?;
            let is_filed = match (&past, source) {
                (Past::Entity(entity), Source::Snapshot) => {
                    before.push(&dir, &entity.id, record, past.oldest()).map_err(Unreadable::File)?
                }
                _ => false,
            };
            if !is_filed {
                state.take(&past, record);
            }
            Ok::<_, Unreadable>(())
        })?;
        let signals = Signals::default();
        if before.finish()? {
            state.next_run = 1;
            signals.file.notify_one();
        }
        state.runs = Run::open_all(&dir, state.next_run)?.into_iter().map(Arc::new).collect();
        if state.runs.len() > 1 {
            signals.merge.notify_one();
        }
        let recent_max = usize::try_from(snapshot_after_bytes).unwrap_or(usize::MAX);
        Ok(Self {
            journal,
            dir,
            rules,
            recent_max: recent_max.max(1024 * 1024).saturating_mul(RECENT_TIMES_MAX),
            state: RwLock::new(state),
            filing: Mutex::new(()),
            merging: Mutex::new(()),
            reads: Semaphore::new(READS_MAX),
            signals,
        })
    }
}

/// A snapshot of before there were files: it has the whole past, in the order of ids. It becomes the first file, which
/// counts from when the journal's next snapshot says so.
#[derive(Default)]
struct Before {
    writer: Option<TableWriter>,
    note: Note,
}

impl Before {
    /// Takes the past of an entity; false when it does not come in order and must stay in memory.
    fn push(
        &mut self,
        dir: &Path,
        id: &str,
        record: &[u8],
        oldest: Option<crate::model::Timestamp>,
    ) -> Result<bool, TableError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(TableWriter::create(&run::path(dir, 0, 0))?),
        };
        match writer.push(id.as_bytes(), record) {
            Ok(()) => {
                self.note.oldest = earlier(self.note.oldest, oldest);
                Ok(true)
            }
            Err(TableError::Order { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes it a file; false when there was no such snapshot.
    fn finish(self) -> Result<bool, TableError> {
        let Some(writer) = self.writer else { return Ok(false) };
        writer.finish(&self.note.encoded())?;
        Ok(true)
    }
}

/// Why a record of the journal could not be taken.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("it is no change of the past")]
    Record(#[source] minicbor::decode::Error),
    #[error("the past cannot be written to a file")]
    File(#[source] TableError),
}
