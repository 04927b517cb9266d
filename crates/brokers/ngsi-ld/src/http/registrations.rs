//! `/csourceRegistrations` and `/csourceRegistrations/{id}` (NGSI-LD 6.8, 6.9).

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
    temporal::window,
};
use crate::{
    Context, EntityQuery, Error,
    model::{Json, check_uri},
    query::{Query, TypeSelection, id_pattern},
    registrations::RegistrationQuery,
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/csourceRegistrations", get(list).post(create)),
        ("/csourceRegistrations/{id}", get(retrieve).patch(update).delete(remove)),
    ]
}

async fn create(State(door): Shared, sent: Sent) -> Result<Response, Error> {
    let context = sent.context(&door.broker).await?;
    has_content(&sent.body)?;
    let id = door.broker.register(sent.body, &context).await?;
    Ok(reply::created(&format!("{ROOT}/csourceRegistrations"), &id))
}

async fn update(State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let context = sent.context(&door.broker).await?;
    has_content(&sent.body)?;
    door.broker.update_registration(&id, sent.body, &context).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(State(door): Shared, Path(id): Path<String>) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    door.broker.unregister(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn retrieve(State(door): Shared, Path(id): Path<String>, asked: Asked) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let found = door.broker.registration(&id, &asked.context, asked.params.option("sysAttrs"))?;
    let shown = with_context(found, &asked);
    Ok(reply::body(StatusCode::OK, &shown, &asked.context, asked.accepted))
}

async fn list(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let paging = asked.params.paging(&door.options)?;
    let query = registration_query(&asked)?;
    let found = door.broker.registrations(&query, &asked.context, asked.params.option("sysAttrs"));
    let total = found.len();
    let page: Vec<Json> = found
        .into_iter()
        .skip(paging.offset)
        .take(paging.limit)
        .map(|registration| with_context(registration, &asked))
        .collect();
    let more = paging.offset + page.len() < total;
    let response = reply::body(StatusCode::OK, &page, &asked.context, asked.accepted);
    Ok(reply::page_of_documents(response, &asked, paging, more, paging.count.then_some(total)))
}

fn registration_query(asked: &Asked) -> Result<RegistrationQuery, Error> {
    let (params, context): (_, &Context) = (&asked.params, &asked.context);
    let mut query = RegistrationQuery::default();
    for id in params.list("id")? {
        query.ids.push(check_uri(id, "id")?.into());
    }
    query.pattern = params.get("idPattern")?.map(id_pattern).transpose()?;
    if let Some(types) = params.get("type")? {
        query.types = TypeSelection::parse(types, context)?;
    }
    query.attributes = params.names("attrs", context)?.unwrap_or_default();
    // What a query of entities asks for is for the source to answer, if it has the attributes that are asked about.
    let q = params.get("q")?.map(|q| Query::parse(q, context)).transpose()?;
    let geo = params.geo(context)?;
    // An id narrows as well as a type does.
    let criteria = ["type", "id", "idPattern"].iter().any(|name| params.get(name).ok().flatten().is_some())
        || !query.attributes.is_empty()
        || q.is_some()
        || geo.is_some();
    query.ask_about(q);
    let mut source = EntityQuery::default();
    if let Some(geo) = geo {
        source = source.with_geo(geo);
    }
    if let Some(csf) = params.get("csf")? {
        source = source.with_q(csf, context)?;
    }
    if let Some(scopes) = params.get("scopeQ")? {
        source = source.with_scopes(scopes)?;
    }
    query.source = source;
    query.window = Some(window(params)?).filter(|window| window.span.is_some());
    if !criteria && !params.flag("local")? {
        return Err(Error::bad(
            "a query of registrations needs type, id, attrs, q or a geo-query (NGSI-LD 5.10.2)",
        ));
    }
    Ok(query)
}

fn with_context(shown: Json, asked: &Asked) -> Json {
    match shown {
        Json::Object(members) if asked.accepted.has_context() => {
            let mut members = Vec::from(members);
            members.push(("@context".into(), asked.context.shown()));
            Json::Object(members.into())
        }
        other => other,
    }
}
