//! A tenant's application on the MQTT broker of its silo.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use morgana_fabric::{Client, ClientOptions, Event, Qos};
use morgana_model::Secret;
use serde_json::Value;

use super::eventually;

/// It shows the last message of each topic, and counts all.
pub struct Tenant {
    pub client: Client,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    last: BTreeMap<String, Value>,
    messages: usize,
    refused: bool,
}

impl Tenant {
    /// Logs in; subscribes `filter` when that worked.
    pub async fn enter(door: SocketAddr, user: &str, password: &str, filter: &str) -> Self {
        let id = format!("app-{}", uuid::Uuid::new_v4());
        let options = ClientOptions::new(door.to_string(), id);
        let (client, mut events) = Client::connect(options.with_credentials(user, Secret::new(password)));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let sees = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let mut seen = sees.lock().unwrap();
                match event {
                    Event::Message { topic, payload } => {
                        seen.messages += 1;
                        match serde_json::from_slice(&payload) {
                            Ok(value) => drop(seen.last.insert(topic, value)),
                            // A retained message that is deleted.
                            Err(_) => drop(seen.last.remove(&topic)),
                        }
                    }
                    Event::Disconnected { .. } => seen.refused = true,
                    _ => {}
                }
            }
        });
        let tenant = Self { client, seen };
        let (subscriber, filter) = (tenant.client.clone(), filter.to_owned());
        let subscribed = tokio::spawn(async move { subscriber.subscribe(filter, Qos::AtMostOnce).await });
        eventually("the broker answers", async || subscribed.is_finished() || tenant.refused()).await;
        tenant
    }

    pub fn refused(&self) -> bool {
        self.seen.lock().unwrap().refused
    }

    pub fn messages(&self) -> usize {
        self.seen.lock().unwrap().messages
    }

    pub fn topics(&self) -> Vec<String> {
        self.seen.lock().unwrap().last.keys().cloned().collect()
    }

    /// The last message of a topic.
    pub fn last(&self, topic: &str) -> Option<Value> {
        self.seen.lock().unwrap().last.get(topic).cloned()
    }

    /// The value of the property `value` in the last message of a topic.
    pub fn value(&self, topic: &str) -> Option<Value> {
        Some(self.seen.lock().unwrap().last.get(topic)?["value"]["value"].clone())
    }

    pub async fn sees(&self, topic: &str, value: impl Into<Value>) {
        let value = value.into();
        let what = format!("{topic} has another value");
        eventually(&what, async || self.value(topic).as_ref() == Some(&value)).await;
    }

    pub async fn sees_topics(&self, topics: &[&str]) {
        eventually(&format!("the topics are {topics:?}"), async || self.topics() == topics).await;
    }
}
