//! Takes notifications to HTTP and to MQTT endpoints.

use std::{path::PathBuf, pin::Pin};

use bytes::Bytes;
use http::Uri;
use morgana_engine::{DeliveryError, Endpoint, HttpTransport, Message, Transport, is_public};

use super::{
    mqtt::{MqttClients, Publication},
    tls::Trust,
};
use crate::subscriptions::{MQTT_QOS, MQTT_VERSION};

/// HTTP and MQTT, by the scheme of an endpoint.
#[derive(Debug)]
pub(super) struct AnyTransport {
    http: HttpTransport,
    mqtt: MqttClients,
    trust: Trust,
    /// Whether MQTT servers have to have a public address; the HTTP client sees to its own.
    public_only: bool,
}

impl AnyTransport {
    pub(super) fn new(http: HttpTransport, public_only: bool, ca: Option<PathBuf>) -> Self {
        Self { http, mqtt: MqttClients::default(), trust: Trust::new(ca), public_only }
    }
}

/// A public address behind a name and port, so that what was checked is what is connected to.
async fn public(address: &str) -> Result<Box<str>, DeliveryError> {
    let found = tokio::net::lookup_host(address).await;
    let found =
        found.map_err(|error| DeliveryError::Message(format!("cannot resolve {address}: {error}")))?;
    let usable = found.into_iter().find(|one| is_public(one.ip()));
    let usable = usable.ok_or_else(|| DeliveryError::Message(format!("{address} has no public address")))?;
    Ok(usable.to_string().into())
}

impl Transport for AnyTransport {
    fn deliver<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        message: &'a Message,
    ) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>> {
        if !matches!(endpoint.uri.scheme_str(), Some("mqtt" | "mqtts")) {
            return self.http.deliver(endpoint, message);
        }
        Box::pin(async move {
            let mut publication = publication(endpoint, message.body.clone())
                .ok_or_else(|| DeliveryError::NoTransport(endpoint.uri.clone()))?;
            if is_tls(&endpoint.uri) {
                let host = endpoint.uri.host().unwrap_or_default();
                publication.tls = Some(self.trust.of(host).map_err(DeliveryError::Message)?);
            }
            if self.public_only {
                publication.address = public(&publication.address).await?;
            }
            self.mqtt.publish(publication, endpoint.timeout).await
        })
    }
}

/// A message for an endpoint such as `mqtt://user:password@host:1883/topic/level` (NGSI-LD 7.2).
fn publication(endpoint: &Endpoint, payload: Bytes) -> Option<Publication> {
    let text = |name: &str| endpoint.headers.get(name).and_then(|value| value.to_str().ok());
    let uri = &endpoint.uri;
    Some(Publication {
        address: address(uri)?,
        user: user(uri),
        topic: uri.path().trim_start_matches('/').into(),
        qos: text(MQTT_QOS).and_then(|qos| qos.parse().ok()).unwrap_or(0),
        is_version_3: text(MQTT_VERSION) == Some("mqtt3.1.1"),
        tls: None,
        payload,
    })
}

fn is_tls(uri: &Uri) -> bool {
    uri.scheme_str() == Some("mqtts")
}

fn address(uri: &Uri) -> Option<Box<str>> {
    let port = uri.port_u16().unwrap_or(if is_tls(uri) { 8883 } else { 1883 });
    Some(format!("{}:{port}", uri.host()?).into())
}

fn user(uri: &Uri) -> Option<(Box<str>, Box<str>)> {
    let (user, _) = uri.authority()?.as_str().rsplit_once('@')?;
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    Some((name.into(), password.into()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;

    use super::*;

    #[test]
    fn an_mqtt_address_says_server_user_and_topic() {
        let of = |uri: &str| {
            let endpoint = Endpoint {
                uri: uri.parse().unwrap(),
                headers: HeaderMap::new(),
                timeout: Duration::from_secs(1),
            };
            let found = publication(&endpoint, Bytes::new()).unwrap();
            (found.address, found.user, found.topic)
        };
        assert_eq!(of("mqtt://host/a/b"), ("host:1883".into(), None, "a/b".into()));
        assert_eq!(of("mqtts://host/a"), ("host:8883".into(), None, "a".into()));
        let user = Some(("u".into(), "p".into()));
        assert_eq!(of("mqtt://u:p@[::1]:8075/a"), ("[::1]:8075".into(), user, "a".into()));
        assert_eq!(of("mqtt://u@host/a"), ("host:1883".into(), Some(("u".into(), "".into())), "a".into()));
    }
}
