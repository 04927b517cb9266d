//! Answers and input in VirIoT's form.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use morgana_controller::{Caller, Controller, ListOptions};
use morgana_model::{ErrorCode, Failure, Page};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::extract::{Body, authorization};
use crate::problem::{Refusal, status};

/// A status with a body; VirIoT's success and failure look alike.
#[derive(Debug)]
pub(super) struct Reply(StatusCode, Value);

pub(super) type Answer = Result<Reply, Reply>;

impl Reply {
    /// `{"message": ...}`.
    pub(super) fn message(status: StatusCode, text: impl Into<String>) -> Self {
        Self(status, json!({ "message": text.into() }))
    }

    /// `{"message": ..., <name>: <id>}`.
    pub(super) fn accepted(text: String, name: &str, id: &str) -> Self {
        Self(StatusCode::CREATED, json!({ "message": text, name: id }))
    }

    /// A document or a list of them.
    pub(super) fn document(status: StatusCode, document: Value) -> Self {
        Self(status, document)
    }

    /// A 409 with VirIoT's words.
    pub(super) fn conflict(text: impl Into<String>) -> Self {
        Self::message(StatusCode::CONFLICT, text)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

/// What a handler has no VirIoT words for. VirIoT knows neither 403 nor 404.
impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        let status = match failure.code {
            ErrorCode::PermissionDenied => StatusCode::UNAUTHORIZED,
            ErrorCode::NotFound => StatusCode::CONFLICT,
            code => status(code),
        };
        Self::message(status, failure.message)
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::message(refusal.status(), refusal.message())
    }
}

/// The caller, or VirIoT's refusal (section 2.1).
pub(super) struct User(pub(super) Caller);

impl FromRequestParts<Controller> for User {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, controller: &Controller) -> Result<Self, Reply> {
        let header = authorization(parts);
        match controller.authenticate(header).await {
            Ok(caller) => Ok(Self(caller)),
            Err(failure) if failure.code == ErrorCode::Unauthenticated => {
                Err(unauthenticated(header, failure))
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

pub(super) fn unauthenticated(header: Option<&str>, failure: Failure) -> Reply {
    let status = StatusCode::UNAUTHORIZED;
    match header {
        None => Reply(status, json!({ "message": "Missing Authorization Header", "status": 401 })),
        Some(_) => Reply(status, json!({ "message": failure.message, "msg": failure.message })),
    }
}

/// A JSON body.
pub(super) struct Input<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Reply;

    async fn from_request(request: Request, state: &S) -> Result<Self, Reply> {
        match Body::from_request(request, state).await {
            Ok(Body(value)) => Ok(Self(value)),
            Err(refusal) => Err(refusal.into()),
        }
    }
}

/// An id; a wrong one names nothing, which VirIoT answers with 409.
pub(super) fn id<T: std::str::FromStr>(text: &str) -> Result<T, Reply>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| Reply::conflict(error.to_string()))
}

/// VirIoT's lists have no pages: this reads them all.
pub(super) async fn all<T, F, R>(mut page: F) -> Result<Vec<T>, Failure>
where
    F: FnMut(ListOptions) -> R,
    R: Future<Output = Result<Page<T>, Failure>>,
{
    let mut items = Vec::new();
    let mut cursor = None;
    loop {
        let found = page(ListOptions { limit: Some(ListOptions::MAX), cursor }).await?;
        items.extend(found.items);
        match found.next {
            Some(next) => cursor = Some(next),
            None => return Ok(items),
        }
    }
}

/// VirIoT gives parameters as a text that mostly is JSON, and gets back the text it gave.
pub(super) fn params_text(params: &Value) -> Value {
    match params {
        Value::Null => Value::String(String::new()),
        Value::String(_) => params.clone(),
        other => Value::String(other.to_string()),
    }
}

/// The parameters in that text: an object where it is one.
pub(super) fn params_value(text: Value) -> Value {
    match text {
        Value::String(text) if text.is_empty() => Value::Null,
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
            _ => Value::String(text),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_back_as_they_were_given() {
        for text in ["", "Mobius", "{'vThingName':'x'}", r#"{"rate":5}"#] {
            assert_eq!(params_text(&params_value(json!(text))), json!(text));
        }
        assert_eq!(params_value(json!(r#"{"rate":5}"#)), json!({"rate": 5}));
    }

    #[test]
    fn denied_is_401_in_the_words_of_viriot() {
        let reply = Reply::from(Failure::new(ErrorCode::PermissionDenied, "operation not allowed"));
        assert_eq!(reply.0, StatusCode::UNAUTHORIZED);
        assert_eq!(reply.1, json!({ "message": "operation not allowed" }));
    }
}
