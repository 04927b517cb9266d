use std::borrow::Cow;

use http::StatusCode;
use thiserror::Error;

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $code:literal => $http:ident,)*) => {
        /// A response status code (TS-0004 6.6.3), with its HTTP status (TS-0009 6.3.2).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Status {
            $($(#[$doc])* $name = $code,)*
        }

        impl Status {
            /// The status with this number.
            pub fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The HTTP status of the HTTP binding.
            pub fn http(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$http,)*
                }
            }
        }
    };
}

statuses! {
    /// The request is accepted and is carried out later.
    Accepted = 1000 => ACCEPTED,
    /// Accepted; the originator asks for the result.
    AcceptedNonBlockingSync = 1001 => ACCEPTED,
    /// Accepted; the originator is notified of the result.
    AcceptedNonBlockingAsync = 1002 => ACCEPTED,
    /// Done.
    Ok = 2000 => OK,
    /// The resource was created.
    Created = 2001 => CREATED,
    /// The resource was deleted.
    Deleted = 2002 => OK,
    /// The resource was updated.
    Updated = 2004 => OK,
    /// The request is malformed, or an attribute is.
    BadRequest = 4000 => BAD_REQUEST,
    /// The release of the request is not one that the CSE speaks.
    ReleaseVersionNotSupported = 4001 => NOT_IMPLEMENTED,
    /// There is no such resource.
    NotFound = 4004 => NOT_FOUND,
    /// The resource type does not have this operation.
    OperationNotAllowed = 4005 => METHOD_NOT_ALLOWED,
    /// The request expired.
    RequestTimeout = 4008 => GATEWAY_TIMEOUT,
    /// The content is in a format that the CSE does not read.
    UnsupportedMediaType = 4015 => UNSUPPORTED_MEDIA_TYPE,
    /// The subscription's creator may not retrieve the subscribed-to resource.
    SubscriptionCreatorHasNoPrivilege = 4101 => FORBIDDEN,
    /// The content is well-formed but cannot be used.
    ContentsUnacceptable = 4102 => BAD_REQUEST,
    /// The originator may not do this.
    OriginatorHasNoPrivilege = 4103 => FORBIDDEN,
    /// A fan-out request came twice.
    GroupRequestIdentifierExists = 4104 => CONFLICT,
    /// There is a resource of this name already.
    Conflict = 4105 => CONFLICT,
    /// The originator has not registered.
    OriginatorHasNotRegistered = 4106 => FORBIDDEN,
    /// The originator must be one that the CSE can vouch for.
    SecurityAssociationRequired = 4107 => FORBIDDEN,
    /// The parent cannot have a child of this type.
    InvalidChildResourceType = 4108 => FORBIDDEN,
    /// The group has no members.
    NoMembers = 4109 => FORBIDDEN,
    /// The members of the group are not of its type.
    GroupMemberTypeInconsistent = 4110 => BAD_REQUEST,
    /// The originator is registered already.
    OriginatorHasAlreadyRegistered = 4117 => FORBIDDEN,
    /// A notification was refused by its receiver.
    OperationDeniedByRemoteEntity = 4127 => FORBIDDEN,
    /// The originator has no service subscription.
    ServiceSubscriptionNotEstablished = 4128 => FORBIDDEN,
    /// The CSE failed.
    InternalServerError = 5000 => INTERNAL_SERVER_ERROR,
    /// The CSE does not have this.
    NotImplemented = 5001 => NOT_IMPLEMENTED,
    /// The target cannot be reached.
    TargetNotReachable = 5103 => NOT_FOUND,
    /// The receiver may not do this.
    ReceiverHasNoPrivilege = 5105 => FORBIDDEN,
    /// The resource exists already.
    AlreadyExists = 5106 => CONFLICT,
    /// A remote entity cannot be reached.
    RemoteEntityNotReachable = 5107 => NOT_FOUND,
    /// The resource cannot be subscribed to.
    TargetNotSubscribable = 5203 => FORBIDDEN,
    /// A notification target did not answer the verification request.
    SubscriptionVerificationInitiationFailed = 5204 => INTERNAL_SERVER_ERROR,
    /// A notification target does not want notifications from this host.
    SubscriptionHostHasNoPrivilege = 5205 => FORBIDDEN,
    /// The result is in no format that the originator accepts.
    NotAcceptable = 5207 => NOT_ACCEPTABLE,
    /// The request is being carried out, or is done: it cannot be called back.
    UnableToRecallRequest = 5220 => CONFLICT,
    /// A target of a crossResourceSubscription cannot be subscribed to.
    CrossResourceOperationFailure = 5221 => INTERNAL_SERVER_ERROR,
    /// A group has more members than it may have.
    MaxNumberOfMemberExceeded = 6010 => BAD_REQUEST,
    /// An argument of a command has a value that it cannot have.
    InvalidArguments = 6023 => BAD_REQUEST,
    /// An argument of a command is missing.
    InsufficientArguments = 6024 => BAD_REQUEST,
}

impl Status {
    /// The number on the wire.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// Whether the request was done or accepted.
    pub fn is_success(self) -> bool {
        self.code() < 4000
    }
}

/// Why a request was not done: a status, and a text that names what offended (`m2m:dbg`).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{debug}")]
pub struct Failure {
    /// The response status code.
    pub status: Status,
    /// What offended.
    pub debug: Cow<'static, str>,
}

impl Failure {
    /// A failure with a text.
    pub fn new(status: Status, debug: impl Into<Cow<'static, str>>) -> Self {
        Self { status, debug: debug.into() }
    }

    pub(crate) fn bad(debug: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::BadRequest, debug)
    }

    pub(crate) fn not_found(address: &str) -> Self {
        Self::new(Status::NotFound, format!("there is no resource {address}"))
    }

    pub(crate) fn not_allowed(debug: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::OperationNotAllowed, debug)
    }
}

impl From<morgana_journal::AppendError> for Failure {
    fn from(error: morgana_journal::AppendError) -> Self {
        Self::new(Status::InternalServerError, format!("the change could not be made durable: {error}"))
    }
}
