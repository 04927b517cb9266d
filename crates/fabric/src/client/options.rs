//! What a client can be told.

use std::time::Duration;

use morgana_model::Secret;
use serde::{Deserialize, Serialize};

use super::ClientTls;

/// Options of a [`Client`](super::Client); all but the address and the id have defaults that work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientOptions {
    /// `host:port` of the server.
    pub address: String,
    /// The client identifier: unique on the server, and the same after a restart.
    pub client_id: String,
    /// The user name, if the server wants one.
    pub user_name: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// The server may think the client dead after one and a half times this, in seconds; the client
    /// gives the server half of it to answer.
    pub keep_alive_seconds: u16,
    /// How long the server keeps QoS 1 and 2 messages for this client while it is away, in seconds.
    /// 0 starts afresh at each connection.
    pub session_expiry_seconds: u32,
    /// Publications and subscriptions that wait to be sent; a full queue makes the caller wait.
    pub command_queue: usize,
    /// Events that wait for the receiver; a full queue stops reading from the server.
    pub event_queue: usize,
    /// QoS 1 and 2 messages and subscriptions sent and not yet acknowledged.
    pub max_in_flight: u16,
    /// The largest packet taken from the server, in bytes; a larger one ends the connection.
    pub max_packet_bytes: u32,
    /// How much is read ahead of a full event queue to reach an awaited answer, in bytes of payload.
    pub max_read_ahead_bytes: usize,
    /// Time for a connection to be made and answered, in seconds.
    pub connect_timeout_seconds: u64,
    /// The longest delay between two attempts to connect, in milliseconds.
    pub max_reconnect_delay_milliseconds: u64,
    /// How long [`Client::close`](super::Client::close) waits for acknowledgements, in seconds.
    pub close_timeout_seconds: u64,
    /// Whom to trust, where the server speaks TLS.
    #[serde(skip)]
    pub tls: Option<ClientTls>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:1883".to_owned(),
            client_id: String::new(),
            user_name: None,
            password: None,
            keep_alive_seconds: 30,
            session_expiry_seconds: 0,
            command_queue: 256,
            event_queue: 256,
            max_in_flight: 64,
            max_packet_bytes: 4 * 1024 * 1024,
            max_read_ahead_bytes: 8 * 1024 * 1024,
            connect_timeout_seconds: 5,
            max_reconnect_delay_milliseconds: 1000,
            close_timeout_seconds: 2,
            tls: None,
        }
    }
}

impl ClientOptions {
    /// The defaults, for a server and a client id.
    pub fn new(address: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self { address: address.into(), client_id: client_id.into(), ..Self::default() }
    }

    /// With a user name and its password.
    pub fn with_credentials(mut self, user_name: impl Into<String>, password: Secret) -> Self {
        self.user_name = Some(user_name.into());
        self.password = Some(password);
        self
    }

    /// Over TLS.
    pub fn with_tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_seconds)
    }

    pub(super) fn close_timeout(&self) -> Duration {
        Duration::from_secs(self.close_timeout_seconds)
    }

    pub(super) fn max_reconnect_delay(&self) -> Duration {
        Duration::from_millis(self.max_reconnect_delay_milliseconds)
    }
}
