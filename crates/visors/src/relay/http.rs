//! The door of the relay.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use morgana_thingvisor::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Target;
use super::message::entities;

/// How long a sender may take for its headers, and again for its body.
const PATIENCE: Duration = Duration::from_secs(10);
/// After the operating system refused a connection (out of files, say), the next is tried later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `POST /notify` for ever.
pub(super) async fn serve(
    listener: TcpListener,
    targets: watch::Receiver<Target>,
    visor: impl std::fmt::Display + Clone + Send + Sync + 'static,
) -> io::Error {
    let places = Arc::new(Semaphore::new(targets.borrow().params.max_connections.max(1)));
    // Dropped with this future, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let place = match Arc::clone(&places).acquire_owned().await {
            Ok(place) => place,
            Err(closed) => return io::Error::other(closed),
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, place, targets.clone(), visor.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    targets: watch::Receiver<Target>,
    visor: impl std::fmt::Display + Clone + Send + Sync + 'static,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the connection may be slow");
    }
    let service = service_fn(move |request| {
        let (target, visor) = (targets.borrow().clone(), visor.clone());
        async move { Ok::<_, Infallible>(answer(request, &target, &visor).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(request: Request<Incoming>, target: &Target, visor: &impl std::fmt::Display) -> Answer {
    if request.uri().path() != "/notify" {
        return say(StatusCode::NOT_FOUND, "there is only /notify here");
    }
    if request.method() != Method::POST {
        let mut refusal = say(StatusCode::METHOD_NOT_ALLOWED, "send JSON with POST");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return refusal;
    }
    match notify(request.into_body(), target, visor).await {
        Ok(()) => say(StatusCode::CREATED, "OK"),
        Err(refusal) => refusal,
    }
}

async fn notify(body: Incoming, target: &Target, visor: &impl std::fmt::Display) -> Result<(), Answer> {
    let limit = target.params.max_body_bytes;
    let too_long = || say(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body is longer than {limit} bytes"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_long());
    }
    let body = match timeout(PATIENCE, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_long()),
        Ok(Err(error)) => return Err(say(StatusCode::BAD_REQUEST, &format!("the body broke off: {error}"))),
        Err(_) => return Err(say(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    };
    let entities =
        entities(&body, &target.params, visor).map_err(|error| say(StatusCode::BAD_REQUEST, &error))?;
    target.v_thing.publish_all(entities).await.map_err(|error| match error {
        Error::Limit { .. } => say(StatusCode::PAYLOAD_TOO_LARGE, &error.to_string()),
        _ => say(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    })
}

fn say(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *answer.status_mut() = status;
    answer
}
