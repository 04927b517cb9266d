//! `/entityOperations/...` (NGSI-LD 6.14 to 6.17, 6.23, 6.31).

use axum::{
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use http::StatusCode;
use morgana_engine::Problem;
use serde::Serialize;

use super::{
    Door, Route, Shared, reply,
    request::{Accepted, Sent},
};
use crate::{
    AppendMode, BatchFailure, BatchResult, Context, EntityQuery, Error, UpsertMode,
    broker::BatchOperation,
    model::{Json, Projection, check_uri},
    query::GeoQuery,
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/entityOperations/create", post(create)),
        ("/entityOperations/upsert", post(upsert)),
        ("/entityOperations/update", post(update)),
        ("/entityOperations/merge", post(merge)),
        ("/entityOperations/delete", post(remove)),
        ("/entityOperations/query", post(query)),
    ]
}

/// NGSI-LD 5.2.16.
#[derive(Serialize)]
struct BatchOperationResult<'a> {
    success: Vec<&'a str>,
    errors: Vec<BatchEntityError<'a>>,
}

/// NGSI-LD 5.2.17.
#[derive(Serialize)]
struct BatchEntityError<'a> {
    #[serde(rename = "entityId")]
    entity_id: &'a str,
    error: Problem,
}

async fn create(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let result = run(&door, sent, BatchOperation::Create).await?;
    Ok(answer(&result, StatusCode::CREATED))
}

async fn upsert(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let mode = if sent.params.option("update") { UpsertMode::Update } else { UpsertMode::Replace };
    let result = run(&door, sent, BatchOperation::Upsert(mode)).await?;
    let status = if result.created.is_empty() { StatusCode::NO_CONTENT } else { StatusCode::CREATED };
    Ok(answer(&result, status))
}

async fn update(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let mode: AppendMode = sent.params.append_mode();
    let result = run(&door, sent, BatchOperation::Update(mode)).await?;
    Ok(answer(&result, StatusCode::NO_CONTENT))
}

async fn merge(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let result = run(&door, sent, BatchOperation::Merge).await?;
    Ok(answer(&result, StatusCode::NO_CONTENT))
}

async fn remove(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let ids = items(&sent.body)?
        .iter()
        .map(|id| {
            id.as_str().ok_or_else(|| Error::bad(format!("an entity id must be a string, not {}", id.kind())))
        })
        .collect::<Result<Vec<_>, _>>()?;
    for id in &ids {
        check_uri(id, "an entity id")?;
    }
    let result = door.broker.delete(&ids).await?;
    Ok(answer(&result, StatusCode::NO_CONTENT))
}

fn items(body: &Json) -> Result<&[Json], Error> {
    match body {
        Json::Array(items) if items.contains(&Json::Null) => Err(Error::bad("the list holds null")),
        Json::Array(items) if !items.is_empty() => Ok(items),
        Json::Array(_) => Err(Error::bad("the list is empty")),
        other => Err(Error::bad(format!("the body must be an array, not {}", other.kind()))),
    }
}

/// Runs an operation on the entities of a body, each in its own context.
async fn run(door: &Door, mut sent: Sent, operation: BatchOperation) -> Result<BatchResult, Error> {
    items(&sent.body)?;
    let form = sent.params.form()?;
    let body = std::mem::replace(&mut sent.body, Json::Null);
    let Json::Array(entities) = body else { return Ok(BatchResult::default()) };
    let mut failed = Vec::new();
    let mut batch = Vec::with_capacity(entities.len());
    for entity in entities {
        match sent.context_of(&entity, &door.broker).await {
            Ok(context) => batch.push((entity, context)),
            Err(error) => {
                let id = entity.get("id").and_then(Json::as_str).unwrap_or_default().into();
                failed.push(BatchFailure { id, error });
            }
        }
    }
    let mut result = door.broker.batch(batch, operation, form).await?;
    result.failed.splice(0..0, failed);
    Ok(result)
}

/// `status` when everything was done, 207 when not (NGSI-LD 6.14.3.1).
fn answer(result: &BatchResult, status: StatusCode) -> Response {
    let context = Context::core();
    if result.failed.is_empty() {
        return match status {
            StatusCode::CREATED => reply::body(status, &result.created, &context, Accepted::Json),
            status => status.into_response(),
        };
    }
    let body = BatchOperationResult {
        success: result.created.iter().chain(&result.updated).map(|id| &**id).collect(),
        errors: result
            .failed
            .iter()
            .map(|failure| BatchEntityError { entity_id: &failure.id, error: Problem::from(&failure.error) })
            .collect(),
    };
    reply::body(StatusCode::MULTI_STATUS, &body, &context, Accepted::Json)
}

/// A query in a body (NGSI-LD 6.23).
async fn query(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let context = sent.context(&door.broker).await?;
    let body = &sent.body;
    if body.get("temporalQ").is_some() {
        return Err(Error::bad("temporalQ belongs to temporal/entityOperations/query"));
    }
    let (queries, projection) = queries(body, &context)?;
    let mut view = sent.params.view(&context)?;
    view.language = body.get("lang").and_then(Json::as_str).map(Into::into).or(view.language);
    view.projection = Projection { dataset_ids: view.projection.dataset_ids, ..projection };
    let paging = sent.params.paging(&door.options)?;
    let mut page = match &sent.remote {
        Some(remote) => remote.page(&door.broker, &queries, paging),
        None => door.broker.query_any(&queries, paging.offset, paging.limit, paging.count),
    };
    page.total = page.total.filter(|_| paging.count);
    let response = reply::entities(&page.entities, &context, &view, sent.accepted, &sent.params)?;
    Ok(reply::page(response, &sent.path, &sent.params, paging, page.more, page.total))
}

/// Which entities a body asks for, and what of them (NGSI-LD 5.2.23).
pub(super) fn queries(body: &Json, context: &Context) -> Result<(Vec<EntityQuery>, Projection), Error> {
    if body.get("type").and_then(Json::as_str) != Some("Query") {
        return Err(Error::bad("type must be \"Query\""));
    }
    for (member, what) in [
        ("join", "linked entity retrieval (member join)"),
        ("orderBy", "ordering of results (member orderBy)"),
    ] {
        if body.get(member).is_some() {
            return Err(Error::unsupported(what));
        }
    }
    let selectors = match body.get("entities") {
        None => vec![EntityQuery::default()],
        Some(Json::Array(items)) if !items.is_empty() => {
            items.iter().map(|item| selector(item, context)).collect::<Result<Vec<_>, _>>()?
        }
        Some(_) => return Err(Error::bad("entities must be an array with at least one entity selector")),
    };
    let attributes = terms(body, "attrs")?;
    let mut queries = Vec::with_capacity(selectors.len());
    for mut query in selectors {
        query = query.with_attributes(attributes.iter().copied(), context)?;
        if let Some(q) = body.get("q").and_then(Json::as_str) {
            query = query.with_q(q, context)?;
        }
        if let Some(scopes) = body.get("scopeQ").and_then(Json::as_str) {
            query = query.with_scopes(scopes)?;
        }
        if let Some(geo) = body.get("geoQ") {
            query = query.with_geo(GeoQuery::from_json(geo, context)?);
        }
        queries.push(query);
    }
    let expand = |terms: Vec<&str>| -> Result<Vec<_>, Error> {
        terms.into_iter().map(|term| Ok((Box::from(term), context.name(term, "pick or omit")?))).collect()
    };
    let (pick, omit) = (expand(terms(body, "pick")?)?, expand(terms(body, "omit")?)?);
    let names = attributes.iter().map(|term| context.name(term, "attrs")).collect::<Result<Vec<_>, _>>()?;
    let projection = Projection {
        attributes: (!names.is_empty()).then_some(names),
        pick: (!pick.is_empty()).then_some(pick),
        omit,
        dataset_ids: None,
    };
    Ok((queries, projection))
}

fn selector(json: &Json, context: &Context) -> Result<EntityQuery, Error> {
    let mut query = EntityQuery::default();
    match json.get("id") {
        None => {}
        Some(ids) => {
            let ids = ids.as_array().unwrap_or(std::slice::from_ref(ids));
            for id in ids {
                check_uri(id.as_str().unwrap_or_default(), "entities: id")?;
            }
            query = query.with_ids(ids.iter().filter_map(Json::as_str));
        }
    }
    // An id says more than a pattern (NGSI-LD 5.2.33).
    if json.get("id").is_none()
        && let Some(pattern) = json.get("idPattern").and_then(Json::as_str)
    {
        query = query.with_id_pattern(pattern)?;
    }
    match json.get("type").and_then(Json::as_str) {
        Some(types) => query.with_types(types, context),
        None => Err(Error::bad("entities: an entity selector needs a type")),
    }
}

/// A list of strings, if it is there.
fn terms<'a>(body: &'a Json, member: &str) -> Result<Vec<&'a str>, Error> {
    let Some(value) = body.get(member) else { return Ok(Vec::new()) };
    let items = value
        .as_array()
        .ok_or_else(|| Error::bad(format!("{member} must be an array, not {}", value.kind())))?;
    let term =
        |item: &'a Json| item.as_str().ok_or_else(|| Error::bad(format!("{member} must hold strings")));
    items.iter().map(term).collect()
}
