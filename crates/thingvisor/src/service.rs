//! The loop that drives the state: fabric and author on one side, actions on the other.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use morgana_fabric::{Client, ClientError, Qos};
use morgana_model::{Entity, VThingId};
use morgana_workload::Notifier;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};

use crate::actuator::Order;
use crate::core::{Action, Event, State, Update};
use crate::courier::Courier;
use crate::memory::Memory;
use crate::message::Publication;
use crate::{Error, NewVThing, Options, RunError, metrics};

/// Saving takes one part in so many of the time at most.
const SAVING_SHARE: u32 = 50;

/// What the author asks for.
pub(crate) enum Request {
    Create { new: NewVThing, mailbox: Option<mpsc::Sender<Order>>, reply: Reply<Result<VThingId, Error>> },
    Delete { id: VThingId, reply: Reply<Result<(), Error>> },
    Publish { id: VThingId, changed: Vec<Entity>, reply: Reply<Result<(), Error>> },
    PublishChanges { id: VThingId, entity: Entity, reply: Reply<Result<(), Error>> },
    Known { id: VThingId, reply: Reply<Vec<Entity>> },
    Feedback(Publication),
    Run(Pin<Box<dyn Future<Output = ()> + Send>>),
    Ready { reply: Reply<()> },
    Status(String),
}

type Reply<T> = oneshot::Sender<T>;

/// Whether the loop goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    End,
}

pub(crate) struct Service {
    state: State,
    client: Client,
    courier: Courier,
    memory: Arc<Memory>,
    notifier: Arc<Notifier>,
    updates: watch::Sender<Update>,
    mailboxes: HashMap<VThingId, mpsc::Sender<Order>>,
    /// Actuators, and savings of the context.
    tasks: JoinSet<Done>,
    options: Options,
    /// When a changed context is saved.
    save_at: Option<Instant>,
    saving: bool,
    next_save: Instant,
    connected: bool,
    /// Whether there is a reason to be ready: a vThing, or the author's word.
    can_be_ready: bool,
    told_ready: bool,
    wait_for_ready: Vec<Reply<()>>,
}

/// What a task of the service was.
enum Done {
    Acted,
    Saved { result: io::Result<()>, took: Duration },
}

impl Service {
    pub(crate) fn new(
        state: State,
        client: Client,
        memory: Memory,
        notifier: Notifier,
        updates: watch::Sender<Update>,
        options: Options,
    ) -> Self {
        Self {
            state,
            courier: Courier::start(client.clone()),
            client,
            memory: Arc::new(memory),
            notifier: Arc::new(notifier),
            updates,
            mailboxes: HashMap::new(),
            tasks: JoinSet::new(),
            options,
            save_at: None,
            saving: false,
            next_save: Instant::now(),
            connected: false,
            can_be_ready: false,
            told_ready: false,
            wait_for_ready: Vec::new(),
        }
    }

    /// Serves until the controller destroys the ThingVisor.
    pub(crate) async fn run(
        &mut self,
        mut events: mpsc::Receiver<morgana_fabric::Event>,
        mut requests: mpsc::Receiver<Request>,
    ) -> Result<(), RunError> {
        let mut announcement = interval(Duration::from_secs(self.options.announce_interval_seconds.max(1)));
        announcement.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let start = self.state.start();
        self.act(start).await;
        loop {
            let save_at = self.save_at.filter(|_| !self.saving);
            let next = tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.heard(event).await,
                    None => return Err(ClientError::Closed.into()),
                },
                Some(request) = requests.recv() => self.asked(request).await,
                Some(done) = self.tasks.join_next() => self.done(done)?,
                _ = announcement.tick() => self.happened(Event::AnnouncementDue).await,
                () = sleep_until(save_at.unwrap_or_else(Instant::now).into()), if save_at.is_some() => self.save(),
            };
            if next == Next::End {
                return Ok(());
            }
        }
    }

    /// Leaves. What was queued still goes out, for as long as [`Options::stop_timeout_seconds`].
    pub(crate) async fn leave(mut self, destroyed: bool) {
        // Two writers of one file would spoil it.
        while self.saving
            && let Some(done) = self.tasks.join_next().await
        {
            self.saving = !matches!(done, Ok(Done::Saved { .. }));
        }
        if let Err(error) = self.notifier.stopping() {
            tracing::debug!(%error, "the node does not listen");
        }
        let kept = if destroyed { self.memory.forget() } else { self.memory.save(&self.state.contexts()) };
        if let Err(error) = kept {
            tracing::warn!(%error, destroyed, "context not put away");
        }
        let goodbye = async {
            if self.connected {
                self.courier.settle().await;
            }
            self.client.close().await;
        };
        if timeout(Duration::from_secs(self.options.stop_timeout_seconds), goodbye).await.is_err() {
            tracing::warn!("the fabric did not take everything in time");
        }
    }

    async fn heard(&mut self, event: morgana_fabric::Event) -> Next {
        use morgana_fabric::Event as Fabric;
        let event = match event {
            Fabric::Connected { .. } => {
                self.connected = true;
                Event::Connected
            }
            Fabric::Disconnected { .. } => {
                self.connected = false;
                Event::Disconnected
            }
            Fabric::Message { topic, payload } => Event::Message { topic, payload },
            Fabric::SubscriptionRefused { filter, reason } => {
                tracing::error!(filter, %reason, "the fabric took a right away");
                return Next::GoOn;
            }
        };
        self.happened(event).await
    }

    async fn happened(&mut self, event: Event) -> Next {
        let actions = self.state.apply(event, Instant::now());
        self.act(actions).await
    }

    async fn asked(&mut self, request: Request) -> Next {
        let now = Instant::now();
        match request {
            Request::Create { new, mailbox, reply } => {
                let created = self.state.create(new, now);
                if let Ok((id, _)) = &created {
                    self.can_be_ready = true;
                    self.mailboxes.extend(mailbox.map(|mailbox| (id.clone(), mailbox)));
                }
                self.carry_out(created, reply).await
            }
            Request::Delete { id, reply } => {
                self.mailboxes.remove(&id);
                match self.state.remove(&id) {
                    Err(error) => {
                        answer(reply, Err(error));
                        Next::GoOn
                    }
                    Ok(actions) => {
                        self.save_at.get_or_insert(self.next_save);
                        let next = self.act(actions).await;
                        // Data of a new vThing of this name must not overtake the end of the old one.
                        self.courier.then(move || answer(reply, Ok(()))).await;
                        next
                    }
                }
            }
            Request::Publish { id, changed, reply } => {
                let published = self.state.publish(&id, changed, now);
                self.carry_out(published.map(|actions| ((), actions)), reply).await
            }
            Request::PublishChanges { id, entity, reply } => {
                let changes = self.state.changes(&id, entity);
                let published = self.state.publish(&id, changes, now);
                self.carry_out(published.map(|actions| ((), actions)), reply).await
            }
            Request::Known { id, reply } => {
                answer(reply, self.state.context(&id));
                Next::GoOn
            }
            Request::Feedback(feedback) => self.act(vec![Action::Publish(feedback)]).await,
            Request::Run(actuator) => {
                self.tasks.spawn(async move {
                    actuator.await;
                    Done::Acted
                });
                Next::GoOn
            }
            Request::Ready { reply } => {
                self.can_be_ready = true;
                self.wait_for_ready.push(reply);
                self.act(Vec::new()).await
            }
            Request::Status(text) => {
                if let Err(error) = self.notifier.status(&text) {
                    tracing::debug!(%error, "the node does not listen");
                }
                Next::GoOn
            }
        }
    }

    /// Acts, and answers when the fabric has taken it: an author cannot outrun the fabric.
    async fn carry_out<T>(
        &mut self,
        outcome: Result<(T, Vec<Action>), Error>,
        reply: Reply<Result<T, Error>>,
    ) -> Next {
        let (result, actions) = match outcome {
            Ok((value, actions)) => (Ok(value), actions),
            Err(error) => (Err(error), Vec::new()),
        };
        if result.is_ok() {
            self.save_at.get_or_insert(self.next_save);
        }
        let next = self.act(actions).await;
        answer(reply, result);
        next
    }

    async fn act(&mut self, actions: Vec<Action>) -> Next {
        let mut next = Next::GoOn;
        for action in actions {
            match action {
                Action::Subscribe(topic) => self.courier.subscribe(topic).await,
                Action::Unsubscribe(topic) => self.courier.unsubscribe(topic).await,
                Action::Publish(publication) if publication.assured => {
                    metrics::published();
                    self.courier.publish(publication).await;
                }
                Action::Publish(publication) => self.publish_now(publication).await,
                Action::Act(order) => self.hand_over(*order).await,
                Action::Update(update) => {
                    self.updates.send_replace(update);
                }
                Action::End => next = Next::End,
            }
        }
        if self.connected && self.can_be_ready {
            self.be_ready().await;
        }
        next
    }

    /// Tells the node, once, and the author when everything before is done.
    async fn be_ready(&mut self) {
        if !std::mem::replace(&mut self.told_ready, true) {
            let notifier = Arc::clone(&self.notifier);
            self.courier.then(move || tell_ready(&notifier)).await;
        }
        for reply in std::mem::take(&mut self.wait_for_ready) {
            self.courier.then(move || answer(reply, ())).await;
        }
    }

    async fn publish_now(&mut self, Publication { topic, payload, .. }: Publication) {
        match self.client.publish(topic.to_string(), payload, Qos::AtMostOnce).await {
            Ok(()) => metrics::published(),
            // Sooner than the event that will tell so: from now on changes are kept.
            Err(ClientError::Disconnected) => {
                self.state.apply(Event::Disconnected, Instant::now());
            }
            Err(error) => tracing::warn!(%topic, %error, "context data not published"),
        }
    }

    async fn hand_over(&mut self, order: Order) {
        let Some(mailbox) = self.mailboxes.get(&order.command.v_thing) else { return };
        metrics::commanded();
        let Err(refused) = mailbox.try_send(order) else { return };
        let (order, reason) = match refused {
            mpsc::error::TrySendError::Full(order) => (order, "the actuator is busy: try again later"),
            mpsc::error::TrySendError::Closed(order) => (order, "the actuator has stopped"),
        };
        tracing::warn!(v_thing = %order.command.v_thing, reason, "command refused");
        if let Some(answer) = order.answer {
            self.courier.publish(answer.failure(reason)).await;
        }
    }

    /// Writes the context on a thread of its own: a disk may be slow.
    fn save(&mut self) -> Next {
        (self.save_at, self.saving) = (None, true);
        let (memory, contexts) = (Arc::clone(&self.memory), self.state.contexts());
        self.tasks.spawn_blocking(move || {
            let start = Instant::now();
            let result = memory.save(&contexts);
            Done::Saved { result, took: start.elapsed() }
        });
        Next::GoOn
    }

    fn done(&mut self, done: Result<Done, JoinError>) -> Result<Next, RunError> {
        match done.map_err(RunError::failed)? {
            Done::Acted => {}
            Done::Saved { result, took } => {
                if let Err(error) = result {
                    tracing::warn!(%error, "context not saved");
                }
                let pause = Duration::from_secs(self.options.save_interval_seconds).max(took * SAVING_SHARE);
                self.next_save = Instant::now() + pause;
                self.save_at = self.save_at.map(|_| self.next_save);
                self.saving = false;
            }
        }
        Ok(Next::GoOn)
    }
}

fn tell_ready(notifier: &Notifier) {
    tracing::info!("ThingVisor is ready");
    if let Err(error) = notifier.ready() {
        tracing::warn!(%error, "the node does not listen");
    }
}

/// Answers a handle, which may have stopped waiting.
fn answer<T>(reply: Reply<T>, value: T) {
    let _ = reply.send(value);
}
