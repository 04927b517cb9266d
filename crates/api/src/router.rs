//! The router: every door of the controller.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{map_request_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use morgana_controller::Controller;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::openapi::OpenApi;

use crate::operations::{self, Metrics, Shared};
use crate::problem::Refusal;
use crate::routes::Routes;
use crate::{Options, handed_on, v1, viriot};

/// The whole API as one router.
pub fn router(controller: Controller, metrics: Metrics, options: &Options) -> Router {
    let (endpoints, mut document) = v1::endpoints().split_for_parts();
    let (streams, stream_document) = v1::streams().split_for_parts();
    document.merge(stream_document);
    let document = v1::complete(document);
    let timeout = TimeoutLayer::with_status_code(
        StatusCode::SERVICE_UNAVAILABLE,
        Duration::from_secs(options.request_timeout_seconds),
    );
    let v1 = endpoints.layer(timeout).merge(streams).with_state(controller.clone());
    let shared = Shared { controller: controller.clone(), metrics, metrics_access: options.metrics };
    let router = described(document)
        .router
        .merge(v1)
        .merge(operations::routes().router.with_state(shared))
        .merge(viriot::routes().router.layer(timeout).with_state(controller.clone()))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(options.max_body_bytes))
        .layer(CatchPanicLayer::new())
        .layer(map_response(in_our_form))
        .layer(map_request_with_state(controller, handed_on::from_its_client));
    match cors(&options.cors_origins) {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// The scripts of these web pages may call the API; without any there is no CORS at all.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let allowed = match origins {
        [] => return None,
        origins if origins.iter().any(|origin| origin == "*") => AllowOrigin::any(),
        origins => AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse().ok())),
    };
    // Tokens travel in a header that scripts set themselves, never in cookies: no credentials.
    let exposed = [header::ETAG, header::RETRY_AFTER];
    Some(CorsLayer::new().allow_origin(allowed).allow_methods(Any).allow_headers(Any).expose_headers(exposed))
}

/// What the layers around the handlers refuse, they refuse in plain text.
async fn in_our_form(response: Response) -> Response {
    let json = |value: &HeaderValue| value.as_bytes().windows(4).any(|part| part == b"json");
    if response.headers().get(header::CONTENT_TYPE).is_some_and(json) {
        return response;
    }
    let text = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => "the request body is longer than this API takes",
        StatusCode::SERVICE_UNAVAILABLE => "it took too long; look at the resource before you try again",
        StatusCode::INTERNAL_SERVER_ERROR => {
            "an internal error occurred; the administrator finds the cause in the log"
        }
        _ => return response,
    };
    Refusal::with_status(response.status(), text).into_response()
}

/// Where the description of the API is.
fn described(document: OpenApi) -> Routes<()> {
    Routes::new().add("GET", "/v1/openapi.json", get(move || async move { axum::Json(document) }))
}

/// Every endpoint, of REST v1, of the VirIoT-compatible API and of those who operate the platform, as method
/// and path, so that a test can walk all of them and none can be forgotten.
pub fn endpoints() -> Vec<(String, String)> {
    let mut document: OpenApi = v1::endpoints().into_openapi();
    document.merge(v1::streams().into_openapi());
    let mut endpoints = Vec::new();
    for (path, item) in &document.paths.paths {
        let operations = [
            ("GET", &item.get),
            ("POST", &item.post),
            ("PUT", &item.put),
            ("PATCH", &item.patch),
            ("DELETE", &item.delete),
        ];
        for (method, operation) in operations {
            if operation.is_some() {
                endpoints.push((method.to_owned(), path.clone()));
            }
        }
    }
    endpoints.extend(described(document).endpoints);
    endpoints.extend(operations::routes().endpoints);
    endpoints.extend(viriot::routes().endpoints);
    endpoints
}

async fn unknown_path(method: Method, uri: axum::http::Uri) -> impl IntoResponse {
    let path: String = uri.path().chars().take(128).collect();
    Refusal::with_status(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {method} {path}; see /v1/openapi.json"),
    )
}

async fn wrong_method(method: Method, uri: axum::http::Uri) -> impl IntoResponse {
    let path: String = uri.path().chars().take(128).collect();
    Refusal::with_status(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{path} does not take {method}; see /v1/openapi.json"),
    )
}
