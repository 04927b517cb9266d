//! The reads. Each sees every commit that was answered before it began.

use sqlx::sqlite::SqlitePool;

use crate::database::Stored;
use crate::prefix::end_of_prefix;
use crate::{Kind, ListQuery, Revision};

const GET: &str = "SELECT key, revision, document FROM records WHERE kind = ?1 AND key = ?2";

const LIST: &str = "SELECT key, revision, document FROM records \
     WHERE kind = ?1 AND key >= ?2 AND key <> ?3 ORDER BY key LIMIT ?4";

const LIST_BELOW: &str = "SELECT key, revision, document FROM records \
     WHERE kind = ?1 AND key >= ?2 AND key <> ?3 AND key < ?5 ORDER BY key LIMIT ?4";

const REVISION: &str = "SELECT revision FROM store";

pub(super) async fn get(readers: &SqlitePool, kind: Kind, key: &str) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as(GET).bind(kind.as_str()).bind(key).fetch_optional(readers).await
}

pub(super) async fn list(readers: &SqlitePool, kind: Kind, query: &ListQuery) -> sqlx::Result<Vec<Stored>> {
    let prefix = query.prefix.as_deref().unwrap_or_default();
    let after = query.after.as_deref().unwrap_or_default();
    let below = end_of_prefix(prefix);
    sqlx::query_as(if below.is_some() { LIST_BELOW } else { LIST })
        .bind(kind.as_str())
        // One lower bound, so that SQLite goes straight to the first key of the page.
        .bind(prefix.max(after))
        .bind(after)
        .bind(i64::try_from(query.limit).unwrap_or(i64::MAX))
        .bind(below)
        .fetch_all(readers)
        .await
}

pub(super) async fn revision(readers: &SqlitePool) -> sqlx::Result<Revision> {
    let revision: i64 = sqlx::query_scalar(REVISION).fetch_one(readers).await?;
    Ok(revision.cast_unsigned())
}
