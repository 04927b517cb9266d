//! The HTTP binding (NGSI-LD 6) under `/ngsi-ld/v1`; one file a resource. A handler takes typed input, makes one call
//! to the broker, and gives a view.

mod attributes;
mod batch;
mod contexts;
mod discovery;
mod distributed;
mod entities;
mod entity_maps;
mod identity;
mod known;
mod params;
mod preconditions;
mod registrations;
mod remote_notify;
mod reply;
mod request;
mod service;
mod snapshots;
mod subscriptions;
mod temporal;
mod tenants;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::{MethodRouter, patch},
};
use http::StatusCode;
use morgana_engine::{Access, Problem, ServerError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::service::Service;
use crate::{Broker, Error, ErrorKind};

/// How a broker answers over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// Who may use it.
    pub access: Access,
    /// The largest request body, in bytes.
    pub body_max_bytes: usize,
    /// Entities or subscriptions on a page when the request does not say.
    pub page_default: usize,
    /// The most that a request may ask for on one page.
    pub page_max: usize,
    /// The most instances of attributes that an answer about the past has; more come in parts (NGSI-LD 6.3.10).
    pub temporal_max: usize,
    /// Whether a query without any criterion is answered with all entities, as FIWARE clients expect. NGSI-LD 5.7.2.4
    /// refuses it.
    pub lenient_queries: bool,
    /// Milliseconds that requests under way get when the server stops.
    pub patience_ms: u64,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            access: Access::Open,
            body_max_bytes: 16 * 1024 * 1024,
            page_default: 20,
            page_max: 1000,
            temporal_max: 10_000,
            lenient_queries: true,
            patience_ms: 5_000,
        }
    }
}

/// What handlers share.
#[derive(Debug, Clone)]
struct Door {
    broker: Broker,
    options: Arc<HttpOptions>,
}

/// Where the binding lives.
const ROOT: &str = "/ngsi-ld/v1";

/// The handlers of all resources of one tenant.
fn handlers(door: Door) -> Router {
    let mut router = Router::new();
    let routes = entities::routes()
        .into_iter()
        .chain(attributes::routes())
        .chain(batch::routes())
        .chain(subscriptions::routes())
        .chain(discovery::routes())
        .chain(contexts::routes())
        .chain(registrations::routes())
        .chain(temporal::routes())
        .chain(identity::routes())
        .chain(entity_maps::routes())
        .chain(snapshots::routes());
    for (path, handler) in routes {
        let path = format!("{ROOT}{path}");
        if path.ends_with("/entities") && !path.contains("/temporal/") {
            // With a slash it is also the path of one entity, whose id was forgotten.
            let handler = handler.clone().merge(patch(no_id).put(no_id));
            router = router.route(&format!("{path}/"), handler);
        } else if !path.contains("{*") {
            // Existing clients write some of these paths with a slash at the end.
            router = router.route(&format!("{path}/"), handler.clone());
        }
        router = router.route(&path, handler);
    }
    let (path, handler) = remote_notify::route();
    router
        .route(path, handler)
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path)
        .with_state(door)
}

/// Serves the broker on `listener` until `stop`, then lets requests under way finish.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    broker: Broker,
    options: HttpOptions,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), ServerError> {
    let patience = Duration::from_millis(options.patience_ms);
    let service = Service::new(broker, options);
    let service = tower::service_fn(move |request| {
        let service = service.clone();
        async move { Ok(service.answer(request).await) }
    });
    morgana_engine::serve(listener, service, stop, patience).await
}

/// A path below the root and what answers there.
type Route = (&'static str, MethodRouter<Door>);

async fn unknown_path(request: Request) -> Response {
    let detail = format!("there is no resource {}", request.uri().path());
    Error::new(ErrorKind::ResourceNotFound, detail).into_response()
}

async fn no_id() -> Error {
    Error::bad("the id of the entity is missing at the end of the path")
}

async fn wrong_method(request: Request) -> Response {
    let detail = format!("{} is not a method of {}", request.method(), request.uri().path());
    Problem::of(StatusCode::METHOD_NOT_ALLOWED, detail).into_response()
}

type Shared = State<Door>;
