//! The one thread that writes the log: it takes everything that waits, writes it, syncs once, tells all.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, watch};

use crate::{
    AppendError, Durability, Options, folder,
    frame::{Frame, HEAD, Kind, MAGIC},
    ticket::Progress,
};

/// A frame is closed at this size, so that recovery needs little memory.
const FRAME_BYTES: usize = 1024 * 1024;

/// The file is made longer ahead by this much. An `fdatasync` is a third cheaper when the length stays the same; the
/// part ahead is a hole, so it takes no disk.
const AHEAD_BYTES: u64 = 4 * 1024 * 1024;

/// One thing for the writer to do, in order.
#[derive(Debug)]
pub(crate) enum Job {
    /// Write these records; the last has this number.
    Records { frame: Frame, last: u64 },
    /// Go on in log segment `segment`; counts as record `number`.
    Rotate { segment: u64, number: u64 },
}

/// What waits for the writer.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) bytes: usize,
    pub(crate) last: u64,
    pub(crate) closed: bool,
    pub(crate) failed: Option<AppendError>,
    /// The writer was told that there is work, and has not taken it yet.
    pub(crate) called: bool,
    /// A written frame whose memory the next records use.
    spare: Option<Frame>,
}

impl Queue {
    /// Adds a record and gives its number.
    pub(crate) fn push(&mut self, record: &[u8]) -> u64 {
        self.last += 1;
        self.bytes += record.len();
        let number = self.last;
        if let Some(Job::Records { frame, last }) = self.jobs.back_mut()
            && frame.len() + record.len() <= FRAME_BYTES
        {
            frame.push(record);
            *last = number;
        } else {
            let mut frame = self.spare.take().unwrap_or_else(Frame::new);
            frame.push(record);
            self.jobs.push_back(Job::Records { frame, last: number });
        }
        number
    }
}

/// What the writer and the handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) queue: Mutex<Queue>,
    pub(crate) work: Condvar,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) snapshot: SnapshotState,
}

/// When the next snapshot is due, and whether one is being written.
#[derive(Debug, Default)]
pub(crate) struct SnapshotState {
    pub(crate) due: Notify,
    pub(crate) inner: Mutex<SnapshotCounts>,
}

#[derive(Debug, Default)]
pub(crate) struct SnapshotCounts {
    /// Bytes of log that the last snapshot does not cover.
    pub(crate) log_bytes: u64,
    /// Bytes of the last snapshot.
    pub(crate) snapshot_bytes: u64,
    /// The newest log segment.
    pub(crate) segment: u64,
    pub(crate) running: bool,
}

impl Shared {
    pub(crate) fn snapshot_is_due(&self) -> bool {
        let counts = self.snapshot.inner.lock();
        !counts.running && counts.log_bytes > self.options.snapshot_after_bytes.max(counts.snapshot_bytes)
    }
}

/// The open log segment.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) written: u64,
    pub(crate) synced: u64,
    pub(crate) length: u64,
}

impl Log {
    /// Starts segment `number`. Its name is durable before anything is written to it.
    pub(crate) fn create(options: &Options, number: u64) -> Result<Self, (PathBuf, io::Error)> {
        let path = folder::log(&options.dir, number);
        let start = || {
            let mut file = File::create(&path)?;
            file.write_all(&MAGIC)?;
            if options.durability != Durability::None {
                file.sync_all()?;
                folder::sync(&options.dir)?;
            }
            Ok(file)
        };
        match start() {
            Ok(file) => {
                let length = MAGIC.len() as u64;
                Ok(Self { path, file, written: length, synced: length, length })
            }
            Err(error) => Err((path, error)),
        }
    }

    fn write(&mut self, frame: &mut Frame) -> io::Result<()> {
        let bytes = frame.seal(Kind::Records, self.synced);
        let end = self.written + bytes.len() as u64;
        if end > self.length {
            // Where the file may not grow that far, it grows by the write itself.
            self.length = self.file.set_len(end + AHEAD_BYTES).map_or(end, |()| end + AHEAD_BYTES);
        }
        self.file.write_all_at(bytes, self.written)?;
        self.written = end;
        Ok(())
    }

    /// Cuts what was only grown ahead and makes everything durable.
    fn finish(&mut self) -> io::Result<()> {
        self.file.set_len(self.written)?;
        self.length = self.written;
        self.sync()
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.synced < self.written {
            self.file.sync_data()?;
            self.synced = self.written;
        }
        Ok(())
    }
}

/// Runs until the journal is closed or the disk refuses.
pub(crate) fn run(shared: &Arc<Shared>, mut log: Log) {
    let interval = Duration::from_millis(shared.options.sync_interval_ms);
    let mut last_sync = Instant::now();
    while let Some(jobs) = next_jobs(shared, (log.synced < log.written).then_some(last_sync + interval)) {
        if let Err(error) = work(shared, &mut log, jobs, interval, &mut last_sync) {
            fail(shared, log, error);
            return;
        }
    }
    if let Err(error) = log.finish() {
        fail(shared, log, error);
    }
}

/// Waits for work: everything queued, or nothing when `sync_at` passed first, or `None` when closed and empty.
fn next_jobs(shared: &Shared, sync_at: Option<Instant>) -> Option<VecDeque<Job>> {
    let mut queue = shared.queue.lock();
    while queue.jobs.is_empty() {
        if queue.closed {
            return None;
        }
        match sync_at {
            Some(at) if shared.options.durability == Durability::Interval => {
                if shared.work.wait_until(&mut queue, at).timed_out() {
                    break;
                }
            }
            _ => shared.work.wait(&mut queue),
        }
    }
    queue.bytes = 0;
    queue.called = false;
    Some(std::mem::take(&mut queue.jobs))
}

fn work(
    shared: &Shared,
    log: &mut Log,
    jobs: VecDeque<Job>,
    interval: Duration,
    last_sync: &mut Instant,
) -> io::Result<()> {
    let mut done = 0;
    let mut spare = None;
    for job in jobs {
        match job {
            Job::Records { mut frame, last } => {
                log.write(&mut frame)?;
                shared.snapshot.inner.lock().log_bytes += frame.len() as u64;
                done = last;
                frame.clear();
                spare = Some(frame);
            }
            Job::Rotate { segment, number } => {
                log.finish()?;
                *log = Log::create(&shared.options, segment).map_err(|(path, error)| {
                    log.path = path;
                    error
                })?;
                done = number;
            }
        }
    }
    match shared.options.durability {
        Durability::Commit => log.sync()?,
        Durability::Interval if last_sync.elapsed() >= interval => {
            log.sync()?;
            *last_sync = Instant::now();
        }
        Durability::Interval | Durability::None => {}
    }
    if let Some(frame) = spare {
        shared.queue.lock().spare.get_or_insert(frame);
    }
    if done > 0 {
        shared.progress.send_modify(|progress| progress.done = done);
    }
    if shared.snapshot_is_due() {
        shared.snapshot.due.notify_one();
    }
    Ok(())
}

/// Makes the journal read-only. What the failed write left behind the last synced byte is cut where that still works,
/// and is a torn tail for the next open where it does not.
fn fail(shared: &Shared, log: Log, error: io::Error) {
    tracing::error!(file = %log.path.display(), %error, "the journal is read-only from now on");
    if shared.options.durability == Durability::Commit && log.file.set_len(log.synced).is_err() {
        tracing::warn!(file = %log.path.display(), "cannot cut the unfinished write; the next start will");
    }
    let error = AppendError::ReadOnly { file: log.path, source: Arc::new(error) };
    {
        let mut queue = shared.queue.lock();
        queue.failed = Some(error.clone());
        queue.jobs.clear();
        queue.bytes = 0;
    }
    shared.progress.send_modify(|progress| progress.failed = Some(error));
}

/// Writes frames of a snapshot; the same format as a log.
pub(crate) fn frame_is_full(frame: &Frame) -> bool {
    frame.len() >= FRAME_BYTES / 4 + HEAD
}
