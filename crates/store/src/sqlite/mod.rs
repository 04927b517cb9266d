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

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use tokio::sync::mpsc;

pub use options::SqliteOptions;

use self::failure::failure;
use self::writer::Writer;
use crate::batch::Request;
use crate::database::{Database, Stored, Task};
use crate::{Error, Feed, Kind, ListQuery, Revision, Watch};

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
    task: Task,
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
            task: Task::default(),
        };
        let writer = Writer { connection, readers, file, guard, feed };
        let stop = store.task.stop.clone();
        let stopped = store.task.stopped.clone().drop_guard();
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

impl Database for SqliteStore {
    async fn find(&self, kind: Kind, key: &str) -> sqlx::Result<Option<Stored>> {
        read::get(&self.readers, kind, key).await
    }

    async fn page(&self, kind: Kind, query: &ListQuery) -> sqlx::Result<Vec<Stored>> {
        read::list(&self.readers, kind, query).await
    }

    async fn last_revision(&self) -> sqlx::Result<Revision> {
        read::revision(&self.readers).await
    }

    async fn hand_over(&self, request: Request) -> Option<()> {
        self.requests.send(request).await.ok()
    }

    fn watched(&self) -> Watch {
        self.feed.watch()
    }

    fn task(&self) -> &Task {
        &self.task
    }

    fn failed(&self, doing: &'static str, source: sqlx::Error) -> Error {
        failure(&self.file, doing, Arc::new(source))
    }
}
