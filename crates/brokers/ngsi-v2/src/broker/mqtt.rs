//! Notifications over MQTT: one connection to each server and user, which stays open.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use morgana_engine::DeliveryError;
use morgana_fabric::{Client, ClientOptions, Qos};
use morgana_model::Secret;
use parking_lot::Mutex;

/// Servers that are kept connected; more of them share what they have by connecting anew.
const CONNECTIONS: usize = 64;
/// The port of an address that names none.
const PORT: u16 = 1883;

/// Whom a connection is to, and as whom.
type Key = (Box<str>, Option<(Box<str>, Box<str>)>);

/// A message to an MQTT server.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) url: Box<str>,
    pub(super) user: Option<(Box<str>, Box<str>)>,
    pub(super) topic: Box<str>,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) payload: Bytes,
}

/// The connections there are.
#[derive(Default)]
pub(super) struct MqttClients(Mutex<HashMap<Key, Client>>);

impl std::fmt::Debug for MqttClients {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MqttClients").field("connections", &self.0.lock().len()).finish()
    }
}

impl MqttClients {
    fn client(&self, url: &str, user: Option<(Box<str>, Box<str>)>) -> Client {
        let key = (Box::from(url), user);
        let mut clients = self.0.lock();
        if let Some(known) = clients.get(&key) {
            return known.clone();
        }
        if clients.len() >= CONNECTIONS {
            clients.clear();
        }
        let authority = url.strip_prefix("mqtt://").unwrap_or(url).trim_end_matches('/');
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port { authority.to_owned() } else { format!("{authority}:{PORT}") };
        let mut options = ClientOptions::new(address, format!("morgana-{}", super::new_correlator()));
        if let Some((user, password)) = &key.1 {
            options = options.with_credentials(&**user, Secret::new(&**password));
        }
        // Nothing is subscribed to, so no event is waited for.
        let (client, _) = Client::connect(options);
        clients.insert(key, client.clone());
        client
    }

    /// Publishes a message, once the server is connected.
    ///
    /// # Errors
    /// When the server cannot be reached in time, or does not take the message.
    pub(super) async fn publish(&self, message: Publication, timeout: Duration) -> Result<(), DeliveryError> {
        let client = self.client(&message.url, message.user);
        let qos = match message.qos {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        };
        let attempt = async {
            client.connected().await?;
            if message.retain {
                client.publish_retained(&*message.topic, message.payload, qos).await
            } else {
                client.publish(&*message.topic, message.payload, qos).await
            }
        };
        match tokio::time::timeout(timeout, attempt).await {
            Ok(result) => result.map_err(|error| DeliveryError::Message(error.to_string())),
            Err(_) => Err(DeliveryError::Timeout(timeout)),
        }
    }
}
