//! The System DB on a PostgreSQL server, which several controllers share: one task that writes, a few
//! connections that read, one that listens.

mod failure;
mod listener;
mod options;
mod read;
mod schema;
mod session;
mod writer;

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use options::PostgresOptions;

use self::failure::failure;
use self::session::{Led, Session};
use self::writer::{Order, Writer};
use crate::batch::Request;
use crate::database::{Database, Stored, Task};
use crate::{Error, Feed, Kind, ListQuery, Revision, Store, Watch};

/// A [`Store`] in a database of a PostgreSQL server (13 or newer). Cheap to clone.
///
/// Any number of controllers may have it open and commit. Those of which one must lead call
/// [`PostgresStore::lead`]; the one that gets `true` leads for as long as [`PostgresStore::lost_lead`]
/// does not say otherwise.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    database: Arc<str>,
    readers: PgPool,
    orders: mpsc::Sender<Order>,
    feed: Arc<Feed>,
    known: Arc<AtomicU64>,
    task: Task,
    lost: CancellationToken,
    lead_pause: Duration,
}

impl PostgresStore {
    /// Opens the database at `url` (`postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with libpq's
    /// parameters behind `?`), and makes its tables if there are none. Needs a Tokio runtime, on which
    /// its tasks then live until [`Store::close`] or until the last clone is dropped.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Server`] or [`Error::Unsuitable`] say what is wrong and the way out.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, Error> {
        if !is_address(url) {
            return Err(Error::Address(Arc::new(sqlx::Error::Configuration("another kind of URL".into()))));
        }
        let connect = PgConnectOptions::from_str(url).map_err(|source| Error::Address(Arc::new(source)))?;
        let connect = connect
            .application_name("morgana")
            .options([("default_transaction_isolation", "read committed")])
            .disable_statement_logging();
        let database: Arc<str> = shown(&connect).into();
        if options.lead_release() <= options.lead_patience() {
            let reason = "lead_release_seconds must be longer than lead_patience_milliseconds".to_owned();
            return Err(Error::Unsuitable { database: database.to_string(), reason });
        }
        let failed = |source| failure(&database, "opening it", source);

        let mut session = Session::new(connect.clone(), Arc::clone(&database), &options);
        schema::establish(session.connection(options.patience()).await?, &database).await?;
        let pool = |connections| {
            let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(options.patience());
            pool.connect_lazy_with(connect.clone())
        };
        let mut listener = PgListener::connect_with(&pool(1)).await.map_err(failed)?;
        listener.listen(listener::CHANNEL).await.map_err(failed)?;

        let (orders, waiting) = mpsc::channel(options.commit_queue.max(1));
        let store = Self {
            readers: pool(options.reader_connections.max(1)),
            database,
            orders,
            feed: Arc::new(Feed::new(options.watch_queue)),
            known: Arc::new(AtomicU64::new(0)),
            task: Task::default(),
            lost: CancellationToken::new(),
            lead_pause: options.lead_pause(),
        };
        store.known.store(store.revision().await?, Ordering::Relaxed);
        // The listener lives as long as the writer, and that as long as somebody can ask.
        let (listening, guard) = (CancellationToken::new(), CancellationToken::new().drop_guard());
        tokio::spawn({
            let (feed, known) = (Arc::clone(&store.feed), Arc::clone(&store.known));
            listener::run(listener, feed, known, listening.clone())
        });
        let writer = Writer::new(session, options, Arc::clone(&store.known), store.lost.clone());
        let (stop, feed, readers) = (store.task.stop.clone(), Arc::clone(&store.feed), store.readers.clone());
        let stopped = store.task.stopped.clone().drop_guard();
        tokio::spawn(async move {
            writer.run(waiting, stop).await;
            listening.cancel();
            feed.close();
            readers.close().await;
            drop((stopped, guard));
        });
        Ok(store)
    }

    /// Asks for the lead among all controllers that ask for it: `true` when this one has it. It is a
    /// lock of the very session that writes, so who has lost it cannot write any more. Where another one
    /// led and did not give the lead back, the answer comes after
    /// [`PostgresOptions::lead_pause_milliseconds`], so that the other has ended by then.
    ///
    /// # Errors
    /// [`Error::NotLeading`] when this one has led and lost it, or why the server did not answer.
    pub async fn lead(&self) -> Result<bool, Error> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::Lead(answer)).await.map_err(|_| Error::Closed)?;
        match answered.await.map_err(|_| Error::Closed)?? {
            Led::No => return Ok(false),
            Led::Already | Led::AfterNobody => {}
            // One whose session broke hears at its next beat that it leads no more, and ends.
            Led::AfterAnother => tokio::time::sleep(self.lead_pause).await,
        }
        if self.lost.is_cancelled() { Err(Error::NotLeading) } else { Ok(true) }
    }

    /// Comes when this controller led and does no more, or may not for long: it has to end at once.
    pub async fn lost_lead(&self) {
        self.lost.cancelled().await;
    }

    /// Where the database is, without the password, for people.
    pub fn database(&self) -> &str {
        &self.database
    }
}

/// Whether a text looks like the address of a PostgreSQL server.
fn is_address(url: &str) -> bool {
    ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme))
}

/// The address for people: no password, and no parameters, which may hold one.
fn shown(connect: &PgConnectOptions) -> String {
    let host = connect.get_socket().map_or_else(
        || format!("{}:{}", connect.get_host(), connect.get_port()),
        |socket| format!("{}:{}", socket.display(), connect.get_port()),
    );
    format!("postgres://{}@{host}/{}", connect.get_username(), connect.get_database().unwrap_or_default())
}

impl Database for PostgresStore {
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
        self.orders.send(Order::Commit(request)).await.ok()
    }

    fn watched(&self) -> Watch {
        // What was answered before is told a moment later, and is not of "from now on".
        self.feed.watch_after(self.known.load(Ordering::Relaxed))
    }

    fn task(&self) -> &Task {
        &self.task
    }

    fn failed(&self, doing: &'static str, source: sqlx::Error) -> Error {
        failure(&self.database, doing, source)
    }
}
