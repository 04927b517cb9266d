//! The one task that writes. Commits that wait together share one transaction, so one sync of the
//! disk carries many of them; each still succeeds or fails on its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Executor};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::failure::failure;
use super::file::Guard;
use crate::{
    Change, Committed, Error, Expect, Feed, Kind, Notice, Revision, Touched, document_text, metrics,
};

const RECORD_REVISION: &str = "SELECT revision FROM records WHERE kind = ?1 AND key = ?2";
const PUT: &str = "INSERT INTO records (kind, key, revision, document) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (kind, key) DO UPDATE SET revision = excluded.revision, document = excluded.document";
const DELETE: &str = "DELETE FROM records WHERE kind = ?1 AND key = ?2";
const STORE_REVISION: &str = "SELECT revision FROM store";
const SET_STORE_REVISION: &str = "UPDATE store SET revision = ?1";

/// A commit on its way to the writer, its documents turned into text by its caller.
pub(super) struct Request {
    changes: Vec<Step>,
    answer: oneshot::Sender<Result<Committed, Error>>,
}

struct Step {
    kind: Kind,
    key: String,
    expect: Expect,
    act: Act,
}

enum Act {
    Put(String),
    Delete,
    Check,
}

impl Request {
    pub(super) fn new(
        changes: Vec<Change>,
    ) -> Result<(Self, oneshot::Receiver<Result<Committed, Error>>), Error> {
        let changes = changes.into_iter().map(Step::new).collect::<Result<_, _>>()?;
        let (answer, answered) = oneshot::channel();
        Ok((Self { changes, answer }, answered))
    }
}

impl Step {
    fn new(change: Change) -> Result<Self, Error> {
        Ok(match change {
            Change::Put { kind, key, document, expect } => {
                let text = document_text(kind, &key, &document)?;
                Self { kind, key, expect, act: Act::Put(text) }
            }
            Change::Delete { kind, key, expect } => Self { kind, key, expect, act: Act::Delete },
            Change::Check { kind, key, expect } => Self { kind, key, expect, act: Act::Check },
        })
    }
}

/// The revisions of records, as they are in the transaction so far.
type Revisions<'a> = HashMap<(Kind, &'a str), Option<Revision>>;

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
            Ok(outcomes) => {
                for (request, outcome) in batch.drain(..).zip(outcomes) {
                    count(if outcome.is_ok() { "committed" } else { "conflict" });
                    if let Ok(committed) = &outcome
                        && !committed.touched.is_empty()
                    {
                        self.feed.send(Notice::Committed(committed.clone()));
                    }
                    // A caller that went away does not undo its commit.
                    let _ = request.answer.send(outcome);
                }
            }
            Err(cause) => {
                let cause = Arc::new(cause);
                tracing::error!(file = %self.file.display(), error = %cause, "the system database did not write");
                for request in batch.drain(..) {
                    count("failed");
                    let _ = request.answer.send(Err(failure(&self.file, "committing", Arc::clone(&cause))));
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

/// Whether a commit may happen to records at `revisions`, and what it then does.
fn decide(changes: &[Step], revisions: &Revisions<'_>, revision: Revision) -> Result<Committed, Error> {
    let mut touched = Vec::new();
    for Step { kind, key, expect, act } in changes {
        let actual = revisions.get(&(*kind, key.as_str())).copied().flatten();
        if !expect.holds(actual) {
            return Err(Error::Conflict { kind: *kind, key: key.clone(), expected: *expect, actual });
        }
        let deleted = match act {
            Act::Put(_) => false,
            Act::Delete if actual.is_some() => true,
            Act::Delete | Act::Check => continue,
        };
        touched.push(Touched { kind: *kind, key: key.clone(), deleted });
    }
    let revision = if touched.is_empty() { revision } else { revision + 1 };
    Ok(Committed { revision, touched: touched.into() })
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

fn count(outcome: &'static str) {
    ::metrics::counter!(metrics::COMMITS_TOTAL, "outcome" => outcome).increment(1);
}
