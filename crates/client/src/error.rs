//! What can go wrong between a client and the controller.

use morgana_model::{ErrorCode, Failure, Problem, WorkloadName};

use crate::Goal;

/// What can go wrong between a client and the controller.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The base URL does not name a controller.
    #[error("'{given}' is not the URL of a controller: {reason}; give one like http://127.0.0.1:8090")]
    BaseUrl {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token cannot travel in a header.
    #[error("the token ({length} bytes) has characters that no token has; log in again")]
    Token {
        /// How long it is; itself it is never shown.
        length: usize,
    },
    /// The HTTP client or a request could not be made.
    #[error("cannot prepare the HTTP request")]
    Setup(#[source] reqwest::Error),
    /// The certificates to trust are none.
    #[error("cannot read the certificates to trust: they are not in PEM form")]
    Certificates(#[source] reqwest::Error),
    /// Nothing answers at the URL.
    #[error("cannot reach {url}: {reason}; is `morgana up` running? another controller is named with -c URL")]
    Unreachable {
        /// What was asked.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// The controller did not answer in time.
    #[error("{url} did not answer within {seconds} s")]
    TimedOut {
        /// What was asked.
        url: String,
        /// How long it had.
        seconds: u64,
    },
    /// The connection broke in the middle of an answer.
    #[error("the answer of {url} broke off: {reason}")]
    BrokenOff {
        /// What was asked.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// The controller refused, in its own words.
    #[error("{}", .problem.detail)]
    Refused {
        /// What was asked.
        url: String,
        /// The server's problem document (RFC 9457).
        problem: Problem,
    },
    /// The answer is not one of a Morgana controller.
    #[error("{url} answered {status}, but not as a Morgana controller does: {reason}")]
    Unexpected {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The workload became `failed` while it was waited for.
    #[error("{workload} failed: {reason}")]
    WorkloadFailed {
        /// The workload.
        workload: WorkloadName,
        /// Why, in the server's words.
        reason: String,
    },
    /// The workload was taken away while it was waited for to run.
    #[error("{workload} was deleted while it was waited for")]
    WorkloadGone {
        /// The workload.
        workload: WorkloadName,
    },
    /// The workload did not get there in time.
    #[error("{workload} was not {goal} within {seconds} s: {last}")]
    WaitTimedOut {
        /// The workload.
        workload: WorkloadName,
        /// What was waited for.
        goal: Goal,
        /// How long it had.
        seconds: u64,
        /// What was last known of it.
        last: String,
    },
}

impl Error {
    /// The code of the server's refusal; none when it was not the server that refused.
    pub fn code(&self) -> Option<ErrorCode> {
        let Self::Refused { problem, .. } = self else { return None };
        let code = problem.kind.strip_prefix("urn:morgana:error:")?;
        serde_json::from_value(code.into()).ok()
    }

    /// The server's refusal as the failure it began as; none when it was not the server that
    /// refused, or when its code is not one that this client knows.
    pub fn failure(&self) -> Option<Failure> {
        let Self::Refused { problem, .. } = self else { return None };
        self.code().map(|code| Failure::new(code, problem.detail.clone()))
    }

    /// Whether the same request may well succeed later: the controller is away or overloaded.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::BrokenOff { .. } => true,
            Self::Refused { problem, .. } => matches!(problem.status, 429 | 502..=504),
            Self::Unexpected { status, .. } => matches!(status, 502..=504),
            _ => false,
        }
    }

    pub(crate) fn from_transport(url: &str, source: &reqwest::Error, seconds: u64) -> Self {
        let url = url.to_owned();
        if source.is_timeout() && !source.is_connect() {
            return Self::TimedOut { url, seconds };
        }
        let reason = innermost(source);
        if source.is_connect() { Self::Unreachable { url, reason } } else { Self::BrokenOff { url, reason } }
    }
}

/// The last error of a chain of causes: the one that says what happened, not where.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: &str, status: u16) -> Error {
        let problem = Problem { kind: kind.into(), title: "t".into(), status, detail: "no silo 'x'".into() };
        Error::Refused { url: "http://h/".into(), problem }
    }

    #[test]
    fn a_refusal_speaks_with_the_servers_words_and_code() {
        let error = refused("urn:morgana:error:not-found", 404);
        assert_eq!(error.to_string(), "no silo 'x'");
        assert_eq!(error.failure(), Some(Failure::new(ErrorCode::NotFound, "no silo 'x'")));
    }

    #[test]
    fn an_unknown_code_is_no_code_but_keeps_its_words() {
        let error = refused("urn:morgana:error:eaten-by-a-bear", 400);
        assert_eq!((error.code(), error.to_string().as_str()), (None, "no silo 'x'"));
    }

    #[test]
    fn only_what_may_pass_is_transient() {
        assert!(refused("urn:morgana:error:unavailable", 503).is_transient());
        assert!(refused("urn:morgana:error:too-many-requests", 429).is_transient());
        assert!(!refused("urn:morgana:error:not-found", 404).is_transient());
        assert!(!refused("urn:morgana:error:internal", 500).is_transient());
    }
}
