//! `/v2/subscriptions`.

use super::{Handled, Reply, request::Call};
use crate::Error;

/// Checks an id of the form that the broker gives.
///
/// # Errors
/// When it is not one.
pub(super) fn check_id(id: &str, what: &str) -> Result<(), Error> {
    if id.len() != 24 {
        return Err(Error::bad(format!("Invalid {what} ID: bad length - 24 chars expected")));
    }
    if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::bad(format!("Invalid {what} ID: invalid char in ID string")));
    }
    Ok(())
}

/// `GET /v2/subscriptions`
pub(super) fn list(call: &Call<'_>) -> Handled {
    let (offset, limit) = call.params.page(&call.service.options)?;
    let (body, total) = call.broker().show_subscriptions(&call.scope, offset, limit);
    Ok(Reply::json(body).with_total(call.params.has("count").then_some(total)))
}

/// `POST /v2/subscriptions`
pub(super) async fn create(call: &Call<'_>) -> Handled {
    let id = call.broker().subscribe(&call.scope, call.document()?).await?;
    Ok(Reply::created(&format!("/v2/subscriptions/{id}")))
}

/// `GET /v2/subscriptions/{id}`
pub(super) fn show(call: &Call<'_>, id: &str) -> Handled {
    check_id(id, "subscription")?;
    Ok(Reply::json(call.broker().show_subscription(&call.scope, id)?))
}

/// `PATCH /v2/subscriptions/{id}`
pub(super) async fn update(call: &Call<'_>, id: &str) -> Handled {
    check_id(id, "subscription")?;
    call.broker().update_subscription(&call.scope, id, &call.document()?).await?;
    Ok(Reply::done())
}

/// `DELETE /v2/subscriptions/{id}`
pub(super) async fn delete(call: &Call<'_>, id: &str) -> Handled {
    check_id(id, "subscription")?;
    call.broker().unsubscribe(&call.scope, id).await?;
    Ok(Reply::done())
}
