//! The closed list of what can go wrong towards a user, with words for people.

use serde::{Deserialize, Serialize};

/// What kind of failure a user met. HTTP status, oneM2M response code and MQTT reason code are
/// each one mapping from this list at the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ErrorCode {
    /// The request itself is wrong: syntax, an id, a parameter.
    InvalidInput,
    /// No or no valid credentials.
    Unauthenticated,
    /// Known, but not allowed.
    PermissionDenied,
    /// What was named does not exist, or the caller may not know that it does.
    NotFound,
    /// What was to be created exists already.
    AlreadyExists,
    /// The state of the thing does not permit the operation now.
    Conflict,
    /// The caller's expectation of the current version did not hold.
    PreconditionFailed,
    /// Announced, but not built yet.
    NotYet,
    /// A bounded queue is full; trying again later helps.
    TooManyRequests,
    /// A part the operation needs is not there right now; trying again later helps.
    Unavailable,
    /// Our own fault.
    Internal,
}

impl ErrorCode {
    /// The code as it appears in the `type` of a problem document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid-input",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission-denied",
            Self::NotFound => "not-found",
            Self::AlreadyExists => "already-exists",
            Self::Conflict => "conflict",
            Self::PreconditionFailed => "precondition-failed",
            Self::NotYet => "not-yet",
            Self::TooManyRequests => "too-many-requests",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// A failure as a user meets it: the code for programs, the message for people. The message says
/// what was wrong, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The kind of failure.
    pub code: ErrorCode,
    /// What was wrong, where, and how to mend it.
    pub message: String,
    /// When trying again may help, in seconds from now; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

impl Failure {
    /// A failure of the given kind.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_seconds: None }
    }

    /// The same failure, with when to try again.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }

    /// A failure that the caller's input caused.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidInput, message)
    }

    /// A failure because `what` does not exist.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound, format!("{what} does not exist"))
    }
}
