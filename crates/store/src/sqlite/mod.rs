//! The embedded System DB: one SQLite file, one task that writes, a few connections that read.

mod backup;
mod failure;
mod file;
mod options;
mod read;
mod schema;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use options::SqliteOptions;

use self::failure::failure;
use self::writer::Writer;
use crate::batch::Request;
use crate::{Change, Committed, Error, Feed, Kind, ListQuery, Record, Revision, Store, Watch, check_changes};

/// How long a lock of a process that was killed may be left.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at it.
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// A [`Store`] in one file, for a platform with one controller. Cheap to clone.
///
/// The file has mode 0600 and a write-ahead log beside it. A commit is on the disk before it is
/// answered.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    file: Arc<Path>,
    readers: SqlitePool,
    requests: mpsc::Sender<Request>,
    feed: Arc<Feed>,
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl SqliteStore {
    /// Opens the database, and makes it if there is none. Needs a Tokio runtime, on which the writing
    /// task then lives until [`Store::close`] or until the last clone is dropped.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::InUse`], [`Error::Damaged`], [`Error::Foreign`],
    /// [`Error::Newer`] or [`Error::Full`] name the file and the way out.
    pub async fn open(file: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, Error> {
        let file: Arc<Path> = file.as_ref().into();
        let guard = prepare(&file).await?;
        let connect = schema::connect_options(&file, &options);

        let mut connection =
            connect.connect().await.map_err(|source| failure(&file, "opening it", Arc::new(source)))?;
        schema::establish(&mut connection, &file, options.check_at_open).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(options.reader_connections.max(1))
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(connect.pragma("query_only", "ON"));

        let (requests, waiting) = mpsc::channel(options.commit_queue.max(1));
        let feed = Arc::new(Feed::new(options.watch_queue));
        let store = Self {
            file: Arc::clone(&file),
            readers: readers.clone(),
            requests,
            feed: Arc::clone(&feed),
            stop: CancellationToken::new(),
            stopped: CancellationToken::new(),
        };
        let writer = Writer { connection, readers, file, guard, feed };
        let stop = store.stop.clone();
        let stopped = store.stopped.clone().drop_guard();
        tokio::spawn(async move {
            writer.run(waiting, options.commits_per_write, stop).await;
            drop(stopped);
        });
        Ok(store)
    }

    /// Writes a copy of the database, as it is now, to a new file of mode 0600. The platform goes on
    /// meanwhile. To restore it, stop the platform and put the copy in the place of the database.
    ///
    /// # Errors
    /// [`Error::ReadOnly`] if `copy` exists or its folder cannot be written, [`Error::Full`], or why
    /// the database did not answer.
    pub async fn backup(&self, copy: impl AsRef<Path>) -> Result<(), Error> {
        backup::backup(&self.readers, copy.as_ref()).await
    }

    /// The same of a database that this process has not opened; another one may have.
    ///
    /// # Errors
    /// As [`SqliteStore::backup`], or [`Error::Damaged`] if the database is.
    pub async fn copy(file: impl AsRef<Path>, copy: impl AsRef<Path>) -> Result<(), Error> {
        let options = schema::connect_options(file.as_ref(), &SqliteOptions::default());
        backup::copy(&options, file.as_ref(), copy.as_ref()).await
    }

    fn failed(&self, doing: &'static str, source: sqlx::Error) -> Error {
        failure(&self.file, doing, Arc::new(source))
    }
}

/// [`file::prepare`], and again for a moment where the file is in use: a process that was killed while it
/// started another one leaves its lock to that for as long as the start takes.
async fn prepare(file: &Path) -> Result<file::Guard, Error> {
    let deadline = tokio::time::Instant::now() + LOCK_PATIENCE;
    loop {
        match file::prepare(file) {
            Err(Error::InUse { .. }) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(LOCK_RETRY).await;
            }
            prepared => return prepared,
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Record>, Error> {
        let found = read::get(&self.readers, kind, key).await;
        found
            .map_err(|source| self.failed("reading a record", source))?
            .map(|stored| read::record(kind, stored))
            .transpose()
    }

    async fn list(&self, kind: Kind, query: ListQuery) -> Result<Vec<Record>, Error> {
        let found = read::list(&self.readers, kind, &query).await;
        found
            .map_err(|source| self.failed("listing records", source))?
            .into_iter()
            .map(|stored| read::record(kind, stored))
            .collect()
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Committed, Error> {
        check_changes(&changes)?;
        let (request, answer) = Request::new(changes)?;
        self.requests.send(request).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    async fn revision(&self) -> Result<Revision, Error> {
        read::revision(&self.readers).await.map_err(|source| self.failed("reading its revision", source))
    }

    fn watch(&self) -> Watch {
        self.feed.watch()
    }

    async fn close(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }
}
