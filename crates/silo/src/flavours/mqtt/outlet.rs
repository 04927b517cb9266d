//! Where messages of an `mqtt` silo go: into its own server, with no connection between, or to somebody else's broker.

use morgana_fabric::{Client, ClientError, Qos, Server};

use super::MAX_MESSAGE_BYTES;

/// Where messages go.
pub(super) enum Outlet {
    /// The silo's own server. The silo is a client of it too, to hear commands, by this id.
    Own { server: Server, client_id: String },
    /// Somebody else's broker.
    Other(Client),
}

impl Outlet {
    /// Publishes with QoS 0. An empty retained message deletes the retained one (MQTT 5 section 3.3.1.3).
    ///
    /// # Errors
    /// As [`Client::publish`]; the silo's own server takes everything but what is too large.
    pub(super) async fn publish(
        &self,
        topic: String,
        payload: Vec<u8>,
        retain: bool,
    ) -> Result<(), ClientError> {
        match self {
            Self::Own { server, client_id } => {
                let bytes = topic.len() + payload.len();
                if bytes > MAX_MESSAGE_BYTES {
                    return Err(ClientError::TooLarge { bytes, limit: MAX_MESSAGE_BYTES });
                }
                server.publish(client_id, topic, payload, Qos::AtMostOnce, retain).await;
                Ok(())
            }
            Self::Other(client) if retain => client.publish_retained(topic, payload, Qos::AtMostOnce).await,
            Self::Other(client) => client.publish(topic, payload, Qos::AtMostOnce).await,
        }
    }

    pub(super) fn server(&self) -> Option<&Server> {
        match self {
            Self::Own { server, .. } => Some(server),
            Self::Other(_) => None,
        }
    }

    /// Lets what is under way go out.
    pub(super) async fn close(self) {
        if let Self::Own { server, .. } = self {
            server.stop().await;
        }
    }
}
