//! What is in the database: its check, its tables and how they came about.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::failure::failure;
use crate::Error;

/// The steps from an empty database to the newest schema. Step n leads to schema version n + 1. A
/// step that was ever released is never changed; a new one goes to the end.
///
/// Documents are text, because `jsonb` holds no NUL character and forgets the order of members; keys
/// are compared byte by byte, as the order of a list is promised to be.
const STEPS: &[&str] = &["
    CREATE TABLE morgana_records (
        kind     text             NOT NULL,
        key      text COLLATE \"C\" NOT NULL,
        revision bigint           NOT NULL,
        document text             NOT NULL,
        PRIMARY KEY (kind, key)
    );
    CREATE TABLE morgana_store (
        one      integer PRIMARY KEY CHECK (one = 1),
        revision bigint  NOT NULL,
        leader   text    NOT NULL
    );
    INSERT INTO morgana_store VALUES (1, 0, '');
"];

/// Held while the schema is looked at and changed, so that of two controllers that start together one
/// makes it. Any number that others do not use: "Morgana" in ASCII, and one.
const SCHEMA_LOCK: &str = "SELECT pg_advisory_xact_lock(21799019567050081)";

/// Refuses a database that cannot hold ours or is too new, and brings an older one up to date.
pub(super) async fn establish(connection: &mut PgConnection, database: &str) -> Result<(), Error> {
    let failed = |source| failure(database, "opening it", source);
    let unsuitable = |reason: String| Error::Unsuitable { database: database.to_owned(), reason };

    let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if encoding != "UTF8" {
        return Err(unsuitable(format!(
            "its encoding is {encoding}: create it with `createdb --encoding=UTF8 --template=template0`"
        )));
    }
    let mut transaction = connection.begin().await.map_err(failed)?;
    transaction.execute(SCHEMA_LOCK).await.map_err(failed)?;
    transaction
        .execute("CREATE TABLE IF NOT EXISTS morgana_schema (version integer NOT NULL)")
        .await
        .map_err(failed)?;
    let found: Option<i32> = sqlx::query_scalar("SELECT max(version) FROM morgana_schema")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
    let found = usize::try_from(found.unwrap_or(0)).unwrap_or(0);
    if found > STEPS.len() {
        return Err(unsuitable(format!(
            "it has schema {found}, and this program knows {} at most; start a version of the platform that is \
             as new as the data",
            STEPS.len()
        )));
    }
    for (step, version) in STEPS.iter().zip(1_i32..).skip(found) {
        tracing::info!(database, version, "bringing the system database to a new schema");
        transaction.execute(AssertSqlSafe((*step).to_owned())).await.map_err(failed)?;
        sqlx::query("INSERT INTO morgana_schema VALUES ($1)")
            .bind(version)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}
