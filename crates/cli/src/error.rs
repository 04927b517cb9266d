//! What can go wrong with a command.

use std::error::Error as _;
use std::io;

use crate::tokens::TokenError;

/// What can go wrong with a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Client(#[from] morgana_client::Error),
    #[error("{said}; log in with `morgana login -c {controller} -u USER`")]
    NotLoggedIn { said: String, controller: String },
    #[error(transparent)]
    Tokens(#[from] TokenError),
    #[error("there is no password: give it with -p{elsewhere}, or run the command on a terminal")]
    NoPassword { elsewhere: &'static str },
    #[error("cannot read the password")]
    Prompt(#[source] io::Error),
    #[error("the two passwords are not the same")]
    PasswordsDiffer,
    #[error("cannot read the certificates to trust in {}", .file.display())]
    Certificates { file: std::path::PathBuf, source: io::Error },
    #[error("whose vSilo is it? give -t TENANT, or log in as the tenant")]
    NoTenant,
    #[error("cannot write the result")]
    Output(#[from] io::Error),
    #[error("cannot write the result as JSON")]
    Json(#[from] serde_json::Error),
    #[error("cannot write the result as YAML")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

impl Error {
    /// The error and its causes in one line.
    pub(crate) fn in_one_line(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }

    /// Whether the reader of the result has gone away, as `head` does when it has enough.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::Json(error) => error.io_error_kind() == Some(io::ErrorKind::BrokenPipe),
            _ => false,
        }
    }
}
