//! The embedded MQTT server: the crate `mqtt5` with our rules of who may do what.
//!
//! `mqtt5` speaks the protocol; this module starts and stops it, asks a [`Policy`] at every
//! connection, publication and subscription, and takes rights back while clients are connected.

mod engine;
mod gate;
mod metrics;
mod options;
mod policy;
mod published;
mod retained;
mod sessions;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mqtt5::broker::BrokerEventHandler;
use mqtt5::broker::tls_acceptor::TlsAcceptorConfig;
use mqtt5::packet::publish::PublishPacket;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use metrics::ServerStats;
pub use options::{ServerOptions, TlsDoor};
pub use policy::{Attempt, Identity, Login, Open, Policy, Refused, SingleUser};

use crate::Qos;
use engine::{Door, Engine};
use gate::{Contents, Gate};
use retained::{BY_OWNER, Keeper};
use sessions::Sessions;

/// A running MQTT server. Dropping it stops it at once; [`Server::stop`] lets it finish.
pub struct Server {
    local_addr: SocketAddr,
    stop_timeout: Duration,
    sessions: Sessions,
    published: Arc<published::Published>,
    stats: metrics::Source,
    engine: Engine,
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
        let mut doors = vec![Door::Plain(bind(options.listen).await?)];
        let local_addr = match &doors[..] {
            [Door::Plain(listener), ..] => listener.local_addr().unwrap_or(options.listen),
            _ => options.listen,
        };
        if let Some(door) = &options.tls {
            let chain = TlsAcceptorConfig::load_cert_chain_from_file(&door.certificate).await;
            let key = TlsAcceptorConfig::load_private_key_from_file(&door.key).await;
            let (chain, key) = (chain.map_err(ServerError::Start)?, key.map_err(ServerError::Start)?);
            let acceptor = TlsAcceptorConfig::new(chain, key).build_acceptor().map_err(ServerError::Start)?;
            doors.push(Door::Tls(bind(door.listen).await?, acceptor));
        }
        let mut config = options.to_broker_config();
        if policy.reads_payloads() {
            config = config.with_event_handler(Arc::new(Contents::new(Arc::clone(&policy))));
        }
        let storage = engine::storage(&options).await.map_err(|source| match &options.data_dir {
            Some(path) => ServerError::Open { path: path.clone(), source },
            None => ServerError::Start(source),
        })?;
        let keeper: Option<Arc<dyn BrokerEventHandler>> = match &options.retained_dir {
            Some(dir) => {
                let keeper = Keeper::open(dir, Arc::clone(&storage)).await;
                Some(Arc::new(keeper.map_err(|source| ServerError::Retained { path: dir.clone(), source })?))
            }
            None => None,
        };
        let published = Arc::default();
        let gate = Gate::new(
            Arc::clone(&policy),
            Arc::clone(&storage),
            options.shared_subscriptions,
            Arc::clone(&published),
        );
        let engine = Engine::new(config, &options, Arc::clone(&storage), Arc::new(gate), keeper);
        engine.recover().await.map_err(ServerError::Start)?;
        let sessions = Sessions::new(Arc::clone(&engine.router), storage, policy);
        let stats = metrics::Source::new(Arc::clone(&engine.stats));
        let dropped = sessions.recheck(None).await;
        let running = tokio::spawn(engine.clone().run(doors, engine.ending()));
        tracing::info!(address = %local_addr, dropped, "mqtt server listens");
        Ok(Self {
            local_addr,
            stop_timeout: Duration::from_secs(options.stop_timeout_seconds),
            sessions,
            published,
            stats,
            engine,
            running,
        })
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

    /// Publishes a message as the server's owner, with no connection between: nobody is asked whether it may, and a
    /// retained one is not written to [`ServerOptions::retained_dir`], because the owner knows it. Where the owner is
    /// connected as a client too, `owner` is its client id; its own subscriptions without local messages are spared.
    /// An empty retained message deletes the one before.
    pub async fn publish(
        &self,
        owner: &str,
        topic: impl Into<String>,
        payload: impl Into<Bytes>,
        qos: Qos,
        retain: bool,
    ) {
        let packet = PublishPacket::new(topic, payload, qos).with_retain(retain);
        BY_OWNER.scope((), self.engine.router.route_message(&packet, Some(owner))).await;
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
        self.engine.shut_down();
        match tokio::time::timeout(self.stop_timeout, &mut self.running).await {
            Ok(Ok(Ok(()))) => tracing::info!(address = %self.local_addr, "mqtt server stopped"),
            Ok(ended) => tracing::warn!(cause = %ended_early(ended), "mqtt server stopped badly"),
            Err(_) => tracing::warn!(timeout = ?self.stop_timeout, "mqtt server did not stop in time"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.engine.shut_down();
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
    /// The folder of retained messages cannot be used.
    #[error("cannot open the folder of retained MQTT messages {}", path.display())]
    Retained {
        /// The folder.
        path: std::path::PathBuf,
        /// The cause.
        source: morgana_journal::OpenError,
    },
    /// Anything else that keeps it from running.
    #[error("cannot start the MQTT server")]
    Start(#[source] mqtt5::MqttError),
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).await.map_err(|source| ServerError::Bind { address, source })
}

fn ended_early(ended: Result<mqtt5::Result<()>, tokio::task::JoinError>) -> mqtt5::MqttError {
    match ended {
        Ok(Ok(())) => mqtt5::MqttError::InvalidState("the server stopped while starting".to_owned()),
        Ok(Err(cause)) => cause,
        Err(join) => mqtt5::MqttError::InvalidState(format!("the server task failed: {join}")),
    }
}
