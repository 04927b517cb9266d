//! Sends what has to arrive, one after the other, while the loop goes on.

use morgana_fabric::{Client, ClientError, Qos};
use morgana_model::Topic;
use tokio::sync::{mpsc, oneshot};

use crate::message::Publication;

/// Subscriptions and acknowledged messages that wait for their turn. Few are under way at a time;
/// while it is full the loop waits.
const JOBS: usize = 256;

enum Job {
    Subscribe(Topic),
    Unsubscribe(Topic),
    Publish(Publication),
    Then(Box<dyn FnOnce() + Send>),
}

/// A queue of jobs. Each is done, and acknowledged by the fabric, before the next begins: a silo that
/// hears of a vThing can be sure that the vThing hears the silo.
pub(crate) struct Courier {
    jobs: mpsc::Sender<Job>,
}

impl Courier {
    /// Starts one.
    pub(crate) fn start(client: Client) -> Self {
        let (jobs, mut waiting) = mpsc::channel(JOBS);
        tokio::spawn(async move {
            while let Some(job) = waiting.recv().await {
                match carry(&client, job).await {
                    // Closed on purpose: what ends the ThingVisor says why.
                    Ok(()) | Err(ClientError::Closed) => {}
                    Err(error) => tracing::warn!(%error, "the fabric did not do what was asked"),
                }
            }
        });
        Self { jobs }
    }

    pub(crate) async fn subscribe(&self, topic: Topic) {
        self.send(Job::Subscribe(topic)).await;
    }

    pub(crate) async fn unsubscribe(&self, topic: Topic) {
        self.send(Job::Unsubscribe(topic)).await;
    }

    pub(crate) async fn publish(&self, publication: Publication) {
        self.send(Job::Publish(publication)).await;
    }

    /// Does something when everything before it is done.
    pub(crate) async fn then(&self, next: impl FnOnce() + Send + 'static) {
        self.send(Job::Then(Box::new(next))).await;
    }

    /// Waits until everything before it is done.
    pub(crate) async fn settle(&self) {
        let (done, settled) = oneshot::channel::<()>();
        self.then(move || drop(done)).await;
        let _ = settled.await;
    }

    async fn send(&self, job: Job) {
        // The task lives as long as this handle, so the channel is open.
        let _ = self.jobs.send(job).await;
    }
}

async fn carry(client: &Client, job: Job) -> Result<(), ClientError> {
    match job {
        Job::Subscribe(topic) => client.subscribe(topic.to_string(), Qos::AtLeastOnce).await,
        Job::Unsubscribe(topic) => client.unsubscribe(topic.to_string()).await,
        Job::Publish(Publication { topic, payload, .. }) => {
            client.publish(topic.to_string(), payload, Qos::AtLeastOnce).await
        }
        Job::Then(next) => {
            next();
            Ok(())
        }
    }
}
