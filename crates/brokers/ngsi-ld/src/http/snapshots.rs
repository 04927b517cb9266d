//! `/snapshots` and operations inside of snapshots (NGSI-LD 5.16, 6.3.22, 6.36 to 6.38).

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::{
    Door, ROOT, Route, Shared,
    batch::{Asking, asking},
    distributed,
    entities::has_content,
    reply,
    request::{Asked, Sent, filled},
    service::Interface,
};
use crate::{
    Broker, Context, Entity, Error, ErrorKind,
    history::Window,
    model::{Json, check_uri},
    sources::read_entity,
};

const SNAPSHOT: HeaderName = HeaderName::from_static("ngsild-snapshot");

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/snapshots", get(list).post(create).delete(purge)),
        ("/snapshots/{id}", get(retrieve).patch(update).delete(remove)),
        ("/snapshots/{id}/clone", post(clone)),
    ]
}

/// The snapshot that a request names.
pub(super) fn named(request: &Request) -> Option<HeaderValue> {
    filled(request.headers(), &SNAPSHOT).cloned()
}

/// Hands a request to the snapshot that it names; the answer names it again. In a box, as requests to the present are
/// not to be as large as those to snapshots.
pub(super) fn answer(door: &Door, named: HeaderValue, mut request: Request) -> BoxFuture<'_, Response> {
    async move {
        let id = named.to_str().unwrap_or_default();
        let id = id.rsplit_once("/snapshots/").map_or(id, |(_, id)| id);
        let mut response = match door.broker.snapshot_broker(id) {
            Ok(broker) => {
                request.headers_mut().remove(SNAPSHOT);
                Interface::new(broker, Arc::clone(&door.options)).answer(request).await
            }
            Err(error) => error.into_response(),
        };
        response.headers_mut().insert(SNAPSHOT, named);
        response
    }
    .boxed()
}

async fn create(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let context = sent.context(&door.broker).await?;
    let queries = |member: &str| match sent.body.get(member) {
        None => Ok(Vec::new()),
        Some(Json::Array(items)) if !items.is_empty() => Ok(items.to_vec()),
        Some(_) => Err(Error::bad(format!("{member} must be an array with at least one query"))),
    };
    let (asked, of_past) = (queries("snapshotQueries")?, queries("snapshotTemporalQueries")?);
    if asked.is_empty() && of_past.is_empty() {
        return Err(Error::bad("a snapshot needs snapshotQueries or snapshotTemporalQueries"));
    }
    for query in &asked {
        if query.get("temporalQ").is_some() {
            return Err(Error::bad("snapshotQueries: temporalQ does not belong to a query of the present"));
        }
        asking(query, &context)?;
    }
    // A query of the past that cannot be answered is told now rather than by a snapshot without it.
    for query in &of_past {
        find_past(&door, query, &context, 0, &[]).await?;
    }
    let (id, copy) = door.broker.create_snapshot(&sent.body).await?;
    let name = id.clone();
    tokio::spawn(async move {
        let mut details = Vec::with_capacity(asked.len());
        for query in &asked {
            details.push(detail(fill(&door, &copy, query, &context).await));
        }
        for query in &of_past {
            details.push(detail(fill_past(&door, &copy, query, &context).await));
        }
        if let Err(error) = door.broker.finish_snapshot(&name, details).await {
            tracing::warn!(snapshot = %name, %error, "cannot say that a snapshot is ready");
        }
    });
    Ok(reply::created(&format!("{ROOT}/snapshots"), &id))
}

/// An ExecutionResult: what a query found.
fn detail(found: Result<usize, Error>) -> Json {
    let (status, problem) = match &found {
        Ok(0) => ("empty", None),
        Ok(_) => ("success", None),
        Err(error) => ("failure", Some(error.to_string())),
    };
    let mut members: Vec<(Box<str>, Json)> = vec![("resultStatus".into(), status.into())];
    members.extend(problem.map(|text| ("problemDetails".into(), (&*text).into())));
    Json::Object(members.into())
}

/// Copies what a query finds, here and at sources, page by page, as any client would (NGSI-LD 5.16.1.4).
async fn fill(door: &Door, copy: &Broker, query: &Json, context: &Arc<Context>) -> Result<usize, Error> {
    let broken = |error: &dyn std::fmt::Display| Error::new(ErrorKind::InternalError, error.to_string());
    let mut members = Vec::from(query.as_object().unwrap_or_default());
    members.retain(|(name, _)| &**name != "@context");
    members.push(("@context".into(), context.shown()));
    let body = serde_json::to_vec(&Json::Object(members.into())).map_err(|error| broken(&error))?;
    let present = Interface::new(door.broker.clone(), Arc::clone(&door.options));
    let limit = door.options.page_max;
    let mut count = 0;
    loop {
        let path = format!("{ROOT}/entityOperations/query?options=sysAttrs&limit={limit}&offset={count}");
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/ld+json")
            .body(Body::from(body.clone()))
            .map_err(|error| broken(&error))?;
        let response = present.answer(request).await;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        let json = Json::parse(&bytes.map_err(|error| broken(&error))?).map_err(|error| broken(&error))?;
        let Some(items) = json.as_array().filter(|_| status == StatusCode::OK) else {
            let detail = json.get("detail").and_then(Json::as_str).unwrap_or("the query failed");
            return Err(Error::new(ErrorKind::InternalError, detail));
        };
        let entities = items.iter().map(|item| read_entity(item, context)).collect::<Result<Vec<_>, _>>()?;
        let found = entities.len();
        copy.put_copies(entities).await?;
        count += found;
        if found < limit {
            return Ok(count);
        }
    }
}

/// What a query of the past finds here and in `remote`, at most `limit` entities (NGSI-LD 5.7.4).
async fn find_past(
    door: &Door,
    query: &Json,
    context: &Context,
    limit: usize,
    remote: &[Entity],
) -> Result<Vec<Entity>, Error> {
    let Asking { queries, projection, .. } = asking(query, context)?;
    let temporal =
        query.get("temporalQ").ok_or_else(|| Error::bad("snapshotTemporalQueries: temporalQ is missing"))?;
    let window = Window::from_json(temporal)?;
    let page =
        door.broker.query_past(&queries, &window, (0, limit, false), false, &projection, remote).await?;
    Ok(page.entities.into_iter().map(Arc::unwrap_or_clone).collect())
}

/// Copies what a query of the past finds, here and at sources.
async fn fill_past(door: &Door, copy: &Broker, query: &Json, context: &Arc<Context>) -> Result<usize, Error> {
    let remote = distributed::past_of_query(door, query, context).await?;
    let remote = distributed::RemotePast::entities(Some(&remote));
    let found = find_past(door, query, context, usize::MAX, remote).await?;
    let count = found.len();
    copy.put_past(found).await?;
    Ok(count)
}

async fn list(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let paging = asked.params.paging(&door.options)?;
    let all = door.broker.snapshots();
    let total = all.len();
    let page: Vec<_> = all.into_iter().skip(paging.offset).take(paging.limit).collect();
    let more = paging.offset + page.len() < total;
    let response = reply::body(StatusCode::OK, &page, &asked.context, asked.accepted);
    Ok(reply::page(response, &asked.path, &asked.params, paging, more, paging.count.then_some(total)))
}

async fn retrieve(State(door): Shared, Path(id): Path<String>, asked: Asked) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let found = door.broker.snapshot(&id)?;
    Ok(reply::body(StatusCode::OK, &found, &asked.context, asked.accepted))
}

async fn update(State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    has_content(&sent.body)?;
    door.broker.update_snapshot(&id, &sent.body).await?;
    let now = door.broker.snapshot(&id)?;
    Ok(reply::body(StatusCode::OK, &now, &Context::core(), sent.accepted))
}

async fn remove(State(door): Shared, Path(id): Path<String>) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    door.broker.delete_snapshot(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn purge(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let q = asked.params.get("q")?.ok_or_else(|| Error::bad("a purge of snapshots needs q"))?;
    door.broker.purge_snapshots(q).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// NGSI-LD 5.16.2.
async fn clone(State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let original = door.broker.snapshot_broker(&id)?;
    let details = door.broker.snapshot(&id)?;
    let mut members = Vec::from(sent.body.as_object().unwrap_or_default());
    for member in ["snapshotQueries", "snapshotTemporalQueries"] {
        members.retain(|(name, _)| &**name != member);
        members.extend(details.get(member).map(|queries| (member.into(), queries.clone())));
    }
    let (new, copy) = door.broker.create_snapshot(&Json::Object(members.into())).await?;
    let details = details.get("snapshotQueriesDetails").and_then(Json::as_array).unwrap_or_default().to_vec();
    let name = new.clone();
    tokio::spawn(async move {
        let all = original.query(&crate::EntityQuery::default(), 0, usize::MAX, false).entities;
        let copied = async {
            copy.put_copies(all.iter().map(|entity| Entity::clone(entity)).collect()).await?;
            original.copy_past(&copy).await
        };
        let copied = copied.await;
        let details = match copied {
            Ok(()) => details,
            Err(error) => vec![detail(Err(error))],
        };
        if let Err(error) = door.broker.finish_snapshot(&name, details).await {
            tracing::warn!(snapshot = %name, %error, "cannot say that a snapshot is ready");
        }
    });
    Ok(reply::created(&format!("{ROOT}/snapshots"), &new))
}
