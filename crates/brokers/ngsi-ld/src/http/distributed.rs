//! Requests that context sources take part in (NGSI-LD 4.3.6, 6.3.17, 6.3.18): before a request comes to its handler,
//! the sources are asked that have to do with it. A read then finds what they answered beside the request ([`Remote`]);
//! of a write, the handler gets what is left for this broker.

mod answer;
mod batch;
mod discover;
mod fan;
mod past;
mod query;
mod remote;
mod retrieve;
mod route;
mod write;

use std::sync::Arc;

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue};

pub(super) use discover::Discovered;
pub(super) use past::{RemotePast, of_query as past_of_query};
pub(super) use remote::{Remote, found, page, sources};
pub(super) use retrieve::others;

use self::{fan::Fan, retrieve::head};
use super::{Door, service::Handlers};
pub(super) use route::Route;

const WARNING: HeaderName = HeaderName::from_static("ngsild-warning");

/// What context sources have to do with a request; nothing when it is for this broker alone.
pub(super) fn concerned(door: &Door, request: &Request) -> Option<Route> {
    if !door.broker.has_sources() || is_local(request.uri().query()) {
        return None;
    }
    Route::of(request.method(), request.uri().path())
}

/// Lets context sources take part in a request.
pub(super) async fn answer(door: &Door, route: Route, request: Request, next: &Handlers) -> Response {
    let headers = request.headers().clone();
    let fan = Fan::new(door, &headers);
    fan.learn_aliases().await;
    match route {
        Route::Retrieve(id) => match retrieve::ask(&fan, head(&request), &id).await {
            Ok(remote) => read(request, remote, next).await,
            Err(refused) => refused.into_response(),
        },
        Route::Query => match query::ask(&fan, head(&request)).await {
            Ok(remote) => read(request, remote, next).await,
            Err(refused) => refused.into_response(),
        },
        Route::QueryBatch => match query::ask_in_body(&fan, request).await {
            Ok((request, remote)) => read(request, remote, next).await,
            Err(refused) => refused,
        },
        Route::Discover(what) => match discover::ask(&fan, head(&request), &what).await {
            Ok(found) => {
                let warnings = found.warnings.clone();
                with(request, found, warnings, next).await
            }
            Err(refused) => refused.into_response(),
        },
        Route::Past(id) => match past::ask(&fan, head(&request), Some(&id)).await {
            Ok((found, warnings)) => with(request, found, warnings, next).await,
            Err(refused) => refused.into_response(),
        },
        Route::QueryPast => match past::ask(&fan, head(&request), None).await {
            Ok((found, warnings)) => with(request, found, warnings, next).await,
            Err(refused) => refused.into_response(),
        },
        Route::QueryPastBatch => match past::ask_in_body(&fan, request).await {
            Ok((request, found, warnings)) => with(request, found, warnings, next).await,
            Err(refused) => refused,
        },
        Route::Purge => write::purge(&fan, request, next).await,
        Route::Batch(kind) => batch::run(&fan, request, kind, next).await,
        Route::One(one) => write::run(&fan, request, one, next).await,
    }
}

/// Runs the handler with what the sources said, and warns of those that said nothing useful.
async fn read(mut request: Request, remote: Remote, next: &Handlers) -> Response {
    let warnings = remote.warnings.clone();
    if remote.takes_part {
        request.extensions_mut().insert(Arc::new(remote));
    }
    warned(next.run(request).await, warnings)
}

/// Runs the handler with what sources said beside the request.
async fn with<T: Send + Sync + 'static>(
    mut request: Request,
    found: T,
    warnings: Vec<String>,
    next: &Handlers,
) -> Response {
    request.extensions_mut().insert(Arc::new(found));
    warned(next.run(request).await, warnings)
}

fn warned(mut response: Response, warnings: Vec<String>) -> Response {
    for warning in warnings {
        if let Ok(value) = HeaderValue::try_from(warning) {
            response.headers_mut().append(WARNING, value);
        }
    }
    response
}

/// Whether a request is for this broker alone (NGSI-LD 5.5.13, 6.3.18).
fn is_local(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|pair| pair == "local=true")
}
