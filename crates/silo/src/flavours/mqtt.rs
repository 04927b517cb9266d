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
//! message, or the silo's next start. What they retain elsewhere survives a kill (see
//! [`ServerOptions::retained_dir`]).
//!
//! Commands come in one level below, on `<entity topic>/<command>`. Status and result are properties
//! of the entity, in its message, as VirIoT has them; and the bare feedback is a message on
//! `<entity topic>/<command>-status` and `-result`.

mod outlet;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use morgana_fabric::{
    Client, ClientError, ClientOptions, ClientTls, Event, Open, Policy, Qos, Server, ServerError,
    ServerOptions, SingleUser,
};
use morgana_model::{Entity, Secret, TenantId, VThingId};
use morgana_translate::commands::result_pipe;
use morgana_translate::raw;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::actuation::{Pipes, Written};
use crate::broker::{Doors, Happened, SiloBroker};
use crate::catalogue::MQTT_DOOR;
use crate::controller::{Extent, Update};
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::metrics;
use crate::notices::Notices;
use crate::settings::Settings;
use outlet::Outlet;

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
    /// Of each entity's topic, the vThing and the id.
    topics: HashMap<String, (VThingId, String)>,
    notices: Notices,
    outlet: Outlet,
    /// The silo's connection to the broker, on which commands come.
    client: Client,
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
            retained_dir: Some(settings.data.join("retained")),
            ..ServerOptions::default()
        };
        let tenant = settings.tenant.as_str();
        let policy: Arc<dyn Policy> = match &settings.token {
            Some(token) => Arc::new(SingleUser::new(tenant, token.clone())),
            None => Arc::new(Open),
        };
        let server = Server::start(options, policy).await.map_err(port_taken(address))?;
        let options = own_client(&server, tenant, settings.token.clone());
        let client_id = options.client_id.clone();
        let (client, mut events) = Client::connect(options);
        match events.recv().await {
            Some(Event::Connected { .. }) => {}
            Some(Event::Disconnected { cause }) => return Err(RunError::failed(CONNECT)(cause)),
            _ => return Err(RunError::failed(CONNECT)(ClientError::Closed)),
        }
        let subscribed = client.subscribe_live(command_filter(tenant), Qos::AtLeastOnce).await;
        subscribed.map_err(RunError::failed("subscribe to commands on the silo's own MQTT broker"))?;
        Ok(Self::over(settings, ledger, Outlet::Own { server, client_id }, client, events))
    }

    /// Drives somebody else's broker. It may be away: once it answers, all is shown.
    pub(super) fn external(settings: &Settings) -> Result<Self, RunError> {
        let ledger = Ledger::open(&settings.data.join("ledger"))
            .map_err(RunError::failed("open the silo's ledger"))?;
        let url = settings.parameter("url").trim_end_matches('/');
        let (address, is_tls) = match (url.strip_prefix("mqtt://"), url.strip_prefix("mqtts://")) {
            (_, Some(address)) => (address, true),
            (Some(address), _) => (address, false),
            _ => (url, false),
        };
        if address.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            let error = format!(
                "flavour parameter 'url' is \"{url}\": it must be the broker's mqtt://host:port or mqtts://host:port"
            );
            return Err(RunError::Parameter(error));
        }
        let mut options = ClientOptions::new(address, format!("morgana-{}", settings.silo));
        if is_tls {
            options = options.with_tls(match settings.parameter("ca") {
                "" => ClientTls::of_this_machine().map_err(RunError::failed("trust the broker"))?,
                pem => ClientTls::trusting(pem)
                    .map_err(|error| RunError::Parameter(format!("flavour parameter 'ca': {error}")))?,
            });
        }
        let user = settings.parameter("brokerUser");
        if !user.is_empty() {
            options = options.with_credentials(user, Secret::new(settings.parameter("brokerToken")));
        }
        let (client, events) = Client::connect(options);
        let (subscriber, filter) = (client.clone(), command_filter(settings.tenant.as_str()));
        tokio::spawn(async move {
            if let Err(error) = subscriber.subscribe_live(filter, Qos::AtLeastOnce).await {
                tracing::error!(%error, "the broker lets no commands through to the silo");
            }
        });
        Ok(Self::over(settings, ledger, Outlet::Other(client.clone()), client, events))
    }

    fn over(
        settings: &Settings,
        ledger: Ledger,
        outlet: Outlet,
        client: Client,
        events: mpsc::Receiver<Event>,
    ) -> Self {
        let publish = match settings.parameter("publish") {
            "changes" => Publish::Changes,
            _ => Publish::State,
        };
        let (tenant, topics) = (settings.tenant.clone(), HashMap::new());
        let notices = Notices::new(settings.silo.clone());
        Self { tenant, publish, ledger, topics, notices, outlet, client, events }
    }

    async fn show(&mut self, v_thing: &VThingId, entity: Entity, extent: Extent) {
        self.show_feedback(v_thing, &entity).await;
        if self.publish == Publish::Changes {
            let payload = raw::entity_payload(&entity);
            return self.send(v_thing, entity.id(), payload, false).await;
        }
        let id = entity.id().to_owned();
        // Nobody waits for the disk here: what a power cut takes comes back with the context.
        let (whole, changed) = self.ledger.merge(v_thing, entity);
        // A reading that came is told, even if it says the same as the last one; a context that
        // was only asked for again is not.
        if changed || extent == Extent::Changes {
            self.send(v_thing, &id, whole.into_bytes(), true).await;
        }
    }

    /// Publishes the bare status and result of commands, each on its own topic.
    async fn show_feedback(&self, v_thing: &VThingId, entity: &Entity) {
        for (name, attribute) in entity.attributes() {
            let Some(Value::Object(value)) = attribute.get("value") else { continue };
            let is_feedback = name.ends_with("-status") && value.contains_key("cmd-status")
                || name.ends_with("-result") && value.contains_key("cmd-result");
            if let Ok(topic) = raw::entity_topic(&self.tenant, v_thing, entity.id())
                && is_feedback
            {
                let payload = serde_json::to_vec(value).unwrap_or_default();
                let sent = self.outlet.publish(raw::command_topic(&topic, name), payload, false).await;
                if let Err(error) = sent {
                    tracing::warn!(%v_thing, %error, "feedback was left out");
                }
            }
        }
    }

    /// What a message of the tenant means, if it is a command.
    async fn written(&self, topic: &str, payload: &[u8]) -> Option<Written> {
        let (entity_topic, command) = topic.rsplit_once('/')?;
        let command = raw::command_of(command);
        if payload.is_empty() || command.ends_with("-status") || command.ends_with("-result") {
            return None;
        }
        let value = serde_json::from_slice(payload)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(payload).into_owned()));
        match self.topics.get(entity_topic) {
            Some((v_thing, entity)) => {
                let (v_thing, entity) = (v_thing.clone(), entity.clone());
                (!Written::is_nothing(&value)).then_some(Written {
                    v_thing,
                    entity,
                    command,
                    value,
                    bare: false,
                })
            }
            None => {
                // The tenant may use any topic for other things; this looks like a command.
                if value.get("cmd-value").is_some() {
                    self.refuse(entity_topic, &command, value).await;
                }
                None
            }
        }
    }

    /// Tells who commands what is not there.
    async fn refuse(&self, entity_topic: &str, command: &str, mut value: Value) {
        metrics::command_refused();
        let reason = format!("no vThing that is connected to this silo takes commands on '{entity_topic}'");
        if let Some(members) = value.as_object_mut() {
            members.shift_remove("cmd-token");
            members.insert("cmd-result".to_owned(), json!("FAIL"));
            members.insert("cmd-error".to_owned(), json!(reason));
        }
        let topic = raw::command_topic(entity_topic, &result_pipe(command));
        let payload = serde_json::to_vec(&value).unwrap_or_default();
        if let Err(error) = self.outlet.publish(topic, payload, false).await {
            tracing::warn!(%error, "a refusal was left out");
        }
    }

    /// Tells the tenant of a refusal, on `<tenantID>/vSilo`.
    async fn tell(&mut self, entity: &str, reason: &str) {
        let Some(notice) = self.notices.add(entity, reason) else { return };
        let topic = format!("{}/vSilo", self.tenant);
        let sent = self.outlet.publish(topic, raw::entity_payload(&notice), true).await;
        if let Err(error) = sent {
            tracing::warn!(%error, "a notice for the tenant was left out");
        }
    }

    async fn send(&mut self, v_thing: &VThingId, entity: &str, payload: Vec<u8>, retain: bool) {
        let topic = match raw::entity_topic(&self.tenant, v_thing, entity) {
            Ok(topic) => topic,
            Err(error) => {
                metrics::refused("topic_too_long");
                tracing::warn!(%v_thing, %error, "an entity was left out");
                return self.tell(entity, &error.to_string()).await;
            }
        };
        match self.outlet.publish(topic, payload, retain).await {
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
        self.outlet.server().map(|server| (MQTT_DOOR, server.local_addr())).into_iter().collect()
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
        self.ledger.write_now();
    }

    async fn disconnect(&mut self, v_thing: &VThingId) -> Vec<VThingId> {
        let ids: Vec<String> = self.ledger.entities(v_thing).map(|(id, _)| id.to_owned()).collect();
        for id in ids {
            // An empty retained message deletes the retained one (MQTT 5 section 3.3.1.3).
            self.send(v_thing, &id, Vec::new(), true).await;
        }
        self.topics.retain(|_, (of, _)| of != v_thing);
        self.ledger.disconnect(v_thing);
        // Each vThing has a place of its own.
        Vec::new()
    }

    async fn open_pipes(&mut self, all: &[Pipes]) {
        for pipes in all {
            if let Ok(topic) = raw::entity_topic(&self.tenant, &pipes.v_thing, &pipes.entity) {
                self.topics.insert(topic, (pipes.v_thing.clone(), pipes.entity.clone()));
            }
        }
    }

    /// The door is open from the beginning; what came meanwhile waits.
    fn serve(&mut self) {}

    async fn next(&mut self) -> Result<Happened, RunError> {
        while let Some(event) = self.events.recv().await {
            match event {
                Event::Connected { .. } => return Ok(Happened::Lost),
                Event::Disconnected { cause } => {
                    tracing::warn!(%cause, "the silo lost its own MQTT broker; it connects again");
                }
                Event::Message { topic, payload } => {
                    if let Some(written) = self.written(&topic, &payload).await {
                        return Ok(Happened::Written(vec![written]));
                    }
                }
                Event::SubscriptionRefused { .. } => {}
            }
        }
        std::future::pending().await
    }

    /// Publishes everything the ledger has: the server keeps retained messages in memory only.
    async fn restore(&mut self) {
        let v_things: Vec<VThingId> = self.ledger.v_things().cloned().collect();
        for v_thing in v_things {
            let all: Vec<(String, Vec<u8>)> = self
                .ledger
                .entities(&v_thing)
                .map(|(id, json)| (id.to_owned(), json.as_bytes().to_vec()))
                .collect();
            for (id, json) in all {
                self.send(&v_thing, &id, json, true).await;
            }
        }
    }

    async fn close(self: Box<Self>) {
        self.client.close().await;
        self.outlet.close().await;
    }
}

/// The topics that commands may come on: tenant, vThing, entity, command. The vThing has two levels, or more. It is one
/// filter, because the broker looks at each for every message, those of the silo as well.
fn command_filter(tenant: &str) -> String {
    format!("{tenant}/+/+/+/+/#")
}

/// The silo as a client of its own broker. Its id cannot be guessed: a tenant's application with
/// the same id would take its session over.
pub(super) fn own_client(server: &Server, tenant: &str, token: Option<Secret>) -> ClientOptions {
    let mut address = server.local_addr();
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let options = ClientOptions::new(address.to_string(), format!("silo-{}", Uuid::new_v4()));
    options.with_credentials(tenant, token.unwrap_or_else(|| Secret::new("")))
}

/// Why an MQTT server did not start at an address.
pub(super) fn port_taken(address: SocketAddr) -> impl Fn(ServerError) -> RunError {
    move |error| match error {
        ServerError::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
            RunError::PortTaken { inner: MQTT_DOOR, address }
        }
        other => RunError::failed("start the silo's MQTT broker")(other),
    }
}
