//! The routes of the stand-in, one for each line of the contract.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path, Query, Request, State as Extract};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event as SseEvent, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt, stream};
use morgana_model::*;
use serde::Serialize;
use serde_json::json;

use super::{State, metadata};

type Parameters = Query<HashMap<String, String>>;
type Answer<T> = Result<T, Refusal>;

pub(crate) fn router(state: State) -> Router {
    let with_events = state.behaviour.events;
    let router = Router::new()
        .route("/readyz", get(async || StatusCode::OK))
        .route("/v1/login", post(login))
        .route("/v1/logout", post(async |_: Caller| StatusCode::NO_CONTENT))
        .route("/v1/users", get(users).post(create_user))
        .route("/v1/users/{id}", delete(delete_user))
        .route("/v1/flavours", get(flavours).post(create_flavour))
        .route("/v1/flavours/{id}", get(flavour).delete(delete_flavour))
        .route("/v1/thingvisors", get(visors).post(create_visor))
        .route("/v1/thingvisors/{id}", get(visor).delete(delete_visor))
        .route("/v1/vthings", get(vthings))
        .route("/v1/vthings/{*id}", get(vthing))
        .route("/v1/vsilos", get(silos).post(create_silo))
        .route("/v1/vsilos/{id}", get(silo).delete(delete_silo))
        .route("/v1/vsilos/{id}/connections", get(connections).post(connect))
        .route("/v1/vsilos/{id}/connections/{*vthing}", delete(disconnect))
        .route("/v1/workloads/{kind}/{id}/logs", get(logs));
    let router = if with_events { router.route("/v1/events", get(events)) } else { router };
    router.layer(from_fn_with_state(state.clone(), record)).with_state(state)
}

async fn record(Extract(state): Extract<State>, request: Request, next: Next) -> Response {
    state.lock().requests.push(format!("{} {}", request.method(), request.uri()));
    next.run(request).await
}

/// A failure as RFC 9457 has it.
pub(crate) struct Refusal(ErrorCode, StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(code, status, detail) = self;
        let problem = json!({
            "type": format!("urn:morgana:error:{}", code.as_str()), "title": code.as_str(),
            "status": status.as_u16(), "detail": detail,
        });
        (status, [(header::CONTENT_TYPE, "application/problem+json")], problem.to_string()).into_response()
    }
}

fn missing(what: &str, id: &str) -> Refusal {
    Refusal(ErrorCode::NotFound, StatusCode::NOT_FOUND, format!("{what} '{id}' does not exist"))
}

fn taken(what: &str, id: &str) -> Refusal {
    Refusal(ErrorCode::AlreadyExists, StatusCode::CONFLICT, format!("{what} '{id}' already exists"))
}

/// The user whose token came with the request.
struct Caller(User);

impl FromRequestParts<State> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Answer<Self> {
        let token = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let user = token.and_then(|token| token.strip_prefix("Bearer token-of-"));
        user.and_then(|user| state.lock().users.get(user).cloned()).map(Self).ok_or_else(|| {
            let detail = "no valid token came with the request";
            Refusal(ErrorCode::Unauthenticated, StatusCode::UNAUTHORIZED, detail.to_owned())
        })
    }
}

impl Caller {
    fn administers(&self) -> Answer<()> {
        if self.0.spec.role == Role::Administrator {
            return Ok(());
        }
        let detail = "only an administrator may do this".to_owned();
        Err(Refusal(ErrorCode::PermissionDenied, StatusCode::FORBIDDEN, detail))
    }

    fn sees(&self, silo: &VSilo) -> bool {
        self.0.spec.role == Role::Administrator || self.0.id == silo.spec.tenant
    }
}

fn page<T: Clone + Serialize>(all: &BTreeMap<String, T>, parameters: &Parameters) -> Json<Page<T>> {
    let limit = parameters.get("limit").map_or(100, |limit| limit.parse().unwrap());
    let cursor = parameters.get("cursor").cloned().unwrap_or_default();
    let mut rest = all.iter().filter(|(id, _)| **id > cursor);
    let items: Vec<_> = rest.by_ref().take(limit).collect();
    let next = rest.next().and(items.last()).map(|(id, _)| (*id).clone());
    Json(Page { items: items.into_iter().map(|(_, item)| item.clone()).collect(), next })
}

async fn login(Json(credentials): Json<Credentials>) -> Answer<Json<Session>> {
    if credentials.password.expose() != "secret" {
        let detail = "user or password is wrong".to_owned();
        return Err(Refusal(ErrorCode::Unauthenticated, StatusCode::UNAUTHORIZED, detail));
    }
    let role = if credentials.user_id == "admin" { Role::Administrator } else { Role::Tenant };
    let access_token = Secret::new(format!("token-of-{}", credentials.user_id));
    Ok(Json(session(access_token, role)))
}

fn session(access_token: Secret, role: Role) -> Session {
    let end = "2099-01-01T00:00:00Z".parse().unwrap();
    let refresh_token = Secret::new(format!("refresh-{}", access_token.expose()));
    Session { access_token, role, refresh_token, session_expires_at: end, expires_at: end }
}

async fn users(
    caller: Caller,
    Extract(state): Extract<State>,
    parameters: Parameters,
) -> Answer<Json<Page<User>>> {
    caller.administers()?;
    Ok(page(&state.lock().users, &parameters))
}

async fn create_user(
    caller: Caller,
    Extract(state): Extract<State>,
    Json(new): Json<NewUser>,
) -> Answer<(StatusCode, Json<User>)> {
    caller.administers()?;
    let user = User {
        id: new.id,
        metadata: metadata(),
        spec: UserSpec { role: new.role },
        status: Default::default(),
    };
    let id = user.id.to_string();
    if state.lock().users.insert(id.clone(), user.clone()).is_some() {
        return Err(taken("user", &id));
    }
    Ok((StatusCode::CREATED, Json(user)))
}

async fn delete_user(
    caller: Caller,
    Extract(state): Extract<State>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    caller.administers()?;
    state.lock().users.remove(&id).map(|_| StatusCode::NO_CONTENT).ok_or_else(|| missing("user", &id))
}

async fn flavours(_: Caller, Extract(state): Extract<State>, parameters: Parameters) -> Json<Page<Flavour>> {
    page(&state.lock().flavours, &parameters)
}

async fn create_flavour(
    caller: Caller,
    Extract(state): Extract<State>,
    Json(new): Json<NewFlavour>,
) -> Answer<(StatusCode, Json<Flavour>)> {
    caller.administers()?;
    let status = FlavourStatus { phase: FlavourPhase::Ready };
    let flavour = Flavour { id: new.id, metadata: metadata(), spec: new.spec, status };
    state.lock().flavours.insert(flavour.id.to_string(), flavour.clone());
    Ok((StatusCode::CREATED, Json(flavour)))
}

async fn flavour(_: Caller, Extract(state): Extract<State>, Path(id): Path<String>) -> Answer<Json<Flavour>> {
    state.lock().flavours.get(&id).cloned().map(Json).ok_or_else(|| missing("flavour", &id))
}

async fn delete_flavour(
    caller: Caller,
    Extract(state): Extract<State>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    caller.administers()?;
    state.lock().flavours.remove(&id).map(|_| StatusCode::NO_CONTENT).ok_or_else(|| missing("flavour", &id))
}

async fn visors(
    caller: Caller,
    Extract(state): Extract<State>,
    parameters: Parameters,
) -> Answer<Json<Page<ThingVisor>>> {
    caller.administers()?;
    Ok(page(&state.lock().visors, &parameters))
}

async fn create_visor(
    caller: Caller,
    Extract(state): Extract<State>,
    Json(new): Json<NewThingVisor>,
) -> Answer<(StatusCode, Json<ThingVisor>)> {
    caller.administers()?;
    let status = ThingVisorStatus {
        phase: Phase::Pending,
        node: Some("node1".parse().unwrap()),
        endpoints: [("8089/tcp".to_owned(), 41000)].into_iter().collect(),
        restarts: 0,
        updates: 0,
        updates_known: None,
        update_infos: Vec::new(),
        limits: None,
    };
    let visor = ThingVisor { id: new.id, metadata: metadata(), spec: new.spec, status };
    let id = visor.id.to_string();
    if state.lock().visors.contains_key(&id) {
        return Err(taken("ThingVisor", &id));
    }
    state.lock().visors.insert(id.clone(), visor.clone());
    state.publish("thingvisor", &id, Some(&visor));
    state.soon(move |state| {
        let started = state.lock().visors.get_mut(&id).map(|visor| {
            visor.status.phase = state.behaviour.start.clone();
            visor.clone()
        });
        state.publish("thingvisor", &id, started.as_ref());
    });
    Ok((StatusCode::ACCEPTED, Json(visor)))
}

async fn visor(
    caller: Caller,
    Extract(state): Extract<State>,
    Path(id): Path<String>,
) -> Answer<Json<ThingVisor>> {
    caller.administers()?;
    state.lock().visors.get(&id).cloned().map(Json).ok_or_else(|| missing("ThingVisor", &id))
}

async fn delete_visor(
    caller: Caller,
    Extract(state): Extract<State>,
    Path(id): Path<String>,
) -> Answer<(StatusCode, Json<ThingVisor>)> {
    caller.administers()?;
    let stopping = state.lock().visors.get_mut(&id).map(|visor| {
        visor.status.phase = Phase::Stopping;
        visor.clone()
    });
    let stopping = stopping.ok_or_else(|| missing("ThingVisor", &id))?;
    state.soon(move |state| {
        state.lock().visors.remove(&id);
        state.publish("thingvisor", &id, None::<&ThingVisor>);
    });
    Ok((StatusCode::ACCEPTED, Json(stopping)))
}

async fn vthings(_: Caller, Extract(state): Extract<State>, parameters: Parameters) -> Json<Page<VThing>> {
    page(&state.lock().vthings, &parameters)
}

async fn vthing(_: Caller, Extract(state): Extract<State>, Path(id): Path<String>) -> Answer<Json<VThing>> {
    state.lock().vthings.get(&id).cloned().map(Json).ok_or_else(|| missing("vThing", &id))
}

async fn silos(caller: Caller, Extract(state): Extract<State>, parameters: Parameters) -> Json<Page<VSilo>> {
    let mut silos = state.lock().silos.clone();
    silos.retain(|_, silo| caller.sees(silo));
    page(&silos, &parameters)
}

async fn create_silo(
    caller: Caller,
    Extract(state): Extract<State>,
    Json(new): Json<NewVSilo>,
) -> Answer<(StatusCode, Json<VSilo>)> {
    let status = VSiloStatus {
        phase: Phase::Pending,
        node: Some("node1".parse().unwrap()),
        endpoints: [("1883/tcp".to_owned(), 40001), ("9090/tcp".to_owned(), 40002)].into_iter().collect(),
        restarts: 0,
        limits: None,
    };
    let id = VSiloId::new(&new.spec.tenant, &new.spec.name);
    let token = Some(Secret::new("silo-token"));
    let silo = VSilo { id: id.clone(), metadata: metadata(), spec: new.spec, status, token };
    if !caller.sees(&silo) {
        caller.administers()?;
    }
    let id = id.to_string();
    if state.lock().silos.contains_key(&id) {
        return Err(taken("vSilo", &id));
    }
    state.lock().silos.insert(id.clone(), silo.clone());
    state.publish("vsilo", &id, Some(&silo));
    state.soon(move |state| {
        let started = state.lock().silos.get_mut(&id).map(|silo| {
            silo.status.phase = state.behaviour.start.clone();
            silo.clone()
        });
        state.publish("vsilo", &id, started.as_ref());
    });
    Ok((StatusCode::ACCEPTED, Json(silo)))
}

fn seen_silo(caller: &Caller, state: &State, id: &str) -> Answer<VSilo> {
    let silo = state.lock().silos.get(id).cloned();
    silo.filter(|silo| caller.sees(silo)).ok_or_else(|| missing("vSilo", id))
}

async fn silo(caller: Caller, Extract(state): Extract<State>, Path(id): Path<String>) -> Answer<Json<VSilo>> {
    seen_silo(&caller, &state, &id).map(Json)
}

async fn delete_silo(
    caller: Caller,
    Extract(state): Extract<State>,
    Path(id): Path<String>,
) -> Answer<(StatusCode, Json<VSilo>)> {
    let mut silo = seen_silo(&caller, &state, &id)?;
    silo.status.phase = Phase::Stopping;
    state.lock().silos.insert(id.clone(), silo.clone());
    state.soon(move |state| {
        state.lock().silos.remove(&id);
        state.publish("vsilo", &id, None::<&VSilo>);
    });
    Ok((StatusCode::ACCEPTED, Json(silo)))
}

async fn connections(
    caller: Caller,
    Extract(state): Extract<State>,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Answer<Json<Page<Connection>>> {
    seen_silo(&caller, &state, &id)?;
    let mut connections = state.lock().connections.clone();
    connections.retain(|_, connection| connection.spec.v_silo.as_str() == id);
    Ok(page(&connections, &parameters))
}

async fn connect(
    caller: Caller,
    Extract(state): Extract<State>,
    Path(id): Path<String>,
    Json(new): Json<NewConnection>,
) -> Answer<(StatusCode, Json<Connection>)> {
    let silo = seen_silo(&caller, &state, &id)?;
    if !state.lock().vthings.contains_key(new.v_thing.as_str()) {
        return Err(missing("vThing", new.v_thing.as_str()));
    }
    let key = format!("{id} {}", new.v_thing);
    let spec = ConnectionSpec { v_silo: silo.id, v_thing: new.v_thing };
    let connection = Connection { metadata: metadata(), spec };
    state.lock().connections.insert(key, connection.clone());
    Ok((StatusCode::CREATED, Json(connection)))
}

async fn disconnect(
    caller: Caller,
    Extract(state): Extract<State>,
    Path((id, vthing)): Path<(String, String)>,
) -> Answer<StatusCode> {
    seen_silo(&caller, &state, &id)?;
    let gone = state.lock().connections.remove(&format!("{id} {vthing}"));
    gone.map(|_| StatusCode::NO_CONTENT).ok_or_else(|| missing("connection", &vthing))
}

async fn logs(_: Caller, Path((kind, id)): Path<(String, String)>, parameters: Parameters) -> Response {
    let count: usize = parameters.get("lines").map_or(100, |lines| lines.parse().unwrap());
    let lines: Vec<_> = (0..count.min(5)).map(|number| format!("{kind}/{id} says {number}")).collect();
    if parameters.get("follow").is_some_and(|follow| follow == "true") {
        let lines = stream::iter(lines).map(|line| Ok::<_, Infallible>(SseEvent::default().data(line)));
        return Sse::new(lines).into_response();
    }
    Json(LogLines { lines }).into_response()
}

async fn events(
    _: Caller,
    Extract(state): Extract<State>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Sse<impl Stream<Item = Result<SseEvent, Infallible>>> {
    let with_snapshot = parameters.contains_key("snapshot") || headers.contains_key("last-event-id");
    let (watch, seen) = (state.watch(), state.lock().events.len());
    let snapshot = if with_snapshot { state.snapshot() } else { Vec::new() };
    let most = state.behaviour.events_per_stream;
    let changes = stream::unfold((seen, watch), move |(seen, mut watch)| {
        let state = state.clone();
        async move {
            watch.wait_for(|revision| *revision > seen as u64).await.ok()?;
            let event = state.lock().events[seen].clone();
            Some((event, (seen + 1, watch)))
        }
    });
    let events = stream::iter(snapshot).chain(changes).take(most);
    Sse::new(
        events.map(|event| Ok(SseEvent::default().id(event.revision.to_string()).json_data(&event).unwrap())),
    )
}
