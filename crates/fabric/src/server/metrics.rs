//! What the server counts, under constant names.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mqtt5::broker::sys_topics::BrokerStats;
use serde::Serialize;

const REFUSED_CONNECTIONS: &str = "morgana_mqtt_refused_connections_total";
const REFUSED_PUBLICATIONS: &str = "morgana_mqtt_refused_publications_total";
const REFUSED_SUBSCRIPTIONS: &str = "morgana_mqtt_refused_subscriptions_total";
const CONNECTIONS: &str = "morgana_mqtt_connections";
const RECEIVED_MESSAGES: &str = "morgana_mqtt_received_messages_total";
const SENT_MESSAGES: &str = "morgana_mqtt_sent_messages_total";
const RECEIVED_BYTES: &str = "morgana_mqtt_received_payload_bytes_total";
const SENT_BYTES: &str = "morgana_mqtt_sent_payload_bytes_total";

/// What a server counted since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ServerStats {
    /// Clients connected now.
    pub connections: u64,
    /// Messages taken from publishers.
    pub received_messages: u64,
    /// Messages handed to subscribers.
    pub sent_messages: u64,
    /// Payload bytes taken from publishers.
    pub received_payload_bytes: u64,
    /// Payload bytes handed to subscribers.
    pub sent_payload_bytes: u64,
}

/// Where the numbers come from.
pub(super) struct Source(Arc<BrokerStats>);

impl Source {
    pub(super) fn new(stats: Arc<BrokerStats>) -> Self {
        Self(stats)
    }

    pub(super) fn read(&self) -> ServerStats {
        let stats = &self.0;
        ServerStats {
            connections: stats.clients_connected.load(Ordering::Relaxed) as u64,
            received_messages: stats.publish_received.load(Ordering::Relaxed),
            sent_messages: stats.publish_sent.load(Ordering::Relaxed),
            received_payload_bytes: stats.bytes_received.load(Ordering::Relaxed),
            sent_payload_bytes: stats.bytes_sent.load(Ordering::Relaxed),
        }
    }

    pub(super) fn record(&self, name: &'static str) {
        let stats = self.read();
        metrics::gauge!(CONNECTIONS, "server" => name).set(stats.connections as f64);
        metrics::counter!(RECEIVED_MESSAGES, "server" => name).absolute(stats.received_messages);
        metrics::counter!(SENT_MESSAGES, "server" => name).absolute(stats.sent_messages);
        metrics::counter!(RECEIVED_BYTES, "server" => name).absolute(stats.received_payload_bytes);
        metrics::counter!(SENT_BYTES, "server" => name).absolute(stats.sent_payload_bytes);
    }
}

pub(super) fn refused_connection() {
    metrics::counter!(REFUSED_CONNECTIONS).increment(1);
}

pub(super) fn refused_publication() {
    metrics::counter!(REFUSED_PUBLICATIONS).increment(1);
}

pub(super) fn refused_subscription() {
    metrics::counter!(REFUSED_SUBSCRIPTIONS).increment(1);
}
