//! `/v2/op/update`, `/v2/op/query` and `/v2/op/notify`.

use super::{
    Handled, Reply,
    entities::{is_missing, render_list},
    request::Call,
};
use crate::{
    Action, Query,
    input::{parse_notification, parse_query_body, parse_update},
};

/// `POST /v2/op/update`
pub(super) async fn update(call: &Call<'_>) -> Handled {
    let update = parse_update(&call.document()?, call.params.has("keyValues"))?;
    match call.broker().update(&call.scope, &update, call.update_options()).await {
        Err(error) if update.action == Action::Update && is_missing(&error) => {
            match call.broker().hand_missing(&call.scope, &update.entities).await {
                true => Ok(Reply::done()),
                false => Err(error.into()),
            }
        }
        result => Ok(result.map(|()| Reply::done())?),
    }
}

/// `POST /v2/op/query`
pub(super) async fn query(call: &Call<'_>) -> Handled {
    let body = parse_query_body(&call.document()?)?;
    let (offset, limit) = call.params.page(&call.service.options)?;
    let query = Query {
        selectors: body.selectors,
        paths: call.scope.paths.clone(),
        q: body.expression.q,
        mq: body.expression.mq,
        geo: body.expression.geo,
        having: body.having,
        order: call.params.order()?,
        offset,
        limit,
        count: call.params.has("count"),
    };
    let (mut entities, total) = call.broker().query(&call.scope, &query);
    if !call.params.has("skipForwarding") {
        let names = body.attrs.clone().unwrap_or_default();
        call.broker().ask_providers(&call.scope, &query.selectors, &names, &mut entities).await;
    }
    let body = render_list(&entities, body.attrs.as_ref(), body.metadata.as_ref(), call.params.format());
    Ok(Reply::json(body).with_total(total))
}

/// `POST /v2/op/notify`: a notification of another broker is an update.
pub(super) async fn notify(call: &Call<'_>) -> Handled {
    let update = parse_notification(&call.document()?)?;
    call.broker().update(&call.scope, &update, call.update_options()).await?;
    Ok(Reply::ok())
}
