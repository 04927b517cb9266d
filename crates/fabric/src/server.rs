//! The embedded MQTT server: the crate `mqtt5` with our rules of who may do what.
//!
//! `mqtt5` speaks the protocol; this module starts and stops it, asks a [`Policy`] at every
//! connection, publication and subscription, and takes rights back while clients are connected.

mod gate;
mod metrics;
mod options;
mod policy;
mod published;
mod sessions;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mqtt5::broker::{BrokerShutdownHandle, MqttBroker};
use tokio::task::JoinHandle;

pub use metrics::ServerStats;
pub use options::{ServerOptions, TlsDoor};
pub use policy::{Attempt, Identity, Login, Open, Policy, Refused, SingleUser};

use gate::{Contents, Gate};
use sessions::Sessions;

/// A running MQTT server. Dropping it stops it at once; [`Server::stop`] lets it finish.
pub struct Server {
    local_addr: SocketAddr,
    stop_timeout: Duration,
    sessions: Sessions,
    published: Arc<published::Published>,
    stats: metrics::Source,
    shutdown: BrokerShutdownHandle,
    running: JoinHandle<mqtt5::Result<()>>,
}

impl Server {
    /// Binds, loads what `data_dir` holds, and answers once connections are accepted.
    ///
    /// Subscriptions of stored sessions that `policy` no longer allows are dropped before the first
    /// client connects.
    ///
    /// # Errors
    /// [`ServerError::Bind`] names an address that cannot be listened on, [`ServerError::Open`] a data
    /// folder that cannot be used, [`ServerError::Start`] anything else.
    pub async fn start(options: ServerOptions, policy: Arc<dyn Policy>) -> Result<Self, ServerError> {
        let listen = options.listen;
        let mut config = options.to_broker_config();
        if policy.reads_payloads() {
            config = config.with_event_handler(Arc::new(Contents(Arc::clone(&policy))));
        }
        let broker = match MqttBroker::with_config(config).await {
            Ok(broker) => broker,
            Err(cause) => return Err(explain(&options, cause).await),
        };
        let local_addr = broker.local_addr().unwrap_or(listen);
        let storage = broker.storage().ok_or(ServerError::NoSessions)?;
        let sessions = Sessions::new(broker.router(), Arc::clone(&storage), Arc::clone(&policy));
        let published = Arc::default();
        let gate = Gate::new(policy, storage, options.shared_subscriptions, Arc::clone(&published));
        let mut broker = broker.with_auth_provider(Arc::new(gate));
        let stats = metrics::Source::new(broker.stats());
        let shutdown = broker.shutdown_handle();
        let mut ready = broker.ready_receiver();
        let mut running = tokio::spawn(async move { broker.run().await });

        tokio::select! {
            _ = ready.wait_for(|ready| *ready) => {}
            ended = &mut running => return Err(ServerError::Start(ended_early(ended))),
        }
        let server = Self {
            local_addr,
            stop_timeout: Duration::from_secs(options.stop_timeout_seconds),
            sessions,
            published,
            stats,
            shutdown,
            running,
        };
        let dropped = server.recheck().await;
        tracing::info!(address = %local_addr, dropped, "mqtt server listens");
        Ok(server)
    }

    /// The address it listens on, with the port that was chosen where port 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Asks the policy again about every subscription of every client, connected or not, and drops
    /// those it no longer allows; answers how many. Call it after a right was taken back.
    ///
    /// When it returns no further message is routed to a dropped subscription. What the server had
    /// already handed to the client's own queue (at most
    /// [`ServerOptions::delivery_queue_messages`]) may still arrive at a connected client; messages
    /// stored for a disconnected one are thrown away.
    pub async fn recheck(&self) -> usize {
        self.sessions.recheck(None).await
    }

    /// The same for the clients of one user, by the name in its [`Identity`].
    pub async fn recheck_user(&self, name: &str) -> usize {
        self.sessions.recheck(Some(name)).await
    }

    /// Closes every connection of a user; answers how many. Its stored sessions stay. A client that
    /// connects again has to authenticate again, so revoke the credential first.
    pub async fn disconnect_user(&self, name: &str) -> usize {
        self.sessions.disconnect(name, false).await
    }

    /// Closes every connection of a user and deletes its sessions with their subscriptions and
    /// stored messages; answers how many sessions there were. For a user that is no more.
    pub async fn forget_user(&self, name: &str) -> usize {
        self.published.forget(name);
        self.sessions.disconnect(name, true).await
    }

    /// How many messages the clients of a user have published since the server started.
    pub fn published_by(&self, name: &str) -> u64 {
        self.published.of(name)
    }

    /// What the server counted since it started.
    pub fn stats(&self) -> ServerStats {
        self.stats.read()
    }

    /// Writes the counters of [`Server::stats`] to the `metrics` recorder, labelled with `name`
    /// ("fabric", say). Call it when metrics are scraped.
    pub fn record_metrics(&self, name: &'static str) {
        self.stats.record(name);
    }

    /// Stops accepting, tells MQTT 5 clients "server shutting down", writes what is due to disk and
    /// returns; after [`ServerOptions::stop_timeout_seconds`] it returns anyway.
    pub async fn stop(mut self) {
        self.shutdown.shutdown();
        match tokio::time::timeout(self.stop_timeout, &mut self.running).await {
            Ok(Ok(Ok(()))) => tracing::info!(address = %self.local_addr, "mqtt server stopped"),
            Ok(ended) => tracing::warn!(cause = %ended_early(ended), "mqtt server stopped badly"),
            Err(_) => tracing::warn!(timeout = ?self.stop_timeout, "mqtt server did not stop in time"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is in use, or not ours.
    #[error("cannot listen for MQTT on {address}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The data folder cannot be used, or another server uses it.
    #[error("cannot open the MQTT data folder {}: {source}", path.display())]
    Open {
        /// The folder.
        path: std::path::PathBuf,
        /// The cause.
        source: mqtt5::MqttError,
    },
    /// Anything else that keeps it from running.
    #[error("cannot start the MQTT server")]
    Start(#[source] mqtt5::MqttError),
    /// The broker library came up without its session store; rights could not be taken back.
    #[error("the MQTT server has no session store")]
    NoSessions,
}

/// `mqtt5` tells a busy port and a bad folder by text alone; trying the address once more gives the
/// operating system's own word.
async fn explain(options: &ServerOptions, cause: mqtt5::MqttError) -> ServerError {
    match tokio::net::TcpListener::bind(options.listen).await {
        Err(source) => ServerError::Bind { address: options.listen, source },
        Ok(_) => match &options.data_dir {
            Some(path) => ServerError::Open { path: path.clone(), source: cause },
            None => ServerError::Start(cause),
        },
    }
}

fn ended_early(ended: Result<mqtt5::Result<()>, tokio::task::JoinError>) -> mqtt5::MqttError {
    match ended {
        Ok(Ok(())) => mqtt5::MqttError::InvalidState("the server stopped while starting".to_owned()),
        Ok(Err(cause)) => cause,
        Err(join) => mqtt5::MqttError::InvalidState(format!("the server task failed: {join}")),
    }
}
