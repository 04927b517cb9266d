//! A broker on a real port, and a place for notifications to arrive.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "helpers of tests; each file uses its own part"
)]

pub mod copied;

use std::{path::Path, sync::Arc, time::Duration};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use morgana_ngsi_ld::{Broker, HttpOptions, Options};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
};
use tokio_util::sync::CancellationToken;

/// A broker with its HTTP interface. Stops when dropped.
pub struct TestBroker {
    pub broker: Broker,
    pub base: String,
    pub client: Client,
    stop: CancellationToken,
    _dir: tempfile::TempDir,
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub fn options(dir: &Path) -> Options {
    let mut options = Options { dir: dir.to_owned(), ..Options::default() };
    options.contexts.fetch.allow_hosts = vec!["127.0.0.1".to_owned()];
    options.notifications.backoff_ms = 10;
    options
}

pub async fn start() -> TestBroker {
    start_with(HttpOptions::default()).await
}

/// A broker with these options; its folder is the caller's.
pub async fn start_options(options: Options) -> TestBroker {
    serve_broker(Broker::open(options).unwrap()).await
}

pub async fn serve_broker(broker: Broker) -> TestBroker {
    serve_in(broker, HttpOptions::default(), tempfile::tempdir().unwrap()).await
}

pub async fn start_with(http: HttpOptions) -> TestBroker {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::open(options(dir.path())).unwrap();
    serve_in(broker, http, dir).await
}

pub async fn serve_in(broker: Broker, http: HttpOptions, dir: tempfile::TempDir) -> TestBroker {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/ngsi-ld/v1", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(morgana_ngsi_ld::serve(broker.clone(), http, listener, stop.clone()));
    TestBroker { broker, base, client: Client::new(), stop, _dir: dir }
}

impl TestBroker {
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    pub fn delete(&self, path: &str) -> RequestBuilder {
        self.client.delete(format!("{}{path}", self.base))
    }

    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base)).json(body)
    }

    pub fn patch(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.patch(format!("{}{path}", self.base)).json(body)
    }

    pub fn put(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.put(format!("{}{path}", self.base)).json(body)
    }

    /// Creates an entity and asserts that it was created.
    pub async fn create(&self, entity: Value) {
        expect(self.post("/entities", &entity), 201).await;
    }

    /// The body of a GET that succeeds.
    pub async fn read(&self, path: &str) -> Value {
        expect(self.get(path), 200).await.json().await.unwrap()
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

/// Sends and asserts an error of this status and kind whose detail has these words.
pub async fn expect_error(request: RequestBuilder, status: u16, kind: &str, words: &str) {
    let response = expect(request, status).await;
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    assert!(problem["type"].as_str().unwrap().ends_with(kind), "{problem}");
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string(), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
}

pub fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entity| entity["id"].as_str().unwrap()).collect()
}

pub fn car(number: u32, speed: i64) -> Value {
    json!({
        "id": format!("urn:ngsi-ld:Car:{number}"),
        "type": "Car",
        "speed": {"type": "Property", "value": speed, "unitCode": "KMH"},
        "brand": {"type": "Property", "value": "Fiat"},
    })
}

/// A notification that arrived.
#[derive(Debug)]
pub struct Arrived {
    pub headers: axum::http::HeaderMap,
    pub body: Value,
}

/// An endpoint that answers what it is told and keeps what arrives.
pub struct Listener {
    pub url: String,
    arrived: UnboundedReceiver<Arrived>,
}

pub async fn listen() -> Listener {
    listen_with(Arc::new(|_| StatusCode::OK)).await
}

pub type Answer = Arc<dyn Fn(&Value) -> StatusCode + Send + Sync>;

pub async fn listen_with(answer: Answer) -> Listener {
    type Shared = (UnboundedSender<Arrived>, Answer);
    let (sender, arrived) = mpsc::unbounded_channel();
    let handle = |State((sender, answer)): State<Shared>, headers: axum::http::HeaderMap, body: Bytes| async move {
        let body: Value = serde_json::from_slice(&body).unwrap();
        let status = answer(&body);
        let _ = sender.send(Arrived { headers, body });
        status
    };
    let router = Router::new().route("/notify", post(handle)).with_state((sender, answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/notify", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Listener { url, arrived }
}

impl Listener {
    pub async fn next(&mut self) -> Arrived {
        tokio::time::timeout(Duration::from_secs(30), self.arrived.recv())
            .await
            .expect("a notification")
            .unwrap()
    }

    pub fn is_empty(&mut self) -> bool {
        self.arrived.is_empty()
    }
}

/// Waits until `condition` holds.
pub async fn eventually<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    tokio::time::timeout(Duration::from_secs(30), async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the condition to hold");
}

/// Opens a broker again whose last clone was just dropped; its tasks may hold it a moment longer.
pub async fn reopen(dir: &Path) -> Broker {
    reopen_with(options(dir)).await
}

/// The same with options of its own.
pub async fn reopen_with(options: Options) -> Broker {
    for _ in 0..1000 {
        match Broker::open(options.clone()) {
            Ok(broker) => return broker,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    panic!("the folder {} stays in use", options.dir.display());
}
