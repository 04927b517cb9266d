//! `/subscriptions` and `/subscriptions/{id}` (NGSI-LD 6.10, 6.11).

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};

use super::{
    ROOT, Route, Shared,
    entities::has_content,
    reply,
    request::{Asked, Sent},
};
use crate::{
    Error, ErrorKind,
    model::{Json, check_uri},
    sources::passed,
    subscriptions::Origin,
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/subscriptions", get(list).post(create)),
        ("/subscriptions/{id}", get(retrieve).patch(update).delete(remove)),
    ]
}

async fn create(State(door): Shared, headers: HeaderMap, mut sent: Sent) -> Result<Response, Error> {
    let context = sent.context(&door.broker).await?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    // A context that no single URL names gets one, so that notifications can name it (NGSI-LD 5.8.1).
    if context.link().is_none() && sent.body.get("jsonldContext").is_none() {
        let url = door.broker.implicit_context(&context, &format!("http://{host}{ROOT}")).await?;
        if let Json::Object(members) = &mut sent.body {
            let mut all = Vec::from(std::mem::take(members));
            all.push(("jsonldContext".into(), Json::String(url)));
            *members = all.into();
        }
    }
    let origin = Origin {
        base: Some(format!("http://{host}").into()),
        via: via(&headers).map(Into::into),
        is_local: sent.params.flag("local")?,
    };
    if passed(&headers, door.broker.alias()) {
        let detail = "the subscription came back to this broker, which made it";
        return Err(Error::new(ErrorKind::LoopDetected, detail));
    }
    let id = door.broker.subscribe_from(sent.body, context, origin).await?;
    Ok(reply::created(&format!("{ROOT}/subscriptions"), &id))
}

/// The brokers that a request came through, as one header.
fn via(headers: &HeaderMap) -> Option<String> {
    let all: Vec<&str> = headers.get_all(header::VIA).iter().filter_map(|via| via.to_str().ok()).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

async fn list(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let paging = asked.params.paging(&door.options)?;
    let (sys_attrs, with_context) = (asked.params.option("sysAttrs"), asked.accepted.has_context());
    let (page, total) =
        door.broker.subscriptions(paging.offset, paging.limit, &asked.context, sys_attrs, with_context);
    let response = reply::body(StatusCode::OK, &page, &asked.context, asked.accepted);
    let more = paging.offset + page.len() < total;
    Ok(reply::page(response, &asked.path, &asked.params, paging, more, paging.count.then_some(total)))
}

async fn retrieve(State(door): Shared, Path(id): Path<String>, asked: Asked) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let (sys_attrs, with_context) = (asked.params.option("sysAttrs"), asked.accepted.has_context());
    let subscription = door.broker.subscription(&id, &asked.context, sys_attrs, with_context)?;
    Ok(reply::body(StatusCode::OK, &subscription, &asked.context, asked.accepted))
}

async fn update(State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let context = sent.context(&door.broker).await?;
    has_content(&sent.body)?;
    door.broker.update_subscription(&id, sent.body, context).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(State(door): Shared, Path(id): Path<String>) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    door.broker.unsubscribe(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
