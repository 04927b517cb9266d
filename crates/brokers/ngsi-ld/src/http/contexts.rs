//! `/jsonldContexts` and `/jsonldContexts/{id}` (NGSI-LD 6.29, 6.30).

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;

use super::{
    ROOT, Route, Shared, reply,
    request::{Accepted, Asked, Sent},
};
use crate::{
    Context, Error, ErrorKind,
    context::{ContextInfo, ContextKind},
    model::Timestamp,
};

pub(super) fn routes() -> Vec<Route> {
    vec![("/jsonldContexts", get(list).post(add)), ("/jsonldContexts/{id}", get(serve).delete(remove))]
}

/// NGSI-LD 5.2.28.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    #[serde(rename = "URL")]
    url: String,
    local_id: Box<str>,
    kind: &'static str,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_usage: Option<Timestamp>,
    number_of_hits: u64,
}

/// Where this broker serves a context, as the client sees the broker.
fn url(headers: &HeaderMap, info: &ContextInfo) -> String {
    if info.kind == ContextKind::Cached {
        return info.id.to_string();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("http://{host}{ROOT}/jsonldContexts/{}", info.id)
}

fn described(headers: &HeaderMap, info: ContextInfo) -> Described {
    Described {
        url: url(headers, &info),
        kind: info.kind.name(),
        created_at: info.created_at,
        last_usage: info.last_usage,
        number_of_hits: info.hits,
        local_id: info.id,
    }
}

async fn add(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let id = door.broker.host_context(sent.body).await?;
    Ok(reply::created(&format!("{ROOT}/jsonldContexts"), &id))
}

async fn list(State(door): Shared, headers: HeaderMap, asked: Asked) -> Result<Response, Error> {
    let kind = |name: &str| {
        ContextKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            Error::bad(format!("parameter kind must be Hosted, Cached or ImplicitlyCreated, not \"{name}\""))
        })
    };
    let wanted = asked.params.get("kind")?.map(kind).transpose()?;
    let details = asked.params.flag("details")?;
    let infos = door.broker.context_infos().into_iter();
    let infos = infos.filter(|info| wanted.is_none_or(|kind| kind == info.kind));
    let core = Context::core();
    Ok(if details {
        let described: Vec<_> = infos.map(|info| described(&headers, info)).collect();
        reply::body(StatusCode::OK, &described, &core, Accepted::Json)
    } else {
        let urls: Vec<_> = infos.map(|info| url(&headers, &info)).collect();
        reply::body(StatusCode::OK, &urls, &core, Accepted::Json)
    })
}

async fn serve(
    State(door): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Error> {
    let id = local_id(&id);
    let core = Context::core();
    if asked.params.flag("details")? {
        let info = door.broker.context_info(id).ok_or_else(|| not_found(id))?;
        return Ok(reply::body(StatusCode::OK, &described(&headers, info), &core, Accepted::Json));
    }
    match door.broker.context_document(id) {
        Some(document) => Ok(reply::body(StatusCode::OK, &document, &core, asked.accepted)),
        None if door.broker.context_info(id).is_some() => {
            let detail =
                format!("context {id} is only cached here; take it from its own server (NGSI-LD 5.13.4)");
            Err(Error::new(ErrorKind::OperationNotSupported, detail))
        }
        None => Err(not_found(id)),
    }
}

async fn remove(State(door): Shared, Path(id): Path<String>, asked: Asked) -> Result<Response, Error> {
    let reload = asked.params.flag("reload")?;
    door.broker.delete_context(local_id(&id), reload).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A context may be named by its id, or by the whole URL at which this broker serves it.
fn local_id(id: &str) -> &str {
    id.rsplit_once("/jsonldContexts/").map_or(id, |(_, id)| id)
}

fn not_found(id: &str) -> Error {
    Error::new(ErrorKind::ResourceNotFound, format!("there is no context {id}"))
}
