//! What an author holds: the ThingVisor and its vThings.

use morgana_model::{Entity, ThingVisorId, VThingId};
use morgana_workload::Environment;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};

use crate::actuator::Order;
use crate::service::Request;
use crate::{Actuator, Error, Feedback, NewVThing, RunError, Update, read_params};

/// The ThingVisor, towards its author.
/// Clones are the same ThingVisor; each hears of every [`Update`] for itself.
#[derive(Debug, Clone)]
pub struct ThingVisor {
    pub(crate) id: ThingVisorId,
    pub(crate) environment: Environment,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) updates: watch::Receiver<Update>,
    pub(crate) command_queue: usize,
}

impl ThingVisor {
    /// Its id.
    pub fn id(&self) -> &ThingVisorId {
        &self.id
    }

    /// What the node gave it: folder, address and doors.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Its parameters, as they are now.
    ///
    /// # Errors
    /// [`RunError::Configuration`], see [`read_params`].
    pub fn params<P: DeserializeOwned>(&self) -> Result<P, RunError> {
        read_params(&self.id, &self.updates.borrow().params)
    }

    /// Waits for new words of the administrator; of several at once the last. Waits for ever once the
    /// ThingVisor is stopping.
    pub async fn updated(&mut self) -> Update {
        match self.updates.changed().await {
            Ok(()) => self.updates.borrow_and_update().clone(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Creates a virtual sensor.
    ///
    /// # Errors
    /// When the name is no name or is taken, or when there are too many.
    pub async fn create(&self, new: NewVThing) -> Result<VThing, Error> {
        self.create_with(new, None).await
    }

    /// Creates a virtual actuator; `actuator` gets its commands.
    ///
    /// # Errors
    /// As [`ThingVisor::create`].
    pub async fn create_actuator(
        &self,
        mut new: NewVThing,
        mut actuator: impl Actuator,
    ) -> Result<VThing, Error> {
        new.commands = actuator.commands();
        let (mailbox, mut orders) = mpsc::channel::<Order>(self.command_queue.max(1));
        let v_thing = self.create_with(new, Some(mailbox)).await?;
        let (acting, requests) = (v_thing.clone(), self.requests.clone());
        let work = async move {
            while let Some(Order { command, answer }) = orders.recv().await {
                let feedback = Feedback::new(answer, requests.clone());
                actuator.act(&acting, command, feedback).await;
            }
        };
        self.requests.send(Request::Run(Box::pin(work))).await.map_err(|_| Error::Stopping)?;
        Ok(v_thing)
    }

    /// What is known of a vThing, also from before a restart: the state an actuator goes on from.
    ///
    /// # Errors
    /// When the name is no name.
    pub async fn known(&self, local_name: &str) -> Result<Vec<Entity>, Error> {
        let id = VThingId::new(&self.id, local_name)?;
        ask(&self.requests, |reply| Request::Known { id, reply }).await
    }

    /// Waits until the ThingVisor is ready: connected, and every vThing created so far announced. The
    /// node is told by itself once there is a vThing; without one, this tells it.
    ///
    /// # Errors
    /// [`Error::Stopping`].
    pub async fn ready(&self) -> Result<(), Error> {
        ask(&self.requests, |reply| Request::Ready { reply }).await
    }

    /// Tells people what it is doing, in one line.
    ///
    /// # Errors
    /// [`Error::Stopping`].
    pub async fn status(&self, text: impl Into<String>) -> Result<(), Error> {
        self.requests.send(Request::Status(text.into())).await.map_err(|_| Error::Stopping)
    }

    async fn create_with(
        &self,
        new: NewVThing,
        mailbox: Option<mpsc::Sender<Order>>,
    ) -> Result<VThing, Error> {
        let id = ask(&self.requests, |reply| Request::Create { new, mailbox, reply }).await??;
        Ok(VThing { id, requests: self.requests.clone() })
    }
}

/// A vThing. Clones are the same vThing.
#[derive(Debug, Clone)]
pub struct VThing {
    id: VThingId,
    requests: mpsc::Sender<Request>,
}

impl VThing {
    /// Its id.
    pub fn id(&self) -> &VThingId {
        &self.id
    }

    /// Publishes what changed of an entity: its id, its type, and the attributes that are new.
    ///
    /// # Errors
    /// When it goes beyond a bound in [`Options`](crate::Options), or the vThing is no more.
    pub async fn publish(&self, changed: Entity) -> Result<(), Error> {
        self.publish_all(vec![changed]).await
    }

    /// Publishes of an entity only what differs from what is known, or nothing where nothing does.
    /// An attribute with a new `observedAt` differs.
    ///
    /// # Errors
    /// As [`VThing::publish`].
    pub async fn publish_changes(&self, entity: Entity) -> Result<(), Error> {
        ask(&self.requests, |reply| Request::PublishChanges { id: self.id.clone(), entity, reply }).await?
    }

    /// Publishes changes of several entities at once.
    ///
    /// # Errors
    /// As [`VThing::publish`]; then none of them was published.
    pub async fn publish_all(&self, changed: Vec<Entity>) -> Result<(), Error> {
        ask(&self.requests, |reply| Request::Publish { id: self.id.clone(), changed, reply }).await?
    }

    /// Everything that was published of it so far, whole entities.
    ///
    /// # Errors
    /// [`Error::Stopping`].
    pub async fn context(&self) -> Result<Vec<Entity>, Error> {
        ask(&self.requests, |reply| Request::Known { id: self.id.clone(), reply }).await
    }

    /// Ends the vThing, for every silo that has it; returns when the fabric has taken the word.
    ///
    /// # Errors
    /// When it is no more already.
    pub async fn delete(self) -> Result<(), Error> {
        ask(&self.requests, |reply| Request::Delete { id: self.id.clone(), reply }).await?
    }
}

async fn ask<T>(
    requests: &mpsc::Sender<Request>,
    request: impl FnOnce(oneshot::Sender<T>) -> Request,
) -> Result<T, Error> {
    let (reply, answer) = oneshot::channel();
    requests.send(request(reply)).await.map_err(|_| Error::Stopping)?;
    answer.await.map_err(|_| Error::Stopping)
}
