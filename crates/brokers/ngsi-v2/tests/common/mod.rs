//! A broker on a real port, and a place for notifications to arrive.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "helpers of tests; each file uses its own part"
)]

use std::{convert::Infallible, path::Path, time::Duration};

use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use morgana_ngsi_v2::{Broker, HttpOptions, Options, serve};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc::{self, UnboundedReceiver},
};
use tokio_util::sync::CancellationToken;

/// A broker with its HTTP interface. Stops when dropped.
pub struct TestBroker {
    pub broker: Broker,
    pub base: String,
    pub client: Client,
    stop: CancellationToken,
    _dir: Option<tempfile::TempDir>,
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub async fn start() -> TestBroker {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { dir: dir.path().to_owned(), ..Options::default() };
    start_with(options, HttpOptions::default(), Some(dir)).await
}

/// A broker whose folder is the caller's.
pub async fn start_in(dir: &Path) -> TestBroker {
    start_with(Options { dir: dir.to_owned(), ..Options::default() }, HttpOptions::default(), None).await
}

/// The broker of a folder that an earlier one is about to leave.
pub async fn reopen(dir: &Path) -> TestBroker {
    for _ in 0..500 {
        if let Ok(broker) = Broker::open(Options { dir: dir.to_owned(), ..Options::default() }) {
            return serve_broker(broker, HttpOptions::default(), None).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the folder is still in use");
}

pub async fn start_with(options: Options, http: HttpOptions, dir: Option<tempfile::TempDir>) -> TestBroker {
    serve_broker(Broker::open(options).unwrap(), http, dir).await
}

async fn serve_broker(broker: Broker, http: HttpOptions, dir: Option<tempfile::TempDir>) -> TestBroker {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v2", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(serve(broker.clone(), http, listener, stop.clone()));
    TestBroker { broker, base, client: Client::new(), stop, _dir: dir }
}

impl TestBroker {
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    pub fn delete(&self, path: &str) -> RequestBuilder {
        self.client.delete(format!("{}{path}", self.base))
    }

    pub fn post(&self, path: &str, body: Value) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base)).json(&body)
    }

    pub fn patch(&self, path: &str, body: Value) -> RequestBuilder {
        self.client.patch(format!("{}{path}", self.base)).json(&body)
    }

    pub fn put(&self, path: &str, body: Value) -> RequestBuilder {
        self.client.put(format!("{}{path}", self.base)).json(&body)
    }

    /// Creates an entity from key-values.
    pub async fn create(&self, entity: Value) {
        expect(self.post("/entities?options=keyValues", entity), 201).await;
    }

    /// The body of a GET that succeeds.
    pub async fn read(&self, path: &str) -> Value {
        expect(self.get(path), 200).await.json().await.unwrap()
    }

    /// The ids of the entities that a query finds.
    pub async fn ids(&self, query: &str) -> Vec<String> {
        let found = self.read(&format!("/entities?{query}")).await;
        found.as_array().unwrap().iter().map(|entity| entity["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Subscribes to all entities and gives the subscription's path.
    pub async fn subscribe(&self, url: &str, with: impl FnOnce(&mut Value)) -> String {
        let mut subscription = json!({
            "subject": {"entities": [{"idPattern": ".*"}]},
            "notification": {"http": {"url": url}}
        });
        with(&mut subscription);
        let response = expect(self.post("/subscriptions", subscription), 201).await;
        let location = response.headers()["location"].to_str().unwrap();
        location.strip_prefix("/v2").unwrap().to_owned()
    }
}

/// Sends, asserts the status, and gives the response.
pub async fn expect(request: RequestBuilder, status: u16) -> Response {
    let response = request.send().await.unwrap();
    if response.status().as_u16() != status {
        panic!("{} instead of {status}: {}", response.status(), response.text().await.unwrap());
    }
    response
}

/// Sends and asserts an error with this status, name and description.
pub async fn expect_error(request: RequestBuilder, status: u16, error: &str, description: &str) {
    let body: Value = expect(request, status).await.json().await.unwrap();
    assert_eq!(body, json!({"error": error, "description": description}));
}

/// A request that arrived at a listener.
pub struct Arrived {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Arrived {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The one entity of a notification.
    pub fn entity(&self) -> Value {
        self.json()["data"][0].clone()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A listener for notifications.
pub struct Listener {
    pub url: String,
    arrived: UnboundedReceiver<Arrived>,
}

impl Listener {
    pub async fn start() -> Self {
        Self::answering(200).await
    }

    /// A listener that answers with this status.
    pub async fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/notify", listener.local_addr().unwrap());
        let (sender, arrived) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                let service = service_fn(move |request: http::Request<Incoming>| {
                    let sender = sender.clone();
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let _ = sender.send(Arrived {
                            method: parts.method,
                            path: parts.uri.to_string(),
                            headers: parts.headers,
                            body: String::from_utf8(body.to_vec()).unwrap(),
                        });
                        let mut response = http::Response::new(Full::<bytes::Bytes>::default());
                        *response.status_mut() = status.try_into().unwrap();
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, arrived }
    }

    /// The next notification; it must come.
    pub async fn next(&mut self) -> Arrived {
        let next = tokio::time::timeout(Duration::from_secs(5), self.arrived.recv()).await;
        next.expect("no notification came").unwrap()
    }

    /// Asserts that nothing has come.
    pub fn is_quiet(&mut self) -> bool {
        self.arrived.try_recv().is_err()
    }
}

/// Waits until a condition holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    for _ in 0..500 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
