use std::{convert::Infallible, io, pin::pin, time::Duration};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request},
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{Service, ServiceExt};

/// Why a server ended on its own.
#[derive(Debug, Error)]
#[error("cannot serve HTTP")]
pub struct ServerError(#[from] io::Error);

/// Answers with `service`, such as an axum router, on `listener` until `stop`: then it takes no new connection, lets
/// requests under way finish for at most `patience`, and returns. Every connection has `TCP_NODELAY`, and requests carry
/// where they came from as `ConnectInfo<SocketAddr>`.
///
/// # Errors
/// None today: a connection that cannot be taken is logged, and the next one is waited for.
pub async fn serve<S>(
    listener: TcpListener,
    service: S,
    stop: CancellationToken,
    patience: Duration,
) -> Result<(), ServerError>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    // Names of headers are the same in any case (RFC 9110 5.1); clients that look for `Location` find it so.
    let mut http = http1::Builder::new();
    http.title_case_headers(true);
    let connections = TaskTracker::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    wait_after(&error).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let service = service.clone();
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            service.clone().oneshot(request.map(Body::new))
        });
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let stop = stop.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::trace!(%error, "a connection ended");
            }
        });
    }
    drop(listener);
    connections.close();
    let _ = tokio::time::timeout(patience, connections.wait()).await;
    Ok(())
}

/// A client that left before it was let in says nothing about the next one; without file handles the next has to wait.
async fn wait_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot take a connection");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
