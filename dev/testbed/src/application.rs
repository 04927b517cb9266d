//! A tenant's application at an MQTT broker.

use std::time::Duration;

use morgana_fabric::{Client, ClientOptions, ConnectionError, Event, Qos};
use morgana_model::{Secret, VSilo};
use serde_json::Value;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use crate::{Mailbox, PATIENCE};

/// The inner port of a silo of flavour `mqtt`.
const MQTT_DOOR: &str = "1883/tcp";

/// A message that an application got.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its payload; null where it is empty, a text where it is no JSON.
    pub payload: Value,
}

/// An MQTT client that keeps what it gets. It connects again by itself, as applications do.
pub struct MqttApplication {
    /// What it got.
    pub messages: Mailbox<Message>,
    client: Client,
}

impl MqttApplication {
    /// Connects to a tenant's silo with the silo's own token.
    pub async fn at(silo: &VSilo) -> Self {
        let token = silo.token.clone().expect("the silo is seen by its owner");
        let user = silo.spec.tenant.as_str();
        Self::connect(mqtt_port(silo), Some((user, token))).await
    }

    /// Connects to a broker on this machine, with a user name and password or without.
    ///
    /// # Panics
    /// When the broker does not let it in.
    pub async fn connect(port: u16, credentials: Option<(&str, Secret)>) -> Self {
        let (client, mut events) = open(port, credentials);
        let messages = Mailbox::default();
        first_answer(&mut events)
            .await
            .unwrap_or_else(|cause| panic!("the broker refuses the application: {cause}"));
        tokio::spawn(keep(events, messages.clone()));
        Self { messages, client }
    }

    /// Subscribes.
    ///
    /// # Errors
    /// The reason, when the broker refuses.
    pub async fn subscribe(&self, filter: &str) -> Result<(), String> {
        let answer = timeout(PATIENCE, self.client.subscribe(filter, Qos::AtMostOnce)).await;
        answer.expect("a broker answers a subscription").map_err(|error| error.to_string())
    }

    /// Publishes, and waits until the broker has taken it.
    ///
    /// # Errors
    /// The reason, when the broker refuses.
    pub async fn publish(&self, topic: &str, payload: &Value) -> Result<(), String> {
        let answer =
            timeout(PATIENCE, self.client.publish(topic, payload.to_string(), Qos::AtLeastOnce)).await;
        answer.expect("a broker answers a publication").map_err(|error| error.to_string())
    }
}

/// Why a broker does not let somebody in with these credentials; nothing if it does.
pub async fn mqtt_refusal(port: u16, credentials: Option<(&str, Secret)>) -> Option<String> {
    let (client, mut events) = open(port, credentials);
    let refusal = first_answer(&mut events).await.err();
    client.close().await;
    refusal.map(|cause| cause.to_string())
}

/// The port of a silo's MQTT door.
pub(crate) fn mqtt_port(silo: &VSilo) -> u16 {
    *silo.status.endpoints.get(MQTT_DOOR).expect("a running silo of flavour mqtt has an MQTT door")
}

fn open(port: u16, credentials: Option<(&str, Secret)>) -> (Client, Receiver<Event>) {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let id = format!("testbed-{}-{number}", std::process::id());
    let mut options = ClientOptions::new(format!("127.0.0.1:{port}"), id);
    options.max_reconnect_delay_milliseconds = Duration::from_millis(100).as_millis() as u64;
    if let Some((user, password)) = credentials {
        options = options.with_credentials(user, password);
    }
    Client::connect(options)
}

async fn first_answer(events: &mut Receiver<Event>) -> Result<(), ConnectionError> {
    let answer = timeout(PATIENCE, events.recv()).await.expect("a broker answers a connection");
    match answer.expect("a client that is held goes on") {
        Event::Connected { .. } => Ok(()),
        Event::Disconnected { cause } => Err(cause),
        other => panic!("{other:?} before a connection was made"),
    }
}

async fn keep(mut events: Receiver<Event>, messages: Mailbox<Message>) {
    while let Some(event) = events.recv().await {
        if let Event::Message { topic, payload } = event {
            let text = || Value::String(String::from_utf8_lossy(&payload).into_owned());
            let payload = match &payload[..] {
                [] => Value::Null,
                json => serde_json::from_slice(json).unwrap_or_else(|_| text()),
            };
            messages.put(Message { topic, payload });
        }
    }
}
