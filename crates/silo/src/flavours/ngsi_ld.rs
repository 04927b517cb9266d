//! The flavour `ngsi-ld`: an NGSI-LD context broker of the tenant's own.
//!
//! Entities appear as the vThings gave them, with `generatedByVThing` beside (see
//! [`morgana_translate::ngsi_ld`]). What a vThing gives is appended to, or written over, what is
//! there; attributes that the tenant added to an entity stay until the entity goes.
//!
//! Two vThings of one ThingVisor may know the same entity. Then it has the attributes of both, and where both give
//! the same attribute the last value holds. Those of another ThingVisor are refused it (see [`Owners`]). Disconnecting one takes away the attributes that only
//! it gave; the entity goes with the last of its vThings. The ledger has the names for that,
//! expanded, since two vThings may write the same name in different contexts.
//!
//! The pipes of a command are three Properties beside the others, `{}` at first. What the tenant writes into one is
//! seen by a watch of the broker, in this process.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use morgana_journal::Ticket;
use morgana_model::{Entity, VThingId};
use morgana_ngsi_ld::{
    Access, Broker, Change, ChangeKind, Error, ErrorKind, HttpOptions, Json, Name, Options, ServerError,
    UpsertMode, Watch, WatchFilter,
};
use morgana_translate::commands::{result_pipe, status_pipe};
use morgana_translate::ngsi_ld::{GENERATED_BY, for_broker};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::listen::{Serving, listen};
use super::watching::next_change;
use crate::actuation::{Pipes, Written};
use crate::broker::{Doors, Happened, SiloBroker, WATCH_CAPACITY};
use crate::catalogue::NGSI_LD_DOOR;
use crate::controller::Update;
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::metrics;
use crate::notices::Notices;
use crate::owners::{self, Owners};
use crate::settings::Settings;

/// How an update deletes an attribute (ETSI GS CIM 009 clause 4.5.0).
const NGSI_LD_NULL: &str = "urn:ngsi-ld:null";

/// How long requests and notifications under way get when the silo ends.
const PATIENCE: Duration = Duration::from_secs(2);

/// The broker of a silo of this flavour.
pub(super) struct NgsiLd {
    broker: Broker,
    /// Of each entity, the expanded names of the attributes that the vThing gave.
    ledger: Ledger,
    owners: Owners,
    address: SocketAddr,
    /// Of each entity and expanded name of a pipe, the vThing and its name of the command.
    pipes: HashMap<(String, Name), (VThingId, String)>,
    /// There is none while there are no pipes.
    watch: Option<Watch>,
    notices: Notices,
    stop: CancellationToken,
    /// What the server needs, until it runs.
    idle: Option<(TcpListener, HttpOptions)>,
    server: Serving<ServerError>,
}

impl NgsiLd {
    pub(super) async fn open(settings: &Settings) -> Result<Self, RunError> {
        let (listener, address) = listen(settings, NGSI_LD_DOOR).await?;
        let ledger = Ledger::open(&settings.data.join("ledger"))
            .map_err(RunError::failed("open the silo's ledger"))?;
        let options = Options {
            dir: settings.data.join("ngsi-ld"),
            durability: settings.durability(),
            history_instances: settings.number("history"),
            history_max_age_s: settings.number("historyMaxAge") as u64,
            ..Options::default()
        };
        let broker = Broker::open(options).map_err(RunError::failed("open the silo's NGSI-LD broker"))?;
        let access = match &settings.token {
            Some(token) => Access::Token(token.expose().into()),
            None => Access::Open,
        };
        let patience_ms = PATIENCE.as_millis() as u64;
        // An answer of nothing would never come to an end.
        let temporal_max = settings.number("temporalLimit").max(1);
        let http = HttpOptions { access, patience_ms, temporal_max, ..HttpOptions::default() };
        let stop = CancellationToken::new();
        let (pipes, idle) = (HashMap::new(), Some((listener, http)));
        let notices = Notices::new(settings.silo.clone());
        let owners = Owners::by_id(&settings.silo);
        Ok(Self {
            broker,
            ledger,
            owners,
            address,
            pipes,
            watch: None,
            notices,
            stop,
            idle,
            server: Serving::not_yet(),
        })
    }

    /// Notes which attributes the vThing gives of an entity. The ticket is of a change.
    async fn note(&mut self, v_thing: &VThingId, document: &Value) -> Result<Option<Ticket>, Error> {
        let context = document.get("@context").cloned().map(Json::from);
        let context = self.broker.context(context.as_ref()).await?;
        let Some((id, members)) = id_and_members(document) else { return Ok(None) };
        let known = self.ledger.get(v_thing, id).map(names);
        let mut given = known.clone().unwrap_or_default();
        given.extend(members.map(|name| context.expand(name)));
        if known.as_ref() == Some(&given) {
            return Ok(None);
        }
        let id = id.to_owned();
        Ok(self.ledger.set(v_thing, &id, &json!(given).to_string()))
    }

    /// What is left to say of an entity that a vThing gave, once it is gone: nothing if nobody else
    /// gives the entity, else a patch that takes away what only this vThing gave.
    fn remainder(&self, v_thing: &VThingId, id: &str, given: &str) -> Option<Value> {
        let others = self.ledger.v_things().filter(|other| *other != v_thing);
        let others: Vec<_> = others.filter_map(|other| Some((other, self.ledger.get(other, id)?))).collect();
        let (heir, _) = others.first()?;
        let kept: BTreeSet<String> = others.iter().flat_map(|(_, given)| names(given)).collect();
        let mut patch = Map::new();
        patch.insert("id".to_owned(), json!(id));
        patch.insert(GENERATED_BY.to_owned(), json!({ "type": "Property", "value": heir }));
        let lost = names(given).into_iter().filter(|name| !kept.contains(name));
        patch.extend(lost.map(|name| (name, json!(NGSI_LD_NULL))));
        Some(Value::Object(patch))
    }

    /// The vThings that have an entity with a pipe of this one: they may take its commands when it is gone.
    fn heirs(&self, v_thing: &VThingId) -> BTreeSet<VThingId> {
        let entities: BTreeSet<&String> =
            self.pipes.iter().filter(|(_, (of, _))| of == v_thing).map(|((entity, _), _)| entity).collect();
        let has = |other: &&VThingId| entities.iter().any(|entity| self.ledger.get(other, entity).is_some());
        self.ledger.v_things().filter(|other| *other != v_thing).filter(has).cloned().collect()
    }

    /// Watches the pipes that there are.
    fn watch_pipes(&mut self) {
        let attributes: Vec<Name> = self.pipes.keys().map(|(_, name)| name.clone()).collect();
        if attributes.is_empty() {
            self.watch = None;
            return;
        }
        let filter = WatchFilter { attributes, ..WatchFilter::default() };
        match &self.watch {
            Some(watch) => watch.set_filter(filter),
            None => self.watch = Some(self.broker.watch(filter, WATCH_CAPACITY)),
        }
    }

    /// What a change wrote into pipes.
    fn written(&self, change: &Change) -> Vec<Written> {
        let mut all = Vec::new();
        if change.kind == ChangeKind::Deleted {
            return all;
        }
        for name in &change.attributes {
            let Some((v_thing, command)) = self.pipes.get(&(change.entity.id.to_string(), name.clone()))
            else {
                continue;
            };
            let value = change.entity.attribute(name).map(|attribute| serde_json::to_value(&attribute.value));
            let Some(Ok(value)) = value else { continue };
            if !Written::is_nothing(&value) {
                let (v_thing, entity) = (v_thing.clone(), change.entity.id.to_string());
                all.push(Written { v_thing, entity, command: command.clone(), value, bare: false });
            }
        }
        all
    }

    /// The pipes of an entity that are not there, as a patch of it. An entity that the vThing was refused has none of
    /// it.
    async fn missing_pipes(&mut self, pipes: &Pipes) -> Result<Option<Value>, Error> {
        if self.ledger.get(&pipes.v_thing, &pipes.entity).is_none() {
            return Ok(None);
        }
        let context = self.broker.context(pipes.context.clone().map(Json::from).as_ref()).await?;
        let known = self.broker.get(&pipes.entity);
        let mut patch = Map::new();
        for command in &pipes.commands {
            let name = Name::new(&context.expand(command));
            let of = (pipes.v_thing.clone(), command.clone());
            // Where two vThings of one ThingVisor take it, it is the first one's.
            let taken = self.pipes.entry((pipes.entity.clone(), name)).or_insert_with(|| of.clone());
            if taken.0 == of.0 {
                *taken = of;
            }
            for pipe in [command.clone(), status_pipe(command), result_pipe(command)] {
                let name = Name::new(&context.expand(&pipe));
                if !known.as_ref().is_some_and(|entity| entity.has(&name)) {
                    patch.insert(pipe, json!({ "type": "Property", "value": {} }));
                }
            }
        }
        if patch.is_empty() {
            return Ok(None);
        }
        patch.insert("id".to_owned(), json!(pipes.entity));
        patch.insert("type".to_owned(), pipes.kind.clone());
        patch.extend(pipes.context.clone().map(|context| ("@context".to_owned(), context)));
        Ok(Some(Value::Object(patch)))
    }

    /// Tells the tenant what was refused.
    async fn tell(&mut self, notice: Entity) {
        let document = Value::Object(notice.into());
        if let Err(error) = self.broker.upsert(vec![document], UpsertMode::Update).await {
            refused("a notice for the tenant", &error);
        }
    }

    async fn upsert(&mut self, documents: Vec<Value>) {
        let done = match self.broker.upsert(documents, UpsertMode::Update).await {
            Ok(done) => done,
            Err(error) => return refused("all of an update", &error),
        };
        let mut notice = None;
        for failure in &done.failed {
            refused(&failure.id, &failure.error);
            notice = self.notices.add(&failure.id, &failure.error.to_string()).or(notice);
        }
        if let Some(notice) = notice {
            self.tell(notice).await;
        }
    }
}

#[async_trait]
impl SiloBroker for NgsiLd {
    fn doors(&self) -> Doors {
        [(NGSI_LD_DOOR, self.address)].into()
    }

    fn v_things(&self) -> Vec<VThingId> {
        self.ledger.v_things().cloned().collect()
    }

    async fn connect(&mut self, v_thing: &VThingId) {
        self.ledger.connect(v_thing);
    }

    async fn merge(&mut self, updates: Vec<Update>) {
        let mut documents = Vec::new();
        let (mut last, mut notice) = (None, None);
        for Update { v_thing, entities, .. } in updates {
            for entity in entities {
                if let Err(foreign) = self.owners.check(&self.ledger, &v_thing, entity.id()) {
                    notice = owners::refuse(&mut self.notices, entity.id(), &foreign).or(notice);
                    continue;
                }
                let document = prepared(entity, &v_thing);
                match self.note(&v_thing, &document).await {
                    Ok(ticket) => {
                        last = ticket.or(last);
                        documents.push(document);
                    }
                    Err(error) => refused(document["id"].as_str().unwrap_or_default(), &error),
                }
            }
        }
        // First the ledger, then the broker: so there is never an entity that nobody would erase.
        if let Some(ticket) = last {
            // An error was told by the ledger; the silo goes on.
            let _ = ticket.durable().await;
        }
        if !documents.is_empty() {
            self.upsert(documents).await;
        }
        if let Some(notice) = notice {
            self.tell(notice).await;
        }
    }

    async fn disconnect(&mut self, v_thing: &VThingId) -> Vec<VThingId> {
        let mut patches = Vec::new();
        let mut gone = Vec::new();
        for (id, given) in self.ledger.entities(v_thing) {
            match self.remainder(v_thing, id, given) {
                Some(patch) => patches.push(patch),
                None => gone.push(id.to_owned()),
            }
        }
        match self.broker.delete(&gone).await {
            Ok(done) => {
                // The tenant may have deleted an entity before.
                let failures =
                    done.failed.iter().filter(|failure| failure.error.kind() != ErrorKind::ResourceNotFound);
                failures.for_each(|failure| refused(&failure.id, &failure.error));
            }
            Err(error) => refused("entities of a vThing that is gone", &error),
        }
        if !patches.is_empty() {
            self.upsert(patches).await;
        }
        let mut waiting = self.heirs(v_thing);
        self.pipes.retain(|_, (of, _)| of != v_thing);
        self.watch_pipes();
        // First the broker, then the ledger: what a kill interrupts is done again.
        self.ledger.disconnect(v_thing);
        waiting.extend(self.owners.gone(v_thing));
        waiting.into_iter().collect()
    }

    async fn open_pipes(&mut self, all: &[Pipes]) {
        let mut documents = Vec::new();
        let mut last = None;
        for pipes in all {
            let noted = match self.missing_pipes(pipes).await {
                Ok(None) => continue,
                Ok(Some(document)) => match self.note(&pipes.v_thing, &document).await {
                    Ok(ticket) => {
                        last = ticket.or(last);
                        documents.push(document);
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            if let Err(error) = noted {
                refused(&pipes.entity, &error);
            }
        }
        if let Some(ticket) = last {
            // As in `merge`.
            let _ = ticket.durable().await;
        }
        // First the watch: an application may write as soon as it sees the pipes.
        self.watch_pipes();
        if !documents.is_empty() {
            self.upsert(documents).await;
        }
    }

    fn serve(&mut self) {
        if let Some((listener, http)) = self.idle.take() {
            self.server.start(morgana_ngsi_ld::serve(self.broker.clone(), http, listener, self.stop.clone()));
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

fn prepared(entity: Entity, v_thing: &VThingId) -> Value {
    Value::Object(for_broker(entity, v_thing))
}

/// The id, and the names of the attributes that the vThing gave.
fn id_and_members(document: &Value) -> Option<(&str, impl Iterator<Item = &str>)> {
    const OTHERS: [&str; 6] = ["id", "type", "@context", "scope", "expiresAt", GENERATED_BY];
    let members = document.as_object()?;
    let names = members.keys().map(String::as_str).filter(|name| !OTHERS.contains(name));
    Some((members.get("id")?.as_str()?, names))
}

/// What the ledger says of an entity; the ledger is written here alone.
fn names(given: &str) -> BTreeSet<String> {
    serde_json::from_str(given).unwrap_or_default()
}

fn refused(what: &str, error: &Error) {
    let reason = if error.kind() == ErrorKind::Unavailable { "broker_unavailable" } else { "broker_refused" };
    metrics::refused(reason);
    let what: String = what.chars().take(128).collect();
    tracing::warn!(what, %error, "the NGSI-LD broker did not take an entity");
}
