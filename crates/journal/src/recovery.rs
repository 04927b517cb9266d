use std::{fs::File, io, panic::resume_unwind, path::PathBuf, sync::mpsc, thread};

use crate::{
    OpenError, Options,
    folder::{self, Content},
    frame,
    scan::{End, scan},
    writer::{Log, SnapshotCounts},
};

/// Where a recovered record comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The snapshot: a part of the whole state.
    Snapshot,
    /// The log: a change after the snapshot was begun.
    Log,
}

/// An unfinished write at the end of the log that was cut. No acknowledged record was in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The log segment.
    pub file: PathBuf,
    /// Where it was cut: bytes from its start.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
}

/// What [`Journal::open`](crate::Journal::open) found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records read from the snapshot.
    pub snapshot_records: u64,
    /// Records read from the log.
    pub log_records: u64,
    /// The unfinished write that was cut, if the last run ended in one.
    pub torn_tail: Option<TornTail>,
}

/// What the owner answers to a record.
pub(crate) type Replay<'a> =
    dyn FnMut(Source, &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + 'a;

/// Prepared records that are handed over at once.
const BATCH: usize = 1_000;
/// Batches that may wait for the owner.
const BATCHES: usize = 4;

/// As [`recover`], with records that are prepared on another thread, ahead of the owner.
pub(crate) fn recover_prepared<T: Send, E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    options: &Options,
    prepare: impl Fn(&[u8]) -> Result<T, E> + Send,
    mut replay: impl FnMut(Source, T),
) -> Result<(Recovered, Log, SnapshotCounts), OpenError> {
    let (sender, batches) = mpsc::sync_channel::<Vec<(Source, T)>>(BATCHES);
    thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut batch = Vec::with_capacity(BATCH);
            let found = recover(options, &mut |source, record| {
                batch.push((source, prepare(record).map_err(Into::into)?));
                if batch.len() == BATCH {
                    let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                    sender.send(full).map_err(|_| "the owner takes no more records")?;
                }
                Ok(())
            });
            // An owner that takes no more has panicked, and the panic goes on below.
            let _ = sender.send(batch);
            found
        });
        for (source, record) in batches.into_iter().flatten() {
            replay(source, record);
        }
        reading.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Reads the newest snapshot and every log segment since, and opens the last segment for more.
pub(crate) fn recover(
    options: &Options,
    replay: &mut Replay<'_>,
) -> Result<(Recovered, Log, SnapshotCounts), OpenError> {
    let dir = &options.dir;
    let content = Content::of(dir).map_err(OpenError::io("list", dir))?;
    let mut recovered = Recovered::default();
    let mut counts = SnapshotCounts::default();

    let first = content.snapshots.last().copied();
    if let Some(number) = first {
        let path = folder::snapshot(dir, number);
        let (end, records, size) = read(&path, Source::Snapshot, replay)?;
        let offset = match end {
            End::Whole { complete: true } => None,
            End::Whole { complete: false } => Some(size),
            // A snapshot gets its name only once it is whole, so here a torn end is damage as well.
            End::Unused { offset } | End::Torn { offset } | End::Corrupt { offset, .. } => Some(offset),
        };
        if let Some(offset) = offset {
            return Err(OpenError::Corrupt { file: path, offset, what: "the snapshot is not whole" });
        }
        recovered.snapshot_records = records;
        counts.snapshot_bytes = size;
    }

    let logs: Vec<u64> =
        content.logs.into_iter().filter(|log| first.is_none_or(|first| *log >= first)).collect();
    let start = first.unwrap_or(0);
    let last = logs.last().copied().unwrap_or(start);
    let mut open = None;
    for number in start..=last {
        let path = folder::log(dir, number);
        if !logs.contains(&number) {
            // Only a folder without any segment is a fresh one.
            if logs.is_empty() && first.is_none() {
                break;
            }
            return Err(OpenError::MissingSegment { file: path });
        }
        let (end, records, size) = read(&path, Source::Log, replay)?;
        recovered.log_records += records;
        counts.log_bytes += match end {
            End::Unused { offset } | End::Torn { offset } => offset,
            _ => size,
        };
        match end {
            End::Corrupt { offset, what } => return Err(OpenError::Corrupt { file: path, offset, what }),
            // The segment before was synced whole when the next one was started.
            End::Torn { offset } if number < last => {
                return Err(OpenError::Corrupt { file: path, offset, what: "the segment is cut off" });
            }
            End::Torn { offset } => {
                recovered.torn_tail = Some(TornTail { file: path, offset, bytes: size - offset });
                open = Some(offset);
            }
            End::Unused { offset } => open = Some(offset),
            End::Whole { .. } => open = Some(size),
        }
    }
    counts.segment = last;
    let log = match open {
        // A segment without even its first bytes is started again.
        Some(length) if length > 0 => reopen(options, last, length)?,
        _ => Log::create(options, last).map_err(|(path, error)| OpenError::io("create", path)(error))?,
    };
    Ok((recovered, log, counts))
}

/// Opens the last segment, cut to `length`, to append to it.
fn reopen(options: &Options, number: u64, length: u64) -> Result<Log, OpenError> {
    let path = folder::log(&options.dir, number);
    let open = || {
        let file = File::options().write(true).open(&path)?;
        file.set_len(length)?;
        // Later frames will say that all this is safe, so it has to be.
        file.sync_all()?;
        Ok(file)
    };
    let file = open().map_err(OpenError::io("open", &path))?;
    Ok(Log { path, file, written: length, synced: length, length })
}

/// Reads one file into the owner. Returns how it ended, its records and its size.
fn read(
    path: &std::path::Path,
    source: Source,
    replay: &mut Replay<'_>,
) -> Result<(End, u64, u64), OpenError> {
    let file = File::open(path).map_err(OpenError::io("open", path))?;
    let size = file.metadata().map_err(OpenError::io("open", path))?.len();
    let mut count = 0;
    let end = scan(&file, &mut |offset, body| {
        for record in frame::records(body) {
            let record = record.ok_or(Stop::Malformed(offset))?;
            replay(source, record).map_err(|error| Stop::Owner(offset, error))?;
            count += 1;
        }
        Ok(())
    });
    match end {
        Ok(end) => Ok((end, count, size)),
        Err(Stop::Io(error)) => Err(OpenError::io("read", path)(error)),
        Err(Stop::Malformed(offset)) => Err(OpenError::Corrupt {
            file: path.to_owned(),
            offset,
            what: "a frame whose records do not fit it",
        }),
        Err(Stop::Owner(offset, source)) => Err(OpenError::Record { file: path.to_owned(), offset, source }),
    }
}

/// Why reading stopped early.
enum Stop {
    Io(io::Error),
    Malformed(u64),
    Owner(u64, Box<dyn std::error::Error + Send + Sync>),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
