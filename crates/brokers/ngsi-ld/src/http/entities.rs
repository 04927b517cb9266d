//! `/entities` and `/entities/{id}` (NGSI-LD 6.4, 6.5).

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use http::StatusCode;

use super::{
    Door, HttpOptions, ROOT, Route, Shared, distributed,
    params::Params,
    reply,
    request::{Accepted, Asked, Sent},
};
use crate::{
    Context, EntityQuery, Error, ErrorKind,
    broker::Purge,
    model::{self, Entity, Joining, Json, Name, Projection, View, check_uri},
    query::{Query, is_system},
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/entities", get(query).post(create).merge(delete(purge))),
        ("/entities/{id}", get(retrieve).delete(remove).patch(merge).put(replace)),
    ]
}

async fn create(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    // Before its context is missed: what is no entity at all is another error (NGSI-LD 5.6.1.4).
    let no_entity = match sent.body.as_object() {
        Some([]) => Some("an empty one"),
        Some(_) => None,
        None => Some(sent.body.kind()),
    };
    if let Some(sent) = no_entity {
        let detail = format!("an entity must be a JSON object with members, not {sent}");
        return Err(Error::new(ErrorKind::InvalidRequest, detail));
    }
    let context = sent.context(&door.broker).await?;
    let id = door.broker.create(sent.body, &context).await?;
    Ok(reply::created(&format!("{ROOT}/entities"), &id))
}

/// NGSI-LD 6.4.3.3.
async fn purge(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let Asked { params, context, .. } = asked;
    let strict = HttpOptions { lenient_queries: false, ..HttpOptions::clone(&door.options) };
    let query = entity_query(&params, &context, &strict)?;
    check_links(std::slice::from_ref(&query), &Projection::default(), 0)?;
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
    let Asked { params, context, accepted, path, remote, mapped, version, .. } = asked;
    let query = entity_query(&params, &context, &door.options)?;
    let view = View { version, ..params.view(&context)? };
    let queries = [query.with_projection(&view.projection)];
    let join = params.join()?;
    let levels = join.as_ref().map_or(0, |join| join.levels);
    check_links(&queries, &view.projection, levels)?;
    let paging = params.paging(&door.options)?;
    let page = match params.order(&context)? {
        order if remote.is_some() || mapped.is_some() => distributed::page(
            (remote.as_deref(), mapped.as_deref()),
            &door.broker,
            &queries,
            order.as_ref(),
            paging,
        ),
        Some(order) => door.broker.query_ordered(&queries, &order, paging.offset, paging.limit),
        None => door.broker.query_any(&queries, paging.offset, paging.limit, paging.count),
    };
    let response = shown(&door, &page.entities, &context, &view, join.as_ref(), accepted, &params)?;
    let total = page.total.filter(|_| paging.count);
    Ok(reply::page(response, &path, &params, paging, page.more, total))
}

/// What a query found, as it is asked for: ids alone (`onlyIds`), entities, or entities with those that they point to
/// (NGSI-LD 4.5.23).
pub(super) fn shown(
    door: &Door,
    entities: &[Arc<Entity>],
    context: &Context,
    view: &View,
    join: Option<&Joining>,
    accepted: Accepted,
    params: &Params,
) -> Result<Response, Error> {
    if params.flag("onlyIds")? {
        let ids: Vec<&str> = entities.iter().map(|entity| &*entity.id).collect();
        return Ok(reply::body(StatusCode::OK, &ids, context, Accepted::Json));
    }
    let Some(join) = join else { return reply::entities(entities, context, view, accepted, params) };
    let find = |id: &str| door.broker.get(id);
    let joined = model::joined(entities, context, view, join, &find);
    reply::joined(joined, false, context, view, accepted, params)
}

/// Refuses queries and projections that follow more relationships than linked entities are retrieved for (NGSI-LD
/// 5.7.2.4).
pub(super) fn check_links(
    queries: &[EntityQuery],
    projection: &Projection,
    levels: usize,
) -> Result<(), Error> {
    let links = queries.iter().map(EntityQuery::links).max().unwrap_or(0).max(projection.links());
    if links > levels {
        return Err(Error::bad(format!(
            "the query reaches into linked entities {links} deep, and join and joinLevel ask for {levels} (NGSI-LD 5.7.2.4)"
        )));
    }
    Ok(())
}

/// A filter of context sources must at least be a query (NGSI-LD 5.7.2.4).
pub(super) fn check_csf(csf: &str, context: &Context) -> Result<(), Error> {
    Query::parse(csf, context).map(drop).map_err(|error| Error::bad(format!("csf: {}", error.detail())))
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
    if params.get("type")? == Some("*") && params.get("local")? == Some("false") {
        return Err(Error::bad("type=* is for local queries, and local is false (NGSI-LD 4.17)"));
    }
    if let Some(types) = params.get("type")? {
        query = query.with_types(types, context)?;
        criteria = true;
    }
    // What is picked must be there; id, type and scope always are.
    let attributes = params.list("attrs")?;
    if let Some(name) = attributes.iter().find(|name| matches!(**name, "id" | "type")) {
        return Err(Error::bad(format!("attrs: \"{name}\" is a member of every entity and no attribute")));
    }
    // What the broker itself writes is everywhere.
    criteria |= attributes.iter().any(|name| !is_system(name));
    query = query.with_attributes(attributes, context)?;
    if let Some(q) = params.get("q")? {
        query = query.with_q_expanding(q, context, &params.expanded(context)?)?;
        criteria |= !query.q_is_system();
    }
    if let Some(csf) = params.get("csf")? {
        check_csf(csf, context)?;
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
    let view = View { version: asked.version, ..asked.params.view(&asked.context)? };
    let entity = match &asked.remote {
        None => {
            of_types(&door, &id, &asked.params, &asked.context)?;
            door.broker.get(&id)
        }
        Some(remote) => remote.one(door.broker.get(&id).as_deref()),
    };
    let entity = entity.ok_or_else(|| Error::entity_not_found(&id))?;
    if let Some(mapped) = &asked.mapped {
        mapped.note(&id, distributed::sources(asked.remote.as_deref(), &door.broker, &id));
    }
    let has = |names: &Vec<Name>| names.iter().any(|name| entity.has(name));
    let attributes = view.projection.attributes.as_ref();
    if !attributes.is_none_or(has) || !view.projection.shows(&entity) {
        let detail = format!("entity {id} has none of the members asked for");
        return Err(Error::new(ErrorKind::ResourceNotFound, detail));
    }
    let context = &*asked.context;
    let Some(join) = asked.params.join()? else {
        return reply::entity(&entity, context, &view, asked.accepted, &asked.params);
    };
    let find = |id: &str| door.broker.get(id);
    let joined = model::joined(&[entity], context, &view, &join, &find);
    reply::joined(joined, true, context, &view, asked.accepted, &asked.params)
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
    let options = sent.params.merge_options()?;
    let changes = door.broker.merge(&id, sent.body, &context, form, &options).await?;
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
