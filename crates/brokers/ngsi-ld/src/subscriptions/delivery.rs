use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use morgana_engine::Endpoint;

use super::definition::text;
use crate::{
    Error,
    model::{Json, check_uri},
};

/// The header of an MQTT endpoint that says the quality of service.
pub(crate) const MQTT_QOS: &str = "mqtt-qos";
/// The header of an MQTT endpoint that says the version of the protocol.
pub(crate) const MQTT_VERSION: &str = "mqtt-version";

/// The format of a notification's body (NGSI-LD 5.2.15, accept).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accept {
    Json,
    LdJson,
    GeoJson,
}

/// A key and its value (NGSI-LD 5.2.22).
type Pair = (Box<str>, Box<str>);

/// Where notifications go, and how (NGSI-LD 5.2.15).
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) endpoint: Endpoint,
    pub(crate) accept: Accept,
    /// What the receiver wants to see with each notification: HTTP headers, or metadata over MQTT.
    pub(crate) receiver_info: Vec<Pair>,
    /// How long nothing is sent after a failure.
    pub(crate) cooldown: Option<Duration>,
}

impl Delivery {
    pub(super) fn new(notification: &Json, timeout: Duration) -> Result<Self, Error> {
        let endpoint =
            notification.get("endpoint").ok_or_else(|| Error::bad("notification: endpoint is missing"))?;
        let uri = text(endpoint, "uri")?.ok_or_else(|| Error::bad("notification: endpoint has no uri"))?;
        check_uri(uri, "notification: uri of endpoint")?;
        let uri: Uri = uri.parse().ok().filter(is_deliverable).ok_or_else(|| {
            Error::bad(
                "notification: uri of endpoint must be an http or https URL, or an mqtt or mqtts URL with a topic such as mqtt://host:1883/topic",
            )
        })?;
        let accept = match text(endpoint, "accept")? {
            None | Some("application/json") => Accept::Json,
            Some("application/ld+json") => Accept::LdJson,
            Some("application/geo+json") => Accept::GeoJson,
            Some(other) => {
                return Err(Error::bad(format!(
                    "notification: accept \"{other}\" is not a format of NGSI-LD"
                )));
            }
        };
        let timeout = milliseconds(endpoint, "timeout")?.unwrap_or(timeout);
        let receiver_info = pairs(endpoint, "receiverInfo")?;
        let notifier_info = pairs(endpoint, "notifierInfo")?;
        let headers =
            if is_mqtt(&uri) { mqtt_headers(&notifier_info)? } else { http_headers(&receiver_info)? };
        let endpoint_ = Endpoint { uri, headers, timeout };
        Ok(Self { endpoint: endpoint_, accept, receiver_info, cooldown: milliseconds(endpoint, "cooldown")? })
    }

    pub(crate) fn is_mqtt(&self) -> bool {
        is_mqtt(&self.endpoint.uri)
    }
}

fn is_mqtt(uri: &Uri) -> bool {
    matches!(uri.scheme_str(), Some("mqtt" | "mqtts"))
}

fn is_deliverable(uri: &Uri) -> bool {
    match uri.scheme_str() {
        Some("http" | "https") => true,
        Some("mqtt" | "mqtts") => uri.host().is_some_and(|host| !host.is_empty()) && uri.path().len() > 1,
        _ => false,
    }
}

fn milliseconds(endpoint: &Json, member: &str) -> Result<Option<Duration>, Error> {
    match endpoint.get(member) {
        None => Ok(None),
        Some(Json::Number(number)) if number.as_u64().is_some_and(|number| number > 0) => {
            Ok(number.as_u64().map(Duration::from_millis))
        }
        Some(_) => {
            Err(Error::bad(format!("notification: {member} must be a number of milliseconds above 0")))
        }
    }
}

/// Key-value pairs (NGSI-LD 5.2.22): both are strings.
fn pairs(endpoint: &Json, member: &str) -> Result<Vec<Pair>, Error> {
    let bad = || {
        Error::bad(format!("notification: {member} must hold objects with a key and a value, both strings"))
    };
    let items = match endpoint.get(member) {
        None => return Ok(Vec::new()),
        Some(Json::Array(items)) => items,
        Some(_) => return Err(bad()),
    };
    let text = |pair: &Json, name: &str| pair.get(name).and_then(Json::as_str).map(Box::<str>::from);
    items.iter().map(|pair| text(pair, "key").zip(text(pair, "value")).ok_or_else(bad)).collect()
}

fn http_headers(pairs: &[Pair]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (key, value) in pairs {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(&**key), HeaderValue::try_from(&**value)) else {
            return Err(Error::bad(format!("notification: receiverInfo \"{key}\" is not an HTTP header")));
        };
        headers.append(name, value);
    }
    Ok(headers)
}

/// NGSI-LD 7.2: the version and the quality of service of messages.
fn mqtt_headers(pairs: &[Pair]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (key, value) in pairs {
        let (name, known): (_, &[&str]) = match &**key {
            "MQTT-QoS" => (MQTT_QOS, &["0", "1", "2"]),
            "MQTT-Version" => (MQTT_VERSION, &["mqtt3.1.1", "mqtt5.0"]),
            // What a notifier does not know it leaves alone (5.2.15).
            _ => continue,
        };
        match HeaderValue::try_from(&**value) {
            Ok(header) if known.contains(&&**value) => headers.insert(name, header),
            _ => {
                return Err(Error::bad(format!("notification: {key} must be one of {}", known.join(", "))));
            }
        };
    }
    Ok(headers)
}
