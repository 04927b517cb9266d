//! The reads. Each sees every commit that was answered before it began, whoever made it.

use sqlx::postgres::PgPool;

use crate::database::Stored;
use crate::prefix::end_of_prefix;
use crate::{Kind, ListQuery, Revision};

const GET: &str = "SELECT key, revision, document FROM morgana_records WHERE kind = $1 AND key = $2";

const LIST: &str = "SELECT key, revision, document FROM morgana_records \
     WHERE kind = $1 AND key >= $2 AND key <> $3 AND ($5::text IS NULL OR key < $5) ORDER BY key LIMIT $4";

const REVISION: &str = "SELECT revision FROM morgana_store";

pub(super) async fn get(readers: &PgPool, kind: Kind, key: &str) -> sqlx::Result<Option<Stored>> {
    // No key holds a NUL character, and the server does not take one to look for either.
    if key.contains('\0') {
        return Ok(None);
    }
    sqlx::query_as(GET).bind(kind.as_str()).bind(key).fetch_optional(readers).await
}

pub(super) async fn list(readers: &PgPool, kind: Kind, query: &ListQuery) -> sqlx::Result<Vec<Stored>> {
    let prefix = query.prefix.as_deref().unwrap_or_default();
    let after = query.after.as_deref().unwrap_or_default();
    if prefix.contains('\0') || after.contains('\0') {
        return Ok(Vec::new());
    }
    sqlx::query_as(LIST)
        .bind(kind.as_str())
        .bind(prefix.max(after))
        .bind(after)
        .bind(i64::try_from(query.limit).unwrap_or(i64::MAX))
        .bind(end_of_prefix(prefix))
        .fetch_all(readers)
        .await
}

pub(super) async fn revision(readers: &PgPool) -> sqlx::Result<Revision> {
    let revision: i64 = sqlx::query_scalar(REVISION).fetch_one(readers).await?;
    Ok(revision.cast_unsigned())
}
