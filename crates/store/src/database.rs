//! What the databases behind [`Store`] have in common: reads through a pool of connections, and commits through
//! one task that writes.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::batch::Request;
use crate::{Change, Committed, Error, Kind, ListQuery, Record, Revision, Store, Watch, check_changes};

/// Key, revision and document of a record, as a table holds them.
pub(crate) type Stored = (String, i64, String);

/// One database: what each does in a way of its own. What has it is a [`Store`].
pub(crate) trait Database: Send + Sync + 'static {
    /// The record of a key.
    fn find(&self, kind: Kind, key: &str) -> impl Future<Output = sqlx::Result<Option<Stored>>> + Send;

    /// The records that a query asks for, in the byte order of their keys.
    fn page(&self, kind: Kind, query: &ListQuery) -> impl Future<Output = sqlx::Result<Vec<Stored>>> + Send;

    /// The revision of the last commit.
    fn last_revision(&self) -> impl Future<Output = sqlx::Result<Revision>> + Send;

    /// Hands a commit to the task that writes; nobody is there to take it when the store is closed.
    fn hand_over(&self, request: Request) -> impl Future<Output = Option<()>> + Send;

    /// A watch of the commits from now on.
    fn watched(&self) -> Watch;

    /// The task that writes.
    fn task(&self) -> &Task;

    /// What went wrong while the database was asked something, with the way out.
    fn failed(&self, doing: &'static str, source: sqlx::Error) -> Error;
}

/// The task that writes: what tells it to end, and tells that it has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Task {
    pub(crate) stop: CancellationToken,
    pub(crate) stopped: CancellationToken,
}

#[async_trait]
impl<D: Database> Store for D {
    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Record>, Error> {
        let found = self.find(kind, key).await.map_err(|source| self.failed("reading a record", source))?;
        found.map(|stored| record(kind, stored)).transpose()
    }

    async fn list(&self, kind: Kind, query: ListQuery) -> Result<Vec<Record>, Error> {
        let found = self.page(kind, &query).await.map_err(|source| self.failed("listing records", source))?;
        found.into_iter().map(|stored| record(kind, stored)).collect()
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Committed, Error> {
        check_changes(&changes)?;
        let (request, answer) = Request::new(changes)?;
        self.hand_over(request).await.ok_or(Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    async fn revision(&self) -> Result<Revision, Error> {
        self.last_revision().await.map_err(|source| self.failed("reading its revision", source))
    }

    fn watch(&self) -> Watch {
        self.watched()
    }

    async fn close(&self) {
        self.task().stop.cancel();
        self.task().stopped.cancelled().await;
    }
}

fn record(kind: Kind, (key, revision, text): Stored) -> Result<Record, Error> {
    match serde_json::from_str(&text) {
        Ok(document) => Ok(Record { kind, key, revision: revision.cast_unsigned(), document }),
        Err(source) => Err(Error::Decode { kind, key, source }),
    }
}
