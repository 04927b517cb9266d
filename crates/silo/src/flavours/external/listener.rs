//! Where somebody else's broker tells the silo what was written into pipes.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as Segments, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::catalogue::LISTENER_DOOR;
use crate::error::RunError;
use crate::flavours::listen::listen;
use crate::flavours::onem2m::things::PIPE;
use crate::settings::Settings;

/// The largest notification, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Notifications that wait until the silo takes them; then the broker waits.
const WAITING: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(2);

/// The listener, until it is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    /// The URL for notifications. Its path is a secret: who knows it can write into pipes.
    pub(super) url: String,
    _stop: DropGuard,
}

impl Listener {
    pub(super) async fn start(settings: &Settings) -> Result<(Self, mpsc::Receiver<Value>), RunError> {
        let (listener, address) = listen(settings, LISTENER_DOOR).await?;
        let secret = secret(&settings.data.join("listener"))?;
        let base = match settings.parameter("listenerUrl") {
            "" => format!("http://{address}"),
            given => given.trim_end_matches('/').to_owned(),
        };
        let (sender, notifications) = mpsc::channel(WAITING);
        let router = Router::new()
            .route(&format!("/{secret}"), post(take))
            .route(&format!("/{secret}/{{pipe}}"), post(take))
            .layer(DefaultBodyLimit::max(MAX_BYTES))
            .with_state(sender);
        let stop = CancellationToken::new();
        tokio::spawn(morgana_engine::serve(listener, router, stop.clone(), PATIENCE));
        let url = format!("{base}/{secret}");
        Ok((Self { address, url, _stop: stop.drop_guard() }, notifications))
    }
}

/// Takes a notification. A oneM2M CSE wants to hear its request id and a status code (TS-0009 6.4).
async fn take(
    State(sender): State<mpsc::Sender<Value>>,
    pipe: Option<Segments<String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // Whatever it says of its type: CSEs have types of their own for JSON.
    let Ok(mut notification) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if let (Some(members), Some(Segments(pipe))) = (notification.as_object_mut(), pipe) {
        members.insert(PIPE.to_owned(), Value::String(pipe));
    }
    if sender.send(notification).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let mut answer = StatusCode::OK.into_response();
    if let Some(id) = headers.get("x-m2m-ri") {
        answer.headers_mut().insert("x-m2m-ri", id.clone());
        answer.headers_mut().insert("x-m2m-rsc", HeaderValue::from_static("2000"));
        if let Some(release) = headers.get("x-m2m-rvi") {
            answer.headers_mut().insert("x-m2m-rvi", release.clone());
        }
    }
    answer
}

/// The secret of the last run, or a new one: subscriptions in the broker outlive a run.
fn secret(file: &Path) -> Result<String, RunError> {
    if let Ok(known) = std::fs::read_to_string(file)
        && known.parse::<Uuid>().is_ok()
    {
        return Ok(known);
    }
    let new = Uuid::new_v4().to_string();
    std::fs::write(file, &new).map_err(RunError::failed("write down the path for notifications"))?;
    Ok(new)
}
