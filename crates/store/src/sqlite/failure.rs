//! SQLite's result codes, as errors that say what to do. <https://www.sqlite.org/rescode.html>

use std::path::Path;
use std::sync::Arc;

use crate::Error;

const PERM: u32 = 3;
const READONLY: u32 = 8;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const NOTADB: u32 = 26;

/// What a failure of SQLite means for the database `file`, while `doing` something with it.
pub(super) fn failure(file: &Path, doing: &'static str, source: Arc<sqlx::Error>) -> Error {
    let file = file.to_owned();
    match primary_code(&source) {
        Some(FULL) => Error::Full { file, source },
        Some(PERM | READONLY | CANTOPEN) => Error::ReadOnly { file, source },
        Some(CORRUPT | NOTADB) => Error::Damaged { file, detail: detail(&source) },
        _ if matches!(*source, sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed) => Error::Closed,
        _ => Error::Database { doing, source },
    }
}

/// The code without the extension in its upper bytes.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let extended: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

fn detail(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}
