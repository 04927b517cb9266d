//! What passes between the controller and workloads through the fabric.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use morgana_fabric::{Client, ClientError, Event, Qos};
use morgana_model::{
    Connection, ControlMessage, Metadata, ThingVisor, ThingVisorId, Topic, VThing, VThingAnnouncement,
    VThingId, VThingSpec, WorkloadName,
};
use morgana_store::{Expect, Transaction, connection_key};
use tokio::sync::mpsc;

use crate::error::chain;
use crate::operations::endpoint_message;
use crate::reconcile::{Knows, Runner, SiloConnections, WorkloadBook, Workloads};
use crate::{ConnectionIndex, Controller, Error, metrics};

/// What the controller listens to (viriot-wire.md section 3). `vThing/#` would bring all data, too,
/// and no filter says "ends in `c_out`": so there is one for each depth that a vThing id may have.
fn subscriptions() -> Vec<String> {
    let v_things =
        (1..=VThingId::MAX_LOCAL_LEVELS).map(|levels| format!("vThing/+{}/c_out", "/+".repeat(levels)));
    ["TV/+/c_out", "vSilo/+/c_out"].map(str::to_owned).into_iter().chain(v_things).collect()
}

/// How often a message that the System DB could not take is tried: it was acknowledged already, and
/// will not come again by itself.
const ATTEMPTS: u32 = 5;
/// The time between two of them.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(200);

/// How long a control message waits for the fabric. The reconciler tries again after it.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// What a vThing that is no more says instead of a silo.
const ALL_SILOS: &str = "ALL";

/// Publishes a control message.
pub(crate) async fn tell(fabric: &Client, topic: &Topic, message: &ControlMessage) -> Result<(), Error> {
    let payload = serde_json::to_vec(message).map_err(Error::Message)?;
    let published = fabric.publish(topic.to_string(), payload, Qos::AtLeastOnce);
    let outcome =
        tokio::time::timeout(PUBLISH_TIMEOUT, published).await.unwrap_or(Err(ClientError::Disconnected));
    outcome.map_err(|source| Error::Fabric { doing: "publishing a control message", source })
}

/// Takes in what workloads say.
pub(crate) struct Inbox {
    pub(crate) controller: Controller,
    pub(crate) book: Arc<WorkloadBook>,
    pub(crate) index: Arc<ConnectionIndex>,
    pub(crate) workloads: Arc<Runner<Workloads>>,
    pub(crate) silo_connections: Arc<Runner<SiloConnections>>,
}

impl Inbox {
    /// Subscribes to what the controller listens to.
    pub(crate) async fn subscribe(fabric: &Client) -> Result<(), Error> {
        for filter in subscriptions() {
            let subscribed = fabric.subscribe(filter, Qos::AtLeastOnce).await;
            subscribed
                .map_err(|source| Error::Fabric { doing: "subscribing to control messages", source })?;
        }
        Ok(())
    }

    /// Works on messages in their order until the client ends.
    pub(crate) async fn run(self, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Message { topic, payload } => self.take_in(&topic, &payload).await,
                Event::Connected { first: false } => tracing::info!("the fabric answers again"),
                Event::Connected { first: true } => {}
                Event::Disconnected { cause } => tracing::warn!(%cause, "the fabric does not answer"),
                Event::SubscriptionRefused { filter, reason } => {
                    tracing::error!(filter, ?reason, "the fabric refuses the controller a subscription");
                }
            }
        }
    }

    async fn take_in(&self, topic: &str, payload: &[u8]) {
        let Ok(topic) = topic.parse::<Topic>() else {
            return metrics::control_message("invalid");
        };
        let message = match serde_json::from_slice::<ControlMessage>(payload) {
            Ok(message) => message,
            Err(error) => {
                metrics::control_message("invalid");
                return tracing::warn!(%topic, %error, "a control message could not be read and was passed over");
            }
        };
        for attempt in 1..=ATTEMPTS {
            match self.handle(&topic, &message).await {
                Ok(()) => return,
                Err(error) if attempt == ATTEMPTS => {
                    tracing::error!(%topic, error = %chain(&error), "a control message could not be carried out");
                }
                Err(_) => tokio::time::sleep(BETWEEN_ATTEMPTS).await,
            }
        }
    }

    /// A workload speaks for itself alone: the fabric's rules see to the topic, and the topic, not
    /// the message, says who that is.
    async fn handle(&self, topic: &Topic, message: &ControlMessage) -> Result<(), Error> {
        match (topic, message) {
            (Topic::ThingVisorOut(visor), ControlMessage::CreateVThing { v_thing, .. })
                if v_thing.id.thing_visor() == *visor =>
            {
                metrics::control_message("createVThing");
                self.create_v_thing(visor, v_thing).await
            }
            (Topic::ThingVisorOut(visor), ControlMessage::DestroyThingVisorAck { .. }) => {
                metrics::control_message("destroyTVAck");
                let found = self.controller.thing_visors().get(visor.as_str()).await?;
                if found.is_some_and(|found| found.value.metadata.is_ending()) {
                    self.acknowledged(WorkloadName::ThingVisor(visor.clone()));
                }
                Ok(())
            }
            (
                Topic::ThingVisorOut(visor),
                ControlMessage::UpdateThingVisorAck { number, incarnation, .. },
            ) => {
                metrics::control_message("updateTVAck");
                self.knows(visor, *number, *incarnation).await
            }
            (Topic::VSiloOut(silo), ControlMessage::DestroyVSiloAck { .. }) => {
                metrics::control_message("destroyVSiloAck");
                let found = self.controller.v_silos().get(silo.as_str()).await?;
                if found.is_some_and(|found| found.value.metadata.is_ending()) {
                    self.acknowledged(WorkloadName::VSilo(silo.clone()));
                }
                Ok(())
            }
            (Topic::VSiloOut(silo), ControlMessage::GetVThingsRequest { .. }) => {
                metrics::control_message("getVThingsRequest");
                self.silo_connections.reconciler().asked_for_all(silo);
                self.silo_connections.wake(silo.clone());
                Ok(())
            }
            (Topic::VThingOut(v_thing), ControlMessage::DeleteVThing { v_silo, .. })
                if v_silo == ALL_SILOS =>
            {
                metrics::control_message("deleteVThing");
                self.delete_v_thing(v_thing).await
            }
            (topic, _) => {
                metrics::control_message("invalid");
                tracing::warn!(%topic, "a control message came where it does not belong and was passed over");
                Ok(())
            }
        }
    }

    fn acknowledged(&self, name: WorkloadName) {
        self.book.acknowledge(&name);
        self.workloads.wake(name);
    }

    /// A ThingVisor says up to which update it is. One that says more than there are is not believed: it
    /// would not be told of those to come.
    async fn knows(&self, visor: &ThingVisorId, number: u64, incarnation: u64) -> Result<(), Error> {
        let Some(found) = self.controller.thing_visors().get(visor.as_str()).await? else { return Ok(()) };
        let name = WorkloadName::ThingVisor(visor.clone());
        let update = number.min(found.value.status.updates);
        if self.book.knows(&name, Knows { incarnation, update }) {
            self.workloads.wake(name);
        }
        Ok(())
    }

    /// Accepted while the ThingVisor still starts (viriot-wire.md, "Where Morgana differs", 1).
    async fn create_v_thing(
        &self,
        visor: &ThingVisorId,
        announced: &VThingAnnouncement,
    ) -> Result<(), Error> {
        let known = self.controller.thing_visors().get(visor.as_str()).await?;
        if known.is_none_or(|known| known.value.metadata.is_ending()) {
            return Ok(());
        }
        let VThingAnnouncement { label, id, description, kind } = announced.clone();
        let spec = VThingSpec { label, description, kind };
        let before = self.controller.v_things().get(id.as_str()).await?;
        // A ThingVisor that announces its vThing again has started anew, and keeps endpoints in memory only.
        if let Some(endpoint) = before.as_ref().and_then(|before| before.value.endpoint.clone()) {
            let message = endpoint_message(&id, Some(endpoint));
            tell(self.controller.fabric(), &Topic::ThingVisorIn(visor.clone()), &message).await?;
        }
        let v_thing = match before {
            Some(before) if before.value.spec == spec => return Ok(()),
            Some(mut before) => {
                before.value.metadata.generation += 1;
                VThing { spec, ..before.value }
            }
            None => VThing { id, metadata: Metadata::new(Timestamp::now()), spec, endpoint: None },
        };
        let mut transaction = Transaction::new();
        transaction.put(&v_thing, Expect::Any)?;
        transaction.check::<ThingVisor>(visor.as_str(), Expect::Present);
        transaction.commit(self.controller.store()).await?;
        Ok(())
    }

    /// The vThing is no more, and so are its connections.
    async fn delete_v_thing(&self, v_thing: &VThingId) -> Result<(), Error> {
        let mut transaction = Transaction::new();
        transaction.delete::<VThing>(v_thing.as_str(), Expect::Any);
        for v_silo in self.index.silos_with(v_thing) {
            let spec = morgana_model::ConnectionSpec { v_silo, v_thing: v_thing.clone() };
            transaction.delete::<Connection>(connection_key(&spec), Expect::Any);
        }
        transaction.commit(self.controller.store()).await?;
        Ok(())
    }
}
