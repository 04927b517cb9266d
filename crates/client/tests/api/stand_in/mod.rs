//! A stand-in for a Morgana controller: the REST v1 contract in memory, with no platform behind it.
//! New workloads reach the phase that the test chose a moment after they were accepted.

mod routes;

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use morgana_model::{
    Connection, Event, Flavour, Metadata, Phase, Role, ThingVisor, User, UserSpec, VSilo, VThing, VThingSpec,
};
use serde::Serialize;
use tokio::sync::watch;

/// How long the stand-in takes from accepting a workload to running it.
const START_TIME: Duration = Duration::from_millis(20);

/// What the stand-in does differently from test to test.
#[derive(Debug, Clone)]
pub(crate) struct Behaviour {
    /// The phase a new workload reaches.
    pub(crate) start: Phase,
    /// Whether `GET /v1/events` exists.
    pub(crate) events: bool,
    /// How many vThings there are.
    pub(crate) vthings: usize,
    /// After how many events the event stream is closed.
    pub(crate) events_per_stream: usize,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { start: Phase::Running, events: true, vthings: 3, events_per_stream: usize::MAX }
    }
}

/// A running stand-in.
pub(crate) struct StandIn {
    /// Where it answers.
    pub(crate) url: String,
    pub(crate) state: State,
}

/// What the stand-in knows. Users `admin` (administrator) and `tenant1`, `tenant2` (tenants) have
/// the password `secret`; the token of a user is `token-of-<user>`.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) behaviour: Arc<Behaviour>,
    inner: Arc<Mutex<Inner>>,
    revision: watch::Sender<u64>,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) flavours: BTreeMap<String, Flavour>,
    pub(crate) visors: BTreeMap<String, ThingVisor>,
    pub(crate) vthings: BTreeMap<String, VThing>,
    pub(crate) silos: BTreeMap<String, VSilo>,
    pub(crate) connections: BTreeMap<String, Connection>,
    pub(crate) events: Vec<Event>,
    /// Method and path of each request that came.
    pub(crate) requests: Vec<String>,
}

impl StandIn {
    pub(crate) async fn start() -> Self {
        Self::with(Behaviour::default()).await
    }

    pub(crate) async fn with(behaviour: Behaviour) -> Self {
        let mut inner = Inner::default();
        for (id, role) in
            [("admin", Role::Administrator), ("tenant1", Role::Tenant), ("tenant2", Role::Tenant)]
        {
            let user = User {
                id: id.parse().unwrap(),
                metadata: metadata(),
                spec: UserSpec { role },
                status: Default::default(),
            };
            inner.users.insert(id.to_owned(), user);
        }
        for number in 0..behaviour.vthings {
            let id = format!("host/thing{number:04}");
            let spec = VThingSpec {
                label: format!("thing {number}"),
                description: "a thing of this machine".to_owned(),
                kind: (number == 1).then(|| "actuator".to_owned()),
            };
            let vthing = VThing { id: id.parse().unwrap(), metadata: metadata(), spec, endpoint: None };
            inner.vthings.insert(id, vthing);
        }
        let state = State {
            behaviour: Arc::new(behaviour),
            inner: Arc::new(Mutex::new(inner)),
            revision: watch::Sender::new(0),
        };
        let url = serve(routes::router(state.clone())).await;
        Self { url, state }
    }

    /// Method and path of each request that came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().requests.clone()
    }
}

/// Serves a router on a free port of the loopback interface, until the test ends.
pub(crate) async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    url
}

/// An address where nothing answers.
pub(crate) async fn nowhere() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

pub(crate) fn metadata() -> Metadata {
    Metadata::new("2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap())
}

impl State {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Tells the event streams of a change.
    pub(crate) fn publish(&self, kind: &str, id: &str, resource: Option<&impl Serialize>) {
        let mut inner = self.lock();
        let revision = inner.events.len() as u64 + 1;
        let resource = resource.map(|resource| serde_json::to_value(resource).unwrap());
        inner.events.push(Event { revision, kind: kind.to_owned(), id: id.to_owned(), resource });
        self.revision.send_replace(revision);
    }

    /// The last change of each resource that is still there.
    pub(crate) fn snapshot(&self) -> Vec<Event> {
        let mut last = BTreeMap::new();
        for event in &self.lock().events {
            last.insert((event.kind.clone(), event.id.clone()), event.clone());
        }
        last.into_values().filter(|event| event.resource.is_some()).collect()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Does what the platform would do: a moment later, `change` has happened.
    pub(crate) fn soon(&self, change: impl FnOnce(&State) + Send + 'static) {
        let state = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(START_TIME).await;
            change(&state);
        });
    }
}
