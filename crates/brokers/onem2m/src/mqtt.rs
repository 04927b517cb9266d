//! The MQTT binding (TS-0010) over an MQTT broker: requests come on `/oneM2M/req/<originator>/<CSE>/<type>` and
//! `/oneM2M/reg_req/...`, their responses leave on `resp` and `reg_resp`; notifications leave on
//! `/oneM2M/req/<CSE>/<entity>/json`.

use std::{future::Future, pin::Pin};

use futures_util::{StreamExt, stream::FuturesUnordered};
use morgana_fabric::{Client, ClientError, ClientOptions, Event, Qos};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::{
    Cse, cbor,
    notify::Publisher,
    primitive::{Response, request_from_json, response_to_json},
    status::Failure,
    time::Time,
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

/// Where a request came from and its response goes to.
struct Envelope {
    /// `/oneM2M/resp/<originator>/<CSE>/json`.
    answer: String,
    cbor: bool,
    wrapped: bool,
}

/// Connects to the broker and carries out the requests that come over it until `stop`. Requests are begun in the order
/// in which they come, and their responses leave as each is done.
///
/// # Errors
/// When the broker refuses the CSE's topics.
pub async fn serve_mqtt(cse: Cse, options: MqttOptions, stop: CancellationToken) -> Result<(), MqttError> {
    let identity = &cse.inner.identity;
    let topic_id = if options.topic_id.is_empty() { identity.cse.clone() } else { options.topic_id.clone() };
    let (client, mut events) = Client::connect(options.client.clone());
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
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(()) = under_way.next() => {}
            event = events.recv(), if under_way.len() < options.requests.max(1) => match event {
                Some(Event::Message { topic, payload }) => under_way.push(take(&cse, &client, topic, payload)),
                Some(Event::Disconnected { cause }) => tracing::warn!(%cause, "the MQTT binding lost its broker"),
                Some(Event::Connected { first }) => tracing::info!(first, "the MQTT binding is connected"),
                Some(Event::SubscriptionRefused { filter, .. }) => {
                    tracing::error!(filter, "the broker took a topic away from the MQTT binding");
                }
                None => break,
            },
        }
    }
    while under_way.next().await.is_some() {}
    client.close().await;
    Ok(())
}

async fn subscribe(client: &Client, topic: String) -> Result<(), MqttError> {
    client.subscribe(topic.clone(), Qos::AtLeastOnce).await.map_err(|source| MqttError { topic, source })
}

/// Takes a message: carries a request out and answers it, or gives a response to who waits for it.
async fn take(cse: &Cse, client: &Client, topic: String, payload: bytes::Bytes) {
    let mut parts = topic.trim_start_matches('/').split('/');
    let (Some("oneM2M"), Some(kind), Some(from), Some(to), Some(form)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let is_cbor = form.eq_ignore_ascii_case("cbor");
    let json = if is_cbor { cbor::decode(&payload) } else { serde_json::from_slice::<Value>(&payload).ok() };
    let answer_kind = match kind {
        "req" => "resp",
        "reg_req" => "reg_resp",
        _ => {
            if let Some(response) = json {
                cse.inner.courier.answered(&response);
            }
            return;
        }
    };
    let envelope = Envelope {
        answer: format!("/oneM2M/{answer_kind}/{from}/{to}/{form}"),
        cbor: is_cbor,
        wrapped: json.as_ref().is_some_and(|json| json.get("m2m:rqp").is_some()),
    };
    let (response, originator) = match json {
        None => (refused(Failure::bad("the message is not a primitive in JSON or CBOR"), Value::Null), None),
        Some(json) => match request_from_json(json) {
            Err((failure, id)) => (refused(failure, id), None),
            Ok(request) => {
                let originator = request.from.clone();
                (cse.request(request).await, originator)
            }
        },
    };
    if !response.silent {
        send(cse, client, &envelope, &response, originator.as_deref()).await;
    }
}

/// The response to what is no request.
fn refused(failure: Failure, id: Value) -> Response {
    Response {
        status: failure.status,
        id,
        content: Some(serde_json::json!({ "m2m:dbg": failure.debug })),
        release: None,
        vendor: None,
        result_expires: None,
        originated: Some(Time::now().to_string()),
        silent: false,
    }
}

async fn send(cse: &Cse, client: &Client, envelope: &Envelope, response: &Response, to: Option<&str>) {
    let json = response_to_json(response, to, &cse.inner.identity.cse_id(), envelope.wrapped);
    let payload = if envelope.cbor { cbor::encode(&json) } else { json.to_string().into_bytes() };
    if let Err(error) = client.publish(envelope.answer.clone(), payload, Qos::AtLeastOnce).await {
        tracing::warn!(%error, topic = envelope.answer, "cannot answer a request over MQTT");
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
