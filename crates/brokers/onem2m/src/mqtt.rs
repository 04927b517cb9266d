//! The MQTT binding (TS-0010) over an MQTT broker: requests come on `/oneM2M/req/<originator>/<CSE>/<type>` and
//! `/oneM2M/reg_req/...`, their responses leave on `resp` and `reg_resp`; notifications leave on
//! `/oneM2M/req/<CSE>/<entity>/json`.

use std::{future::Future, pin::Pin};

use futures_util::{StreamExt, stream::FuturesUnordered};
use morgana_fabric::{Client, ClientError, ClientOptions, Event, Qos};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    Cse,
    notify::Publisher,
    wire::{self, Form, Incoming},
};

/// How the CSE speaks over an MQTT broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MqttOptions {
    /// The broker, and who the CSE is to it.
    pub client: ClientOptions,
    /// What the CSE is called in the topics of its notifications; empty for its CSE-ID. Mobius uses the name of the
    /// CSEBase. Requests are taken for both.
    pub topic_id: String,
    /// Requests that are carried out at once; more wait in the client's queue.
    pub requests: usize,
}

impl Default for MqttOptions {
    fn default() -> Self {
        Self { client: ClientOptions::default(), topic_id: String::new(), requests: 256 }
    }
}

/// Why the binding ended.
#[derive(Debug, Error)]
#[error("the MQTT binding cannot subscribe to {topic}")]
pub struct MqttError {
    topic: String,
    #[source]
    source: ClientError,
}

/// A CSE that is subscribed to its topics, and takes what comes once it is served.
pub struct MqttBinding {
    cse: Cse,
    client: Client,
    events: mpsc::Receiver<Event>,
    requests: usize,
}

/// Connects to the broker and carries out the requests that come over it until `stop`. Requests are begun in the order
/// in which they come, and their responses leave as each is done.
///
/// # Errors
/// When the broker refuses the CSE's topics.
pub async fn serve_mqtt(cse: Cse, options: MqttOptions, stop: CancellationToken) -> Result<(), MqttError> {
    MqttBinding::connect(cse, options).await?.serve(stop).await;
    Ok(())
}

impl MqttBinding {
    /// Connects to the broker, as long as that takes, and subscribes to the CSE's topics.
    ///
    /// # Errors
    /// When the broker refuses the topics.
    pub async fn connect(cse: Cse, options: MqttOptions) -> Result<Self, MqttError> {
        let identity = &cse.inner.identity;
        let topic_id =
            if options.topic_id.is_empty() { identity.cse.clone() } else { options.topic_id.clone() };
        let (client, events) = Client::connect(options.client.clone());
        cse.inner
            .courier
            .use_mqtt(Box::new(MqttPublisher { client: client.clone(), topic_id: topic_id.clone() }));
        let mut names = vec![identity.cse.clone(), identity.name.clone(), topic_id];
        names.sort();
        names.dedup();
        for name in &names {
            for kind in ["req", "reg_req"] {
                subscribe(&client, format!("/oneM2M/{kind}/+/{name}/+")).await?;
            }
            subscribe(&client, format!("/oneM2M/resp/{name}/+/+")).await?;
        }
        Ok(Self { cse, client, events, requests: options.requests.max(1) })
    }

    /// Carries out the requests that come, until `stop`.
    pub async fn serve(mut self, stop: CancellationToken) {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(()) = under_way.next() => {}
                event = self.events.recv(), if under_way.len() < self.requests => match event {
                    Some(Event::Message { topic, payload }) => {
                        under_way.push(take(&self.cse, &self.client, topic, payload));
                    }
                    Some(Event::Disconnected { cause }) => {
                        tracing::warn!(%cause, "the MQTT binding lost its broker");
                    }
                    Some(Event::Connected { first }) => tracing::info!(first, "the MQTT binding is connected"),
                    Some(Event::SubscriptionRefused { filter, .. }) => {
                        tracing::error!(filter, "the broker took a topic away from the MQTT binding");
                    }
                    None => break,
                },
            }
        }
        while under_way.next().await.is_some() {}
        drop(under_way);
        self.client.close().await;
    }
}

async fn subscribe(client: &Client, topic: String) -> Result<(), MqttError> {
    client.subscribe(topic.clone(), Qos::AtLeastOnce).await.map_err(|source| MqttError { topic, source })
}

/// Takes a message: carries a request out and answers it, or gives a response to who waits for it.
async fn take(cse: &Cse, client: &Client, topic: String, payload: bytes::Bytes) {
    let mut parts = topic.trim_start_matches('/').split('/');
    let (Some("oneM2M"), Some(kind), Some(from), Some(to), Some(kind_of_content)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let form = if kind_of_content.eq_ignore_ascii_case("cbor") { Form::Cbor } else { Form::Json };
    let answer_kind = match kind {
        "req" => "resp",
        "reg_req" => "reg_resp",
        _ => {
            if let Some(response) = form.read(&payload) {
                cse.inner.courier.answered(&response);
            }
            return;
        }
    };
    let message = match Incoming::read(form, &payload) {
        Incoming::Request { request, wrapped } => {
            let originator = request.from.clone();
            let response = cse.request(*request).await;
            wire::answer(cse, &response, originator.as_deref(), form, wrapped)
        }
        Incoming::Malformed { response, wrapped } => wire::answer(cse, &response, None, form, wrapped),
        // It has no place in a topic of requests, and nobody waits for an answer to it.
        Incoming::Response(_) => None,
    };
    let Some(message) = message else { return };
    let topic = format!("/oneM2M/{answer_kind}/{from}/{to}/{kind_of_content}");
    if let Err(error) = client.publish(topic, message, Qos::AtLeastOnce).await {
        tracing::warn!(%error, from, "cannot answer a request over MQTT");
    }
}

/// Sends notifications (TS-0010 6.4.2).
struct MqttPublisher {
    client: Client,
    topic_id: String,
}

impl std::fmt::Debug for MqttPublisher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MqttPublisher").field("topic_id", &self.topic_id).finish_non_exhaustive()
    }
}

impl Publisher for MqttPublisher {
    fn publish<'a>(
        &'a self,
        entity: &'a str,
        primitive: Vec<u8>,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>> {
        Box::pin(async move {
            let topic = format!("/oneM2M/req/{}/{}/json", self.topic_id, entity.replace('/', ":"));
            self.client.publish(topic, primitive, Qos::AtLeastOnce).await.map_err(|error| error.to_string())
        })
    }
}
