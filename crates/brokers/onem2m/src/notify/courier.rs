use std::{collections::HashMap, fmt, future::Future, pin::Pin, sync::OnceLock, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use morgana_engine::{DeliveryError, Endpoint, HttpClient, HttpTransport, Message, Transport};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::{
    http::HttpCaller,
    listeners::Listeners,
    parcel::{EVENTS, LANE, Parcel, spelled},
    polled::Polled,
    reach::entity_of,
    shelf::NoRoom,
};
use crate::{coap::CoapCaller, status::Status, websocket::Sessions, wire::Form};

/// The largest answer to a notification that is read, in bytes.
pub(super) const ANSWER_MAX_BYTES: usize = 1024 * 1024;

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: Status,
    pub(crate) content: Option<Value>,
}

/// Publishes on the MQTT broker that the CSE uses.
pub(crate) trait Publisher: fmt::Debug + Send + Sync {
    /// Publishes a request primitive for an entity (TS-0010 6.4).
    fn publish<'a>(
        &'a self,
        entity: &'a str,
        primitive: Vec<u8>,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;
}

/// How often a target was asked and answered (m2m:notificationStatsInfo).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    pub(crate) requests: u64,
    pub(crate) responses: u64,
    pub(crate) events: u64,
}

/// Takes notifications to their targets, over whatever way leads there.
#[derive(Debug)]
pub(crate) struct Courier {
    http: HttpCaller,
    pub(super) https: HttpClient,
    transport: HttpTransport,
    mqtt: OnceLock<Box<dyn Publisher>>,
    /// The WebSocket connections.
    pub(crate) sessions: Sessions,
    coap: OnceLock<CoapCaller>,
    listeners: Listeners,
    /// The polling channels.
    pub(crate) polled: Polled,
    /// Requests whose answer comes as a message of its own.
    pub(super) waiting: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    statistics: Mutex<HashMap<String, Statistics>>,
}

impl Courier {
    pub(crate) fn new(https: HttpClient, polled: Polled) -> Self {
        Self {
            transport: HttpTransport::new(https.clone()),
            http: HttpCaller::default(),
            https,
            mqtt: OnceLock::new(),
            sessions: Sessions::default(),
            coap: OnceLock::new(),
            listeners: Listeners::default(),
            polled,
            waiting: Mutex::default(),
            statistics: Mutex::default(),
        }
    }

    /// Uses this for `mqtt` URIs from now on. Only the first counts.
    pub(crate) fn use_mqtt(&self, publisher: Box<dyn Publisher>) {
        if self.mqtt.set(publisher).is_err() {
            tracing::warn!("the CSE already uses an MQTT broker");
        }
    }

    /// Uses this for `coap` URIs from now on. Only the first counts.
    pub(crate) fn use_coap(&self, caller: CoapCaller) {
        if self.coap.set(caller).is_err() {
            tracing::warn!("the CSE already has a CoAP binding");
        }
    }

    pub(crate) fn listen(&self, entity: &str, capacity: usize) -> mpsc::Receiver<Value> {
        self.listeners.add(entity, capacity)
    }

    pub(super) fn has_listener(&self, entity: &str) -> bool {
        self.listeners.has(entity)
    }

    /// Takes the answer to a request that went out by MQTT or a polling channel. Says whether someone waited for it.
    pub(crate) fn answered(&self, response: &Value) -> bool {
        let Some(read) = crate::primitive::response_from_json(response.clone()) else { return false };
        let id = match &read.id {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let waiting = self.waiting.lock().remove(&id);
        waiting.is_some_and(|waiting| {
            waiting.send(Answer { status: read.status, content: read.content }).is_ok()
        })
    }

    pub(crate) fn statistics(&self, lane: &str) -> Statistics {
        self.statistics.lock().get(lane).copied().unwrap_or_default()
    }

    /// Puts a notification into the queue of a target that polls, in the name of a lane; says whether there was room. It
    /// is kept as long as the write that it tells of.
    pub(super) fn leave_for_poller(&self, uri: &Uri, parcel: &Parcel, lane: &str, events: u64) -> bool {
        let left = self.polled.add(&self.entity(uri), parcel.to_primitive()).is_ok();
        if left {
            let mut all = self.statistics.lock();
            let counted = all.entry(lane.to_owned()).or_default();
            counted.requests += events;
            counted.responses += events;
            counted.events += events;
        }
        left
    }

    pub(crate) fn forget_statistics(&self, lane: &str) {
        self.statistics.lock().remove(lane);
    }

    /// Sends a request and waits for its answer, at most `patience`.
    pub(crate) async fn call(&self, uri: &Uri, parcel: Parcel, patience: Duration) -> Result<Answer, String> {
        let id = parcel.id.clone();
        let asked = async {
            if matches!(uri.scheme_str(), Some("http" | "https")) {
                return self.call_http(uri, parcel).await;
            }
            let entity = self.entity(uri);
            if uri.scheme_str() == Some("local") {
                self.listeners.hand_over(&entity, parcel.to_primitive()).await?;
                return Ok(Answer { status: Status::Ok, content: None });
            }
            let form = if parcel.cbor { Form::Cbor } else { Form::Json };
            if let Some(answer) = self.ask(uri, form, &parcel.to_primitive()).await {
                return answer;
            }
            let (sender, answer) = oneshot::channel();
            self.waiting.lock().insert(parcel.id.clone(), sender);
            let primitive = parcel.to_primitive();
            match uri.scheme_str() {
                Some("poll") => self.polled.add_question(&entity, primitive)?,
                _ => self.publish(&entity, primitive.to_string().into_bytes()).await?,
            }
            answer.await.map_err(|_| "it did not answer".to_owned())
        };
        let result = tokio::time::timeout(patience, asked).await;
        self.waiting.lock().remove(&id);
        result.unwrap_or_else(|_| Err(format!("it did not answer within {} ms", patience.as_millis())))
    }

    async fn call_http(&self, uri: &Uri, parcel: Parcel) -> Result<Answer, String> {
        let message = parcel.into_message(uri, None);
        let (http, code, body) = if uri.scheme_str() == Some("https") {
            let mut request = Request::new(Full::new(message.body));
            *request.method_mut() = http::Method::POST;
            *request.uri_mut() = uri.clone();
            *request.headers_mut() = message.headers;
            let response = self.https.send(request).await.map_err(|error| error.to_string())?;
            let code =
                response.headers().get("x-m2m-rsc").and_then(|value| value.to_str().ok()?.parse().ok());
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await;
            (status, code, body.map(|body| body.to_bytes().to_vec()).unwrap_or_default())
        } else {
            let answer = self.http.post(uri, &spelled(&message.headers), &message.body).await;
            let answer = answer.map_err(|error| error.to_string())?;
            (answer.status, answer.code, answer.body)
        };
        let content = serde_json::from_slice(&body).ok();
        let status = match code.and_then(Status::from_code) {
            Some(status) => status,
            None if http.is_success() => Status::Ok,
            None => return Err(format!("it answered {http}")),
        };
        Ok(Answer { status, content })
    }

    /// Sends a request over a binding whose responses come back on the way that it went; nothing when the URI is of
    /// another.
    async fn ask(&self, uri: &Uri, form: Form, primitive: &Value) -> Option<Result<Answer, String>> {
        Some(match uri.scheme_str()? {
            "session" => self.sessions.ask_entity(&entity_of(uri), primitive).await,
            "ws" => self.sessions.ask_target(uri, form, primitive).await,
            "coap" => match self.coap.get() {
                Some(coap) => coap.ask(uri, form, primitive).await,
                None => Err("this CSE has no CoAP binding".to_owned()),
            },
            _ => return None,
        })
    }

    /// The entity that a URI without HTTP leads to.
    fn entity(&self, uri: &Uri) -> String {
        match uri.scheme_str() {
            Some("mqtt" | "mqtts") => {
                uri.path().trim_start_matches('/').split('/').next().unwrap_or_default().to_owned()
            }
            _ => entity_of(uri),
        }
    }

    pub(super) async fn publish(&self, entity: &str, primitive: Vec<u8>) -> Result<(), String> {
        match self.mqtt.get() {
            Some(mqtt) => mqtt.publish(entity, primitive).await,
            None => Err("this CSE has no MQTT binding".to_owned()),
        }
    }

    async fn carry(&self, endpoint: &Endpoint, message: &Message) -> Result<(), DeliveryError> {
        if endpoint.uri.scheme_str() == Some("https") {
            return self.transport.deliver(endpoint, message).await;
        }
        if endpoint.uri.scheme_str() == Some("http") {
            let headers = spelled(&message.headers);
            let sent = self.http.post(&endpoint.uri, &headers, &message.body);
            let answer = tokio::time::timeout(endpoint.timeout, sent).await;
            let answer = answer.map_err(|_| DeliveryError::Timeout(endpoint.timeout))?;
            // No connection may mean that the receiver starts again: worth another attempt, as a 503 is.
            let answer = answer.map_err(|_| DeliveryError::Refused(StatusCode::SERVICE_UNAVAILABLE))?;
            return if answer.status.is_success() {
                Ok(())
            } else {
                Err(DeliveryError::Refused(answer.status))
            };
        }
        let entity = self.entity(&endpoint.uri);
        let parsed = || {
            serde_json::from_slice(&message.body).map_err(|error| DeliveryError::Message(error.to_string()))
        };
        if matches!(endpoint.uri.scheme_str(), Some("session" | "ws" | "coap")) {
            let cbor =
                message.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/cbor");
            let form = if cbor { Form::Cbor } else { Form::Json };
            let primitive = parsed()?;
            let asked =
                tokio::time::timeout(endpoint.timeout, self.ask(&endpoint.uri, form, &primitive)).await;
            return match asked.map_err(|_| DeliveryError::Timeout(endpoint.timeout))? {
                Some(Ok(answer)) if answer.status.is_success() => Ok(()),
                Some(Ok(answer)) => Err(DeliveryError::Refused(answer.status.http())),
                // As with HTTP: it may be starting again.
                Some(Err(_)) | None => Err(DeliveryError::Refused(StatusCode::SERVICE_UNAVAILABLE)),
            };
        }
        match endpoint.uri.scheme_str() {
            Some("local") => {
                self.listeners.hand_over(&entity, parsed()?).await.map_err(DeliveryError::Message)
            }
            Some("poll") => {
                let added = self.polled.add(&entity, parsed()?);
                added.map_err(|NoRoom| DeliveryError::Refused(StatusCode::TOO_MANY_REQUESTS))
            }
            _ => self.publish(&entity, message.body.to_vec()).await.map_err(DeliveryError::Message),
        }
    }
}

impl Transport for Courier {
    fn deliver<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        message: &'a Message,
    ) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>> {
        Box::pin(async move {
            let mut plain = Message { headers: message.headers.clone(), body: Bytes::clone(&message.body) };
            let lane = plain.headers.remove(LANE).and_then(|lane| lane.to_str().ok().map(str::to_owned));
            let events =
                plain.headers.remove(EVENTS).and_then(|events| events.to_str().ok()?.parse::<u64>().ok());
            let count = |add: &dyn Fn(&mut Statistics, u64)| {
                if let (Some(lane), Some(events)) = (&lane, events) {
                    add(self.statistics.lock().entry(lane.clone()).or_default(), events);
                }
            };
            count(&|statistics, events| {
                statistics.requests += events;
                statistics.events += events;
            });
            let result = self.carry(endpoint, &plain).await;
            if result.is_ok() {
                count(&|statistics, events| statistics.responses += events);
            }
            result
        })
    }
}
