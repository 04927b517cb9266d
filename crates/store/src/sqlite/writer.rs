//! The one task that writes. Commits that wait together share one transaction, so one sync of the
//! disk carries many of them; each still succeeds or fails on its own.

use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Executor};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::failure::failure;
use super::file::Guard;
use crate::batch::{Act, Request, Revisions, Step, answer_all, decide};
use crate::{Committed, Error, Feed, Revision, metrics};

const RECORD_REVISION: &str = "SELECT revision FROM records WHERE kind = ?1 AND key = ?2";
const PUT: &str = "INSERT INTO records (kind, key, revision, document) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (kind, key) DO UPDATE SET revision = excluded.revision, document = excluded.document";
const DELETE: &str = "DELETE FROM records WHERE kind = ?1 AND key = ?2";
const STORE_REVISION: &str = "SELECT revision FROM store";
const SET_STORE_REVISION: &str = "UPDATE store SET revision = ?1";

pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    pub(super) readers: SqlitePool,
    pub(super) file: Arc<Path>,
    pub(super) guard: Guard,
    pub(super) feed: Arc<Feed>,
}

impl Writer {
    /// Serves commits until `stop`, or until nobody can ask any more; then finishes those that wait
    /// and closes the database.
    pub(super) async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        commits_per_write: usize,
        stop: CancellationToken,
    ) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                received = requests.recv_many(&mut batch, commits_per_write.max(1)) => {
                    if received == 0 {
                        break;
                    }
                    self.serve(&mut batch).await;
                }
                () = stop.cancelled(), if !requests.is_closed() => requests.close(),
            }
        }
        self.feed.close();
        self.readers.close().await;
        if let Err(error) = self.connection.close().await {
            tracing::warn!(file = %self.file.display(), %error, "the system database did not close cleanly");
        }
        drop(self.guard);
    }

    async fn serve(&mut self, batch: &mut Vec<Request>) {
        let started = Instant::now();
        let outcomes = self.write(batch).await;
        ::metrics::histogram!(metrics::COMMITS_PER_WRITE).record(batch.len() as f64);
        ::metrics::histogram!(metrics::WRITE_SECONDS).record(started.elapsed());

        match outcomes {
            Ok(outcomes) => answer_all(batch, outcomes, Some(&self.feed)),
            Err(cause) => {
                let cause = Arc::new(cause);
                tracing::error!(file = %self.file.display(), error = %cause, "the system database did not write");
                for request in batch.drain(..) {
                    request.answer(Err(failure(&self.file, "committing", Arc::clone(&cause))));
                }
            }
        }
    }

    /// Does what can be done of a batch in one transaction. One outcome for each commit; or an error,
    /// after which none of them happened.
    async fn write(&mut self, batch: &[Request]) -> sqlx::Result<Vec<Result<Committed, Error>>> {
        let written = self.write_or_leave_open(batch).await;
        if written.is_err() {
            // Some failures have ended the transaction already, so this may well find none.
            let _ = self.connection.execute("ROLLBACK").await;
        }
        written
    }

    async fn write_or_leave_open(
        &mut self,
        batch: &[Request],
    ) -> sqlx::Result<Vec<Result<Committed, Error>>> {
        let connection = &mut self.connection;
        connection.execute("BEGIN IMMEDIATE").await?;
        let before: i64 = sqlx::query_scalar(STORE_REVISION).fetch_one(&mut *connection).await?;
        let before = before.cast_unsigned();

        let mut revision = before;
        let mut revisions = Revisions::new();
        let mut outcomes = Vec::with_capacity(batch.len());
        for Request { changes, .. } in batch {
            read_revisions(connection, changes, &mut revisions).await?;
            let outcome = decide(changes, &revisions, revision);
            if let Ok(committed) = &outcome
                && committed.revision > revision
            {
                revision = committed.revision;
                apply(connection, changes, revision, &mut revisions).await?;
            }
            outcomes.push(outcome);
        }
        if revision > before {
            let statement = sqlx::query(SET_STORE_REVISION).bind(revision.cast_signed());
            statement.execute(&mut *connection).await?;
        }
        connection.execute("COMMIT").await?;
        Ok(outcomes)
    }
}

async fn read_revisions<'a>(
    connection: &mut SqliteConnection,
    changes: &'a [Step],
    revisions: &mut Revisions<'a>,
) -> sqlx::Result<()> {
    for Step { kind, key, .. } in changes {
        if let Entry::Vacant(unknown) = revisions.entry((*kind, key)) {
            let found: Option<i64> = sqlx::query_scalar(RECORD_REVISION)
                .bind(kind.as_str())
                .bind(key)
                .fetch_optional(&mut *connection)
                .await?;
            unknown.insert(found.map(i64::cast_unsigned));
        }
    }
    Ok(())
}

async fn apply<'a>(
    connection: &mut SqliteConnection,
    changes: &'a [Step],
    revision: Revision,
    revisions: &mut Revisions<'a>,
) -> sqlx::Result<()> {
    for Step { kind, key, act, .. } in changes {
        let now = match act {
            Act::Put(document) => {
                let statement = sqlx::query(PUT).bind(kind.as_str()).bind(key);
                let statement = statement.bind(revision.cast_signed()).bind(document);
                statement.execute(&mut *connection).await?;
                Some(revision)
            }
            Act::Delete => {
                sqlx::query(DELETE).bind(kind.as_str()).bind(key).execute(&mut *connection).await?;
                None
            }
            Act::Check => continue,
        };
        revisions.insert((*kind, key.as_str()), now);
    }
    Ok(())
}
