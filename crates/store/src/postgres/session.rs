//! The one session that writes, and the lock that makes its controller the one that leads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::time::timeout_at;

use super::PostgresOptions;
use super::failure::failure;
use crate::Error;

/// Any number that others do not use: "Morgana" in ASCII, and nothing.
const LEAD: &str = "SELECT pg_try_advisory_lock(21799019567050080)";
const LEADER: &str = "SELECT leader FROM morgana_store";
const SET_LEADER: &str = "UPDATE morgana_store SET leader = $1";
const IS_LEADER: &str = "SELECT leader = $1 FROM morgana_store";

/// What asking for the lead came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Led {
    /// Somebody else leads.
    No,
    /// This one does since before.
    Already,
    /// Nobody led, or who did has given it back.
    AfterNobody,
    /// Who led before was cut off, and may not know it yet.
    AfterAnother,
}

/// A connection that is made anew when it broke, and then has the lock again or is of no use.
pub(super) struct Session {
    connect: PgConnectOptions,
    database: Arc<str>,
    connection: Option<PgConnection>,
    /// Who we are among leaders; another one in the database means that somebody led in between.
    name: String,
    leads: bool,
    lead_patience: Duration,
    lead_release: Duration,
    /// When the server last answered.
    heard: Instant,
}

impl Session {
    pub(super) fn new(connect: PgConnectOptions, database: Arc<str>, options: &PostgresOptions) -> Self {
        let release = options.lead_release().as_secs().max(1);
        // A dead machine says nothing: the server finds out by itself, and lets the lock go.
        let connect = connect.options([
            ("tcp_keepalives_idle", (release / 2).max(1).to_string()),
            ("tcp_keepalives_interval", "1".to_owned()),
            ("tcp_keepalives_count", (release / 2).max(1).to_string()),
        ]);
        Self {
            connect,
            database,
            connection: None,
            name: uuid::Uuid::new_v4().to_string(),
            leads: false,
            lead_patience: options.lead_patience(),
            lead_release: options.lead_release(),
            heard: Instant::now(),
        }
    }

    pub(super) fn leads(&self) -> bool {
        self.leads
    }

    /// When something has to be heard from the server, while this one leads.
    fn deadline(&self, patience: Duration) -> Instant {
        if self.leads { self.heard + self.lead_patience } else { Instant::now() + patience }
    }

    /// The connection, made anew where there is none, with the lock where this one leads.
    pub(super) async fn connection(&mut self, patience: Duration) -> Result<&mut PgConnection, Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open(patience).await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn open(&self, patience: Duration) -> Result<PgConnection, Error> {
        let failed = |source| failure(&self.database, "connecting to it", source);
        let opening = async {
            let mut connection = self.connect.connect().await.map_err(failed)?;
            if self.leads {
                self.lock_again(&mut connection).await?;
            }
            Ok(connection)
        };
        let deadline = self.deadline(patience).into();
        timeout_at(deadline, opening).await.unwrap_or_else(|_| Err(failed(silence())))
    }

    /// Takes the lock again. It may still be held by our own session before, of which the server has
    /// not noticed the end; if somebody led in between, it is lost for good.
    async fn lock_again(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let failed = |source| failure(&self.database, "taking the lead again", source);
        let locked: bool = sqlx::query_scalar(LEAD).fetch_one(&mut *connection).await.map_err(failed)?;
        if !locked {
            return Err(failed(sqlx::Error::Io(std::io::ErrorKind::ResourceBusy.into())));
        }
        let ours: bool = sqlx::query_scalar(IS_LEADER)
            .bind(&self.name)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        if !ours {
            return Err(Error::NotLeading);
        }
        self.tell_patience(connection).await.map_err(failed)
    }

    /// Tries to get the lead.
    pub(super) async fn lead(&mut self, patience: Duration) -> Result<Led, Error> {
        if self.leads {
            return Ok(Led::Already);
        }
        let name = self.name.clone();
        let led = self
            .run("asking for the lead", patience, async |session, connection| {
                let locked: bool = sqlx::query_scalar(LEAD).fetch_one(&mut *connection).await?;
                if !locked {
                    return Ok(Led::No);
                }
                let before: String = sqlx::query_scalar(LEADER).fetch_one(&mut *connection).await?;
                sqlx::query(SET_LEADER).bind(&name).execute(&mut *connection).await?;
                session.tell_patience(connection).await?;
                Ok(if before.is_empty() { Led::AfterNobody } else { Led::AfterAnother })
            })
            .await?;
        self.leads = led != Led::No;
        Ok(led)
    }

    /// Has the server end the session, and with it the lead, when it is silent for too long. Servers
    /// before 14 cannot.
    async fn tell_patience(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
            .fetch_one(&mut *connection)
            .await?;
        if version >= 140_000 {
            let query = "SELECT set_config('idle_session_timeout', $1, false)";
            let milliseconds = self.lead_release.as_millis().to_string();
            sqlx::query(query).bind(milliseconds).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Shows the server that this one is there. What fails is tried again until the patience is over.
    pub(super) async fn beat(&mut self) -> Result<(), Error> {
        let patience = self.lead_patience;
        self.run("telling that this controller is there", patience, async |_, connection| {
            connection.execute("SELECT 1").await.map(drop)
        })
        .await
    }

    /// How long this one may go on without a word from the server.
    pub(super) fn patience_is_over(&self) -> bool {
        self.leads && self.heard.elapsed() >= self.lead_patience
    }

    /// Works with the connection. After a failure it is thrown away, with the transaction in it.
    pub(super) async fn run<T>(
        &mut self,
        doing: &'static str,
        patience: Duration,
        work: impl AsyncFnOnce(&Self, &mut PgConnection) -> sqlx::Result<T>,
    ) -> Result<T, Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open(patience).await?,
        };
        let deadline = self.deadline(patience).into();
        let worked = timeout_at(deadline, work(self, &mut connection)).await;
        match worked.unwrap_or_else(|_| Err(silence())) {
            Ok(done) => {
                self.heard = Instant::now();
                self.connection = Some(connection);
                Ok(done)
            }
            Err(source) => Err(failure(&self.database, doing, source)),
        }
    }

    /// Gives the lead back, so that the next one need not wait, and ends the session.
    pub(super) async fn close(mut self) {
        if let (true, Some(connection)) = (self.leads, &mut self.connection)
            && let Err(error) = sqlx::query(SET_LEADER).bind("").execute(&mut *connection).await
        {
            tracing::warn!(database = &*self.database, %error, "the lead was not given back");
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(database = &*self.database, %error, "the system database did not close cleanly");
        }
    }
}

fn silence() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}
