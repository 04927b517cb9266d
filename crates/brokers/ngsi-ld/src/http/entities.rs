//! `/entities` and `/entities/{id}` (NGSI-LD 6.4, 6.5).

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use http::StatusCode;

use super::{
    HttpOptions, ROOT, Route, Shared,
    params::Params,
    reply,
    request::{Asked, Sent},
};
use crate::{
    Context, EntityQuery, Error, ErrorKind,
    model::{Json, check_uri},
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/entities", get(query).post(create).merge(delete(purge))),
        ("/entities/{id}", get(retrieve).delete(remove).patch(merge).put(replace)),
    ]
}

async fn create(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let context = sent.context(&door.broker).await?;
    let entity = door.broker.create(sent.body, &context).await?;
    Ok(reply::created(&format!("{ROOT}/entities"), &entity.id))
}

async fn purge() -> Error {
    Error::unsupported("purging entities (DELETE /entities)")
}

async fn query(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let Asked { params, context, accepted, path } = asked;
    let query = entity_query(&params, &context, &door.options)?;
    let view = params.view(&context)?;
    let paging = params.paging(&door.options)?;
    let page = door.broker.query(&query, paging.offset, paging.limit, paging.count);
    let response = reply::entities(&page.entities, &context, &view, accepted);
    Ok(reply::page(response, &path, &params, paging, page.more, page.total))
}

/// The criteria in a query's parameters (NGSI-LD 6.4.3.2).
fn entity_query(params: &Params, context: &Context, options: &HttpOptions) -> Result<EntityQuery, Error> {
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
    if !criteria && !options.lenient_queries {
        return Err(Error::bad(
            "a query needs at least one of type, attrs, q, scopeQ, or local=true (NGSI-LD 5.7.2)",
        ));
    }
    Ok(query)
}

async fn retrieve(State(door): Shared, Path(id): Path<String>, asked: Asked) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let view = asked.params.view(&asked.context)?;
    let entity = door.broker.get(&id).ok_or_else(|| Error::entity_not_found(&id))?;
    if let Some(names) = &view.projection.attributes
        && !names.iter().any(|name| entity.has(name))
    {
        let detail = format!("entity {id} has none of the attributes asked for");
        return Err(Error::new(ErrorKind::ResourceNotFound, detail));
    }
    Ok(reply::entity(&entity, &asked.context, &view, asked.accepted))
}

async fn remove(State(door): Shared, Path(id): Path<String>) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    door.broker.delete_one(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn merge(State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let (context, form) = (sent.context(&door.broker).await?, sent.params.form()?);
    has_content(&sent.body)?;
    let changes = door.broker.merge(&id, sent.body, &context, form).await?;
    Ok(reply::changes(&changes, &context))
}

async fn replace(State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let (context, form) = (sent.context(&door.broker).await?, sent.params.form()?);
    door.broker.replace(&id, sent.body, &context, form).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
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
