//! `/temporal/entities` and what is below (NGSI-LD 6.18 to 6.24).

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post},
};
use http::{HeaderValue, StatusCode, header};
use morgana_engine::Problem;

use super::{
    HttpOptions, ROOT, Route, Shared,
    batch::{Asking, asking, check_criteria},
    distributed::RemotePast,
    entities::{check_links, entity_query, has_content},
    params::Params,
    reply,
    request::{Accepted, Asked, Sent},
};
use crate::{
    Context, Entity, Error, ErrorKind, View,
    broker::Instances,
    history::{Aggregation, Evolution, Part, Style, Window, duration},
    model::{Json, Projection, check_uri},
    query::Order,
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/temporal/entities", get(query).post(create)),
        ("/temporal/entities/{id}", get(retrieve).delete(remove)),
        ("/temporal/entities/{id}/attrs", post(add)),
        ("/temporal/entities/{id}/attrs/{attribute}", delete(remove_attribute)),
        ("/temporal/entities/{id}/attrs/{attribute}/{instance}", patch(change).delete(remove_instance)),
        ("/temporal/entityOperations/query", post(query_by_body)),
    ]
}

async fn create(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let context = sent.context(&door.broker).await?;
    let (id, new) = door.broker.upsert_past(sent.body, &context).await?;
    Ok(if new {
        reply::created(&format!("{ROOT}/temporal/entities"), &id)
    } else {
        StatusCode::NO_CONTENT.into_response()
    })
}

async fn add(State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let context = sent.context(&door.broker).await?;
    has_content(&sent.body)?;
    door.broker.add_to_past(&id, sent.body, &context).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(State(door): Shared, Path(id): Path<String>) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    door.broker.delete_past(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove_attribute(
    State(door): Shared,
    Path((id, attribute)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let name = asked.context.name(&attribute, "attribute name")?;
    let dataset_id = asked.params.get("datasetId")?.map(|id| check_uri(id, "datasetId")).transpose()?;
    let which = if asked.params.flag("deleteAll")? { Instances::All } else { Instances::Dataset(dataset_id) };
    door.broker.delete_past_attribute(&id, &name, which).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn change(
    State(door): Shared,
    Path((id, attribute, instance)): Path<(String, String, String)>,
    sent: Sent,
) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    if attribute.is_empty() {
        // Without a name in it, this is no path of an instance.
        let detail =
            "the name of the attribute is missing in the path, and nothing else can be changed there";
        return Ok(Problem::of(StatusCode::METHOD_NOT_ALLOWED, detail.to_owned()).into_response());
    }
    let context = sent.context(&door.broker).await?;
    let name = context.name(&attribute, "attribute name")?;
    check_uri(&instance, "instanceId")?;
    has_content(&sent.body)?;
    door.broker.change_past_instance(&id, &name, &instance, sent.body, &context).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove_instance(
    State(door): Shared,
    Path((id, attribute, instance)): Path<(String, String, String)>,
    asked: Asked,
) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let name = asked.context.name(&attribute, "attribute name")?;
    check_uri(&instance, "instanceId")?;
    door.broker.delete_past_attribute(&id, &name, Instances::One(&instance)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The temporal query in the parameters (NGSI-LD 6.18.3.2).
pub(super) fn window(params: &Params) -> Result<Window, Error> {
    Window::parse(
        params.get("timerel")?,
        params.get("timeAt")?,
        params.get("endTimeAt")?,
        params.get("timeproperty")?,
        params.number("lastN")?,
    )
}

/// How the past is to be written (NGSI-LD 6.3.12).
fn style(params: &Params, window: &Window, body: Option<&Json>) -> Result<Style, Error> {
    let formats = ["normalized", "simplified", "keyValues", "temporalValues", "aggregatedValues"];
    if let Some(format) = params.get("format")?.filter(|format| !formats.contains(format)) {
        let detail = format!("parameter format \"{format}\" is not one of {}", formats.join(", "));
        return Err(Error::new(ErrorKind::InvalidRequest, detail));
    }
    let of = |word: &str| params.get("format").map(|format| format == Some(word) || params.option(word));
    let values = of("temporalValues")? || of("simplified")? || of("keyValues")?;
    let in_body = body.and_then(|body| body.get("aggrMethods"));
    let aggregated = of("aggregatedValues")? || in_body.is_some();
    // A format says more than options (NGSI-LD 6.3.12).
    let (values, aggregated) = match params.get("format")? {
        Some("aggregatedValues") => (false, true),
        Some("normalized") => (false, false),
        Some(_) => (true, false),
        None => (values, aggregated),
    };
    if values && aggregated {
        return Err(Error::bad("temporalValues and aggregatedValues exclude each other"));
    }
    if !aggregated {
        return Ok(if values { Style::Values(window.property) } else { Style::Instances });
    }
    let methods: Vec<&str> = match in_body {
        Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).collect(),
        Some(Json::String(text)) => text.split(',').map(str::trim).collect(),
        Some(other) => {
            return Err(Error::bad(format!("aggrMethods must be names of methods, not {}", other.kind())));
        }
        None => params.list("aggrMethods")?,
    };
    let period = match body.and_then(|body| body.get("aggrPeriodDuration")) {
        Some(Json::String(text)) => Some(&**text),
        Some(_) => return Err(Error::bad("aggrPeriodDuration must be a string")),
        None => params.get("aggrPeriodDuration")?,
    };
    let period = period.map(duration).transpose()?.unwrap_or(0);
    let start = window.span.and_then(|span| span.from);
    Aggregation::new(methods, period, start, window.property).map(Style::Aggregated)
}

async fn retrieve(State(door): Shared, Path(id): Path<String>, asked: Asked) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let window = window(&asked.params)?;
    let style = style(&asked.params, &window, None)?;
    let view = asked.params.temporal_view(&asked.context)?;
    let entity = door.broker.past(&id, &window, RemotePast::entities(asked.past.as_deref())).await?;
    if let Some(mapped) = &asked.mapped {
        let mut sources = RemotePast::sources(asked.past.as_deref(), &door.broker, [&*entity.id]).await?;
        mapped.note(&entity.id, sources.remove(&entity.id).unwrap_or_default());
    }
    let context = &*asked.context;
    let has = |names: &Vec<crate::Name>| names.iter().any(|name| entity.has(name));
    if !view.projection.attributes.as_ref().is_none_or(has) || !view.projection.shows(&entity) {
        let detail = format!("the past of entity {id} has none of the attributes asked for");
        return Err(Error::new(ErrorKind::ResourceNotFound, detail));
    }
    let with_context = asked.accepted.has_context();
    let part = part([&entity], &window, &view, &style, &door.options);
    let shown =
        Evolution { entity: &entity, context, view: &view, style: &style, part: part.as_ref(), with_context };
    let response = reply::body(StatusCode::OK, &shown, context, asked.accepted);
    Ok(in_part(response, part.as_ref()))
}

async fn query(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let Asked { params, context, accepted, path, mapped, past, .. } = asked;
    let remote = RemotePast::entities(past.as_deref());
    let query = entity_query(&params, &context, &door.options)?;
    check_links(std::slice::from_ref(&query), &Projection::default(), 0)?;
    let window = window(&params)?;
    let style = style(&params, &window, None)?;
    let view = params.temporal_view(&context)?;
    let query = query.with_projection(&view.projection);
    let paging = params.paging(&door.options)?;
    let backwards = is_backwards(params.order(&context)?.as_ref())?;
    if params.join()?.is_some() {
        return Err(Error::bad("join does not go with temporal evolutions"));
    }
    let queries = [mapped.as_ref().map_or(query.clone(), |mapped| mapped.narrow(query))];
    if let Some(mapped) = &mapped {
        let all = door
            .broker
            .query_past(&queries, &window, (0, usize::MAX, false), false, &view.projection, remote)
            .await?
            .entities;
        let ids = all.iter().map(|entity| &*entity.id);
        let sources = RemotePast::sources(past.as_deref(), &door.broker, ids).await?;
        mapped.keep(all, |id| sources.get(id).cloned().unwrap_or_default());
    }
    let page = door
        .broker
        .query_past(&queries, &window, paging.parts(), backwards, &view.projection, remote)
        .await?;
    let response = answer(&page.entities, &context, &window, &view, &style, accepted, &door.options);
    Ok(reply::page(response, &path, &params, paging, page.more, page.total))
}

async fn query_by_body(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let context = sent.context(&door.broker).await?;
    let Asking { queries, projection, order, join } = asking(&sent.body, &context)?;
    check_criteria(&sent.body, &sent.params, &door.options)?;
    if join.is_some() {
        return Err(Error::bad("join does not go with temporal evolutions"));
    }
    check_links(&queries, &projection, 0)?;
    let backwards = is_backwards(order.as_ref())?;
    let temporal = sent.body.get("temporalQ");
    let window = temporal.map(Window::from_json).transpose()?.unwrap_or_default();
    let style = style(&sent.params, &window, sent.body.get("aggrParams").or(temporal))?;
    let mut view = sent.params.temporal_view(&context)?;
    let queries: Vec<_> = queries.into_iter().map(|query| query.with_projection(&projection)).collect();
    view.projection = projection;
    let paging = sent.params.paging(&door.options)?;
    let remote = RemotePast::entities(sent.past.as_deref());
    let page = door
        .broker
        .query_past(&queries, &window, paging.parts(), backwards, &view.projection, remote)
        .await?;
    let response = answer(&page.entities, &context, &window, &view, &style, sent.accepted, &door.options);
    Ok(reply::page(response, &sent.path, &sent.params, paging, page.more, page.total))
}

/// Only ids order the past, upwards or downwards (NGSI-LD 5.7.4.4).
fn is_backwards(order: Option<&Order>) -> Result<bool, Error> {
    match order.map(Order::by_id) {
        None => Ok(false),
        Some(Some(backwards)) => Ok(backwards),
        Some(None) => Err(Error::bad("orderBy: temporal evolutions can only be ordered by id")),
    }
}

/// The part of the time that an answer has when it cannot have all of it (NGSI-LD 6.3.10). Periods are as many as were
/// asked for.
fn part<'a>(
    entities: impl IntoIterator<Item = &'a Entity>,
    window: &Window,
    view: &View,
    style: &Style,
    options: &HttpOptions,
) -> Option<Part> {
    match style {
        Style::Aggregated(_) => None,
        _ => Part::first(entities, window, &view.projection, options.temporal_max),
    }
}

/// Says that an answer is a part, and which.
fn in_part(mut response: Response, part: Option<&Part>) -> Response {
    if let Some(value) = part.and_then(|part| HeaderValue::try_from(part.to_string()).ok()) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

fn answer(
    entities: &[Arc<Entity>],
    context: &Context,
    window: &Window,
    view: &View,
    style: &Style,
    accepted: Accepted,
    options: &HttpOptions,
) -> Response {
    let with_context = accepted.has_context();
    let part = part(entities.iter().map(|entity| &**entity), window, view, style, options);
    let shown = |entity| Evolution { entity, context, view, style, part: part.as_ref(), with_context };
    let shown: Vec<_> = entities.iter().map(|entity| shown(&**entity)).collect();
    in_part(reply::body(StatusCode::OK, &shown, context, accepted), part.as_ref())
}
