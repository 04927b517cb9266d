use http::StatusCode;
use morgana_journal::AppendError;
use thiserror::Error;

/// What kind of error a request met (NGSIv2 Orion API, "Error Responses").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The body is not JSON.
    ParseError,
    /// The request breaks a rule, whatever the state of the broker.
    BadRequest,
    /// The entity, attribute, subscription or registration does not exist.
    NotFound,
    /// The request names an entity by its id only, and there are several.
    TooManyResults,
    /// The request cannot be carried out in the broker's present state.
    Unprocessable,
    /// A part of the request was carried out.
    PartialUpdate,
    /// An entity would have more than one location.
    NoResourcesAvailable,
    /// The query is well-formed and the broker cannot answer it.
    NotSupportedQuery,
    /// The path has no such method.
    MethodNotAllowed,
    /// The answer cannot be given in a form that the client accepts.
    NotAcceptable,
    /// The body has no length.
    ContentLengthRequired,
    /// The body is too large.
    RequestEntityTooLarge,
    /// The body is in a form that the broker does not read.
    UnsupportedMediaType,
    /// The interface has this operation; this broker does not.
    NotImplemented,
    /// The client does not show the broker's token.
    Unauthorized,
    /// Something broke in the broker.
    InternalServerError,
    /// The broker cannot write: its disk refuses, or it is shutting down.
    ServiceUnavailable,
}

impl ErrorKind {
    /// The word in an error body's `error` member.
    pub fn name(self) -> &'static str {
        match self {
            Self::ParseError => "ParseError",
            Self::BadRequest => "BadRequest",
            Self::NotFound => "NotFound",
            Self::TooManyResults => "TooManyResults",
            Self::Unprocessable => "Unprocessable",
            Self::PartialUpdate => "PartialUpdate",
            Self::NoResourcesAvailable => "NoResourcesAvailable",
            Self::NotSupportedQuery => "NotSupportedQuery",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable => "NotAcceptable",
            Self::ContentLengthRequired => "ContentLengthRequired",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
            Self::NotImplemented => "NotImplemented",
            Self::Unauthorized => "Unauthorized",
            Self::InternalServerError => "InternalServerError",
            Self::ServiceUnavailable => "ServiceUnavailable",
        }
    }

    /// The HTTP status that goes with it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::ParseError | Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooManyResults => StatusCode::CONFLICT,
            Self::Unprocessable | Self::PartialUpdate | Self::NotSupportedQuery => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::NoResourcesAvailable | Self::RequestEntityTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::ContentLengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::InternalServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Why a request was refused, in the words that Orion's users know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{description}")]
pub struct Error {
    kind: ErrorKind,
    description: String,
}

impl Error {
    /// An error of `kind`; `description` names what offended.
    pub fn new(kind: ErrorKind, description: impl Into<String>) -> Self {
        Self { kind, description: description.into() }
    }

    pub(crate) fn bad(description: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequest, description)
    }

    pub(crate) fn parse() -> Self {
        Self::new(ErrorKind::ParseError, "Errors found in incoming JSON buffer")
    }

    pub(crate) fn no_entity() -> Self {
        Self::new(ErrorKind::NotFound, "The requested entity has not been found. Check type and id")
    }

    pub(crate) fn no_attribute() -> Self {
        Self::new(ErrorKind::NotFound, "The entity does not have such an attribute")
    }

    pub(crate) fn ambiguous() -> Self {
        Self::new(ErrorKind::TooManyResults, "More than one matching entity. Please refine your query")
    }

    /// The kind of error, for a decision.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What offended, for people.
    pub fn description(&self) -> &str {
        &self.description
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        let kind = match error {
            AppendError::TooLarge { .. } => ErrorKind::RequestEntityTooLarge,
            AppendError::ReadOnly { .. } | AppendError::Closed => ErrorKind::ServiceUnavailable,
        };
        Self::new(kind, error.to_string())
    }
}
