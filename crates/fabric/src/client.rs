//! An MQTT 5 client that never gives up.
//!
//! A [`Client`] is a cheap handle; one task behind it owns the connection. After any loss it connects
//! again, with a delay that grows to [`ClientOptions::max_reconnect_delay_milliseconds`], subscribes
//! again to everything that was granted, sends again what was not acknowledged, and tells so with
//! [`Event::Connected`]`{ first: false }`: the moment to ask for what was missed.
//!
//! # What is waited for, and what can be lost
//!
//! * Events come in order through a bounded queue. While it is full nothing more is read from the
//!   server, so a slow receiver slows its publishers and loses nothing on this side; keep-alive goes
//!   on meanwhile. What the server does with the backlog is the server's rule (ours drops QoS 0
//!   messages beyond its own bound).
//! * A receiver may await [`Client::subscribe`] or an acknowledged [`Client::publish`] inside its own
//!   loop: while an answer is awaited, reading goes on into a buffer of
//!   [`ClientOptions::max_read_ahead_bytes`]. Should the answer lie beyond even that, the call fails
//!   with [`ClientError::ReceiverStalled`] instead of waiting for ever.
//! * A QoS 1 or 2 publication returns when the server has acknowledged it, however many connections
//!   that takes. A QoS 0 publication returns when it is queued, and fails at once while disconnected.
//! * An incoming QoS 1 or 2 message is acknowledged when it enters the receiver's queue.

mod backoff;
mod connection;
mod error;
mod options;
mod outbox;
mod session;
mod tls;

use std::sync::Arc;

use bytes::Bytes;
use mqtt5::packet::publish::PublishPacket;
use tokio::sync::{mpsc, oneshot, watch};

pub use error::{ClientError, ConnectionError, Reason};
/// How surely a message arrives: at most once, at least once, exactly once (MQTT 5, 4.3).
pub use mqtt5::QoS as Qos;
pub use options::ClientOptions;
pub use tls::{ClientTls, TlsError};

use session::Command;

/// What a client tells its owner.
#[derive(Debug)]
pub enum Event {
    /// The server answered. Earlier subscriptions have been asked for again, ahead of anything that
    /// is published from now on.
    Connected {
        /// Whether this is the first connection of this client.
        first: bool,
    },
    /// The connection is lost, or could not be made; told once until the cause changes.
    Disconnected {
        /// Why.
        cause: ConnectionError,
    },
    /// After a reconnection the server refused a subscription it had granted before: the right to it
    /// is gone, and the client will not ask again.
    SubscriptionRefused {
        /// The filter.
        filter: String,
        /// The server's reason.
        reason: Reason,
    },
    /// A message arrived.
    Message {
        /// Its topic.
        topic: String,
        /// Its payload.
        payload: Bytes,
    },
}

/// A handle to one connection. Clones share it; when the last one is dropped the connection ends.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    commands: mpsc::Sender<Command>,
    closing: watch::Sender<bool>,
    connected: watch::Receiver<bool>,
}

impl Client {
    /// Starts connecting and answers at once; [`Event::Connected`] tells when it succeeded.
    ///
    /// Must be called inside a Tokio runtime. Events are to be taken from the receiver; a client that
    /// only publishes may drop it.
    pub fn connect(options: ClientOptions) -> (Self, mpsc::Receiver<Event>) {
        let (commands, taken) = mpsc::channel(options.command_queue.max(1));
        let (events, receiver) = mpsc::channel(options.event_queue.max(1));
        let (closing, close) = watch::channel(false);
        let (online, connected) = watch::channel(false);
        tokio::spawn(connection::run(options, connection::Wires { commands: taken, events, close, online }));
        (Self { shared: Arc::new(Shared { commands, closing, connected }) }, receiver)
    }

    /// Whether the server is connected now.
    pub fn is_connected(&self) -> bool {
        *self.shared.connected.borrow()
    }

    /// Waits until the server is connected.
    ///
    /// # Errors
    /// [`ClientError::Closed`] once the client was closed.
    pub async fn connected(&self) -> Result<(), ClientError> {
        let mut connected = self.shared.connected.clone();
        connected.wait_for(|connected| *connected).await.map(drop).map_err(|_| ClientError::Closed)
    }

    /// Publishes a message.
    ///
    /// # Errors
    /// [`ClientError::Disconnected`] for QoS 0 while there is no connection;
    /// [`ClientError::PublicationRefused`] where the server refused a QoS 1 or 2 message;
    /// [`ClientError::InvalidTopic`], [`ClientError::TooLarge`] for what no server would take.
    pub async fn publish(
        &self,
        topic: impl Into<String>,
        payload: impl Into<Bytes>,
        qos: Qos,
    ) -> Result<(), ClientError> {
        self.send_publication(PublishPacket::new(topic, payload, qos)).await
    }

    /// Publishes a message that the server keeps for later subscribers; an empty payload deletes it.
    ///
    /// # Errors
    /// As [`Client::publish`].
    pub async fn publish_retained(
        &self,
        topic: impl Into<String>,
        payload: impl Into<Bytes>,
        qos: Qos,
    ) -> Result<(), ClientError> {
        self.send_publication(PublishPacket::new(topic, payload, qos).with_retain(true)).await
    }

    /// Subscribes, and returns when the server has granted it. From then on the client subscribes to
    /// it again by itself after every reconnection. While disconnected it waits.
    ///
    /// # Errors
    /// [`ClientError::SubscriptionRefused`] with the server's reason, [`ClientError::InvalidTopic`].
    pub async fn subscribe(&self, filter: impl Into<String>, qos: Qos) -> Result<(), ClientError> {
        let filter = valid_filter(filter.into())?;
        self.ask(|reply| Command::Subscribe { filter, qos, live: false, reply }).await
    }

    /// As [`Client::subscribe`], to what others publish from now on: neither what this client publishes itself nor
    /// retained messages from before come (MQTT 5, 3.8.3.1: No Local, Retain Handling 2).
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub async fn subscribe_live(&self, filter: impl Into<String>, qos: Qos) -> Result<(), ClientError> {
        let filter = valid_filter(filter.into())?;
        self.ask(|reply| Command::Subscribe { filter, qos, live: true, reply }).await
    }

    /// Unsubscribes, and returns when the server has acknowledged it.
    ///
    /// # Errors
    /// [`ClientError::Closed`], [`ClientError::InvalidTopic`].
    pub async fn unsubscribe(&self, filter: impl Into<String>) -> Result<(), ClientError> {
        let filter = valid_filter(filter.into())?;
        self.ask(|reply| Command::Unsubscribe { filter, reply }).await
    }

    /// Sends what is queued, waits for its acknowledgements, says goodbye and returns; after
    /// [`ClientOptions::close_timeout_seconds`] it returns anyway. Other handles fail from now on.
    pub async fn close(&self) {
        let mut connected = self.shared.connected.clone();
        self.shared.closing.send_replace(true);
        while connected.changed().await.is_ok() {}
    }

    async fn send_publication(&self, packet: PublishPacket) -> Result<(), ClientError> {
        if !mqtt5::is_valid_topic_name(&packet.topic_name) {
            return Err(ClientError::InvalidTopic(packet.topic_name));
        }
        if packet.qos != Qos::AtMostOnce {
            return self.ask(|reply| Command::Publish { packet, reply: Some(reply) }).await;
        }
        if !self.is_connected() {
            return Err(ClientError::Disconnected);
        }
        self.send(Command::Publish { packet, reply: None }).await
    }

    async fn ask(&self, command: impl FnOnce(session::Reply) -> Command) -> Result<(), ClientError> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await?;
        answer.await.unwrap_or(Err(ClientError::Closed))
    }

    async fn send(&self, command: Command) -> Result<(), ClientError> {
        self.shared.commands.send(command).await.map_err(|_| ClientError::Closed)
    }
}

fn valid_filter(filter: String) -> Result<String, ClientError> {
    match mqtt5::validate_topic_filter(crate::topics::split_shared(&filter).1) {
        Ok(()) => Ok(filter),
        Err(_) => Err(ClientError::InvalidTopic(filter)),
    }
}
