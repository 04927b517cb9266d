//! The one task of this controller that writes. The row of the store is locked through each
//! transaction, so the commits of all controllers are in one order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::session::{Led, Session};
use super::{PostgresOptions, listener};
use crate::batch::{Act, Request, Revisions, answer_all, decide};
use crate::{Committed, Error, Kind, Revision, metrics};

const STORE_REVISION: &str = "SELECT revision FROM morgana_store FOR UPDATE";
const RECORD_REVISIONS: &str = "SELECT record.kind, record.key, record.revision \
     FROM unnest($1::text[], $2::text[]) AS named (kind, key) \
     JOIN morgana_records record ON record.kind = named.kind AND record.key = named.key";
const PUT: &str = "INSERT INTO morgana_records (kind, key, revision, document) \
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) \
     ON CONFLICT (kind, key) DO UPDATE SET revision = excluded.revision, document = excluded.document";
const DELETE: &str = "DELETE FROM morgana_records record USING unnest($1::text[], $2::text[]) AS named (kind, key) \
     WHERE record.kind = named.kind AND record.key = named.key";
const SET_STORE_REVISION: &str = "UPDATE morgana_store SET revision = $1";
const TELL: &str =
    "SELECT count(pg_notify('morgana_commits', told.text)) FROM unnest($1::text[]) AS told (text)";

/// How often the controller that leads shows that it is there.
const BEAT: Duration = Duration::from_millis(500);
/// How long to wait before the server is tried again, while this one leads.
const RETRY: Duration = Duration::from_millis(100);

/// What the writer is asked for.
pub(super) enum Order {
    Commit(Request),
    Lead(oneshot::Sender<Result<Led, Error>>),
}

/// What one transaction came to: an outcome for each commit.
type Outcomes = Vec<Result<Committed, Error>>;

pub(super) struct Writer {
    session: Session,
    options: PostgresOptions,
    /// The highest revision that this controller has answered or heard of.
    known: Arc<AtomicU64>,
    lost: CancellationToken,
}

impl Writer {
    pub(super) fn new(
        session: Session,
        options: PostgresOptions,
        known: Arc<AtomicU64>,
        lost: CancellationToken,
    ) -> Self {
        Self { session, options, known, lost }
    }

    /// Serves until `stop`, or until nobody can ask any more; then finishes what waits and closes.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>, stop: CancellationToken) {
        let mut waiting = Vec::new();
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                received = orders.recv_many(&mut waiting, self.options.commits_per_write.max(1)) => {
                    if received == 0 {
                        break;
                    }
                    self.serve(&mut waiting).await;
                }
                _ = beats.tick(), if self.session.leads() && !self.lost.is_cancelled() => self.beat().await,
                () = stop.cancelled(), if !orders.is_closed() => orders.close(),
            }
        }
        self.session.close().await;
    }

    async fn serve(&mut self, waiting: &mut Vec<Order>) {
        let mut batch = Vec::new();
        for order in waiting.drain(..) {
            match order {
                Order::Commit(request) => batch.push(request),
                Order::Lead(answer) => {
                    let led = if self.lost.is_cancelled() {
                        Err(Error::NotLeading)
                    } else {
                        self.session.lead(self.options.patience()).await
                    };
                    let _ = answer.send(led);
                }
            }
        }
        if !batch.is_empty() {
            self.commit(&mut batch).await;
        }
    }

    async fn commit(&mut self, batch: &mut Vec<Request>) {
        let started = Instant::now();
        let outcomes =
            if self.lost.is_cancelled() { Err(Error::NotLeading) } else { self.write(batch).await };
        ::metrics::histogram!(metrics::COMMITS_PER_WRITE).record(batch.len() as f64);
        ::metrics::histogram!(metrics::WRITE_SECONDS).record(started.elapsed());
        match outcomes {
            Ok(outcomes) => {
                let last = outcomes.iter().flatten().map(|committed| committed.revision).max();
                self.known.fetch_max(last.unwrap_or_default(), Ordering::Relaxed);
                // Watchers are told by the listener, so that the commits of all controllers are in order.
                answer_all(batch, outcomes, None);
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the system database did not write"
                );
                for request in batch.drain(..) {
                    request.answer(Err(error.once_more()));
                }
                if matches!(error, Error::NotLeading) || self.session.patience_is_over() {
                    self.lost.cancel();
                }
            }
        }
    }

    /// Does what can be done of a batch in one transaction; or an error, after which it is only not
    /// known what happened where the answer to the COMMIT itself was lost. What failed before that did
    /// nothing, and is tried once more: like as not the session was cut since the last commit.
    async fn write(&mut self, batch: &[Request]) -> Result<Outcomes, Error> {
        let patience = self.options.patience();
        for last in [false, true] {
            let mut committing = false;
            let work = async |_: &Session, connection: &mut PgConnection| {
                write(connection, batch, &mut committing).await
            };
            let written = self.session.run("committing", patience, work).await;
            match written {
                Err(Error::Server { .. }) if !last && !committing => {}
                written => return written,
            }
        }
        Err(Error::Closed)
    }

    async fn beat(&mut self) {
        while let Err(error) = self.session.beat().await {
            if matches!(error, Error::NotLeading) || self.session.patience_is_over() {
                tracing::error!(error = &error as &dyn std::error::Error, "this controller leads no more");
                return self.lost.cancel();
            }
            tracing::warn!(error = &error as &dyn std::error::Error, "the system database does not answer");
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// One transaction; `committing` is set when its end is asked for.
async fn write(
    connection: &mut PgConnection,
    batch: &[Request],
    committing: &mut bool,
) -> sqlx::Result<Outcomes> {
    let mut transaction = connection.begin().await?;
    let before: i64 = sqlx::query_scalar(STORE_REVISION).fetch_one(&mut *transaction).await?;
    let before = before.cast_unsigned();
    let mut revisions = read_revisions(&mut transaction, batch).await?;

    let mut revision = before;
    let mut outcomes = Outcomes::with_capacity(batch.len());
    // What each record is when all of the batch is done: later commits of it win.
    let mut puts: BTreeMap<(Kind, &str), (Revision, &str)> = BTreeMap::new();
    let mut deletes: BTreeMap<(Kind, &str), ()> = BTreeMap::new();
    for Request { changes, .. } in batch {
        let outcome = decide(changes, &revisions, revision);
        if let Ok(committed) = &outcome
            && committed.revision > revision
        {
            revision = committed.revision;
            for step in changes {
                let name = (step.kind, step.key.as_str());
                match &step.act {
                    Act::Put(document) => {
                        deletes.remove(&name);
                        puts.insert(name, (revision, document));
                        revisions.insert(name, Some(revision));
                    }
                    Act::Delete => {
                        puts.remove(&name);
                        deletes.insert(name, ());
                        revisions.insert(name, None);
                    }
                    Act::Check => {}
                }
            }
        }
        outcomes.push(outcome);
    }
    if revision > before {
        delete(&mut transaction, &deletes).await?;
        put(&mut transaction, &puts).await?;
        sqlx::query(SET_STORE_REVISION).bind(revision.cast_signed()).execute(&mut *transaction).await?;
        let told = outcomes.iter().flatten().filter(|committed| !committed.touched.is_empty());
        let told: Vec<String> = told.map(listener::text).collect();
        sqlx::query(TELL).bind(told).execute(&mut *transaction).await?;
    }
    *committing = true;
    transaction.commit().await?;
    Ok(outcomes)
}

async fn read_revisions<'a>(
    connection: &mut PgConnection,
    batch: &'a [Request],
) -> sqlx::Result<Revisions<'a>> {
    let steps = batch.iter().flat_map(|request| &request.changes);
    let mut revisions: Revisions<'a> = steps.map(|step| ((step.kind, step.key.as_str()), None)).collect();
    let (kinds, keys): (Vec<&str>, Vec<&str>) =
        revisions.keys().map(|(kind, key)| (kind.as_str(), *key)).unzip();
    let found: Vec<(String, String, i64)> =
        sqlx::query_as(RECORD_REVISIONS).bind(kinds).bind(keys).fetch_all(connection).await?;
    for (kind, key, revision) in found {
        let named = |(known, name): &(Kind, &str)| known.as_str() == kind && *name == key;
        let name = revisions.keys().find(|name| named(name)).copied();
        if let Some(name) = name {
            revisions.insert(name, Some(revision.cast_unsigned()));
        }
    }
    Ok(revisions)
}

async fn put(
    connection: &mut PgConnection,
    puts: &BTreeMap<(Kind, &str), (Revision, &str)>,
) -> sqlx::Result<()> {
    if puts.is_empty() {
        return Ok(());
    }
    let kinds: Vec<&str> = puts.keys().map(|(kind, _)| kind.as_str()).collect();
    let keys: Vec<&str> = puts.keys().map(|(_, key)| *key).collect();
    let revisions: Vec<i64> = puts.values().map(|(revision, _)| revision.cast_signed()).collect();
    let documents: Vec<&str> = puts.values().map(|(_, document)| *document).collect();
    let query = sqlx::query(PUT).bind(kinds).bind(keys).bind(revisions).bind(documents);
    connection.execute(query).await.map(drop)
}

async fn delete(connection: &mut PgConnection, deletes: &BTreeMap<(Kind, &str), ()>) -> sqlx::Result<()> {
    if deletes.is_empty() {
        return Ok(());
    }
    let (kinds, keys): (Vec<&str>, Vec<&str>) =
        deletes.keys().map(|(kind, key)| (kind.as_str(), *key)).unzip();
    connection.execute(sqlx::query(DELETE).bind(kinds).bind(keys)).await.map(drop)
}
