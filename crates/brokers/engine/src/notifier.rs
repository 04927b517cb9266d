use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use morgana_journal::Ticket;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    DeliveryCounts, DeliveryError, Endpoint, Message, Transport,
    lane::{Job, Lane, Turn},
};

/// How messages to subscribers are queued and retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotifierOptions {
    /// Messages that may wait for one endpoint. When there are more, the oldest is dropped and counted.
    pub queue_messages: usize,
    /// Attempts for one message before it is given up.
    pub attempts: u32,
    /// Milliseconds before the second attempt; each later one waits twice as long.
    pub backoff_ms: u64,
    /// Milliseconds that one attempt may take, unless the subscription says otherwise.
    pub timeout_ms: u64,
}

impl Default for NotifierOptions {
    fn default() -> Self {
        Self { queue_messages: 1_000, attempts: 3, backoff_ms: 200, timeout_ms: 5_000 }
    }
}

/// Delivers messages: in order within a subscription, side by side across subscriptions, so that an endpoint that does
/// not answer delays no other. Idle subscriptions cost no task. Cheap to clone.
#[derive(Clone)]
pub struct Notifier {
    shared: Arc<Shared>,
}

struct Shared {
    options: NotifierOptions,
    transport: Arc<dyn Transport>,
    runtime: Handle,
    lanes: RwLock<HashMap<Box<str>, Arc<Lane>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl fmt::Debug for Notifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Notifier").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl Notifier {
    /// A notifier whose tasks run on `runtime`.
    pub fn new(options: NotifierOptions, transport: Arc<dyn Transport>, runtime: Handle) -> Self {
        let shared = Shared {
            options,
            transport,
            runtime,
            lanes: RwLock::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How long one attempt may take unless the subscription says otherwise.
    pub fn default_timeout(&self) -> Duration {
        Duration::from_millis(self.shared.options.timeout_ms)
    }

    /// Opens the queue of a subscription, or changes where an open one leads. `counts` is what an earlier run counted.
    pub fn open(&self, subscription: &str, endpoint: Endpoint, counts: DeliveryCounts) {
        let mut lanes = self.shared.lanes.write();
        match lanes.get(subscription) {
            Some(lane) => *lane.endpoint.lock() = Arc::new(endpoint),
            None => {
                lanes.insert(subscription.into(), Arc::new(Lane::new(endpoint, counts)));
            }
        }
    }

    /// Closes the queue of a subscription. What waits in it is dropped.
    pub fn close(&self, subscription: &str) {
        if let Some(lane) = self.shared.lanes.write().remove(subscription) {
            let mut state = lane.state.lock();
            state.closed = true;
            state.queue.clear();
        }
    }

    /// Hands over a message. It never waits: `render` runs when the message's turn has come. Messages of one
    /// subscription are delivered in the order of these calls.
    pub fn send(
        &self,
        subscription: &str,
        render: impl FnOnce() -> Result<Message, DeliveryError> + Send + 'static,
    ) {
        self.push(subscription, None, Job::Message(Box::new(render)));
    }

    /// Like [`send`](Self::send), for a message that tells of a write: it leaves once the write is durable, and never
    /// when it is not. Those behind it wait as well, so the order stays.
    pub fn send_after(
        &self,
        write: Ticket,
        subscription: &str,
        render: impl FnOnce() -> Result<Message, DeliveryError> + Send + 'static,
    ) {
        self.push(subscription, Some(write), Job::Message(Box::new(render)));
    }

    /// Hands over a delivery that knows itself where it goes, which is attempted once when its turn has come: for
    /// protocols whose messages differ in method or address.
    pub fn deliver(
        &self,
        subscription: &str,
        delivery: impl Future<Output = Result<(), DeliveryError>> + Send + 'static,
    ) {
        self.push(subscription, None, Job::Delivery(Box::pin(delivery)));
    }

    /// Like [`deliver`](Self::deliver), once a write is durable, as for [`send_after`](Self::send_after).
    pub fn deliver_after(
        &self,
        write: Ticket,
        subscription: &str,
        delivery: impl Future<Output = Result<(), DeliveryError>> + Send + 'static,
    ) {
        self.push(subscription, Some(write), Job::Delivery(Box::pin(delivery)));
    }

    fn push(&self, subscription: &str, after: Option<Ticket>, job: Job) {
        let Some(lane) = self.shared.lanes.read().get(subscription).cloned() else { return };
        if lane.push(Turn { after, job }, self.shared.options.queue_messages) {
            let shared = Arc::clone(&self.shared);
            self.shared.tasks.spawn_on(async move { shared.work(&lane).await }, &self.shared.runtime);
        }
    }

    /// What became of a subscription's messages; `None` when it has no queue.
    pub fn counts(&self, subscription: &str) -> Option<DeliveryCounts> {
        let lane = self.shared.lanes.read().get(subscription).cloned()?;
        let counts = lane.state.lock().counts.clone();
        Some(counts)
    }

    /// Lets messages under way finish for at most `patience`, then stops.
    pub async fn shutdown(&self, patience: Duration) {
        self.shared.tasks.close();
        let _ = tokio::time::timeout(patience, self.shared.tasks.wait()).await;
        self.shared.stop.cancel();
    }
}

impl Shared {
    async fn work(&self, lane: &Lane) {
        while let Some(Turn { after, job }) = lane.next() {
            let turn = async {
                match job {
                    Job::Message(render) => {
                        // While the disk is busy with the write.
                        let message = render();
                        if is_kept(after).await { self.deliver(lane, message).await } else { lane.dropped() }
                    }
                    Job::Delivery(delivery) => {
                        if is_kept(after).await {
                            deliver_once(lane, delivery).await
                        } else {
                            lane.dropped()
                        }
                    }
                }
            };
            tokio::select! {
                () = turn => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    async fn deliver(&self, lane: &Lane, message: Result<Message, DeliveryError>) {
        lane.attempt(Timestamp::now());
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                lane.attempt_failed(Timestamp::now(), &error);
                lane.finished(Timestamp::now(), false);
                return;
            }
        };
        let mut backoff = Duration::from_millis(self.options.backoff_ms);
        for attempt in 1.. {
            let endpoint = Arc::clone(&lane.endpoint.lock());
            match self.transport.deliver(&endpoint, &message).await {
                Ok(()) => return lane.finished(Timestamp::now(), true),
                Err(error) => {
                    lane.attempt_failed(Timestamp::now(), &error);
                    tracing::debug!(endpoint = %endpoint.uri, attempt, %error, "a notification was not delivered");
                    if attempt >= self.options.attempts || !error.is_transient() || lane.state.lock().closed {
                        return lane.finished(Timestamp::now(), false);
                    }
                }
            }
            tokio::time::sleep(backoff).await;
            if lane.state.lock().closed {
                return lane.finished(Timestamp::now(), false);
            }
            backoff *= 2;
            lane.attempt(Timestamp::now());
        }
    }
}

/// Waits until the write that a message tells of is durable; false when it never will be.
async fn is_kept(write: Option<Ticket>) -> bool {
    let Some(write) = write else { return true };
    match write.durable().await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "a notification is dropped, as what it tells of was not kept");
            false
        }
    }
}

async fn deliver_once(lane: &Lane, delivery: impl Future<Output = Result<(), DeliveryError>>) {
    lane.attempt(Timestamp::now());
    let result = delivery.await;
    if let Err(error) = &result {
        lane.attempt_failed(Timestamp::now(), error);
        tracing::debug!(%error, "a notification was not delivered");
    }
    lane.finished(Timestamp::now(), result.is_ok());
}
