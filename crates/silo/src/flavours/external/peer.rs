//! HTTP to somebody else's broker.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use morgana_engine::HttpClient;
use serde_json::Value;

use super::Away;
use crate::error::RunError;
use crate::settings::Settings;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes.
const ANSWER_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Somebody else's broker.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    client: HttpClient,
    base: String,
    headers: HeaderMap,
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Null where it is no JSON.
    pub(super) body: Value,
}

impl Peer {
    /// The broker at the parameter `url`, with the parameter `token`, if there is one.
    pub(super) fn new(settings: &Settings) -> Result<Self, RunError> {
        let base = settings.parameter("url").trim_end_matches('/').to_owned();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            let error = format!(
                "flavour parameter 'url' is \"{base}\": it must be the http:// or https:// URL of the broker"
            );
            return Err(RunError::Parameter(error));
        }
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: String| {
            if let Ok(mut value) = HeaderValue::from_str(&value) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        };
        let token = settings.parameter("brokerToken");
        if !token.is_empty() {
            put(header::AUTHORIZATION, format!("Bearer {token}"));
            put(HeaderName::from_static("x-auth-token"), token.to_owned());
        }
        Ok(Self { client: HttpClient::new(CONNECT_TIMEOUT), base, headers })
    }

    /// Sends this header with every request.
    pub(super) fn set_header(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
    }

    /// Sends a request with a JSON body of a media type.
    ///
    /// # Errors
    /// When there is no answer, or one of 5xx or 429.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        more: &[(&'static str, &str)],
        body: Option<(&str, &Value)>,
    ) -> Result<Answer, Away> {
        let bytes = body.map(|(_, body)| Bytes::from(body.to_string())).unwrap_or_default();
        let mut request = Request::new(Full::new(bytes));
        *request.method_mut() = method;
        let url = format!("{}{path}", self.base);
        *request.uri_mut() = url.parse().map_err(|error| Away(format!("{url} is no URL: {error}")))?;
        *request.headers_mut() = self.headers.clone();
        let kind = body.map(|(kind, _)| (header::CONTENT_TYPE.as_str(), kind));
        for (name, value) in more.iter().copied().chain(kind) {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
            {
                request.headers_mut().insert(name, value);
            }
        }
        let exchange = async {
            let response = self.client.send(request).await.map_err(|error| Away(error.to_string()))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await;
            let body = body.map_err(|error| Away(error.to_string()))?.to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        let answer = tokio::time::timeout(TIMEOUT, exchange).await;
        let answer = answer.unwrap_or_else(|_| Err(Away(format!("{url} does not answer"))))?;
        if answer.status == StatusCode::TOO_MANY_REQUESTS || matches!(answer.status.as_u16(), 502..=504) {
            return Err(Away(format!("{url} answered {}", answer.status)));
        }
        Ok(answer)
    }
}

/// Logs and counts what the broker did not take.
pub(super) fn refused(what: &str, answer: &Answer) {
    crate::metrics::refused("broker_refused");
    let what: String = what.chars().take(128).collect();
    let reason: String = answer.body.to_string().chars().take(512).collect();
    tracing::warn!(what, status = answer.status.as_u16(), reason, "the silo's broker refused something");
}
