//! What holds for all requests: a body says how long it is, and an answer is what was asked for.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::{HttpOptions, request::preferences};

const JSON: &str = "application/json";
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

/// Says which version of the standard an answer is in, when one was asked for (NGSI-LD 4.3.6.8, 6.3.6), and gives a
/// problem the form that was asked for.
pub(super) async fn as_asked(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let only_json = headers.get(header::ACCEPT).is_some_and(|form| form == JSON);
    let wanted = match headers.contains_key("prefer") {
        true => preferences(headers).find(|(name, _)| name == "ngsi-ld"),
        false => None,
    };
    let mut response = next.run(request).await;
    let status = response.status();
    if let Some((name, version)) = wanted
        && status.is_success()
        && let Ok(value) = HeaderValue::try_from(format!("{name}={version}"))
    {
        response.headers_mut().insert(PREFERENCE_APPLIED, value);
    }
    // Who takes nothing but application/json gets a problem as that: it is JSON too (RFC 9110 12.5.1).
    if only_json && (status.is_client_error() || status.is_server_error()) {
        let form = response.headers_mut().get_mut(header::CONTENT_TYPE);
        if let Some(form) = form.filter(|form| *form == "application/problem+json") {
            *form = HeaderValue::from_static(JSON);
        }
    }
    response
}
