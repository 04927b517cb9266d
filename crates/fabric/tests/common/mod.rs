//! What the tests of this crate share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses its own part")]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use morgana_fabric::{
    Client, ClientOptions, Event, Identity, Login, Open, Policy, Qos, Refused, Server, ServerOptions,
    TopicRules,
};
use morgana_model::Secret;
use parking_lot::RwLock;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A policy whose rules change under the server: users, their passwords (their own names) and topics.
#[derive(Default)]
pub struct Rules(RwLock<HashMap<String, TopicRules>>);

impl Rules {
    pub fn set(&self, user: &str, publish: &[&str], subscribe: &[&str]) {
        let owned = |filters: &[&str]| filters.iter().map(|filter| (*filter).to_owned()).collect();
        let rules = TopicRules { publish: owned(publish), subscribe: owned(subscribe) };
        self.0.write().insert(user.to_owned(), rules);
    }

    pub fn remove(&self, user: &str) {
        self.0.write().remove(user);
    }
}

impl Policy for Rules {
    fn authenticate(&self, login: &Login<'_>) -> Result<Identity, Refused> {
        let user = login.user_name.ok_or(Refused::BadUserNameOrPassword)?;
        let known = self.0.read().contains_key(user) && login.password == Some(user.as_bytes());
        if known { Ok(Identity::new(user)) } else { Err(Refused::BadUserNameOrPassword) }
    }

    fn may_publish(&self, who: &Identity, topic: &str) -> bool {
        self.0.read().get(who.name()).is_some_and(|rules| rules.may_publish(topic))
    }

    fn may_subscribe(&self, who: &Identity, filter: &str) -> bool {
        self.0.read().get(who.name()).is_some_and(|rules| rules.may_subscribe(filter))
    }
}

pub async fn open_server() -> Server {
    Server::start(ServerOptions::default(), Arc::new(Open)).await.unwrap()
}

pub async fn ruled_server(rules: &Arc<Rules>) -> Server {
    Server::start(ServerOptions::default(), Arc::clone(rules) as Arc<dyn Policy>).await.unwrap()
}

pub fn options(server: &Server, client_id: &str) -> ClientOptions {
    ClientOptions::new(server.local_addr().to_string(), client_id)
}

/// Connects as a user of [`Rules`] and waits until it is in.
pub async fn enter(server: &Server, user: &str) -> (Client, mpsc::Receiver<Event>) {
    connected(options(server, user).with_credentials(user, Secret::new(user))).await
}

pub async fn connected(options: ClientOptions) -> (Client, mpsc::Receiver<Event>) {
    let (client, mut events) = Client::connect(options);
    match next(&mut events).await {
        Event::Connected { first: true } => {}
        other => panic!("expected a first connection, got {other:?}"),
    }
    (client, events)
}

pub async fn next(events: &mut mpsc::Receiver<Event>) -> Event {
    timeout(PATIENCE, events.recv()).await.expect("an event in time").expect("an open client")
}

/// The next message as text, whatever else happens before it.
pub async fn next_message(events: &mut mpsc::Receiver<Event>) -> (String, String) {
    loop {
        if let Event::Message { topic, payload } = next(events).await {
            return (topic, String::from_utf8(payload.to_vec()).unwrap());
        }
    }
}

/// The payloads that come before `last` does.
pub async fn messages_until(events: &mut mpsc::Receiver<Event>, last: &str) -> HashSet<String> {
    let mut seen = HashSet::new();
    loop {
        let (_, payload) = next_message(events).await;
        if payload == last {
            return seen;
        }
        seen.insert(payload);
    }
}

/// Publishes surely, so that what follows is behind it.
pub async fn say(client: &Client, topic: &str, payload: &str) {
    let said = client.publish(topic, payload.to_owned(), Qos::AtLeastOnce);
    timeout(PATIENCE, said).await.expect("an acknowledgement in time").unwrap();
}

/// Everybody may do everything but say "forged".
pub struct NothingForged {
    /// Whether a message keeps its MQTT 5 properties.
    pub passes_properties: bool,
}

impl Policy for NothingForged {
    fn authenticate(&self, _login: &Login<'_>) -> Result<Identity, Refused> {
        Ok(Identity::anonymous())
    }

    fn may_publish(&self, _who: &Identity, _topic: &str) -> bool {
        true
    }

    fn reads_payloads(&self) -> bool {
        true
    }

    fn may_say(&self, _who: &Identity, _topic: &str, payload: &[u8]) -> bool {
        payload != b"forged"
    }

    fn passes_properties(&self) -> bool {
        self.passes_properties
    }

    fn may_subscribe(&self, _who: &Identity, _filter: &str) -> bool {
        true
    }
}
