//! Where notifications go: an HTTP server of a tenant's application.

use axum::extract::State;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Mailbox;

/// An HTTP server that keeps every JSON document that is posted to it. It ends when it is dropped.
#[derive(Debug)]
pub struct Listener {
    /// What was posted.
    pub posted: Mailbox<Value>,
    uri: String,
    serving: JoinHandle<()>,
}

impl Listener {
    /// Starts listening on any free port.
    pub async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = socket.local_addr().expect("a socket that listens has an address");
        let posted = Mailbox::default();
        let router = Router::new().fallback(keep).with_state(posted.clone());
        let serving = tokio::spawn(async move {
            axum::serve(socket, router).await.expect("an HTTP server does not end by itself");
        });
        Self { posted, uri: format!("http://{address}/notify"), serving }
    }

    /// Where to post.
    pub fn uri(&self) -> &str {
        &self.uri
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn keep(State(posted): State<Mailbox<Value>>, Json(document): Json<Value>) {
    posted.put(document);
}
