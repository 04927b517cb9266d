//! PostgreSQL's error codes, as errors that say what to do.
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>

use std::sync::Arc;

use crate::Error;

/// What a failure of the server means, while `doing` something with the database.
pub(super) fn failure(database: &str, doing: &'static str, source: sqlx::Error) -> Error {
    if matches!(source, sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed) {
        return Error::Closed;
    }
    let hint = hint(&source);
    Error::Server { database: database.to_owned(), doing, hint, source: Arc::new(source) }
}

fn hint(error: &sqlx::Error) -> &'static str {
    let Some(error) = error.as_database_error() else {
        return match error {
            sqlx::Error::PoolTimedOut => "the server does not answer in time; see whether it runs",
            sqlx::Error::Io(_) => "the server cannot be reached; see whether it runs and listens there",
            sqlx::Error::Tls(_) => {
                "TLS with the server failed; see sslmode and sslrootcert in the address of the database"
            }
            _ => "the server did not answer as it should",
        };
    };
    match error.code().unwrap_or_default().as_ref() {
        "28000" | "28P01" => "the server does not know the user, or not with this password",
        "3D000" => "there is no such database; create it with `createdb`",
        "42501" => "the user may not do this; make it the owner of the database",
        "53100" => "the server's disk is full; free some space",
        "53300" => "the server has no connection left; raise max_connections",
        "25006" => "the server only reads: it is a replica, or its disk is read-only",
        "57P01" | "57P02" | "57P03" => "the server is starting or stopping",
        "57P05" => "the server ended the session, which was silent for too long",
        _ => "the server refused it",
    }
}
