//! The HTTP binding (TS-0009).

mod read;
mod upper_tester;
mod write;

pub(crate) use read::decode;

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    response::Response,
};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use morgana_engine::{Access, ServerError};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Cse, primitive, status::Failure};

/// How the HTTP binding behaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpOptions {
    /// Who may use it.
    #[serde(skip)]
    pub access: Access,
    /// The largest request body, in bytes.
    pub body_max_bytes: usize,
    /// Whether `POST /__ut__` is answered: conformance suites steer the CSE with it. Never for the public.
    pub upper_tester: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { access: Access::Open, body_max_bytes: 4 * 1024 * 1024, upper_tester: false }
    }
}

#[derive(Debug, Clone)]
struct Door {
    cse: Cse,
    options: HttpOptions,
}

/// The CSE over HTTP: every path is an address.
pub fn router(cse: Cse, options: HttpOptions) -> Router {
    let access = options.access.clone();
    Router::new()
        .fallback(answer)
        .with_state(Door { cse, options })
        .layer(axum::middleware::from_fn_with_state(access, morgana_engine::require_token))
}

/// Serves a CSE on a listener until `stop`; requests under way may finish for at most `patience`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    cse: Cse,
    options: HttpOptions,
    stop: CancellationToken,
    patience: Duration,
) -> Result<(), ServerError> {
    morgana_engine::serve(listener, router(cse, options), stop, patience).await
}

async fn answer(State(door): State<Door>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let remote = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    if door.options.upper_tester && parts.method == Method::POST && parts.uri.path() == "/__ut__" {
        return upper_tester::answer(&door.cse, &parts.headers).await;
    }
    let body = match Limited::new(body, door.options.body_max_bytes).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            let most = door.options.body_max_bytes;
            return write::failure(
                &parts,
                &Failure::bad(format!("pc: a request body may have at most {most} bytes")),
            );
        }
    };
    let mut request = match read::request(&parts, &body) {
        Ok(request) => request,
        Err(failure) => return write::failure(&parts, &failure),
    };
    let format = match write::Format::accepted(&parts.headers) {
        Ok(format) => format,
        Err(failure) => return write::failure(&parts, &failure),
    };
    request.remote = remote;
    request.shown = format == write::Format::Json;
    request.authenticated = door.options.access != Access::Open;
    let response = door.cse.request(request).await;
    if response.silent {
        return plain(StatusCode::NO_CONTENT);
    }
    write::response(&response, format)
}

fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The address in a path (TS-0009 6.2.2.1): `/~/` stands for SP-relative, `/_/` for absolute.
fn address(path: &str) -> String {
    let local = path.strip_prefix('/').unwrap_or(path);
    if let Some(relative) = local.strip_prefix("~/") {
        format!("/{relative}")
    } else if let Some(absolute) = local.strip_prefix("_/") {
        format!("//{absolute}")
    } else {
        local.to_owned()
    }
}

/// The operation of a method; a POST with a resource type creates, one without notifies (TS-0009 6.2.1).
fn operation(method: &Method, ty: Option<u32>) -> Option<primitive::Operation> {
    Some(match *method {
        Method::POST if ty.is_some() => primitive::Operation::Create,
        Method::POST => primitive::Operation::Notify,
        Method::GET => primitive::Operation::Retrieve,
        Method::PUT => primitive::Operation::Update,
        Method::DELETE => primitive::Operation::Delete,
        _ => return None,
    })
}
