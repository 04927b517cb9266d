//! Two CSEs, the second of which registers with the first, over HTTP or over one MQTT broker.

use std::{sync::Arc, time::Duration};

use morgana_fabric::{ClientOptions, Open, Server, ServerOptions};
use morgana_onem2m::{
    Cse, HttpOptions, MqttOptions, Operation, Options, Registrar, Request, Response, Status, serve,
    serve_mqtt,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{ADMIN, attributes};

/// How long something may take that happens by itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Http,
    Mqtt,
}

/// The infrastructure node `/id-in` and the middle node `/id-mn`.
pub(crate) struct Pair {
    pub(crate) node: Cse,
    pub(crate) middle: Cse,
    pub(crate) node_url: String,
    stop: CancellationToken,
    _dirs: [TempDir; 2],
    _server: Option<Server>,
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Pair {
    pub(crate) async fn start(way: Way) -> Self {
        let stop = CancellationToken::new();
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let listeners = [
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        ];
        let urls: Vec<String> =
            listeners.iter().map(|known| format!("http://{}", known.local_addr().unwrap())).collect();
        let server = if way == Way::Mqtt {
            let options = ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() };
            Some(Server::start(options, Arc::new(Open)).await.unwrap())
        } else {
            None
        };
        let broker = server.as_ref().map(|server| format!("127.0.0.1:{}", server.local_addr().port()));
        let point = |index: usize| match &broker {
            Some(broker) => format!("mqtt://{broker}"),
            None => urls[index].clone(),
        };
        let node = Cse::open(Options {
            dir: dirs[0].path().to_owned(),
            cse_name: "cse-in".to_owned(),
            cse_id: "/id-in".to_owned(),
            points_of_access: vec![point(0)],
            cse_originators: vec!["/id-*".to_owned()],
            ..Options::default()
        })
        .unwrap();
        let middle = Cse::open(Options {
            dir: dirs[1].path().to_owned(),
            cse_name: "cse-mn".to_owned(),
            cse_id: "/id-mn".to_owned(),
            cse_type: 2,
            points_of_access: vec![point(1)],
            registrar: Some(Registrar {
                cse_id: "/id-in".to_owned(),
                cse_name: "cse-in".to_owned(),
                point_of_access: point(0),
                check_seconds: 1,
            }),
            ..Options::default()
        })
        .unwrap();
        for (listener, cse) in listeners.into_iter().zip([&node, &middle]) {
            let options = HttpOptions::default();
            tokio::spawn(serve(listener, cse.clone(), options, stop.clone(), Duration::from_millis(100)));
        }
        if let Some(broker) = &broker {
            for (cse, name) in [(&node, "node"), (&middle, "middle")] {
                let options = MqttOptions {
                    client: ClientOptions::new(broker.clone(), name),
                    ..MqttOptions::default()
                };
                tokio::spawn(serve_mqtt(cse.clone(), options, stop.clone()));
            }
        }
        let pair = Self { node, middle, node_url: urls[0].clone(), stop, _dirs: dirs, _server: server };
        wait_for("the middle node's registration", async || {
            ask(&pair.node, Operation::Retrieve, "cse-in/id-mn", ADMIN, None).await.status == Status::Ok
                && ask(&pair.middle, Operation::Retrieve, "cse-mn/id-in", ADMIN, None).await.status
                    == Status::Ok
        })
        .await;
        pair
    }
}

/// Looks again and again until something is so.
pub(crate) async fn wait_for(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let looked = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looked).await.unwrap_or_else(|_| panic!("{what} did not come"));
}

/// A request with the release of today.
pub(crate) async fn ask(
    cse: &Cse,
    operation: Operation,
    to: &str,
    from: &str,
    content: Option<Value>,
) -> Response {
    let release = Some("4".to_owned());
    cse.request(Request { release, content, id: json!("1"), ..Request::new(operation, to, from) }).await
}

/// Creates what must succeed; gives the attributes.
pub(crate) async fn make(cse: &Cse, to: &str, from: &str, ty: u32, content: Value) -> Value {
    let release = Some("4".to_owned());
    let response =
        cse.request(Request { release, id: json!("1"), ..Request::create(to, from, ty, content) }).await;
    assert_eq!(response.status, Status::Created, "{to}: {:?}", response.content);
    attributes(response)
}

/// Retrieves what must be there; gives the attributes.
pub(crate) async fn get(cse: &Cse, to: &str, from: &str) -> Value {
    let response = ask(cse, Operation::Retrieve, to, from, None).await;
    assert_eq!(response.status, Status::Ok, "{to}: {:?}", response.content);
    attributes(response)
}
