use std::{convert::Infallible, io, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{rt::TokioTimer, server::graceful::GracefulShutdown};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{HttpOptions, Service, lenient::LenientStream};
use crate::Broker;

/// Why a server ended on its own.
#[derive(Debug, Error)]
#[error("cannot accept connections")]
pub struct ServeError(#[from] io::Error);

/// Bytes that a connection reads ahead.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves the broker on `listener` until `stop`, then lets requests under way finish. Every connection has
/// `TCP_NODELAY`. Header names have capitals, as Orion writes them: some clients compare them.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    broker: Broker,
    options: HttpOptions,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let patience = Duration::from_millis(options.patience_ms);
    let service = Service::new(broker, options);
    let connections = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder
        .title_case_headers(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(READ_BUFFER_BYTES);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) if is_passing(&error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            },
            () = stop.cancelled() => break,
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let service = service.clone();
        let answer = service_fn(move |request| {
            let service = service.clone();
            async move { Ok::<_, Infallible>(service.answer(request).await) }
        });
        let connection = connections.watch(builder.serve_connection(LenientStream::wrap(stream), answer));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(patience, connections.shutdown()).await;
    Ok(())
}

/// Whether the listener will work again: the client went away, or there are too many open files.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    // EMFILE and ENFILE have no kind of their own.
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
        || matches!(error.raw_os_error(), Some(23 | 24))
}
