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
    Door, HttpOptions, Route, Shared, distributed,
    entities::{check_csf, check_links, shown},
    params::{Params, dataset_id, join_of},
    reply,
    request::{Accepted, Sent},
};
use crate::{
    AppendMode, BatchFailure, BatchResult, Context, EntityQuery, Error, UpsertMode,
    broker::BatchOperation,
    model::{Joining, Json, Projection, check_uri},
    query::{
        GeoQuery, Order, OrderParts,
        members::{self, Mode},
    },
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
    let (form, options) = (sent.params.form()?, sent.params.merge_options()?);
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
    let mut result = door.broker.batch(batch, operation, form, &options).await?;
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
    let Asking { queries, projection, order, join } = asking(body, &context)?;
    check_criteria(body, &sent.params, &door.options)?;
    let mut view = sent.params.view(&context)?;
    view.version = sent.version;
    view.language = text(body, "lang")?.map(Into::into).or(view.language);
    let dataset_ids = projection.dataset_ids.or(view.projection.dataset_ids);
    view.projection = Projection { dataset_ids, ..projection };
    let join = match join {
        Some(join) => Some(join),
        None => sent.params.join()?,
    };
    let levels = join.as_ref().map_or(0, |join| join.levels);
    check_links(&queries, &view.projection, levels)?;
    let order = match order {
        Some(order) => Some(order),
        None => sent.params.order(&context)?,
    };
    let paging = sent.params.paging(&door.options)?;
    let page = match (&sent.remote, order) {
        (Some(remote), order) => {
            distributed::page((Some(remote), None), &door.broker, &queries, order.as_ref(), paging)
        }
        (None, Some(order)) => door.broker.query_ordered(&queries, &order, paging.offset, paging.limit),
        (None, None) => door.broker.query_any(&queries, paging.offset, paging.limit, paging.count),
    };
    let (entities, params) = (&page.entities, &sent.params);
    let response = shown(&door, entities, &context, &view, join.as_ref(), sent.accepted, params)?;
    let total = page.total.filter(|_| paging.count);
    Ok(reply::page(response, &sent.path, &sent.params, paging, page.more, total))
}

/// Refuses a query in a body without any criterion, as one in a URL is refused (NGSI-LD 5.7.2.4, 5.7.4.4).
pub(super) fn check_criteria(body: &Json, params: &Params, options: &HttpOptions) -> Result<(), Error> {
    let has = ["entities", "attrs", "q", "scopeQ", "geoQ"].iter().any(|name| body.get(name).is_some());
    if has || options.lenient_queries || params.flag("local")? {
        return Ok(());
    }
    let detail =
        "a query needs at least one of entities, attrs, q, scopeQ, geoQ, or local=true (NGSI-LD 5.7.2)";
    Err(Error::bad(detail))
}

/// What a body asks for (NGSI-LD 5.2.23).
pub(super) struct Asking {
    /// Which entities.
    pub(super) queries: Vec<EntityQuery>,
    /// What of them.
    pub(super) projection: Projection,
    /// In which order.
    pub(super) order: Option<Order>,
    /// With which linked ones.
    pub(super) join: Option<Joining>,
}

pub(super) fn asking(body: &Json, context: &Context) -> Result<Asking, Error> {
    if body.get("type").and_then(Json::as_str) != Some("Query") {
        return Err(Error::bad("type must be \"Query\""));
    }
    if let Some(csf) = text(body, "csf")? {
        check_csf(csf, context)?;
    }
    let selectors = match body.get("entities") {
        None => vec![EntityQuery::default()],
        Some(Json::Array(items)) if !items.is_empty() => {
            items.iter().map(|item| selector(item, context)).collect::<Result<Vec<_>, _>>()?
        }
        Some(_) => return Err(Error::bad("entities must be an array with at least one entity selector")),
    };
    let attributes = terms(body, "attrs")?;
    let expand = |member| -> Result<Vec<_>, Error> {
        terms(body, member)?.into_iter().map(|term| context.name(term, member)).collect()
    };
    let expanded = expand("expandValues")?;
    expand("jsonKeys")?;
    let mut queries = Vec::with_capacity(selectors.len());
    for mut query in selectors {
        query = query.with_attributes(attributes.iter().copied(), context)?;
        if let Some(q) = text(body, "q")? {
            query = query.with_q_expanding(q, context, &expanded)?;
        }
        if let Some(scopes) = text(body, "scopeQ")? {
            query = query.with_scopes(scopes)?;
        }
        if let Some(geo) = body.get("geoQ") {
            query = query.with_geo(GeoQuery::from_json(geo, context)?);
        }
        queries.push(query);
    }
    let selection = |member, mode| -> Result<Option<Projection>, Error> {
        let terms = terms(body, member)?;
        let found = (!terms.is_empty()).then(|| members::projection(&terms.join(","), mode, context));
        found.transpose()
    };
    let projection = members::both(selection("pick", Mode::Pick)?, selection("omit", Mode::Omit)?)?;
    let names = expand("attrs")?;
    if !names.is_empty() && (projection.pick.is_some() || !projection.omit.is_empty()) {
        return Err(Error::bad("attrs cannot be combined with pick or omit"));
    }
    let dataset_ids = match body.get("datasetId") {
        None => None,
        Some(Json::String(id)) => Some(vec![dataset_id(id)?]),
        Some(_) => {
            Some(terms(body, "datasetId")?.into_iter().map(dataset_id).collect::<Result<Vec<_>, _>>()?)
        }
    };
    let projection =
        Projection { attributes: (!names.is_empty()).then_some(names), dataset_ids, ..projection };
    Ok(Asking { queries, projection, order: order(body, context)?, join: join(body)? })
}

/// The ordering in a body, whose members may also stand in an object of their own (NGSI-LD 5.2.43).
fn order(body: &Json, context: &Context) -> Result<Option<Order>, Error> {
    let body = body.get("ordering").unwrap_or(body);
    let keys = match body.get("orderBy") {
        None => None,
        Some(Json::String(text)) => Some(text.to_string()),
        Some(_) => Some(terms(body, "orderBy")?.join(",")),
    };
    let parts = OrderParts {
        keys: keys.as_deref(),
        from: body.get("orderFrom").or_else(|| body.get("coordinates")),
        geometry: text(body, "geometry")?,
        collation: text(body, "collation")?,
    };
    Order::parse(parts, context)
}

fn join(body: &Json) -> Result<Option<Joining>, Error> {
    let level = match body.get("joinLevel") {
        None => None,
        Some(Json::Number(number)) if number.as_u64().is_some_and(|level| level > 0) => number.as_u64(),
        Some(_) => return Err(Error::bad("joinLevel must be a number from 1 on")),
    };
    let level = level.map(|level| level as usize);
    join_of(text(body, "join")?, level, &terms(body, "containedBy")?)
}

/// A member that is a string, if it is there.
fn text<'a>(body: &'a Json, member: &str) -> Result<Option<&'a str>, Error> {
    match body.get(member) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(other) => Err(Error::bad(format!("{member} must be a string, not {}", other.kind()))),
    }
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
        .filter(|items| !items.is_empty())
        .ok_or_else(|| Error::bad(format!("{member} must be an array with at least one item")))?;
    let term =
        |item: &'a Json| item.as_str().ok_or_else(|| Error::bad(format!("{member} must hold strings")));
    items.iter().map(term).collect()
}
