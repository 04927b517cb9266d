//! Answers in VirIoT's form.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use morgana_controller::{Caller, Controller, TokenError};
use morgana_model::{ErrorCode, Failure};
use serde_json::{Value, json};

use crate::extract::{address, authorization};
use crate::problem::status;

/// A status with a body; VirIoT's success and failure look alike.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    body: Value,
    retry_after_seconds: Option<u32>,
}

pub(super) type Answer = Result<Reply, Reply>;

impl Reply {
    /// `{"message": ...}`.
    pub(super) fn message(status: StatusCode, text: impl Into<String>) -> Self {
        Self::document(status, json!({ "message": text.into() }))
    }

    /// `{"message": ..., <name>: <id>}`.
    pub(super) fn accepted(text: String, name: &str, id: &str) -> Self {
        Self::document(StatusCode::CREATED, json!({ "message": text, name: id }))
    }

    /// A document or a list of them.
    pub(super) fn document(status: StatusCode, document: Value) -> Self {
        Self { status, body: document, retry_after_seconds: None }
    }

    /// A 409 with VirIoT's words.
    pub(super) fn conflict(text: impl Into<String>) -> Self {
        Self::message(StatusCode::CONFLICT, text)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// What an endpoint says of everything that it has no words of its own for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Otherwise(pub(super) StatusCode, pub(super) &'static str);

impl Otherwise {
    /// The answer to a failure: VirIoT's message, and in `detail` what was wrong and how to mend it.
    pub(super) fn reply(self, failure: Failure) -> Reply {
        let Self(status, message) = self;
        match failure.code {
            // VirIoT knows no 403, and these have nothing to do with the endpoint.
            ErrorCode::PermissionDenied => Reply::message(StatusCode::UNAUTHORIZED, failure.message),
            ErrorCode::TooManyRequests | ErrorCode::Unavailable | ErrorCode::Internal => failure.into(),
            _ => Reply::document(status, json!({ "message": message, "detail": failure.message })),
        }
    }
}

/// What a handler has no VirIoT words for.
impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        let status = match failure.code {
            ErrorCode::PermissionDenied => StatusCode::UNAUTHORIZED,
            ErrorCode::NotFound => StatusCode::CONFLICT,
            code => status(code),
        };
        let waits = matches!(failure.code, ErrorCode::TooManyRequests | ErrorCode::Unavailable);
        let retry_after_seconds = waits.then(|| failure.retry_after_seconds.unwrap_or(1));
        Self { retry_after_seconds, ..Self::message(status, failure.message) }
    }
}

/// The caller, or VirIoT's refusal (section 2.1).
pub(super) struct User(pub(super) Caller);

impl FromRequestParts<Controller> for User {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, controller: &Controller) -> Result<Self, Reply> {
        let header = authorization(&parts.headers);
        match controller.authenticate(header).await {
            Ok(mut caller) => {
                caller.origin.address = address(parts);
                Ok(Self(caller))
            }
            Err(failure) if failure.code == ErrorCode::Unauthenticated => {
                Err(unauthenticated(controller.token_error(header)))
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

/// The refusals of VirIoT's library for tokens, verbatim. A token that is good as a token has been
/// revoked.
pub(super) fn unauthenticated(error: Option<TokenError>) -> Reply {
    let (status, text) = match error {
        Some(TokenError::MissingHeader) => {
            let body = json!({ "message": "Missing Authorization Header", "status": 401 });
            return Reply::document(StatusCode::UNAUTHORIZED, body);
        }
        Some(TokenError::NotBearer) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "Bad Authorization header. Expected value 'Bearer <JWT>'")
        }
        Some(TokenError::NotEnoughSegments) => (StatusCode::UNPROCESSABLE_ENTITY, "Not enough segments"),
        Some(TokenError::Malformed) => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid header string"),
        Some(TokenError::BadSignature) => (StatusCode::UNPROCESSABLE_ENTITY, "Signature verification failed"),
        Some(TokenError::NotYetValid) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "The token is not yet valid (nbf)")
        }
        Some(TokenError::Expired) => (StatusCode::UNAUTHORIZED, "Token has expired"),
        None => (StatusCode::UNAUTHORIZED, "Token has been revoked"),
    };
    Reply::document(status, json!({ "msg": text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_is_401_in_the_words_of_viriot() {
        let denied = Failure::new(ErrorCode::PermissionDenied, "operation not allowed");
        for reply in [Reply::from(denied.clone()), Otherwise(StatusCode::CONFLICT, "Add fails").reply(denied)]
        {
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
            assert_eq!(reply.body, json!({ "message": "operation not allowed" }));
        }
    }

    #[test]
    fn what_viriot_says_of_everything_else_comes_with_what_was_wrong() {
        let reply =
            Otherwise(StatusCode::UNAUTHORIZED, "Add fails").reply(Failure::invalid("imageName is missing"));
        assert_eq!(reply.body, json!({ "message": "Add fails", "detail": "imageName is missing" }));
    }
}
