//! Notifications over MQTT: one connection to each server and user, which stays open.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use morgana_engine::{DeliveryError, is_public};
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
pub(super) struct MqttClients {
    clients: Mutex<HashMap<Key, Client>>,
    /// Whether servers must have public addresses.
    public_only: bool,
}

impl std::fmt::Debug for MqttClients {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MqttClients").field("connections", &self.clients.lock().len()).finish()
    }
}

impl MqttClients {
    pub(super) fn new(public_only: bool) -> Self {
        Self { clients: Mutex::default(), public_only }
    }

    /// The connection to a server, a new one if need be.
    ///
    /// # Errors
    /// When the server has no public address and must have one.
    async fn client(&self, url: &str, user: Option<(Box<str>, Box<str>)>) -> Result<Client, DeliveryError> {
        let key = (Box::from(url), user);
        if let Some(known) = self.clients.lock().get(&key) {
            return Ok(known.clone());
        }
        let authority = url.strip_prefix("mqtt://").unwrap_or(url).trim_end_matches('/');
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let mut address = if has_port { authority.to_owned() } else { format!("{authority}:{PORT}") };
        if self.public_only {
            // It is connected to as it was checked: a name may lead elsewhere the next time.
            address = public(&address).await?;
        }
        let mut clients = self.clients.lock();
        if let Some(known) = clients.get(&key) {
            return Ok(known.clone());
        }
        if clients.len() >= CONNECTIONS {
            clients.clear();
        }
        let mut options = ClientOptions::new(address, format!("morgana-{}", super::new_correlator()));
        if let Some((user, password)) = &key.1 {
            options = options.with_credentials(&**user, Secret::new(&**password));
        }
        // Nothing is subscribed to, so no event is waited for.
        let (client, _) = Client::connect(options);
        clients.insert(key, client.clone());
        Ok(client)
    }

    /// Publishes a message, once the server is connected.
    ///
    /// # Errors
    /// When the server cannot be reached in time, or does not take the message.
    pub(super) async fn publish(&self, message: Publication, timeout: Duration) -> Result<(), DeliveryError> {
        let qos = match message.qos {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        };
        let attempt = async {
            let client = self.client(&message.url, message.user).await?;
            let publish = async {
                client.connected().await?;
                if message.retain {
                    client.publish_retained(&*message.topic, message.payload, qos).await
                } else {
                    client.publish(&*message.topic, message.payload, qos).await
                }
            };
            publish.await.map_err(|error| DeliveryError::Message(error.to_string()))
        };
        tokio::time::timeout(timeout, attempt).await.unwrap_or(Err(DeliveryError::Timeout(timeout)))
    }
}

/// The first public address that a name has.
async fn public(address: &str) -> Result<String, DeliveryError> {
    let found = tokio::net::lookup_host(address).await;
    let mut found =
        found.map_err(|error| DeliveryError::Message(format!("cannot find {address}: {error}")))?;
    match found.find(|found| is_public(found.ip())) {
        Some(found) => Ok(found.to_string()),
        None => {
            Err(DeliveryError::Message(format!("cannot publish to {address}: it is not a public address")))
        }
    }
}
