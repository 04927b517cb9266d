//! What is in the file: connections to it, its damage check, its tables and how they came about.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

use super::SqliteOptions;
use super::failure::failure;
use crate::Error;

/// Marks a file as a System DB: "Morg" in ASCII.
const APPLICATION_ID: u32 = 0x4d6f_7267;

/// The steps from an empty file to the newest schema. Step n leads to schema version n + 1. A step
/// that was ever released is never changed; a new one goes to the end.
const STEPS: &[&str] = &["
    CREATE TABLE records (
        kind     TEXT    NOT NULL,
        key      TEXT    NOT NULL,
        revision INTEGER NOT NULL,
        document TEXT    NOT NULL,
        PRIMARY KEY (kind, key)
    ) STRICT;
    CREATE TABLE store (
        one      INTEGER PRIMARY KEY CHECK (one = 1),
        revision INTEGER NOT NULL
    ) STRICT;
    INSERT INTO store VALUES (1, 0);
"];

/// Past this many bytes the write-ahead log is cut back when its content is in the database.
const WRITE_AHEAD_LOG_BYTES: u32 = 4 * 1024 * 1024;

/// SQLite's default, said here because the size limit is counted in pages.
const PAGE_BYTES: u32 = 4096;

/// How to connect to `file`, which must be there.
pub(super) fn connect_options(file: &Path, options: &SqliteOptions) -> SqliteConnectOptions {
    let connect = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .page_size(PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode only FULL keeps the last commits through a power cut.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_millis(options.busy_timeout_milliseconds))
        .pragma("cache_size", format!("-{}", options.cache_kibibytes))
        .pragma("journal_size_limit", WRITE_AHEAD_LOG_BYTES.to_string())
        .thread_name(|id| format!("store-{id}"))
        .statement_cache_capacity(16)
        .disable_statement_logging();
    match options.size_limit_mebibytes {
        Some(limit) => {
            let pages = u64::from(limit) * 1024 * 1024 / u64::from(PAGE_BYTES);
            connect.pragma("max_page_count", pages.to_string())
        }
        None => connect,
    }
}

/// Refuses a file that is damaged, foreign or too new, and brings an older one up to date.
pub(super) async fn establish(
    connection: &mut SqliteConnection,
    file: &Path,
    check: bool,
) -> Result<(), Error> {
    let failed = |source| failure(file, "opening it", Arc::new(source));

    if check {
        let found: String =
            sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *connection).await.map_err(failed)?;
        if found != "ok" {
            return Err(Error::Damaged { file: file.to_owned(), detail: found });
        }
    }
    let application: u32 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(failed)?;
    let found: u32 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(failed)?;
    let tables: u32 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let fresh = application == 0 && found == 0 && tables == 0;
    if application != APPLICATION_ID && !fresh {
        return Err(Error::Foreign { file: file.to_owned() });
    }
    let known = STEPS.len() as u32;
    if found > known {
        return Err(Error::Newer { file: file.to_owned(), found, known });
    }
    for (step, version) in STEPS.iter().zip(1..).skip(found as usize) {
        tracing::info!(file = %file.display(), version, "bringing the system database to a new schema");
        // One transaction a step: a kill in the middle leaves the step before.
        let script = format!(
            "BEGIN IMMEDIATE; {step}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; \
             COMMIT;"
        );
        connection.execute(AssertSqlSafe(script)).await.map_err(failed)?;
    }
    Ok(())
}
