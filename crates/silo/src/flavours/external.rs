//! Flavours whose broker is somebody else's: the same silo drives it over its public API.
//!
//! The silo keeps the state of every entity in its ledger, so that it can fill a broker that was away or has forgotten
//! everything: once a write fails, the broker is asked again and again until it answers, and then shown all of it.
//! Notifications of pipes come to a listener of the silo's own, on a path that cannot be guessed.

mod listener;
mod ngsi_ld;
mod ngsi_v2;
mod onem2m;
mod peer;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use morgana_model::{Entity, VThingId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::actuation::{Pipes, Written};
use crate::broker::{Doors, Happened, SiloBroker};
use crate::catalogue::LISTENER_DOOR;
use crate::controller::Update;
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::notices::Notices;
use crate::owners::{self, Owners};
use crate::settings::Settings;

use listener::Listener;
pub(super) use ngsi_ld::NgsiLd;
pub(super) use ngsi_v2::NgsiV2;
pub(super) use onem2m::OneM2m;

/// How long to wait until a broker that was away is asked again, at first; then twice as long, and so on.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The broker cannot be reached, or says that it cannot serve now.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Away(pub(super) String);

/// What is to go of an entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Gone {
    /// As it was shown.
    pub(super) entity: Entity,
    /// Only these attributes; the whole entity without them.
    pub(super) attributes: Option<BTreeSet<String>>,
}

/// A broker over its API. What it refuses is logged and left out; an error means that it is away.
#[async_trait]
pub(super) trait Remote: Send + Sync + Sized + 'static {
    /// Reads the settings; talks to nobody yet.
    fn new(settings: &Settings) -> Result<Self, RunError>;

    /// Whether it answers.
    async fn ask(&mut self) -> Result<(), Away>;

    /// Shows entities, or parts of them.
    async fn show(&mut self, entities: &[(&VThingId, &Entity)]) -> Result<(), Away>;

    /// Takes away what a vThing gave.
    async fn take_away(&mut self, v_thing: &VThingId, gone: &[Gone]) -> Result<(), Away>;

    /// Shows pipes that are not there yet, and has what is written into them notified to a URL.
    async fn open_pipes(&mut self, pipes: &Pipes, listener: &str) -> Result<(), Away>;

    /// What a notification says, with the pipes that there are.
    fn written(&self, notification: &Value, pipes: &[Pipes]) -> Vec<Written>;

    /// Tells the tenant, in the broker, what was refused: ids of entities and reasons.
    async fn tell(&mut self, _refused: Vec<(String, String)>) -> Result<(), Away> {
        Ok(())
    }

    /// What an entity with an id is called in the broker, where all vThings share one space of entities; nothing
    /// where each has a place of its own.
    const SHARED_NAME: Option<fn(&str) -> String>;
}

/// A silo whose broker is somebody else's.
pub(super) struct External<R> {
    remote: R,
    /// Of each entity, all that the vThing said of it, as JSON.
    ledger: Ledger,
    /// What could not be taken away because the broker was away: of each vThing, by a number.
    debts: Ledger,
    owners: Option<Owners>,
    /// What was refused of late, so that it is said once.
    refused: Notices,
    pipes: Vec<Pipes>,
    door: SocketAddr,
    /// The URL that notifications go to.
    url: String,
    notifications: mpsc::Receiver<Value>,
    _listener: Listener,
    away: Option<(Instant, Duration)>,
}

impl<R: Remote> External<R> {
    pub(super) async fn open(settings: &Settings) -> Result<Self, RunError> {
        let remote = R::new(settings)?;
        let open = |name: &str| {
            Ledger::open(&settings.data.join(name)).map_err(RunError::failed("open the silo's ledger"))
        };
        let (ledger, debts) = (open("ledger")?, open("debts")?);
        let owners = R::SHARED_NAME.map(|name| Owners::by_name(&settings.silo, name, &ledger));
        let refused = Notices::new(settings.silo.clone());
        let (listener, notifications) = Listener::start(settings).await?;
        let (door, url) = (listener.address, listener.url.clone());
        let (pipes, away) = (Vec::new(), None);
        Ok(Self {
            remote,
            ledger,
            debts,
            owners,
            refused,
            pipes,
            door,
            url,
            notifications,
            _listener: listener,
            away,
        })
    }

    /// Notes that the broker is away, if it is.
    fn note(&mut self, outcome: Result<(), Away>) {
        if let Err(error) = outcome
            && self.away.is_none()
        {
            tracing::warn!(%error, "the silo's broker is away; the silo tries again until it is back");
            self.away = Some((Instant::now() + FIRST_WAIT, FIRST_WAIT));
        }
    }

    /// What is to go when a vThing goes.
    fn gone(&self, v_thing: &VThingId) -> Vec<Gone> {
        let entity = |text: &str| serde_json::from_str::<Entity>(text).ok();
        let names =
            |entity: &Entity| entity.attributes().map(|(name, _)| name.to_owned()).collect::<BTreeSet<_>>();
        let mut all = Vec::new();
        for (id, text) in self.ledger.entities(v_thing) {
            let Some(mut shown) = entity(text) else { continue };
            for pipes in self.pipes.iter().filter(|pipes| pipes.v_thing == *v_thing && pipes.entity == id) {
                pipes.names().into_iter().for_each(|name| shown.set(name, Value::Null));
            }
            let others = self.ledger.v_things().filter(|other| *other != v_thing && R::SHARED_NAME.is_some());
            let others: Vec<_> = others.filter_map(|other| entity(self.ledger.get(other, id)?)).collect();
            let kept: BTreeSet<String> = others.iter().flat_map(names).collect();
            let attributes = (!others.is_empty()).then(|| names(&shown).difference(&kept).cloned().collect());
            all.push(Gone { entity: shown, attributes });
        }
        all
    }

    /// Takes away what was to go while the broker was away.
    async fn settle(&mut self) -> Result<(), Away> {
        let v_things: Vec<VThingId> = self.debts.v_things().cloned().collect();
        for v_thing in v_things {
            let gone: Vec<Gone> = self
                .debts
                .entities(&v_thing)
                .filter_map(|(_, text)| serde_json::from_str(text).ok())
                .collect();
            self.remote.take_away(&v_thing, &gone).await?;
            self.debts.disconnect(&v_thing);
        }
        Ok(())
    }

    async fn show_all(&mut self) -> Result<(), Away> {
        self.settle().await?;
        let all: Vec<(VThingId, Entity)> = self
            .ledger
            .v_things()
            .flat_map(|v_thing| self.ledger.entities(v_thing).map(move |(_, text)| (v_thing, text)))
            .filter_map(|(v_thing, text)| Some((v_thing.clone(), serde_json::from_str(text).ok()?)))
            .collect();
        for some in all.chunks(100) {
            let some: Vec<_> = some.iter().map(|(v_thing, entity)| (v_thing, entity)).collect();
            self.remote.show(&some).await?;
        }
        for pipes in &self.pipes {
            self.remote.open_pipes(pipes, &self.url).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl<R: Remote> SiloBroker for External<R> {
    fn doors(&self) -> Doors {
        [(LISTENER_DOOR, self.door)].into()
    }

    fn v_things(&self) -> Vec<VThingId> {
        self.ledger.v_things().cloned().collect()
    }

    async fn connect(&mut self, v_thing: &VThingId) {
        self.ledger.connect(v_thing);
    }

    async fn merge(&mut self, mut updates: Vec<Update>) {
        let mut refused = Vec::new();
        for Update { v_thing, entities, .. } in &mut updates {
            entities.retain(|entity| {
                let checked =
                    self.owners.as_mut().map(|owners| owners.check(&self.ledger, v_thing, entity.id()));
                if let Some(Err(foreign)) = checked {
                    if owners::refuse(&mut self.refused, entity.id(), &foreign).is_some() {
                        refused.push((entity.id().to_owned(), foreign.to_string()));
                    }
                    return false;
                }
                // Nobody waits for the disk here: what a power cut takes comes back with the context.
                self.ledger.merge(v_thing, entity.clone());
                true
            });
        }
        self.ledger.write_now();
        if self.away.is_none() {
            let all = updates
                .iter()
                .flat_map(|update| update.entities.iter().map(|entity| (&update.v_thing, entity)));
            let mut outcome = self.remote.show(&all.collect::<Vec<_>>()).await;
            if outcome.is_ok() && !refused.is_empty() {
                outcome = self.remote.tell(refused).await;
            }
            self.note(outcome);
        }
    }

    async fn disconnect(&mut self, v_thing: &VThingId) -> Vec<VThingId> {
        // First it is written down what is to go, then it goes: what a kill interrupts is done again.
        self.debts.connect(v_thing);
        for (number, gone) in self.gone(v_thing).iter().enumerate() {
            let text = serde_json::to_string(gone).unwrap_or_default();
            drop(self.debts.set(v_thing, &number.to_string(), &text));
        }
        self.ledger.disconnect(v_thing);
        self.pipes.retain(|pipes| pipes.v_thing != *v_thing);
        if self.away.is_none() {
            let outcome = self.settle().await;
            self.note(outcome);
        }
        self.owners.as_mut().map_or_else(Vec::new, |owners| owners.gone(v_thing))
    }

    async fn open_pipes(&mut self, all: &[Pipes]) {
        for pipes in all {
            // An entity that the vThing was refused has no pipes of it.
            if self.pipes.contains(pipes) || self.ledger.get(&pipes.v_thing, &pipes.entity).is_none() {
                continue;
            }
            self.pipes.retain(|known| known.v_thing != pipes.v_thing || known.entity != pipes.entity);
            self.pipes.push(pipes.clone());
            if self.away.is_none() {
                let outcome = self.remote.open_pipes(pipes, &self.url).await;
                self.note(outcome);
            }
        }
    }

    fn serve(&mut self) {}

    async fn next(&mut self) -> Result<Happened, RunError> {
        loop {
            let due = self.away.map(|(due, _)| due);
            tokio::select! {
                Some(notification) = self.notifications.recv() => {
                    let written = self.remote.written(&notification, &self.pipes);
                    let written: Vec<_> = written.into_iter().filter(|one| !Written::is_nothing(&one.value)).collect();
                    if !written.is_empty() {
                        return Ok(Happened::Written(written));
                    }
                }
                () = crate::service::until(due) => match self.remote.ask().await {
                    Ok(()) => return Ok(Happened::Lost),
                    Err(_) => {
                        let wait = self.away.map_or(FIRST_WAIT, |(_, wait)| (wait * 2).min(LONGEST_WAIT));
                        self.away = Some((Instant::now() + wait, wait));
                    }
                },
            }
        }
    }

    async fn restore(&mut self) {
        self.away = None;
        let outcome = self.show_all().await;
        self.note(outcome);
    }

    async fn close(self: Box<Self>) {}
}
