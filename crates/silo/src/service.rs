//! The thin part of a silo: it carries events from the fabric to the [`Controller`] and its actions
//! to the broker and back to the fabric.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use morgana_fabric::{Client, ClientError, ClientOptions, Event as FabricEvent, Qos};
use morgana_model::{ControlMessage, Topic, VSiloId, VThingId};
use morgana_workload::{Environment, FabricAccess};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::actuation::{Memory, Pipes};
use crate::broker::{Doors, Happened, SiloBroker};
use crate::controller::{Action, Controller, Event, Remembered, Update};
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::settings::Settings;
use crate::{flavours, metrics};

/// How long a silo waits for the fabric before it says that it is ready without.
const FABRIC_WAIT: Duration = Duration::from_secs(2);
/// How long the last word of a destroyed silo may take.
const FAREWELL_WAIT: Duration = Duration::from_secs(2);
/// Messages of the fabric that are taken together, so that the broker writes them together.
const BATCH: usize = 256;

/// A silo that runs in this process.
#[derive(Debug)]
pub struct Silo {
    doors: Doors,
    ready: watch::Receiver<bool>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl Silo {
    /// Starts a silo of a flavour. When it returns, the tenant's broker listens and shows what the
    /// silo knew when it last ended; the fabric may be away.
    ///
    /// # Errors
    /// See [`RunError`].
    pub async fn start(kind: &str, environment: Environment) -> Result<Self, RunError> {
        let settings = Settings::read(kind, environment)?;
        let mut broker = flavours::open(&settings).await?;
        broker.restore().await;
        let memory = Memory::open(&settings.data.join("commands"))
            .map_err(RunError::failed("open the silo's memory of commands"))?;
        let pipes = Ledger::open(&settings.data.join("pipes"))
            .map_err(RunError::failed("open the silo's ledger of pipes"))?;
        let known = known_pipes(&pipes);
        broker.open_pipes(&known).await;
        broker.serve();
        let doors = broker.doors();
        let (client, events) = Client::connect(fabric_client(&settings.fabric));
        let stop = CancellationToken::new();
        let (ready, is_ready) = watch::channel(false);
        tokio::spawn(ready_in_the_end(ready.clone(), stop.clone()));
        let service =
            Service { silo: settings.silo, client, events, broker, pipes, memory, ready, stop: stop.clone() };
        tracing::info!(silo = %service.silo, kind, ?doors, "the silo serves");
        Ok(Self { doors, ready: is_ready, stop, task: tokio::spawn(service.run()) })
    }

    /// The doors that are open.
    pub fn doors(&self) -> &Doors {
        &self.doors
    }

    /// Waits until the silo listens to the fabric, or the fabric had two seconds to answer; or until
    /// the silo has ended.
    pub fn ready(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut ready = self.ready.clone();
        async move {
            // An error means that the silo has ended.
            let _ = ready.wait_for(|ready| *ready).await;
        }
    }

    /// Tells the silo to end. It lets what runs finish.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has ended: by [`Silo::stop`], because the platform destroyed it, or by an
    /// error. May be dropped and called again.
    ///
    /// # Errors
    /// Why the broker could not serve any more.
    pub async fn ended(&mut self) -> Result<(), RunError> {
        (&mut self.task).await.unwrap_or_else(|panic| Err(RunError::failed("go on after a bug")(panic)))
    }
}

/// The pipes that a silo knows from its last run.
fn known_pipes(ledger: &Ledger) -> Vec<Pipes> {
    let mut known = Vec::new();
    for v_thing in ledger.v_things() {
        known.extend(ledger.entities(v_thing).filter_map(|(id, text)| Pipes::from_text(v_thing, id, text)));
    }
    known
}

fn fabric_client(access: &FabricAccess) -> ClientOptions {
    let address = std::net::SocketAddr::new(access.host, access.port).to_string();
    ClientOptions::new(address, access.user.clone())
        .with_credentials(access.user.clone(), access.password.clone())
}

async fn ready_in_the_end(ready: watch::Sender<bool>, stop: CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(FABRIC_WAIT) => {}
        () = stop.cancelled() => {}
    }
    if !ready.send_replace(true) {
        tracing::warn!("the fabric does not answer yet; the silo serves what it knows");
    }
}

struct Service {
    silo: VSiloId,
    client: Client,
    events: mpsc::Receiver<FabricEvent>,
    broker: Box<dyn SiloBroker>,
    /// Of each entity with commands, its pipes.
    pipes: Ledger,
    memory: Memory,
    ready: watch::Sender<bool>,
    stop: CancellationToken,
}

impl Service {
    async fn run(mut self) -> Result<(), RunError> {
        let outcome = self.work().await;
        let Self { silo, client, broker, stop, .. } = self;
        stop.cancel();
        broker.close().await;
        if let Ok(End::Destroyed(farewells)) = &outcome {
            for (topic, message) in farewells {
                // Its reader waits for it, so it is worth an acknowledgement.
                let sent = client.publish(topic.to_string(), json(message), Qos::AtLeastOnce);
                if tokio::time::timeout(FAREWELL_WAIT, sent).await.is_err() {
                    tracing::warn!("the fabric did not take the silo's last word");
                }
            }
        }
        client.close().await;
        tracing::info!(%silo, "the silo has ended");
        outcome.map(drop)
    }

    async fn work(&mut self) -> Result<End, RunError> {
        let stop = self.stop.clone();
        let (mut controller, actions) =
            Controller::start(self.silo.clone(), self.remembered(), Instant::now());
        metrics::v_things(controller.v_things().count());
        // This waits for the fabric; there is nothing else to wait for meanwhile.
        let mut end = self.carry_out(&mut controller, actions).await;
        loop {
            if let Some(end) = end {
                return Ok(end);
            }
            let due = controller.next_due();
            let mut batch = Vec::new();
            let mut written = Vec::new();
            // In no order: neither the fabric nor the tenant can keep the other waiting.
            tokio::select! {
                () = stop.cancelled() => return Ok(End::Stopped),
                happened = self.broker.next() => match happened? {
                    Happened::Written(all) => written = all,
                    Happened::Lost => self.broker.restore().await,
                },
                taken = self.events.recv_many(&mut batch, BATCH) => if taken == 0 { return Ok(End::Stopped) },
                () = until(due) => {}
            }
            let mut actions = Vec::new();
            let now = Instant::now();
            for written in written {
                actions.extend(controller.apply(Event::Written(written), now));
            }
            for event in batch {
                actions.extend(apply(&mut controller, event));
            }
            actions.extend(controller.apply(Event::Tick, Instant::now()));
            end = self.carry_out(&mut controller, actions).await;
        }
    }

    fn remembered(&self) -> Remembered {
        let since_1970 =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Remembered {
            v_things: self.broker.v_things(),
            pipes: known_pipes(&self.pipes),
            seen: self.memory.seen(),
            started_ms: u64::try_from(since_1970.as_millis()).unwrap_or_default(),
        }
    }

    /// Carries out actions in their order; updates that follow each other go to the broker at once.
    async fn carry_out(&mut self, controller: &mut Controller, actions: Vec<Action>) -> Option<End> {
        // Commands are written down together, so that they wait for the disk together.
        let mut remembered = None;
        for action in &actions {
            if let Action::Remember(key) = action {
                remembered = self.memory.remember(*key).or(remembered);
            }
        }
        let mut actions = VecDeque::from(actions);
        let mut updates: Vec<Update> = Vec::new();
        while let Some(action) = actions.pop_front() {
            if let Action::Merge(update) = action {
                updates.push(update);
                continue;
            }
            if !updates.is_empty() {
                self.broker.merge(std::mem::take(&mut updates)).await;
            }
            match action {
                Action::Merge(_) | Action::Remember(_) => {}
                Action::Open(pipes) => self.open(pipes).await,
                Action::Send(v_thing, message) => {
                    if let Some(ticket) = remembered.take() {
                        // An error was told when the disk refused; the command goes on.
                        let _ = ticket.durable().await;
                    }
                    self.send(v_thing, message).await;
                }
                Action::Subscribe(topic) => {
                    if !self.subscribe(&topic).await {
                        actions.extend(controller.apply(Event::Refused(&topic), Instant::now()));
                    }
                }
                Action::Unsubscribe(topic) => {
                    if let Err(error) = self.wait(self.client.unsubscribe(topic.to_string())).await {
                        tracing::warn!(%topic, %error, "a topic could not be left");
                    }
                }
                Action::Publish(topic, message) => self.publish(&topic, &message).await,
                Action::Connect(v_thing) => {
                    tracing::info!(%v_thing, "vThing connected");
                    self.pipes.connect(&v_thing);
                    self.broker.connect(&v_thing).await;
                    metrics::v_things(controller.v_things().count());
                }
                Action::Disconnect(v_thing) => {
                    tracing::info!(%v_thing, "vThing disconnected");
                    for waiting in self.broker.disconnect(&v_thing).await {
                        actions.extend(controller.apply(Event::Wanted(&waiting), Instant::now()));
                    }
                    self.pipes.disconnect(&v_thing);
                    metrics::v_things(controller.v_things().count());
                }
                Action::Reject(rejection) => {
                    metrics::dropped(&rejection);
                    tracing::warn!(%rejection, "a message of the fabric was dropped");
                }
                Action::Stop => {
                    let farewell = |action| match action {
                        Action::Publish(topic, message) => Some((topic, message)),
                        _ => None,
                    };
                    return Some(End::Destroyed(actions.into_iter().filter_map(farewell).collect()));
                }
            }
        }
        if !updates.is_empty() {
            self.broker.merge(updates).await;
        }
        if self.client.is_connected() {
            self.ready.send_replace(true);
        }
        None
    }

    /// Whether the topic is subscribed, or will be after the next reconnection.
    async fn subscribe(&self, topic: &Topic) -> bool {
        // Data is sent once, as VirIoT does it; what a silo is told to do may be sent to arrive.
        let qos = match topic {
            Topic::VThingDataOut(_) => Qos::AtMostOnce,
            _ => Qos::AtLeastOnce,
        };
        match self.wait(self.client.subscribe(topic.to_string(), qos)).await {
            Ok(()) | Err(ClientError::Closed) => true,
            Err(error) => {
                tracing::warn!(%topic, %error, "a topic could not be subscribed; it is tried again");
                false
            }
        }
    }

    /// Waits for the fabric, which may be away for long, unless the silo is told to stop.
    async fn wait(&self, answer: impl Future<Output = Result<(), ClientError>>) -> Result<(), ClientError> {
        tokio::select! {
            answer = answer => answer,
            () = self.stop.cancelled() => Ok(()),
        }
    }

    async fn open(&mut self, pipes: Pipes) {
        let text = pipes.to_text();
        if self.pipes.get(&pipes.v_thing, &pipes.entity) != Some(text.as_str()) {
            drop(self.pipes.set(&pipes.v_thing, &pipes.entity, &text));
        }
        self.broker.open_pipes(std::slice::from_ref(&pipes)).await;
    }

    /// Sends a command, once: with QoS 0 nothing sends it again. Whether it arrived is seen by who answers.
    async fn send(&self, v_thing: VThingId, message: Vec<u8>) {
        let topic = Topic::VThingDataIn(v_thing);
        match self.client.publish(topic.to_string(), message, Qos::AtMostOnce).await {
            Ok(()) => metrics::command(),
            Err(error) => tracing::warn!(%topic, %error, "a command could not be sent"),
        }
    }

    async fn publish(&self, topic: &Topic, message: &ControlMessage) {
        match self.client.publish(topic.to_string(), json(message), Qos::AtMostOnce).await {
            // It is sent again after the reconnection.
            Ok(()) | Err(ClientError::Disconnected) => {}
            Err(error) => tracing::warn!(%topic, %error, "a message could not be sent"),
        }
    }
}

/// How a silo ends.
enum End {
    /// It was told to stop; it will be started again.
    Stopped,
    /// It is no more; this is what it still has to say.
    Destroyed(Vec<(Topic, ControlMessage)>),
}

fn apply(controller: &mut Controller, event: FabricEvent) -> Vec<Action> {
    let now = Instant::now();
    match event {
        FabricEvent::Connected { first } => {
            tracing::info!(first, "connected to the fabric");
            controller.apply(Event::Connected, now)
        }
        FabricEvent::Disconnected { cause } => {
            tracing::warn!(%cause, "the fabric is away; the silo serves what it knows");
            controller.apply(Event::Disconnected, now)
        }
        FabricEvent::SubscriptionRefused { filter, reason } => {
            tracing::warn!(filter, %reason, "the fabric took a subscription back; it is asked for again");
            match filter.parse() {
                Ok(topic) => controller.apply(Event::Refused(&topic), now),
                Err(_) => Vec::new(),
            }
        }
        FabricEvent::Message { topic, payload } => {
            metrics::message();
            controller.apply(Event::Message { topic: &topic, payload: &payload }, now)
        }
    }
}

/// Waits until then; for ever without a then.
pub(crate) async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn json(message: &ControlMessage) -> Vec<u8> {
    // Writing a JSON value into memory does not fail.
    serde_json::to_vec(message).unwrap_or_default()
}
