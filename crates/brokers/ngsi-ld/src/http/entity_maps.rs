//! `/entityMaps` and the part of entity maps in queries (NGSI-LD 5.5.9.3, 5.5.14, 5.14, 6.32, 6.34, 6.35).

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;

use super::{
    HttpOptions, ROOT, Route, Shared,
    distributed::{self, RemotePast},
    entities::{entity_query, has_content},
    params::Params,
    reply,
    request::{Asked, Sent},
    service::Interface,
    temporal::window,
};
use crate::{
    EntityQuery, Error,
    broker::Entries,
    history::duration,
    model::{Entity, Json, Projection, check_uri},
};

const MAP: HeaderName = HeaderName::from_static("ngsild-entitymap");

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/entityMaps", get(create)),
        ("/entityMaps/{id}", get(retrieve).patch(update).delete(remove)),
        ("/temporal/entityMaps", get(create_of_past)),
    ]
}

/// The part of an entity map in a query, beside the request.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    /// The entities of the map that the request names.
    ids: Option<Vec<Box<str>>>,
    /// What the query found, of all pages.
    found: Mutex<Entries>,
}

impl Mapped {
    /// Of what a query found, what its map allows, in the order of the map; and notes it.
    pub(super) fn keep(
        &self,
        mut all: Vec<Arc<Entity>>,
        sources: impl Fn(&str) -> Vec<Box<str>>,
    ) -> Vec<Arc<Entity>> {
        if let Some(ids) = &self.ids {
            let place = |entity: &Arc<Entity>| ids.iter().position(|id| *id == entity.id);
            all.retain(|entity| place(entity).is_some());
            all.sort_by_key(place);
        }
        *self.found.lock() = all.iter().map(|entity| (entity.id.clone(), sources(&entity.id))).collect();
        all
    }

    /// Notes that one entity was retrieved, and who has it.
    pub(super) fn note(&self, id: &str, sources: Vec<Box<str>>) {
        *self.found.lock() = vec![(id.into(), sources)];
    }

    /// Only the entities of the map, when the request names one.
    pub(super) fn narrow(&self, query: EntityQuery) -> EntityQuery {
        match &self.ids {
            Some(ids) if ids.is_empty() => query.with_ids(["urn:ngsi-ld:null"]),
            Some(ids) => query.with_ids(ids.iter().cloned()),
            None => query,
        }
    }
}

fn location(id: &str) -> String {
    format!("{ROOT}/entityMaps/{id}")
}

fn lifetime(params: &Params) -> Result<Option<Duration>, Error> {
    let Some(text) = params.get("entityMapLifetime")? else { return Ok(None) };
    let micros = duration(text).map_err(|_| {
        Error::bad(format!("entityMapLifetime \"{text}\" is not an ISO 8601 duration such as PT10M"))
    })?;
    Ok(Some(Duration::from_micros(micros.unsigned_abs())))
}

/// What a request wants of entity maps.
pub(super) struct Wish {
    /// The map that it names.
    named: Option<HeaderValue>,
    /// Whether it is a query, and not about one entity.
    is_query: bool,
}

impl Wish {
    pub(super) fn of(request: &Request) -> Option<Self> {
        if request.method() != Method::GET {
            return None;
        }
        let named = request.headers().get(MAP).cloned();
        let wished =
            || request.uri().query().unwrap_or_default().split('&').any(|pair| pair == "entityMap=true");
        if named.is_none() && !wished() {
            return None;
        }
        let path = request.uri().path().trim_end_matches('/');
        let path = path.strip_prefix(ROOT).unwrap_or_default();
        let is_query = matches!(path, "/entities" | "/temporal/entities");
        let entity = path.strip_prefix("/temporal").unwrap_or(path).strip_prefix("/entities/");
        let is_one = entity.is_some_and(|id| !id.contains('/'));
        (is_query || is_one).then_some(Self { named, is_query })
    }
}

/// Makes a map of what a query finds, or answers a query from a map.
pub(super) async fn answer(interface: &Interface, request: Request, wish: Wish) -> Response {
    mapped(interface, request, wish).await.unwrap_or_else(IntoResponse::into_response)
}

async fn mapped(interface: &Interface, mut request: Request, wish: Wish) -> Result<Response, Error> {
    let (door, Wish { named, is_query }) = (interface.door(), wish);
    let params = Params::parse(request.uri().path(), request.uri().query(), &door.options)?;
    let lifetime = lifetime(&params)?;
    let mut mapped = Mapped::default();
    let name_of = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.rsplit('/').next().unwrap_or_default().to_owned()
    };
    // A map that is gone is made again (NGSI-LD 5.7.1.4, 5.7.2.4, 5.7.4.4).
    let known = named.as_ref().map(name_of).and_then(|id| Some((door.broker.entity_map(&id).ok()?, id)));
    let id = known.map(|(map, id)| {
        let entries = map.get("entityMap").and_then(Json::as_object).unwrap_or_default();
        mapped.ids = Some(entries.iter().map(|(id, _)| id.clone()).collect());
        id
    });
    let mapped = Arc::new(mapped);
    request.extensions_mut().insert(Arc::clone(&mapped));
    let mut response = interface.answer_with_sources(request).await;
    if !response.status().is_success() {
        return Ok(response);
    }
    let found = std::mem::take(&mut *mapped.found.lock());
    match (id, named) {
        (Some(id), Some(value)) => {
            let left: Vec<_> = found.into_iter().map(|(id, _)| id).collect();
            if is_query {
                door.broker.prune_entity_map(&id, &left).await?;
            }
            response.headers_mut().insert(MAP, value);
        }
        _ => {
            let map = door.broker.create_entity_map(found, lifetime).await?;
            if is_query {
                *response.status_mut() = StatusCode::CREATED;
            }
            name(&mut response, &map);
        }
    }
    Ok(response)
}

/// Says where a map is (NGSI-LD 6.3.20).
fn name(response: &mut Response, map: &Json) {
    let id = map.get("id").and_then(Json::as_str).unwrap_or_default();
    if let Ok(value) = HeaderValue::try_from(location(id)) {
        response.headers_mut().insert(MAP, value);
    }
}

fn created(map: &Json, asked: &Asked) -> Response {
    let mut response = reply::body(StatusCode::CREATED, map, &asked.context, asked.accepted);
    name(&mut response, map);
    response
}

async fn create(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let strict = HttpOptions { lenient_queries: false, ..HttpOptions::clone(&door.options) };
    let query = entity_query(&asked.params, &asked.context, &strict)?;
    let lifetime = lifetime(&asked.params)?;
    let found = distributed::found(asked.remote.as_deref(), &door.broker, &[query]);
    let sources = |id: &str| distributed::sources(asked.remote.as_deref(), &door.broker, id);
    let entries = found.iter().map(|entity| (entity.id.clone(), sources(&entity.id))).collect();
    let map = door.broker.create_entity_map(entries, lifetime).await?;
    Ok(created(&map, &asked))
}

async fn create_of_past(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let strict = HttpOptions { lenient_queries: false, ..HttpOptions::clone(&door.options) };
    let query = entity_query(&asked.params, &asked.context, &strict)?;
    let window = window(&asked.params)?;
    if window.span.is_none() {
        return Err(Error::bad(
            "a map of the past needs a temporal query: timerel and timeAt (NGSI-LD 5.14.5)",
        ));
    }
    let lifetime = lifetime(&asked.params)?;
    let remote = asked.past.as_deref();
    let found = RemotePast::entities(remote);
    let all = (0, usize::MAX, false);
    let page = door.broker.query_past(&[query], &window, all, false, &Projection::default(), found).await?;
    let ids = page.entities.iter().map(|entity| &*entity.id);
    let mut sources = RemotePast::sources(remote, &door.broker, ids).await?;
    let has = |entity: &Arc<Entity>| (entity.id.clone(), sources.remove(&entity.id).unwrap_or_default());
    let entries = page.entities.iter().map(has).collect();
    let map = door.broker.create_entity_map(entries, lifetime).await?;
    Ok(created(&map, &asked))
}

async fn retrieve(State(door): Shared, Path(id): Path<String>, asked: Asked) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let map = door.broker.entity_map(&id)?;
    Ok(reply::body(StatusCode::OK, &map, &asked.context, asked.accepted))
}

async fn update(State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    has_content(&sent.body)?;
    door.broker.update_entity_map(&id, &sent.body).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(State(door): Shared, Path(id): Path<String>) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    door.broker.delete_entity_map(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
