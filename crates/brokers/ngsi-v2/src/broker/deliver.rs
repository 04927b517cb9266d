//! Notifications on their way.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use morgana_engine::{ClientError, DeliveryError, HttpClient};
use morgana_journal::Ticket;

use super::{
    Inner,
    mqtt::{MqttClients, Publication},
};
use crate::{
    model::Time,
    subscriptions::{Change, Delivery, Origin, Route, Subscription, Target, render},
};

/// How much of an endpoint's answer is read, so that the connection can be used again.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

impl Inner {
    /// Queues the notification of a change, which leaves once what was written of it is durable. It is put together when
    /// its turn has come.
    pub(super) fn notify(
        &self,
        written: Ticket,
        subscription: Arc<Subscription>,
        change: Arc<Change>,
        origin: Origin,
    ) {
        let timeout = match subscription.endpoint.target {
            Target::Http { timeout: Some(timeout) } => timeout,
            _ => Duration::from_millis(self.options.http_timeout_ms),
        };
        let (client, mqtt) = (self.client.clone(), Arc::clone(&self.mqtt));
        let (id, statistics) = (subscription.id.clone(), Arc::clone(&self.statistics));
        self.notifier.deliver_after(written, &id, async move {
            let mut size = 0;
            let result = match render(&subscription, &change, &origin) {
                Err(reason) => Err(DeliveryError::Message(reason)),
                Ok(delivery) => {
                    size = delivery.body.len();
                    deliver(&client, &mqtt, delivery, timeout).await
                }
            };
            let answer = result.as_ref().ok().map(|(_, length)| *length);
            statistics.notified(&origin.service, &change.entity.path, size, answer);
            let result = result.map(|(code, _)| code);
            // Nothing more is needed of the change; it may be the last to hold a large entity.
            drop(change);
            note(&subscription, &result);
            result.map(drop)
        });
    }
}

fn note(subscription: &Subscription, result: &Result<u16, DeliveryError>) {
    let now = Time::now();
    match result {
        Ok(code) => subscription.status.succeeded(now, *code),
        Err(error) => {
            let max = subscription.max_fails;
            if subscription.status.failed(now, &reason(error), max) {
                tracing::warn!(
                    subscription = %subscription.id,
                    limit = max,
                    "subscription automatically disabled: its notifications failed too often in a row"
                );
            }
        }
    }
}

/// Why a delivery failed, in the words that Orion's users know where there are such.
fn reason(error: &DeliveryError) -> String {
    match error {
        DeliveryError::Client(ClientError::Unreachable { source, .. }) if !is_forbidden(source) => {
            "Couldn't connect to server".to_owned()
        }
        DeliveryError::Timeout(_) => "Timeout was reached".to_owned(),
        other => other.to_string(),
    }
}

/// Whether a host was not connected to because of its address.
fn is_forbidden(mut error: &(dyn std::error::Error + 'static)) -> bool {
    loop {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::PermissionDenied;
        }
        match error.source() {
            Some(source) => error = source,
            None => return false,
        }
    }
}

/// Delivers a message and gives the code of the answer and its length; 0 for MQTT, which has none. Any answer will do,
/// as for Orion.
async fn deliver(
    client: &HttpClient,
    mqtt: &MqttClients,
    delivery: Delivery,
    timeout: Duration,
) -> Result<(u16, usize), DeliveryError> {
    match delivery.route {
        Route::Http { method, uri, headers } => {
            let mut request = Request::new(Full::new(delivery.body));
            *request.method_mut() = method;
            *request.uri_mut() = uri;
            *request.headers_mut() = headers;
            if request.body().size_hint().exact() == Some(0) {
                // A body without content is one, and says so.
                request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            send(client, request, timeout).await.map(|(code, answer)| (code, answer.len()))
        }
        Route::Mqtt { url, topic, qos, retain, user } => {
            let payload = delivery.body;
            mqtt.publish(Publication { url, user, topic, qos, retain, payload }, timeout)
                .await
                .map(|()| (0, 0))
        }
    }
}

/// Sends a request and reads the answer, as far as it is not very long.
pub(super) async fn send(
    client: &HttpClient,
    request: Request<Full<Bytes>>,
    timeout: Duration,
) -> Result<(u16, Bytes), DeliveryError> {
    let attempt = async {
        let response = client.send(request).await?;
        let code = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await;
        Ok((code, body.map(http_body_util::Collected::to_bytes).unwrap_or_default()))
    };
    tokio::time::timeout(timeout, attempt).await.unwrap_or(Err(DeliveryError::Timeout(timeout)))
}
