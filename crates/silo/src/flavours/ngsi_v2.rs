//! The flavour `ngsi-v2`: an NGSIv2 context broker of the tenant's own.
//!
//! Entities appear as [`morgana_translate::ngsi_v2`] says, in the default service, at the path `/`. What a vThing gives
//! is appended to, or written over, what is there; attributes that the tenant added stay until the entity goes. Two
//! vThings may know the same entity, as in the flavour `ngsi-ld`.
//!
//! The pipes of a command are the attributes `<command>` (type `command`), `<command>-status` (`commandStatus`) and
//! `<command>-result` (`commandResult`), as FIWARE has them. What the tenant writes into the first is seen by a watch
//! of the broker, in this process; feedback is the bare status or result, with the rest in its metadata.

pub(super) mod feedback;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use morgana_model::{Entity, VThingId};
use morgana_ngsi_v2::{
    Access, Action, AttributeInput, Broker, EntityInput, Error, ErrorKind, HttpOptions, Json, Options, Scope,
    ServeError, Update as Batch, UpdateOptions, Watch, WatchFilter, Watched,
};
use morgana_translate::ngsi_v2::{attribute_name, entity_id, pipes as pipe_attributes, to_ngsi_v2};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::listen::{Serving, listen};
use super::watching::next_change;
use crate::actuation::{Pipes, Written};
use crate::broker::{Doors, Happened, SiloBroker, WATCH_CAPACITY};
use crate::catalogue::NGSI_V2_DOOR;
use crate::controller::Update;
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::metrics;
use crate::notices::Notices;
use crate::owners::{self, Owners};
use crate::settings::Settings;

/// How long requests and notifications under way get when the silo ends.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the silo writes: an attribute is replaced with its metadata, as an attribute of NGSI-LD is.
const OPTIONS: UpdateOptions = UpdateOptions { override_metadata: true, forced: false };

/// A name of an entity in NGSIv2: id and type.
type Identity = (String, String);

/// What the ledger keeps of an entity.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Given {
    id: String,
    kind: String,
    attributes: BTreeSet<String>,
}

/// The broker of a silo of this flavour.
pub(super) struct NgsiV2 {
    broker: Broker,
    scope: Scope,
    /// Of each entity, a [`Given`].
    ledger: Ledger,
    owners: Owners,
    address: SocketAddr,
    /// Of each pipe, the vThing, and its names of the entity and the command.
    pipes: HashMap<(Identity, String), (VThingId, String, String)>,
    watch: Option<Watch>,
    notices: Notices,
    /// Those that the tenant was not told yet.
    notice: Option<Entity>,
    stop: CancellationToken,
    idle: Option<(TcpListener, HttpOptions)>,
    server: Serving<ServeError>,
}

impl NgsiV2 {
    pub(super) async fn open(settings: &Settings) -> Result<Self, RunError> {
        let (listener, address) = listen(settings, NGSI_V2_DOOR).await?;
        let ledger = Ledger::open(&settings.data.join("ledger"))
            .map_err(RunError::failed("open the silo's ledger"))?;
        let options = Options {
            dir: settings.data.join("ngsi-v2"),
            durability: settings.durability(),
            ..Options::default()
        };
        let broker = Broker::open(options).map_err(RunError::failed("open the silo's NGSIv2 broker"))?;
        let access = match &settings.token {
            Some(token) => Access::Token(token.expose().into()),
            None => Access::Open,
        };
        let http = HttpOptions { access, patience_ms: PATIENCE.as_millis() as u64, ..HttpOptions::default() };
        let owners = Owners::by_name(&settings.silo, entity_id, &ledger);
        Ok(Self {
            broker,
            scope: Scope::new(),
            ledger,
            owners,
            address,
            pipes: HashMap::new(),
            watch: None,
            notices: Notices::new(settings.silo.clone()),
            notice: None,
            stop: CancellationToken::new(),
            idle: Some((listener, http)),
            server: Serving::not_yet(),
        })
    }

    /// Translates an entity and notes what the vThing gives of it. An entity that changes its type is another one in
    /// NGSIv2; then the old one is to go.
    fn prepare(&mut self, v_thing: &VThingId, entity: &Entity) -> Option<(EntityInput, Option<Identity>)> {
        if let Err(foreign) = self.owners.check(&self.ledger, v_thing, entity.id()) {
            self.notice = owners::refuse(&mut self.notices, entity.id(), &foreign).or(self.notice.take());
            return None;
        }
        let mut members = match to_ngsi_v2(entity) {
            Ok(translated) => translated.entity,
            Err(error) => {
                metrics::refused("inexpressible");
                self.note(entity.id(), &error.to_string());
                tracing::warn!(%v_thing, %error, "an entity was left out");
                return None;
            }
        };
        feedback::simplify(&mut members);
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let now = (text("id"), text("type"));
        let known = self.ledger.get(v_thing, entity.id()).map(given);
        let before = known.clone().unwrap_or_default();
        let is_same = before.id == now.0 && before.kind == now.1;
        let attributes = members.keys().filter(|name| *name != "id" && *name != "type").cloned();
        let all = if is_same {
            before.attributes.into_iter().chain(attributes).collect()
        } else {
            attributes.collect()
        };
        let noted = Given { id: now.0, kind: now.1, attributes: all };
        if known.as_ref() != Some(&noted) {
            // Nobody waits for the disk here: what a power cut takes comes back with the context.
            drop(self.ledger.set(v_thing, entity.id(), &serde_json::to_string(&noted).unwrap_or_default()));
        }
        let gone = (!is_same && known.is_some()).then_some((before.id, before.kind));
        match EntityInput::parse(&Json::from(Value::Object(members)), false) {
            Ok(input) => Some((input, gone)),
            Err(error) => {
                refused(entity.id(), &error);
                self.note(entity.id(), error.description());
                None
            }
        }
    }

    /// Writes entities; those that the broker refuses are written one by one, so that the others are there.
    async fn append(&mut self, entities: Vec<EntityInput>) {
        if entities.is_empty() {
            return;
        }
        let batch = Batch { action: Action::Append, entities };
        if self.broker.update(&self.scope, &batch, OPTIONS).await.is_ok() {
            return;
        }
        for entity in batch.entities {
            let mut batch = Batch { action: Action::Append, entities: vec![entity] };
            let mut result = self.broker.update(&self.scope, &batch, OPTIONS).await;
            if matches!(&result, Err(error) if error.kind() == ErrorKind::NoResourcesAvailable) {
                // NGSIv2 has one place an entity; others are told to be only shown.
                batch.entities.iter_mut().for_each(feedback::one_place);
                result = self.broker.update(&self.scope, &batch, OPTIONS).await;
            }
            if let Err(error) = result {
                let id = batch.entities.first().map(|entity| entity.id.to_string()).unwrap_or_default();
                refused(&id, &error);
                self.note(&id, error.description());
            }
        }
    }

    /// Has the tenant told that an entity was refused.
    fn note(&mut self, entity: &str, reason: &str) {
        self.notice = self.notices.add(entity, reason).or(self.notice.take());
    }

    /// Shows the tenant what was refused.
    async fn tell(&mut self) {
        let Some(Ok(translated)) = self.notice.take().map(|notice| to_ngsi_v2(&notice)) else { return };
        let input = EntityInput::parse(&Json::from(Value::Object(translated.entity)), false);
        let batch = input.map(|input| Batch { action: Action::Append, entities: vec![input] });
        let written = match batch {
            Ok(batch) => self.broker.update(&self.scope, &batch, OPTIONS).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            refused("a notice for the tenant", &error);
        }
    }

    /// Takes away what only this vThing gave of an entity.
    async fn take_away(&self, v_thing: &VThingId, given_by_it: &Given) {
        let others = self.ledger.v_things().filter(|other| *other != v_thing);
        let others = others.flat_map(|other| self.ledger.entities(other).map(|(_, text)| given(text)));
        let mut shared = false;
        let mut kept = BTreeSet::new();
        for other in others.filter(|other| other.id == given_by_it.id && other.kind == given_by_it.kind) {
            shared = true;
            kept.extend(other.attributes);
        }
        let lost: Vec<_> =
            given_by_it.attributes.difference(&kept).map(|name| AttributeInput::named(name)).collect();
        if shared && lost.is_empty() {
            return;
        }
        let attributes = if shared { lost } else { Vec::new() };
        let (id, kind) = (given_by_it.id.as_str().into(), Some(given_by_it.kind.as_str().into()));
        let batch = Batch { action: Action::Delete, entities: vec![EntityInput { id, kind, attributes }] };
        match self.broker.update(&self.scope, &batch, UpdateOptions::default()).await {
            Err(error) if error.kind() == ErrorKind::ServiceUnavailable => refused(&given_by_it.id, &error),
            // The tenant may have deleted some of it before.
            Ok(()) | Err(_) => {}
        }
    }

    fn watch_pipes(&mut self) {
        let filter: WatchFilter = self.pipes.keys().map(|(_, name)| name.as_str().into()).collect();
        if filter.is_empty() {
            self.watch = None;
            return;
        }
        match &self.watch {
            Some(watch) => watch.set_filter(filter),
            None => self.watch = Some(self.broker.watch(filter, WATCH_CAPACITY)),
        }
    }

    /// What a change wrote into pipes. Any value is a command; a bare one is its argument.
    fn written(&self, change: &Watched) -> Vec<Written> {
        let identity = (change.entity.id.to_string(), change.entity.kind.to_string());
        let mut all = Vec::new();
        for name in change.attributes.iter().filter(|_| !change.is_deletion) {
            let Some((v_thing, entity, command)) = self.pipes.get(&(identity.clone(), name.to_string()))
            else {
                continue;
            };
            let value = change.entity.attribute(name).map(|attribute| attribute.value.to_text());
            let Some(Ok(value)) = value.map(|text| serde_json::from_str::<Value>(&text)) else { continue };
            if !Written::is_nothing(&value) {
                let (v_thing, entity, command) = (v_thing.clone(), entity.clone(), command.clone());
                all.push(Written { v_thing, entity, command, value, bare: true });
            }
        }
        all
    }

    /// The pipes of an entity that are not there.
    fn missing_pipes(&mut self, pipes: &Pipes) -> Option<EntityInput> {
        let mut named = Map::new();
        named.insert("id".to_owned(), pipes.entity.as_str().into());
        named.insert("type".to_owned(), pipes.kind.clone());
        let entity = Entity::try_from(named).ok()?;
        let mut patch = to_ngsi_v2(&entity).ok()?.entity;
        let text = |name: &str| patch.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let identity = (text("id"), text("type"));
        let known = self.broker.entity(&self.scope, &identity.0, Some(&identity.1)).ok();
        let mut given_too = self.ledger.get(&pipes.v_thing, &pipes.entity).map(given)?;
        for command in &pipes.commands {
            let of = (pipes.v_thing.clone(), pipes.entity.clone(), command.clone());
            self.pipes.insert((identity.clone(), attribute_name(command)), of);
            for (name, attribute) in pipe_attributes(command) {
                given_too.attributes.insert(name.clone());
                if known.as_ref().is_none_or(|entity| entity.attribute(&name).is_none()) {
                    patch.insert(name, attribute);
                }
            }
        }
        let noted = serde_json::to_string(&given_too).unwrap_or_default();
        if self.ledger.get(&pipes.v_thing, &pipes.entity) != Some(noted.as_str()) {
            drop(self.ledger.set(&pipes.v_thing, &pipes.entity, &noted));
        }
        (patch.len() > 2).then(|| EntityInput::parse(&Json::from(Value::Object(patch)), false).ok()).flatten()
    }
}

#[async_trait]
impl SiloBroker for NgsiV2 {
    fn doors(&self) -> Doors {
        [(NGSI_V2_DOOR, self.address)].into()
    }

    fn v_things(&self) -> Vec<VThingId> {
        self.ledger.v_things().cloned().collect()
    }

    async fn connect(&mut self, v_thing: &VThingId) {
        self.ledger.connect(v_thing);
    }

    async fn merge(&mut self, updates: Vec<Update>) {
        let mut inputs = Vec::new();
        for Update { v_thing, entities, .. } in updates {
            for entity in &entities {
                let Some((input, gone)) = self.prepare(&v_thing, entity) else { continue };
                if let Some((id, kind)) = gone {
                    self.append(std::mem::take(&mut inputs)).await;
                    self.take_away(&v_thing, &Given { id, kind, attributes: BTreeSet::new() }).await;
                }
                inputs.push(input);
            }
        }
        self.append(inputs).await;
        self.tell().await;
    }

    async fn disconnect(&mut self, v_thing: &VThingId) -> Vec<VThingId> {
        self.pipes.retain(|_, (of, _, _)| of != v_thing);
        self.watch_pipes();
        let all: Vec<Given> = self.ledger.entities(v_thing).map(|(_, text)| given(text)).collect();
        for given in &all {
            self.take_away(v_thing, given).await;
        }
        // First the broker, then the ledger: what a kill interrupts is done again.
        self.ledger.disconnect(v_thing);
        self.owners.gone(v_thing)
    }

    async fn open_pipes(&mut self, all: &[Pipes]) {
        let missing: Vec<_> = all.iter().filter_map(|pipes| self.missing_pipes(pipes)).collect();
        // First the watch: an application may write as soon as it sees the pipes.
        self.watch_pipes();
        self.append(missing).await;
    }

    fn serve(&mut self) {
        if let Some((listener, http)) = self.idle.take() {
            self.server.start(morgana_ngsi_v2::serve(self.broker.clone(), http, listener, self.stop.clone()));
        }
    }

    async fn next(&mut self) -> Result<Happened, RunError> {
        loop {
            let change = tokio::select! {
                ended = self.server.ended() => return Err(ended),
                change = next_change(&mut self.watch) => change,
            };
            let mut written = self.written(&change);
            while let Some(change) = self.watch.as_mut().and_then(Watch::try_next) {
                written.extend(self.written(&change));
            }
            if !written.is_empty() {
                return Ok(Happened::Written(written));
            }
        }
    }

    /// The broker keeps its entities itself.
    async fn restore(&mut self) {}

    async fn close(mut self: Box<Self>) {
        self.stop.cancel();
        self.server.stopped().await;
        self.broker.shutdown(PATIENCE).await;
    }
}

/// What the ledger says of an entity; the ledger is written here alone.
fn given(text: &str) -> Given {
    serde_json::from_str(text).unwrap_or_default()
}

fn refused(what: &str, error: &Error) {
    let reason =
        if error.kind() == ErrorKind::ServiceUnavailable { "broker_unavailable" } else { "broker_refused" };
    metrics::refused(reason);
    let what: String = what.chars().take(128).collect();
    tracing::warn!(what, error = error.description(), "the NGSIv2 broker did not take an entity");
}
