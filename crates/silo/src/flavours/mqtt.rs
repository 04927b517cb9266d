//! The flavour `mqtt`: an MQTT broker of the tenant's own. Every entity is a message on
//! `<tenantID>/<vThingID>/<entity>` (see [`morgana_translate::raw`]).
//!
//! A message is the whole entity as the silo knows it, and retained: who subscribes sees the whole
//! state at once. With the parameter `"publish":"changes"` it is what the vThing said just now, not
//! retained, as VirIoT's flavour does it.
//!
//! The topics are per vThing, so two vThings that know the same entity have a message each, and
//! disconnecting one leaves the other's as it is.
//!
//! The broker is the tenant's: its applications may publish what they like, on these topics too.
//! What they write there is theirs alone, reaches no vThing, and lasts until the vThing's next
//! message. (Commands will come in one level below, on `<entity topic>/<command>`.)

use std::sync::Arc;

use async_trait::async_trait;
use morgana_fabric::{
    Client, ClientError, ClientOptions, Event, Open, Policy, Qos, Server, ServerError, ServerOptions,
    SingleUser,
};
use morgana_model::{Entity, Secret, TenantId, VThingId};
use morgana_translate::raw;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::broker::{Doors, SiloBroker};
use crate::catalogue::MQTT_DOOR;
use crate::controller::{Extent, Update};
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::metrics;
use crate::settings::Settings;

/// The largest message, retained or not, in bytes: what the fabric brings fits.
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

const CONNECT: &str = "connect to the silo's own MQTT broker";

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Publish {
    /// The whole entity, retained.
    State,
    /// What changed.
    Changes,
}

/// The broker of a silo of this flavour.
pub(super) struct Mqtt {
    tenant: TenantId,
    publish: Publish,
    /// With [`Publish::State`], each entity's JSON.
    ledger: Ledger,
    server: Server,
    /// The silo's own connection to its broker: the server takes messages by its door only.
    publisher: Client,
    events: mpsc::Receiver<Event>,
}

impl Mqtt {
    pub(super) async fn open(settings: &Settings) -> Result<Self, RunError> {
        let address = settings.door(MQTT_DOOR)?;
        let ledger = Ledger::open(&settings.data.join("ledger"))
            .map_err(RunError::failed("open the silo's ledger"))?;
        let options = ServerOptions {
            listen: address,
            max_packet_bytes: MAX_MESSAGE_BYTES,
            max_retained_message_bytes: MAX_MESSAGE_BYTES,
            ..ServerOptions::default()
        };
        let tenant = settings.tenant.as_str();
        let policy: Arc<dyn Policy> = match &settings.token {
            Some(token) => Arc::new(SingleUser::new(tenant, token.clone())),
            None => Arc::new(Open),
        };
        let server = Server::start(options, policy).await.map_err(|error| match error {
            ServerError::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                RunError::PortTaken { inner: MQTT_DOOR, address }
            }
            other => RunError::failed("start the silo's MQTT broker")(other),
        })?;
        let token = settings.token.clone().unwrap_or_else(|| Secret::new(""));
        let (publisher, mut events) = Client::connect(own_client(&server, tenant, token));
        match events.recv().await {
            Some(Event::Connected { .. }) => {}
            Some(Event::Disconnected { cause }) => return Err(RunError::failed(CONNECT)(cause)),
            _ => return Err(RunError::failed(CONNECT)(ClientError::Closed)),
        }
        let publish = match settings.parameter("publish") {
            "changes" => Publish::Changes,
            _ => Publish::State,
        };
        let tenant = settings.tenant.clone();
        Ok(Self { tenant, publish, ledger, server, publisher, events })
    }

    async fn show(&mut self, v_thing: &VThingId, entity: Entity, extent: Extent) {
        if self.publish == Publish::Changes {
            let payload = raw::entity_payload(&entity);
            return self.send(v_thing, entity.id(), payload, false).await;
        }
        let id = entity.id().to_owned();
        let old = self.ledger.get(v_thing, &id);
        let whole = merged(old, entity);
        let changed = old != Some(whole.as_str());
        if changed {
            // Nobody waits for the disk here: what a power cut takes comes back with the context.
            drop(self.ledger.set(v_thing, &id, &whole));
        }
        // A reading that came is told, even if it says the same as the last one; a context that
        // was only asked for again is not.
        if changed || extent == Extent::Changes {
            self.send(v_thing, &id, whole.into_bytes(), true).await;
        }
    }

    async fn send(&self, v_thing: &VThingId, entity: &str, payload: Vec<u8>, retain: bool) {
        let topic = match raw::entity_topic(&self.tenant, v_thing, entity) {
            Ok(topic) => topic,
            Err(error) => {
                metrics::refused("topic_too_long");
                tracing::warn!(%v_thing, %error, "an entity was left out");
                return;
            }
        };
        let sent = if retain {
            self.publisher.publish_retained(topic, payload, Qos::AtMostOnce).await
        } else {
            self.publisher.publish(topic, payload, Qos::AtMostOnce).await
        };
        match sent {
            // After a reconnection everything is published again.
            Ok(()) | Err(ClientError::Disconnected) => {}
            Err(error) => {
                metrics::refused("broker_refused");
                tracing::warn!(%v_thing, %error, "an entity was left out");
            }
        }
    }
}

#[async_trait]
impl SiloBroker for Mqtt {
    fn doors(&self) -> Doors {
        [(MQTT_DOOR, self.server.local_addr())].into()
    }

    fn v_things(&self) -> Vec<VThingId> {
        self.ledger.v_things().cloned().collect()
    }

    async fn connect(&mut self, v_thing: &VThingId) {
        self.ledger.connect(v_thing);
    }

    async fn merge(&mut self, updates: Vec<Update>) {
        for Update { v_thing, entities, extent } in updates {
            for entity in entities {
                self.show(&v_thing, entity, extent).await;
            }
        }
    }

    async fn disconnect(&mut self, v_thing: &VThingId) {
        for (id, _) in self.ledger.entities(v_thing) {
            // An empty retained message deletes the retained one (MQTT 5 section 3.3.1.3).
            self.send(v_thing, id, Vec::new(), true).await;
        }
        self.ledger.disconnect(v_thing);
    }

    async fn lost(&mut self) -> Result<(), RunError> {
        while let Some(event) = self.events.recv().await {
            match event {
                Event::Connected { .. } => return Ok(()),
                Event::Disconnected { cause } => {
                    tracing::warn!(%cause, "the silo lost its own MQTT broker; it connects again");
                }
                Event::SubscriptionRefused { .. } | Event::Message { .. } => {}
            }
        }
        std::future::pending().await
    }

    /// Publishes everything the ledger has: the server keeps retained messages in memory only.
    async fn restore(&mut self) {
        for v_thing in self.ledger.v_things() {
            for (id, json) in self.ledger.entities(v_thing) {
                self.send(v_thing, id, json.as_bytes().to_vec(), true).await;
            }
        }
    }

    async fn close(self: Box<Self>) {
        self.publisher.close().await;
        self.server.stop().await;
    }
}

/// The silo as a client of its own broker. Its id cannot be guessed: a tenant's application with
/// the same id would take its session over.
fn own_client(server: &Server, tenant: &str, token: Secret) -> ClientOptions {
    let mut address = server.local_addr();
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let options = ClientOptions::new(address.to_string(), format!("silo-{}", Uuid::new_v4()));
    options.with_credentials(tenant, token)
}

/// The whole entity: what was known, with what came.
fn merged(old: Option<&str>, newer: Entity) -> String {
    let whole = match old.map(serde_json::from_str::<Entity>) {
        Some(Ok(mut whole)) => {
            whole.merge(newer);
            whole
        }
        _ => newer,
    };
    // Writing a JSON value into memory does not fail.
    serde_json::to_string(&whole).unwrap_or_default()
}
