//! The WebSocket binding (TS-0020): request and response primitives go both ways over one connection. Who registers
//! connects, and hears notifications over the same connection; a `ws` URI as a target is connected to.

mod handshake;
mod session;
mod sessions;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use morgana_engine::{Access, ServerError};
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_tungstenite::{accept_hdr_async_with_config, tungstenite::protocol::WebSocketConfig};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{handshake::Greeting, session::Peer};
use crate::Cse;

pub(crate) use self::sessions::Sessions;

/// How long a client may take to greet.
const GREETING_PATIENCE: Duration = Duration::from_secs(10);

/// How the WebSocket binding behaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebSocketOptions {
    /// Who may use it: asked when a client connects.
    #[serde(skip)]
    pub access: Access,
    /// The largest message, in bytes.
    pub message_max_bytes: usize,
    /// Connections at once; more are closed.
    pub connections: usize,
    /// Requests of one connection that are carried out at once; more wait unread.
    pub requests: usize,
    /// Messages that may wait to leave on one connection.
    pub queue: usize,
    /// Seconds of silence after which a client is pinged; after twice as many its connection is closed.
    pub keep_alive_seconds: u64,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self {
            access: Access::Open,
            message_max_bytes: 4 * 1024 * 1024,
            connections: 10_000,
            requests: 64,
            queue: 1_000,
            keep_alive_seconds: 30,
        }
    }
}

impl WebSocketOptions {
    /// What the library is told. Its usual buffers are for files, not for primitives.
    fn limits(&self) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(0)
            .max_write_buffer_size(self.message_max_bytes.saturating_mul(2).max(64 * 1024))
            .max_message_size(Some(self.message_max_bytes))
            .max_frame_size(Some(self.message_max_bytes))
    }
}

/// Serves a CSE to WebSocket clients on a listener until `stop`; open connections are then closed.
///
/// # Errors
/// When the listener fails.
pub async fn serve_websocket(
    listener: TcpListener,
    cse: Cse,
    options: WebSocketOptions,
    stop: CancellationToken,
) -> Result<(), ServerError> {
    let options = Arc::new(options);
    let places = Arc::new(Semaphore::new(options.connections.max(1)));
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => return Err(error.into()),
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%remote, most = options.connections, "too many WebSocket connections");
            continue;
        };
        let (cse, options, stop) = (cse.clone(), Arc::clone(&options), stop.clone());
        tasks.spawn(async move {
            greet(&cse, stream, remote, &options, stop).await;
            drop(place);
        });
    }
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Whether accepting failed for one client only, or for want of descriptors, which others will give back.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    let passing = matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    );
    // EMFILE and ENFILE.
    passing || matches!(error.raw_os_error(), Some(23 | 24))
}

/// Shakes hands, and serves the connection until its end.
#[allow(clippy::result_large_err, reason = "the library says what a refusal is")]
async fn greet(
    cse: &Cse,
    stream: TcpStream,
    remote: SocketAddr,
    options: &WebSocketOptions,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let mut greeting = None;
    let accepted = accept_hdr_async_with_config(
        stream,
        |request: &http::Request<()>, response| match Greeting::of(request, &options.access) {
            Ok(good) => {
                let response = good.accept(response);
                greeting = Some(good);
                Ok(response)
            }
            Err(refusal) => Err(refusal.into_response()),
        },
        Some(options.limits()),
    );
    let stream = match tokio::time::timeout(GREETING_PATIENCE, accepted).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%remote, %error, "a WebSocket client was refused");
            return;
        }
        Err(_) => return,
    };
    let Some(greeting) = greeting else { return };
    let peer = Peer {
        form: greeting.form,
        entity: greeting.originator,
        remote: remote.ip(),
        authenticated: options.access != Access::Open,
    };
    session::serve(cse, stream, peer, options, stop).await;
}
