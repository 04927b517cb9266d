//! Notifications over MQTT 5.0: one connection to each server and user, which stays open, over TLS too.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use morgana_engine::DeliveryError;
use morgana_fabric::{Client, ClientOptions, ClientTls, Event, Qos};
use morgana_model::Secret;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::sync::watch;
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

/// Whom a connection is to, as whom, and, over TLS, whose certificate is asked for.
type Key = (Box<str>, Option<User>, Option<ServerName<'static>>);

/// How long a message waits for a server that was just not to be reached, which is tried again each second.
const RECONNECTION: Duration = Duration::from_secs(2);

/// A client, and why it is not connected.
#[derive(Clone)]
struct Connection {
    client: Client,
    failure: watch::Receiver<Option<String>>,
}

impl Connection {
    fn new(options: ClientOptions) -> Self {
        // Nothing is subscribed to, so no event is more than the state of the connection.
        let (client, mut events) = Client::connect(options);
        let (told, failure) = watch::channel(None);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                match event {
                    Event::Connected { .. } => drop(told.send_replace(None)),
                    Event::Disconnected { cause } => drop(told.send_replace(Some(cause.to_string()))),
                    Event::SubscriptionRefused { .. } | Event::Message { .. } => {}
                }
            }
        });
        Self { client, failure }
    }

    /// Waits until the server is connected, or is known not to be.
    async fn ready(&self) -> Result<(), String> {
        let connected = async { self.client.connected().await.map_err(|error| error.to_string()) };
        let known = self.failure.borrow().clone();
        match known {
            // It was not to be reached, and may be again.
            Some(failure) => tokio::time::timeout(RECONNECTION, connected).await.unwrap_or(Err(failure)),
            None => {
                let mut failure = self.failure.clone();
                tokio::select! {
                    connected = connected => connected,
                    Ok(failure) = failure.wait_for(Option::is_some) => Err(failure.clone().unwrap_or_default()),
                }
            }
        }
    }
}

/// The connections there are.
#[derive(Default)]
pub(super) struct MqttClients(Mutex<HashMap<Key, Connection>>);

impl std::fmt::Debug for MqttClients {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MqttClients").field("connections", &self.0.lock().len()).finish()
    }
}

impl MqttClients {
    fn connection(&self, address: &str, user: Option<User>, tls: Option<Tls>) -> Connection {
        let key: Key = (address.into(), user, tls.as_ref().map(|tls| tls.server.clone()));
        let mut connections = self.0.lock();
        if let Some(known) = connections.get(&key) {
            return known.clone();
        }
        if connections.len() >= CONNECTIONS {
            connections.clear();
        }
        let mut options = ClientOptions::new(address, client_id());
        if let Some((user, password)) = &key.1 {
            options.user_name = Some(user.to_string());
            options.password = (!password.is_empty()).then(|| Secret::new(&**password));
        }
        options.tls = tls.map(|Tls { config, server }| ClientTls::configured(config, server));
        let connection = Connection::new(options);
        connections.insert(key, connection.clone());
        connection
    }

    /// Publishes a message, once the server is connected.
    ///
    /// # Errors
    /// When the server cannot be reached in time, or does not take the message.
    pub(super) async fn publish(&self, message: Publication, timeout: Duration) -> Result<(), DeliveryError> {
        let attempt = async {
            if message.is_version_3 {
                return mqtt_once::publish(&message).await.map_err(|error| error.to_string());
            }
            let connection = self.connection(&message.address, message.user, message.tls);
            let qos = match message.qos {
                0 => Qos::AtMostOnce,
                1 => Qos::AtLeastOnce,
                _ => Qos::ExactlyOnce,
            };
            connection.ready().await?;
            let published = connection.client.publish(&*message.topic, message.payload, qos).await;
            published.map_err(|error| error.to_string())
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
