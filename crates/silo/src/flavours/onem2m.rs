//! The flavour `onem2m`: a oneM2M common services entity of the tenant's own, over HTTP and MQTT.
//!
//! Each vThing is an AE, each entity a container below it, each attribute a container below that, as
//! [`morgana_translate::onem2m`] says and as VirIoT's controller for Mobius made them. So two vThings that know the same
//! entity have a container each. The access policy `policy1` lets the tenant create and retrieve.
//!
//! The pipes of a command are the containers `<command>`, `<command>-status` and `<command>-result`. On the first there
//! is a subscription whose notifications stay in this process.

pub(super) mod resources;
pub(super) mod things;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use morgana_fabric::{Open, Policy, Server, ServerOptions, SingleUser};
use morgana_model::VThingId;
use morgana_onem2m::{
    Access, Cse, HttpOptions, MqttError, MqttOptions, Options, ServerError, serve, serve_mqtt,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::listen::{Serving, listen};
use super::mqtt::{own_client, port_taken};
use crate::actuation::{Pipes, Written};
use crate::broker::{Doors, Happened, SiloBroker};
use crate::catalogue::{MQTT_DOOR, ONEM2M_DOOR};
use crate::controller::Update;
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::settings::Settings;
use resources::Resources;
use things::Things;

/// How long requests and notifications under way get when the silo ends.
const PATIENCE: Duration = Duration::from_secs(2);
/// Commands that wait until the silo takes them; then their notifications wait in the CSE.
const COMMANDS_WAITING: usize = 1024;

/// The broker of a silo of this flavour.
pub(super) struct OneM2m {
    /// Where notifications of pipes go: the silo is an entity that this CSE reaches in the same process.
    target: String,
    cse: Cse,
    things: Things,
    /// Which vThings are connected; the CSE has the rest.
    ledger: Ledger,
    http: SocketAddr,
    mqtt: Server,
    mqtt_options: Option<MqttOptions>,
    notifications: mpsc::Receiver<Value>,
    stop: CancellationToken,
    idle: Option<(TcpListener, HttpOptions)>,
    http_server: Serving<ServerError>,
    mqtt_server: Serving<MqttError>,
}

impl OneM2m {
    pub(super) async fn open(settings: &Settings) -> Result<Self, RunError> {
        let (listener, http) = listen(settings, ONEM2M_DOOR).await?;
        let ledger = Ledger::open(&settings.data.join("ledger"))
            .map_err(RunError::failed("open the silo's ledger"))?;
        let listen_mqtt = settings.door(MQTT_DOOR)?;
        let tenant = settings.tenant.as_str();
        let policy: Arc<dyn Policy> = match &settings.token {
            Some(token) => Arc::new(SingleUser::new(tenant, token.clone())),
            None => Arc::new(Open),
        };
        let server = ServerOptions {
            listen: listen_mqtt,
            retained_dir: Some(settings.data.join("retained")),
            ..ServerOptions::default()
        };
        let mqtt = Server::start(server, policy).await.map_err(port_taken(listen_mqtt))?;
        let name = settings.parameter("cseName").to_owned();
        // It cannot be guessed: whoever has the token may call himself what he likes.
        let originator = format!("Csilo-{}", Uuid::new_v4());
        let resources = Resources::new(&name, &originator);
        let options = Options {
            dir: settings.data.join("onem2m"),
            durability: settings.durability(),
            cse_name: name.clone(),
            cse_id: settings.parameter("cseId").to_owned(),
            administrators: vec![originator],
            inherit_access: true,
            structured_references: true,
            ..Options::default()
        };
        let cse = Cse::open(options).map_err(RunError::failed("open the silo's oneM2M CSE"))?;
        let notifications = cse.listen(settings.silo.as_str(), COMMANDS_WAITING);
        let access = match &settings.token {
            Some(token) => Access::Token(token.expose().into()),
            None => Access::Open,
        };
        let client = own_client(&mqtt, tenant, settings.token.clone());
        let mqtt_options = Some(MqttOptions { client, topic_id: name, ..MqttOptions::default() });
        let things = Things::new(resources, settings.number("history"), settings.silo.clone());
        things.make_policy(&cse, tenant).await;
        Ok(Self {
            target: format!("mqtt://127.0.0.1/{}", settings.silo),
            cse,
            things,
            ledger,
            http,
            mqtt,
            mqtt_options,
            notifications,
            stop: CancellationToken::new(),
            idle: Some((listener, HttpOptions { access, ..HttpOptions::default() })),
            http_server: Serving::not_yet(),
            mqtt_server: Serving::not_yet(),
        })
    }
}

#[async_trait]
impl SiloBroker for OneM2m {
    fn doors(&self) -> Doors {
        [(ONEM2M_DOOR, self.http), (MQTT_DOOR, self.mqtt.local_addr())].into()
    }

    fn v_things(&self) -> Vec<VThingId> {
        self.ledger.v_things().cloned().collect()
    }

    async fn connect(&mut self, v_thing: &VThingId) {
        self.ledger.connect(v_thing);
        self.things.connect(&self.cse, v_thing).await;
    }

    async fn merge(&mut self, updates: Vec<Update>) {
        let all =
            updates.iter().flat_map(|update| update.entities.iter().map(|entity| (&update.v_thing, entity)));
        // In this process it is always reached.
        let _ = self.things.show(&self.cse, &all.collect::<Vec<_>>()).await;
    }

    async fn disconnect(&mut self, v_thing: &VThingId) -> Vec<VThingId> {
        self.things.disconnect(&self.cse, v_thing).await;
        // First the broker, then the ledger: what a kill interrupts is done again.
        self.ledger.disconnect(v_thing);
        // Each vThing has a place of its own.
        Vec::new()
    }

    async fn open_pipes(&mut self, all: &[Pipes]) {
        for pipes in all {
            self.things.open_pipe(&self.cse, pipes, &self.target).await;
        }
    }

    fn serve(&mut self) {
        if let Some((listener, http)) = self.idle.take() {
            self.http_server.start(serve(listener, self.cse.clone(), http, self.stop.clone(), PATIENCE));
        }
        if let Some(options) = self.mqtt_options.take() {
            self.mqtt_server.start(serve_mqtt(self.cse.clone(), options, self.stop.clone()));
        }
    }

    async fn next(&mut self) -> Result<Happened, RunError> {
        loop {
            let first = tokio::select! {
                ended = self.http_server.ended() => return Err(ended),
                ended = self.mqtt_server.ended() => return Err(ended),
                Some(notification) = self.notifications.recv() => notification,
            };
            let mut written: Vec<Written> = self.things.written(&first).into_iter().collect();
            while let Ok(more) = self.notifications.try_recv() {
                written.extend(self.things.written(&more));
            }
            if !written.is_empty() {
                return Ok(Happened::Written(written));
            }
        }
    }

    /// The CSE keeps its resources itself.
    async fn restore(&mut self) {}

    async fn close(mut self: Box<Self>) {
        self.stop.cancel();
        self.http_server.stopped().await;
        self.mqtt_server.stopped().await;
        self.mqtt.stop().await;
        self.cse.shutdown(PATIENCE).await;
    }
}
