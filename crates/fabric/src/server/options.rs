//! What a server can be told.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use mqtt5::broker::config::{BrokerConfig, StorageBackend, StorageConfig};
use serde::{Deserialize, Serialize};

/// How often sessions and messages whose time is over are swept away.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Options of a [`Server`](super::Server). The defaults work: a broker on a free loopback port that
/// keeps everything in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerOptions {
    /// Where to listen. Port 0 takes any free port, see [`Server::local_addr`](super::Server::local_addr).
    pub listen: SocketAddr,
    /// Folder for retained messages, sessions and queued messages. None keeps them in memory.
    ///
    /// With a folder, a retained message and a subscription are on disk (fsync) before they are
    /// acknowledged, so each costs a write of the disk. Messages queued for a disconnected client
    /// and QoS 1 and 2 messages under way are written within 250 ms, so a crash may lose the last
    /// of those.
    pub data_dir: Option<PathBuf>,
    /// Folder for retained messages alone, where the rest is in memory: they survive a kill, and those that come
    /// together are written together. What [`Server::publish`](super::Server::publish) retains is not there.
    pub retained_dir: Option<PathBuf>,
    /// Connections accepted at once; further ones are closed before a word is said.
    pub max_connections: usize,
    /// The largest packet taken from a client, in bytes; a larger one ends its connection.
    pub max_packet_bytes: usize,
    /// Subscriptions one client may hold; a further one is refused with "quota exceeded".
    pub max_subscriptions_per_client: usize,
    /// Retained messages kept; a further one is refused with "quota exceeded".
    pub max_retained_messages: usize,
    /// The largest retained payload, in bytes.
    pub max_retained_message_bytes: usize,
    /// Messages that wait for one connected client, for QoS 0 and for QoS 1 and 2 each. Beyond it
    /// QoS 0 messages are dropped; QoS 1 and 2 go to its session queue.
    pub delivery_queue_messages: usize,
    /// QoS 1 and 2 messages kept for one session that cannot take them now; the oldest go first.
    pub session_queue_messages: usize,
    /// The same bound in bytes.
    pub session_queue_bytes: usize,
    /// QoS 1 and 2 messages sent to one client and not yet acknowledged.
    pub max_outgoing_in_flight: u16,
    /// QoS 2 messages taken from one client and not yet released (the Receive Maximum we tell).
    pub max_incoming_in_flight: u16,
    /// How long a session may outlive its connection, in seconds.
    pub max_session_expiry_seconds: u32,
    /// Whether `$share/<group>/<filter>` is granted. A group is one name space for all clients: where
    /// clients do not trust each other, one could take another's share, so turn it off there.
    pub shared_subscriptions: bool,
    /// How long [`Server::stop`](super::Server::stop) waits for connections to end, in seconds.
    pub stop_timeout_seconds: u64,
    /// A further door that speaks TLS.
    #[serde(skip)]
    pub tls: Option<TlsDoor>,
}

/// A door of the server that speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsDoor {
    /// Where to listen; not port 0, for nobody could say which port was taken.
    pub listen: SocketAddr,
    /// The certificate chain, in PEM form.
    pub certificate: PathBuf,
    /// Its private key, in PEM form.
    pub key: PathBuf,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data_dir: None,
            retained_dir: None,
            max_connections: 10_000,
            max_packet_bytes: 1024 * 1024,
            max_subscriptions_per_client: 10_000,
            max_retained_messages: 100_000,
            max_retained_message_bytes: 256 * 1024,
            delivery_queue_messages: 2_000,
            session_queue_messages: 10_000,
            session_queue_bytes: 16 * 1024 * 1024,
            max_outgoing_in_flight: 64,
            max_incoming_in_flight: 1024,
            max_session_expiry_seconds: 7 * 24 * 3600,
            shared_subscriptions: true,
            stop_timeout_seconds: 6,
            tls: None,
        }
    }
}

impl ServerOptions {
    pub(super) fn to_broker_config(&self) -> BrokerConfig {
        let storage = StorageConfig {
            // Sessions are kept even in memory: taking a right back reads who subscribed to what there.
            enable_persistence: true,
            backend: match self.data_dir {
                Some(_) => StorageBackend::File,
                None => StorageBackend::Memory,
            },
            base_dir: self.data_dir.clone().unwrap_or_default(),
            cleanup_interval: SWEEP_INTERVAL,
            max_queued_messages_per_client: self.session_queue_messages,
            max_queued_bytes_per_client: self.session_queue_bytes,
        };
        let mut config = BrokerConfig::new()
            .with_max_clients(self.max_connections)
            .with_max_packet_size(self.max_packet_bytes)
            .with_session_expiry(Duration::from_secs(u64::from(self.max_session_expiry_seconds)))
            .with_max_subscriptions_per_client(self.max_subscriptions_per_client)
            .with_max_retained_messages(self.max_retained_messages)
            .with_max_retained_message_size(self.max_retained_message_bytes)
            .with_client_channel_capacity(self.delivery_queue_messages)
            .with_max_outbound_inflight(self.max_outgoing_in_flight)
            // `$SYS` would tell every tenant how busy the others are.
            .with_sys_topics_enabled(false)
            .with_storage(storage);
        config.shared_subscription_available = self.shared_subscriptions;
        config.server_receive_maximum = Some(self.max_incoming_in_flight);
        config
    }
}
