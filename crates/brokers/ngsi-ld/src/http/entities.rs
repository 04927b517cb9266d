//! `/entities` and `/entities/{id}` (NGSI-LD 6.4, 6.5).

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use http::StatusCode;

use super::{
    Door, HttpOptions, ROOT, Route, Shared,
    params::Params,
    reply,
    request::{Asked, Sent},
};
use crate::{
    Context, EntityQuery, Error, ErrorKind,
    broker::Purge,
    model::{Json, Name, check_uri},
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/entities", get(query).post(create).merge(delete(purge))),
        ("/entities/{id}", get(retrieve).delete(remove).patch(merge).put(replace)),
    ]
}

async fn create(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let context = sent.context(&door.broker).await?;
    let id = door.broker.create(sent.body, &context).await?;
    Ok(reply::created(&format!("{ROOT}/entities"), &id))
}

/// NGSI-LD 6.4.3.3.
async fn purge(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let Asked { params, context, .. } = asked;
    let strict = HttpOptions { lenient_queries: false, ..HttpOptions::clone(&door.options) };
    let query = entity_query(&params, &context, &strict)?;
    let purge = match (params.names("drop", &context)?, params.names("keep", &context)?) {
        (None, None) => Purge::Entities,
        (Some(names), None) => Purge::Drop(names),
        (None, Some(names)) => Purge::Keep(names),
        (Some(_), Some(_)) => return Err(Error::bad("drop and keep exclude each other")),
    };
    door.broker.purge(&query, &purge).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn query(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let Asked { params, context, accepted, path } = asked;
    let query = entity_query(&params, &context, &door.options)?;
    let view = params.view(&context)?;
    let query = query.with_projection(&view.projection);
    let paging = params.paging(&door.options)?;
    let page = door.broker.query(&query, paging.offset, paging.limit, paging.count);
    let response = reply::entities(&page.entities, &context, &view, accepted, &params)?;
    Ok(reply::page(response, &path, &params, paging, page.more, page.total))
}

/// The criteria in a query's parameters (NGSI-LD 6.4.3.2).
pub(super) fn entity_query(
    params: &Params,
    context: &Context,
    options: &HttpOptions,
) -> Result<EntityQuery, Error> {
    let mut query = EntityQuery::default();
    let ids = params.list("id")?;
    for id in &ids {
        check_uri(id, "id")?;
    }
    if !ids.is_empty() {
        query = query.with_ids(ids);
    }
    if let Some(pattern) = params.get("idPattern")? {
        query = query.with_id_pattern(pattern)?;
    }
    let mut criteria = params.flag("local")?;
    if let Some(types) = params.get("type")? {
        query = query.with_types(types, context)?;
        criteria = true;
    }
    // What is picked must be there; id, type and scope always are.
    let attributes = params.list("attrs")?;
    criteria |= !attributes.is_empty();
    query = query.with_attributes(attributes, context)?;
    if let Some(q) = params.get("q")? {
        query = query.with_q(q, context)?;
        criteria = true;
    }
    if let Some(scopes) = params.get("scopeQ")? {
        query = query.with_scopes(scopes)?;
        criteria = true;
    }
    if let Some(geo) = params.geo(context)? {
        query = query.with_geo(geo);
        criteria = true;
    }
    if !criteria && !options.lenient_queries {
        return Err(Error::bad(
            "a query needs at least one of type, attrs, q, scopeQ, or local=true (NGSI-LD 5.7.2)",
        ));
    }
    Ok(query)
}

async fn retrieve(State(door): Shared, Path(id): Path<String>, asked: Asked) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    of_types(&door, &id, &asked.params, &asked.context)?;
    let view = asked.params.view(&asked.context)?;
    let entity = door.broker.get(&id).ok_or_else(|| Error::entity_not_found(&id))?;
    let has = |names: &Vec<Name>| names.iter().any(|name| entity.has(name));
    let attributes = view.projection.attributes.as_ref();
    if !attributes.is_none_or(has) || !view.projection.shows(&entity) {
        let detail = format!("entity {id} has none of the members asked for");
        return Err(Error::new(ErrorKind::ResourceNotFound, detail));
    }
    reply::entity(&entity, &asked.context, &view, asked.accepted, &asked.params)
}

async fn remove(State(door): Shared, Path(id): Path<String>, asked: Asked) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    of_types(&door, &id, &asked.params, &asked.context)?;
    door.broker.delete_one(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn merge(State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let (context, form) = (sent.context(&door.broker).await?, sent.params.form()?);
    of_types(&door, &id, &sent.params, &context)?;
    has_content(&sent.body)?;
    let changes = door.broker.merge(&id, sent.body, &context, form).await?;
    Ok(reply::changes(&changes, &context))
}

async fn replace(State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let (context, form) = (sent.context(&door.broker).await?, sent.params.form()?);
    of_types(&door, &id, &sent.params, &context)?;
    door.broker.replace(&id, sent.body, &context, form).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The `type` of a request for one entity (NGSI-LD 6.5.3).
pub(super) fn of_types(door: &Door, id: &str, params: &Params, context: &Context) -> Result<(), Error> {
    match params.get("type")? {
        Some(selection) => door.broker.check_types(id, selection, context),
        None => Ok(()),
    }
}

/// A change that changes nothing is a mistake.
pub(super) fn has_content(body: &Json) -> Result<(), Error> {
    match body {
        Json::Object(members) if members.iter().all(|(name, _)| &**name == "@context") => {
            Err(Error::bad("the body has no attributes"))
        }
        Json::Object(_) => Ok(()),
        other => Err(Error::bad(format!("the body must be a JSON object, not {}", other.kind()))),
    }
}
