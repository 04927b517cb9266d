//! `/csourceSubscriptions` and `/csourceSubscriptions/{id}` (NGSI-LD 6.12, 6.13).

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;

use super::{
    ROOT, Route, Shared,
    entities::has_content,
    reply,
    request::{Asked, Sent},
};
use crate::{Error, model::check_uri};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/csourceSubscriptions", get(list).post(create)),
        ("/csourceSubscriptions/{id}", get(retrieve).patch(update).delete(remove)),
    ]
}

async fn create(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let context = sent.context(&door.broker).await?;
    let id = door.broker.subscribe_to_sources(sent.body, context).await?;
    Ok(reply::created(&format!("{ROOT}/csourceSubscriptions"), &id))
}

async fn list(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let paging = asked.params.paging(&door.options)?;
    let (sys_attrs, with_context) = (asked.params.option("sysAttrs"), asked.accepted.has_context());
    let at = (paging.offset, paging.limit);
    let (page, total) = door.broker.csource_subscriptions(at, &asked.context, sys_attrs, with_context);
    let response = reply::body(StatusCode::OK, &page, &asked.context, asked.accepted);
    let more = paging.offset + page.len() < total;
    Ok(reply::page(response, &asked.path, &asked.params, paging, more, paging.count.then_some(total)))
}

async fn retrieve(State(door): Shared, Path(id): Path<String>, asked: Asked) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let (sys_attrs, with_context) = (asked.params.option("sysAttrs"), asked.accepted.has_context());
    let found = door.broker.csource_subscription(&id, &asked.context, sys_attrs, with_context)?;
    Ok(reply::body(StatusCode::OK, &found, &asked.context, asked.accepted))
}

async fn update(State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let context = sent.context(&door.broker).await?;
    has_content(&sent.body)?;
    door.broker.update_csource_subscription(&id, sent.body, context).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(State(door): Shared, Path(id): Path<String>) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    door.broker.unsubscribe_from_sources(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
