use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, serve::ListenerExt};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Why a server ended on its own.
#[derive(Debug, Error)]
#[error("cannot serve HTTP")]
pub struct ServerError(#[from] io::Error);

/// Answers with `router` on `listener` until `stop`: then it takes no new connection, lets requests under way finish
/// for at most `patience`, and returns. Every connection has `TCP_NODELAY`, and requests carry where they came from as
/// `ConnectInfo<SocketAddr>`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    patience: Duration,
) -> Result<(), ServerError> {
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    let stopping = stop.clone();
    let server = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move { stopping.cancelled().await });
    tokio::select! {
        result = server => Ok(result?),
        () = async { stop.cancelled().await; tokio::time::sleep(patience).await } => Ok(()),
    }
}
