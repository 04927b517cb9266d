//! The flavour `ngsi-ld`: an NGSI-LD context broker of the tenant's own.
//!
//! Entities appear as the vThings gave them, with `generatedByVThing` beside (see
//! [`morgana_translate::ngsi_ld`]). What a vThing gives is appended to, or written over, what is
//! there; attributes that the tenant added to an entity stay until the entity goes.
//!
//! Two vThings may know the same entity. Then it has the attributes of both, and where both give
//! the same attribute the last value holds. Disconnecting one takes away the attributes that only
//! it gave; the entity goes with the last of its vThings. The ledger has the names for that,
//! expanded, since two vThings may write the same name in different contexts.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use morgana_journal::Ticket;
use morgana_model::{Entity, VThingId};
use morgana_ngsi_ld::{
    Access, Broker, Error, ErrorKind, HttpOptions, Json, Options, ServerError, UpsertMode,
};
use morgana_translate::ngsi_ld::{GENERATED_BY, for_broker};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::broker::{Doors, SiloBroker};
use crate::catalogue::NGSI_LD_DOOR;
use crate::controller::Update;
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::metrics;
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
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<Result<(), ServerError>>,
}

impl NgsiLd {
    pub(super) async fn open(settings: &Settings) -> Result<Self, RunError> {
        let address = settings.door(NGSI_LD_DOOR)?;
        let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => RunError::PortTaken { inner: NGSI_LD_DOOR, address },
            _ => RunError::failed("listen for the silo's NGSI-LD broker")(error),
        })?;
        let address =
            listener.local_addr().map_err(RunError::failed("listen for the silo's NGSI-LD broker"))?;
        let ledger = Ledger::open(&settings.data.join("ledger"))
            .map_err(RunError::failed("open the silo's ledger"))?;
        let options = Options { dir: settings.data.join("ngsi-ld"), ..Options::default() };
        let broker = Broker::open(options).map_err(RunError::failed("open the silo's NGSI-LD broker"))?;
        let access = match &settings.token {
            Some(token) => Access::Token(token.expose().into()),
            None => Access::Open,
        };
        let patience_ms = PATIENCE.as_millis() as u64;
        let http = HttpOptions { access, patience_ms, ..HttpOptions::default() };
        let stop = CancellationToken::new();
        let server = tokio::spawn(morgana_ngsi_ld::serve(broker.clone(), http, listener, stop.clone()));
        Ok(Self { broker, ledger, address, stop, server })
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

    async fn upsert(&self, documents: Vec<Value>) {
        match self.broker.upsert(documents, UpsertMode::Update).await {
            Ok(done) => done.failed.iter().for_each(|failure| refused(&failure.id, &failure.error)),
            Err(error) => refused("all of an update", &error),
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
        let mut last = None;
        for Update { v_thing, entities, .. } in updates {
            for entity in entities {
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
    }

    async fn disconnect(&mut self, v_thing: &VThingId) {
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
        // First the broker, then the ledger: what a kill interrupts is done again.
        self.ledger.disconnect(v_thing);
    }

    async fn lost(&mut self) -> Result<(), RunError> {
        let ended = (&mut self.server).await;
        let cause: Box<dyn std::error::Error + Send + Sync> = match ended {
            Ok(Ok(())) => "the server ended".into(),
            Ok(Err(error)) => error.into(),
            Err(panic) => panic.into(),
        };
        Err(RunError::failed("serve NGSI-LD")(cause))
    }

    /// The broker keeps its entities itself.
    async fn restore(&mut self) {}

    async fn close(mut self: Box<Self>) {
        self.stop.cancel();
        if !self.server.is_finished() {
            // An error or a panic of a server that is to end is of no use to anybody.
            let _ = (&mut self.server).await;
        }
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
