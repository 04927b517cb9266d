use morgana_journal::AppendError;
use thiserror::Error;

/// What kind of error an operation met (NGSI-LD 5.5.2, table 5.5.2-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is not well-formed, for example its JSON.
    InvalidRequest,
    /// The request's content breaks a rule of the information model or of the operation.
    BadRequestData,
    /// The entity, subscription or other resource already exists.
    AlreadyExists,
    /// The operation goes against a registration of a context source, or a registration against what is there.
    Conflict,
    /// The request came back to a broker that it had been at.
    LoopDetected,
    /// The standard has this operation; this broker, as it was started, does not offer it for what was named.
    OperationNotSupported,
    /// The resource does not exist.
    ResourceNotFound,
    /// Something broke in the broker.
    InternalError,
    /// The query cannot be answered as asked because it is too complex.
    TooComplexQuery,
    /// The query would give more than the broker hands out.
    TooManyResults,
    /// A JSON-LD @context could not be had.
    LdContextNotAvailable,
    /// The tenant that the request names does not exist.
    NonexistentTenant,
    /// The request names a tenant and the broker has only one.
    NoMultiTenantSupport,
    /// The broker cannot write: its disk refuses, or it is shutting down.
    Unavailable,
}

impl ErrorKind {
    /// The error type's IRI, as in a response's `type` member (NGSI-LD 6.3.2). What the standard has no type for is
    /// an internal error.
    pub fn iri(self) -> &'static str {
        match self {
            Self::InvalidRequest => "https://uri.etsi.org/ngsi-ld/errors/InvalidRequest",
            Self::BadRequestData => "https://uri.etsi.org/ngsi-ld/errors/BadRequestData",
            Self::AlreadyExists => "https://uri.etsi.org/ngsi-ld/errors/AlreadyExists",
            Self::Conflict => "https://uri.etsi.org/ngsi-ld/errors/Conflict",
            Self::LoopDetected => "https://uri.etsi.org/ngsi-ld/errors/LoopDetected",
            Self::OperationNotSupported => "https://uri.etsi.org/ngsi-ld/errors/OperationNotSupported",
            Self::ResourceNotFound => "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound",
            Self::InternalError | Self::Unavailable => "https://uri.etsi.org/ngsi-ld/errors/InternalError",
            Self::TooComplexQuery => "https://uri.etsi.org/ngsi-ld/errors/TooComplexQuery",
            Self::TooManyResults => "https://uri.etsi.org/ngsi-ld/errors/TooManyResults",
            Self::LdContextNotAvailable => "https://uri.etsi.org/ngsi-ld/errors/LdContextNotAvailable",
            Self::NonexistentTenant => "https://uri.etsi.org/ngsi-ld/errors/NonexistentTenant",
            Self::NoMultiTenantSupport => "https://uri.etsi.org/ngsi-ld/errors/NoMultiTenantSupport",
        }
    }

    /// A short sentence for people, the same for every error of this kind.
    pub fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "Invalid request",
            Self::BadRequestData => "Bad request data",
            Self::AlreadyExists => "Already exists",
            Self::Conflict => "Conflict",
            Self::LoopDetected => "Loop detected",
            Self::OperationNotSupported => "Operation not supported",
            Self::ResourceNotFound => "Resource not found",
            Self::InternalError => "Internal error",
            Self::TooComplexQuery => "Too complex query",
            Self::TooManyResults => "Too many results",
            Self::LdContextNotAvailable => "JSON-LD context not available",
            Self::NonexistentTenant => "Nonexistent tenant",
            Self::NoMultiTenantSupport => "No multi-tenant support",
            Self::Unavailable => "Broker unavailable",
        }
    }
}

/// Why an operation was refused.
#[derive(Debug, Clone, Error)]
#[error("{detail}")]
pub struct Error {
    kind: ErrorKind,
    detail: String,
    #[source]
    source: Option<AppendError>,
}

impl Error {
    /// An error of `kind`; `detail` names what offended.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), source: None }
    }

    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequestData, detail)
    }

    pub(crate) fn entity_not_found(id: &str) -> Self {
        Self::new(ErrorKind::ResourceNotFound, format!("entity {id} does not exist"))
    }

    /// The kind of error, for a decision.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What offended, for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        let kind = match error {
            AppendError::TooLarge { .. } => ErrorKind::BadRequestData,
            AppendError::ReadOnly { .. } | AppendError::Closed => ErrorKind::Unavailable,
        };
        Self { kind, detail: error.to_string(), source: Some(error) }
    }
}
