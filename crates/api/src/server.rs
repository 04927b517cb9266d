//! The HTTP server of the control plane: with or without TLS, and with a bound on everything that a
//! stranger can ask for before it has said who it is.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::guests::Guests;

/// How long to wait after the system refused a connection (no file left, say).
const AFTER_REFUSAL: Duration = Duration::from_millis(50);

/// Bounds of the server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerOptions {
    /// Connections at once; further ones wait in the queue of the operating system.
    pub max_connections: usize,
    /// Connections at once of one address; further ones are closed. Behind a proxy all have its address.
    pub max_connections_per_address: usize,
    /// How long the head of a request, and the start of a TLS connection, may take, in seconds.
    pub head_timeout_seconds: u64,
    /// The longest head of a request, in bytes; a longer one is answered 431.
    pub max_head_bytes: usize,
    /// How many headers a request may have; one with more is answered 431.
    pub max_headers: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_connections_per_address: 1024,
            head_timeout_seconds: 15,
            max_head_bytes: 32 * 1024,
            max_headers: 64,
        }
    }
}

/// Answers with `router` on `listener` until `stop`; then lets requests under way finish for at most
/// `patience`. Requests carry where they came from as `ConnectInfo<SocketAddr>`. With `tls`, nothing is
/// spoken in the clear.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<ServerConfig>>,
    options: ServerOptions,
    stop: CancellationToken,
    patience: Duration,
) {
    let door = Door {
        router,
        tls: tls.map(TlsAcceptor::from),
        head_timeout: Duration::from_secs(options.head_timeout_seconds.max(1)),
        max_head_bytes: options.max_head_bytes.max(8 * 1024),
        max_headers: options.max_headers.max(8),
    };
    let places = Arc::new(Semaphore::new(options.max_connections.max(1)));
    let guests = Guests::new(options.max_connections_per_address);
    let under_way = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.cancelled() => break,
        };
        let Some((stream, from, place)) = accepted else { continue };
        let Some(guest) = guests.welcome(from.ip()) else {
            tracing::debug!(%from, "a connection of an address that has too many was closed");
            continue;
        };
        let (door, watcher) = (door.clone(), under_way.watcher());
        tokio::spawn(async move {
            let _held = (place, guest);
            door.welcome(stream, from, watcher).await;
        });
    }
    drop(listener);
    let _ = timeout(patience, under_way.shutdown()).await;
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, from)) => Some((stream, from, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(AFTER_REFUSAL).await;
            None
        }
    }
}

#[derive(Clone)]
struct Door {
    router: Router,
    tls: Option<TlsAcceptor>,
    head_timeout: Duration,
    max_head_bytes: usize,
    max_headers: usize,
}

impl Door {
    async fn welcome(
        self,
        stream: TcpStream,
        from: SocketAddr,
        watcher: hyper_util::server::graceful::Watcher,
    ) {
        // Answers are small, and each is waited for.
        let _ = stream.set_nodelay(true);
        match self.tls.clone() {
            None => self.talk(stream, from, watcher).await,
            Some(tls) => match timeout(self.head_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.talk(stream, from, watcher).await,
                Ok(Err(error)) => tracing::debug!(%from, %error, "no TLS connection came about"),
                Err(_) => tracing::debug!(%from, "no TLS connection came about in time"),
            },
        }
    }

    async fn talk(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        from: SocketAddr,
        watcher: hyper_util::server::graceful::Watcher,
    ) {
        let router = self.router;
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(from));
            let mut router = router.clone();
            async move { Ok::<_, Infallible>(answer(&mut router, request.map(Body::new)).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_buf_size(self.max_head_bytes)
            .max_headers(self.max_headers)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%from, %error, "a connection ended badly");
        }
    }
}

async fn answer(router: &mut Router, request: Request) -> axum::response::Response {
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
