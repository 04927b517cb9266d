//! What holds for all requests: a body says how long it is, and an answer is what was asked for.

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::{HttpOptions, request::preferences};

const JSON: &str = "application/json";
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The answer to a body without a Content-Length, 411, as NGSI-LD 6.3.4 has it. A lenient broker takes them: clients
/// that stream do not know the length.
pub(super) fn lacks_length(options: &HttpOptions, request: &Request) -> Option<Response> {
    let has_body = matches!(*request.method(), Method::POST | Method::PATCH | Method::PUT);
    let lacks =
        has_body && !options.lenient_queries && !request.headers().contains_key(header::CONTENT_LENGTH);
    lacks.then(|| StatusCode::LENGTH_REQUIRED.into_response())
}

/// What a request wants of its answer, whatever that is.
pub(super) struct Wanted {
    /// Nothing but `application/json`.
    only_json: bool,
    /// The version of the standard (NGSI-LD 4.3.6.8, 6.3.6).
    version: Option<(String, String)>,
}

impl Wanted {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let only_json = headers.get(header::ACCEPT).is_some_and(|form| form == JSON);
        let version = match headers.contains_key("prefer") {
            true => preferences(headers).find(|(name, _)| name == "ngsi-ld"),
            false => None,
        };
        Self { only_json, version }
    }

    /// Says which version an answer is in, when one was asked for, and gives a problem the form that was asked for.
    pub(super) fn give(self, mut response: Response) -> Response {
        let status = response.status();
        if let Some((name, version)) = self.version
            && status.is_success()
            && let Ok(value) = HeaderValue::try_from(format!("{name}={version}"))
        {
            response.headers_mut().insert(PREFERENCE_APPLIED, value);
        }
        // Who takes nothing but application/json gets a problem as that: it is JSON too (RFC 9110 12.5.1).
        if self.only_json && (status.is_client_error() || status.is_server_error()) {
            let form = response.headers_mut().get_mut(header::CONTENT_TYPE);
            if let Some(form) = form.filter(|form| *form == "application/problem+json") {
                *form = HeaderValue::from_static(JSON);
            }
        }
        response
    }
}
