//! `/v2/registrations`.

use super::{Handled, Reply, request::Call, subscriptions::check_id};

/// `GET /v2/registrations`
pub(super) fn list(call: &Call<'_>) -> Handled {
    let (offset, limit) = call.params.page(&call.service.options)?;
    let (body, total) = call.broker().show_registrations(&call.scope, offset, limit);
    Ok(Reply::json(body).with_total(call.params.has("count").then_some(total)))
}

/// `POST /v2/registrations`
pub(super) async fn create(call: &Call<'_>) -> Handled {
    let id = call.broker().register(&call.scope, call.document()?).await?;
    Ok(Reply::created(&format!("/v2/registrations/{id}")))
}

/// `GET /v2/registrations/{id}`
pub(super) fn show(call: &Call<'_>, id: &str) -> Handled {
    check_id(id, "registration")?;
    Ok(Reply::json(call.broker().show_registration(&call.scope, id)?))
}

/// `DELETE /v2/registrations/{id}`
pub(super) async fn delete(call: &Call<'_>, id: &str) -> Handled {
    check_id(id, "registration")?;
    call.broker().unregister(&call.scope, id).await?;
    Ok(Reply::done())
}
