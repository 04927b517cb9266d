//! Notifications over MQTT: one connection to each server and user, which stays open.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use morgana_engine::DeliveryError;
use morgana_fabric::{Client, ClientOptions, Qos};
use morgana_model::Secret;
use parking_lot::Mutex;
use uuid::Uuid;

use super::{mqtt_once, tls::Tls};

/// Servers that are kept connected; more of them share what they have by connecting anew.
const CONNECTIONS: usize = 64;

/// A user name and its password.
pub(super) type User = (Box<str>, Box<str>);

/// A message to an MQTT server.
#[derive(Debug)]
pub(super) struct Publication {
    /// Host and port.
    pub(super) address: Box<str>,
    pub(super) user: Option<User>,
    pub(super) topic: Box<str>,
    pub(super) qos: u8,
    /// MQTT 3.1.1 instead of 5.0.
    pub(super) is_version_3: bool,
    /// Over TLS.
    pub(super) tls: Option<Tls>,
    pub(super) payload: Bytes,
}

/// Whom a connection is to, and as whom.
type Key = (Box<str>, Option<User>);

/// The connections there are.
#[derive(Default)]
pub(super) struct MqttClients(Mutex<HashMap<Key, Client>>);

impl std::fmt::Debug for MqttClients {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MqttClients").field("connections", &self.0.lock().len()).finish()
    }
}

impl MqttClients {
    fn client(&self, address: &str, user: Option<User>) -> Client {
        let key: Key = (address.into(), user);
        let mut clients = self.0.lock();
        if let Some(known) = clients.get(&key) {
            return known.clone();
        }
        if clients.len() >= CONNECTIONS {
            clients.clear();
        }
        let mut options = ClientOptions::new(address, client_id());
        if let Some((user, password)) = &key.1 {
            options.user_name = Some(user.to_string());
            options.password = (!password.is_empty()).then(|| Secret::new(&**password));
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
        let attempt = async {
            if message.is_version_3 || message.tls.is_some() {
                return mqtt_once::publish(&message).await.map_err(|error| error.to_string());
            }
            let client = self.client(&message.address, message.user);
            let qos = match message.qos {
                0 => Qos::AtMostOnce,
                1 => Qos::AtLeastOnce,
                _ => Qos::ExactlyOnce,
            };
            client.connected().await.map_err(|error| error.to_string())?;
            client.publish(&*message.topic, message.payload, qos).await.map_err(|error| error.to_string())
        };
        match tokio::time::timeout(timeout, attempt).await {
            Ok(result) => result.map_err(DeliveryError::Message),
            Err(_) => Err(DeliveryError::Timeout(timeout)),
        }
    }
}

/// A name that no other client has.
pub(super) fn client_id() -> String {
    format!("morgana-{}", Uuid::new_v4())
}
