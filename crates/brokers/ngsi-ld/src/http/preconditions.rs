//! What holds for all requests: a body says how long it is, and a preferred version is confirmed.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::{HttpOptions, request::preferences};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Refuses bodies without a Content-Length with 411, as NGSI-LD 6.3.4 has it. A lenient broker takes them: clients that
/// stream do not know the length.
pub(super) async fn ask_for_length(
    State(options): State<Arc<HttpOptions>>,
    request: Request,
    next: Next,
) -> Response {
    let has_body = matches!(*request.method(), Method::POST | Method::PATCH | Method::PUT);
    if has_body && !options.lenient_queries && !request.headers().contains_key(header::CONTENT_LENGTH) {
        return StatusCode::LENGTH_REQUIRED.into_response();
    }
    next.run(request).await
}

/// Says which version of the standard an answer is in, when one was asked for (NGSI-LD 4.3.6.8, 6.3.6).
pub(super) async fn confirm_version(request: Request, next: Next) -> Response {
    if !request.headers().contains_key("prefer") {
        return next.run(request).await;
    }
    let wanted = preferences(request.headers()).find(|(name, _)| name == "ngsi-ld");
    let mut response = next.run(request).await;
    if let Some((name, version)) = wanted
        && response.status().is_success()
        && let Ok(value) = HeaderValue::try_from(format!("{name}={version}"))
    {
        response.headers_mut().insert(PREFERENCE_APPLIED, value);
    }
    response
}
