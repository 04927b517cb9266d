//! The REST API of a Hue bridge: JSON over HTTP on the local network, `/api/<username>/...`. Every
//! answer has status 200; an error is a list of objects with a member `error`.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::light::Light;

/// How long the bridge may take for an answer. A real one takes some ten milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer, in bytes; fifty lamps are some 30 kB.
const ANSWER_MAX: usize = 1024 * 1024;
/// The bridge's error for a name that it does not know.
const UNAUTHORIZED: u64 = 1;
/// The bridge's error for a button that nobody pressed in the last 30 seconds.
const BUTTON_NOT_PRESSED: u64 = 101;

/// Why the bridge did not do something, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BridgeError {
    /// It does not know our name.
    Unknown,
    /// Its button was not pressed.
    NotPressed,
    /// It refused, in its own words.
    Refused(String),
    /// It cannot be reached, or what answers is no bridge.
    Unreachable(String),
}

impl std::fmt::Display for BridgeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("the bridge does not know this username"),
            Self::NotPressed => f.write_str("press the button of the bridge"),
            Self::Refused(why) => write!(f, "the bridge refused: {why}"),
            Self::Unreachable(why) => f.write_str(why),
        }
    }
}

/// A bridge, and the name it knows us by. Clones share its connections.
#[derive(Debug, Clone)]
pub(super) struct Bridge {
    client: Client<HttpConnector, Full<Bytes>>,
    address: String,
    username: String,
}

impl Bridge {
    /// The bridge at an address; it knows nobody yet.
    pub(super) fn at(host: &str, port: u16) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        // An IPv6 address needs brackets in a URL.
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        Self { client, address: format!("{host}:{port}"), username: String::new() }
    }

    /// The same bridge, that knows us by a name.
    pub(super) fn knows(self, username: &str) -> Self {
        Self { username: username.to_owned(), ..self }
    }

    /// Makes us known to the bridge. Answers the name.
    pub(super) async fn introduce(&self, device: &str) -> Result<String, BridgeError> {
        let answer = self.call(Method::POST, "/api", Some(json!({ "devicetype": device }))).await?;
        let username = answer.pointer("/0/success/username").and_then(Value::as_str);
        username.map(str::to_owned).ok_or_else(|| self.no_bridge("no username"))
    }

    /// All lamps, by their numbers.
    pub(super) async fn lights(&self) -> Result<BTreeMap<String, Light>, BridgeError> {
        self.read("/lights").await
    }

    /// One lamp.
    pub(super) async fn light(&self, number: &str) -> Result<Light, BridgeError> {
        self.read(&format!("/lights/{number}")).await
    }

    /// Changes the state of a lamp.
    pub(super) async fn set(&self, number: &str, state: &Map<String, Value>) -> Result<(), BridgeError> {
        let path = format!("/api/{}/lights/{number}/state", self.username);
        self.call(Method::PUT, &path, Some(Value::Object(state.clone()))).await.map(drop)
    }

    async fn read<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T, BridgeError> {
        let answer = self.call(Method::GET, &format!("/api/{}{path}", self.username), None).await?;
        serde_json::from_value(answer).map_err(|error| self.no_bridge(&error.to_string()))
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, BridgeError> {
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| self.no_bridge(&error.to_string()))?;
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| {
                // What hyper says of it is "client error"; the cause tells.
                let cause = std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string);
                BridgeError::Unreachable(format!("the bridge at {} cannot be reached: {cause}", self.address))
            })?;
            let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
            body.map(|body| body.to_bytes()).map_err(|error| self.no_bridge(&error.to_string()))
        };
        let answer = timeout(PATIENCE, exchange).await.unwrap_or_else(|_| {
            Err(BridgeError::Unreachable(format!("the bridge at {} does not answer", self.address)))
        })?;
        let answer: Value =
            serde_json::from_slice(&answer).map_err(|error| self.no_bridge(&error.to_string()))?;
        refusal(&answer).map_or(Ok(answer), Err)
    }

    fn no_bridge(&self, why: &str) -> BridgeError {
        BridgeError::Unreachable(format!("what answers at {} is no Hue bridge: {why}", self.address))
    }
}

/// The first error in an answer.
fn refusal(answer: &Value) -> Option<BridgeError> {
    let error = answer.as_array()?.iter().find_map(|part| part.get("error"))?;
    Some(match error["type"].as_u64() {
        Some(UNAUTHORIZED) => BridgeError::Unknown,
        Some(BUTTON_NOT_PRESSED) => BridgeError::NotPressed,
        _ => BridgeError::Refused(error["description"].as_str().unwrap_or("without a reason").to_owned()),
    })
}
