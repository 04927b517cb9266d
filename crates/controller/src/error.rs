//! What goes wrong inside the controller, and how it looks to a user.

use morgana_model::{ErrorCode, Failure};

/// An error of the controller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The System DB did not do as asked.
    #[error("the system database failed")]
    Store(#[from] morgana_store::Error),
    /// The fabric did not do as asked.
    #[error("the fabric failed {doing}")]
    Fabric {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: morgana_fabric::ClientError,
    },
    /// The node agent did not do as asked.
    #[error("the node agent failed {doing}")]
    Node {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: morgana_node::Error,
    },
    /// A control message could not be written.
    #[error("a control message could not be written as JSON")]
    Message(#[source] serde_json::Error),
    /// A password could not be hashed, or a token not be made.
    #[error("the credentials could not be made")]
    Credentials(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The user is at fault, or has to be told.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// The error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        use morgana_store::Error as StoreError;
        match error {
            Error::Failure(failure) => failure,
            Error::Store(StoreError::Conflict { kind, key, .. }) => Self::new(
                ErrorCode::Conflict,
                format!(
                    "{kind} '{key}' was changed by somebody else at the same time; look at it and try again"
                ),
            ),
            Error::Store(StoreError::Invalid { reason, .. }) => {
                Self::invalid(format!("it cannot be stored: {reason}"))
            }
            Error::Store(
                error @ (StoreError::Full { .. }
                | StoreError::ReadOnly { .. }
                | StoreError::NotLeading
                | StoreError::Closed),
            ) => {
                tracing::error!(error = %chain(&error), "operation failed");
                Self::new(
                    ErrorCode::Unavailable,
                    "the system database cannot be written now; nothing was changed, try again later",
                )
            }
            // Where the answer to a commit was lost, nobody knows whether it happened.
            Error::Store(error @ StoreError::Server { .. }) => {
                tracing::error!(error = %chain(&error), "operation failed");
                Self::new(
                    ErrorCode::Unavailable,
                    "the system database does not answer now; look whether it was done before trying again",
                )
            }
            error => {
                tracing::error!(error = %chain(&error), "operation failed");
                Self::new(
                    ErrorCode::Internal,
                    "an internal error occurred; the administrator finds the cause in the log",
                )
            }
        }
    }
}
