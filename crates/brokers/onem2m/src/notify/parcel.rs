//! A NOTIFY request on its way out, and the forms that the ways have for it.

use http::{HeaderMap, HeaderValue, Uri, header};
use morgana_engine::Message;
use serde_json::{Map, Value, json};

/// Says to the courier which lane a message is of; it goes no further.
pub(super) const LANE: &str = "x-morgana-lane";
pub(super) const EVENTS: &str = "x-morgana-events";

/// A NOTIFY request on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) id: String,
    pub(crate) release: &'static str,
    pub(crate) category: Option<u64>,
    pub(crate) cbor: bool,
    pub(crate) content: Value,
}

impl Parcel {
    /// The message for a way. `lane` is the subscription's queue and the number of events in the message.
    pub(super) fn into_message(self, uri: &Uri, lane: Option<(&str, u64)>) -> Message {
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        if let Some((lane, events)) = lane {
            put(LANE, lane);
            put(EVENTS, &events.to_string());
        }
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            if self.cbor {
                put(header::CONTENT_TYPE.as_str(), "application/cbor");
            }
            return Message { headers, body: self.to_primitive().to_string().into() };
        }
        put("x-m2m-origin", &self.from);
        put("x-m2m-ri", &self.id);
        put("x-m2m-rvi", self.release);
        put("x-m2m-ot", &crate::time::Time::now().to_string());
        if let Some(category) = self.category {
            put("x-m2m-ec", &category.to_string());
        }
        let kind = if self.cbor { "application/cbor" } else { "application/json" };
        put(header::CONTENT_TYPE.as_str(), kind);
        put(header::ACCEPT.as_str(), kind);
        let body = if self.cbor {
            crate::cbor::encode(&self.content)
        } else {
            self.content.to_string().into_bytes()
        };
        Message { headers, body: body.into() }
    }

    /// The request primitive, as MQTT and polling channels carry it. Mobius clients read it without `m2m:rqp`.
    pub(super) fn to_primitive(&self) -> Value {
        let mut members = Map::new();
        members.insert("op".to_owned(), json!(5));
        members.insert("fr".to_owned(), json!(self.from));
        members.insert("to".to_owned(), json!(self.to));
        members.insert("rqi".to_owned(), json!(self.id));
        members.insert("rvi".to_owned(), json!(self.release));
        if let Some(category) = self.category {
            members.insert("ec".to_owned(), json!(category));
        }
        members.insert("pc".to_owned(), self.content.clone());
        Value::from(members)
    }
}

/// Headers with their names as the standards spell them.
pub(super) fn spelled(headers: &HeaderMap) -> Vec<(&'static str, String)> {
    const NAMES: [&str; 7] =
        ["X-M2M-Origin", "X-M2M-RI", "X-M2M-RVI", "X-M2M-OT", "X-M2M-EC", "Content-Type", "Accept"];
    let value = |name: &'static str| Some((name, headers.get(name)?.to_str().ok()?.to_owned()));
    NAMES.into_iter().filter_map(value).collect()
}
