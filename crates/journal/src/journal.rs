use std::{
    fs,
    sync::Arc,
    thread::{self, JoinHandle},
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::{
    AppendError, Durability, OpenError, Options, Recovered, Snapshot, SnapshotError, Source, Ticket,
    folder::{self, Lock},
    recovery::{Replay, recover, recover_prepared},
    ticket::Progress,
    writer::{self, Job, Log, Queue, Shared, SnapshotCounts, SnapshotState},
};

/// A journal folder, open for appending. Cheap to clone; the last clone to go writes what still waits and frees the
/// folder.
#[derive(Debug, Clone)]
pub struct Journal {
    shared: Arc<Shared>,
    /// Dropped by the last clone only.
    _writer: Arc<Writer>,
}

/// The writer thread and the folder's lock, which lasts until the thread is done.
#[derive(Debug)]
struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    _lock: Lock,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // The thread does not panic by design; if it did, its tickets say so.
            let _ = thread.join();
        }
    }
}

impl Journal {
    /// Opens the journal in `options.dir` and hands every record of the newest snapshot, then every record of the log
    /// since, to `replay`. An unfinished write at the very end is cut and reported; other damage is an error. Blocks.
    ///
    /// # Errors
    /// See [`OpenError`]; a record that `replay` refuses is [`OpenError::Record`].
    pub fn open<E>(
        options: Options,
        mut replay: impl FnMut(Source, &[u8]) -> Result<(), E>,
    ) -> Result<(Self, Recovered), OpenError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let lock = Self::lock(&options)?;
        let replay: &mut Replay<'_> = &mut |source, record| replay(source, record).map_err(Into::into);
        let found = recover(&options, replay)?;
        Self::start(options, lock, found)
    }

    /// As [`open`](Self::open), for states that may be large: `prepare`, such as the decoding of a record, runs ahead of
    /// `replay` on a thread of its own.
    ///
    /// # Errors
    /// See [`OpenError`]; a record that `prepare` refuses is [`OpenError::Record`].
    pub fn open_prepared<T, E>(
        options: Options,
        prepare: impl Fn(&[u8]) -> Result<T, E> + Send,
        replay: impl FnMut(Source, T),
    ) -> Result<(Self, Recovered), OpenError>
    where
        T: Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let lock = Self::lock(&options)?;
        let found = recover_prepared(&options, prepare, replay)?;
        Self::start(options, lock, found)
    }

    fn lock(options: &Options) -> Result<Lock, OpenError> {
        let lock = Lock::take(&options.dir)?;
        // Left by a crash in the middle of a snapshot.
        let _ = fs::remove_file(folder::unfinished(&options.dir));
        Ok(lock)
    }

    /// Goes on where what was found ends.
    fn start(
        options: Options,
        lock: Lock,
        (recovered, log, counts): (Recovered, Log, SnapshotCounts),
    ) -> Result<(Self, Recovered), OpenError> {
        if let Some(torn) = &recovered.torn_tail {
            tracing::warn!(file = %torn.file.display(), offset = torn.offset, bytes = torn.bytes, "cut an unfinished write");
        }
        let shared = Arc::new(Shared {
            options,
            queue: Mutex::new(Queue::default()),
            work: Condvar::new(),
            progress: watch::Sender::new(Progress::default()),
            snapshot: SnapshotState { inner: Mutex::new(counts), ..SnapshotState::default() },
        });
        if shared.snapshot_is_due() {
            shared.snapshot.due.notify_one();
        }
        let writing = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || writer::run(&writing, log))
            .map_err(OpenError::io("start the writer of", &shared.options.dir))?;
        let writer = Writer { shared: Arc::clone(&shared), thread: Some(thread), _lock: lock };
        Ok((Self { shared, _writer: Arc::new(writer) }, recovered))
    }

    /// Appends a record. It never waits for the disk, so it can be called under the lock that orders the owner's
    /// changes; records become durable in the order of these calls.
    ///
    /// # Errors
    /// When the journal is read-only after a failed write, or the record is too large. The record is then not taken.
    pub fn append(&self, record: &[u8]) -> Result<Ticket, AppendError> {
        self.push(record, true)
    }

    /// As [`append`](Self::append), where several come together: the writer is not woken for each. After the last one
    /// call [`write_now`](Self::write_now), or append one that wakes it.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_quietly(&self, record: &[u8]) -> Result<Ticket, AppendError> {
        self.push(record, false)
    }

    /// Has everything written that was appended quietly.
    pub fn write_now(&self) {
        let mut queue = self.shared.queue.lock();
        let wake = !queue.jobs.is_empty() && !std::mem::replace(&mut queue.called, true);
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
    }

    fn push(&self, record: &[u8], wake: bool) -> Result<Ticket, AppendError> {
        let max = self.shared.options.record_max_bytes.min(u32::MAX as usize / 2);
        if record.len() > max {
            return Err(AppendError::TooLarge { size: record.len(), max });
        }
        let mut queue = self.shared.queue.lock();
        if let Some(error) = &queue.failed {
            return Err(error.clone());
        }
        let number = queue.push(record);
        let wake = wake && !std::mem::replace(&mut queue.called, true);
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
        Ok(self.ticket(number))
    }

    /// A promise for every record that was appended before this call.
    pub fn appended(&self) -> Ticket {
        let last = self.shared.queue.lock().last;
        self.ticket(last)
    }

    fn ticket(&self, number: u64) -> Ticket {
        let number = if self.shared.options.durability == Durability::None { 0 } else { number };
        Ticket::new(number, self.shared.progress.subscribe())
    }

    /// Waits while more than `queue_max_bytes` wait for the disk. Call it before taking the lock under which
    /// [`append`](Self::append) is called: so the queue stays bounded and the lock stays short.
    ///
    /// # Errors
    /// When the journal is read-only.
    pub async fn room(&self) -> Result<(), AppendError> {
        let mut progress = self.shared.progress.subscribe();
        loop {
            {
                let queue = self.shared.queue.lock();
                if let Some(error) = &queue.failed {
                    return Err(error.clone());
                }
                if queue.bytes <= self.shared.options.queue_max_bytes {
                    return Ok(());
                }
            }
            if progress.changed().await.is_err() {
                return Err(AppendError::Closed);
            }
        }
    }

    /// Resolves when the log has grown enough for a snapshot to pay. One caller at a time.
    pub async fn snapshot_due(&self) {
        loop {
            self.shared.snapshot.due.notified().await;
            if self.shared.snapshot_is_due() {
                return;
            }
        }
    }

    /// Starts a snapshot: records appended from now on go to a new log segment. The owner then hands over its whole
    /// state with [`Snapshot::push`], in any order; it may change while it does (see the crate's documentation). It is
    /// not to be called while a change is between its record and the owner's memory: the record would be in the log
    /// before the snapshot, and the change in neither.
    ///
    /// # Errors
    /// When a snapshot is already being written, or the journal is read-only.
    pub fn begin_snapshot(&self) -> Result<Snapshot, SnapshotError> {
        let segment = {
            let mut counts = self.shared.snapshot.inner.lock();
            if counts.running {
                return Err(SnapshotError::Busy);
            }
            counts.running = true;
            counts.segment += 1;
            counts.segment
        };
        let mut queue = self.shared.queue.lock();
        if let Some(error) = queue.failed.clone() {
            drop(queue);
            let mut counts = self.shared.snapshot.inner.lock();
            counts.running = false;
            counts.segment -= 1;
            return Err(error.into());
        }
        queue.last += 1;
        let number = queue.last;
        queue.jobs.push_back(Job::Rotate { segment, number });
        queue.called = true;
        drop(queue);
        self.shared.work.notify_one();
        let rotated = Ticket::new(number, self.shared.progress.subscribe());
        Snapshot::create(Arc::clone(&self.shared), segment, rotated)
    }
}
