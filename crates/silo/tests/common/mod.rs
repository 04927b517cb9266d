//! A platform around a silo: a real fabric, and simulated peers that speak real MQTT to it.

// Each test file uses its part.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod application;
pub mod lamp;
pub mod process;
pub mod tenant;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use morgana_fabric::{Client, ClientOptions, Event, Open, Qos, Server, ServerOptions};
use morgana_model::{ContextMessage, ControlMessage, Entity, Meta, Secret, Topic, VThingId, VThingReference};
use morgana_workload::{Environment, FabricAccess, Role};
use serde_json::Value;
use tokio::sync::watch;

pub const SILO: &str = "tenant1_silo1";
pub const TOKEN: &str = "token-of-tenant1";

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn v_thing(text: &str) -> VThingId {
    text.parse().unwrap()
}

pub fn entity(id: &str, value: impl Into<Value>) -> Entity {
    Entity::builder(id, "Sensor").property("value", value).build().unwrap()
}

pub async fn start_fabric(listen: SocketAddr) -> Server {
    let options = ServerOptions { listen, max_packet_bytes: 4 << 20, ..ServerOptions::default() };
    Server::start(options, Arc::new(Open)).await.unwrap()
}

pub fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// What the node agent gives a silo.
pub fn environment(fabric: SocketAddr, data: &Path, door: u16, params: Value) -> Environment {
    let role = Role::VSilo { id: SILO.parse().unwrap(), params, token: Some(Secret::new(TOKEN)) };
    let fabric = FabricAccess {
        host: fabric.ip(),
        port: fabric.port(),
        user: format!("silo:{SILO}"),
        password: Secret::new("secret"),
    };
    Environment {
        role,
        fabric,
        data: data.to_owned(),
        listen: "127.0.0.1".parse().unwrap(),
        doors: [(door, 0)].into(),
    }
}

/// The controller of the platform: it knows which vThings the silo is to have.
pub struct Platform {
    client: Client,
    desired: Arc<Mutex<Vec<VThingId>>>,
    acknowledged: watch::Receiver<bool>,
}

impl Platform {
    pub async fn start(fabric: SocketAddr) -> Self {
        let (client, mut events) = Client::connect(ClientOptions::new(fabric.to_string(), "platform"));
        let topic = format!("vSilo/{SILO}/c_out");
        within("the platform is there", client.subscribe(topic, Qos::AtLeastOnce)).await.unwrap();
        let desired = Arc::new(Mutex::new(Vec::new()));
        let (acknowledge, acknowledged) = watch::channel(false);
        let (answers, known) = (client.clone(), Arc::clone(&desired));
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let Event::Message { payload, .. } = event else { continue };
                match serde_json::from_slice(&payload).unwrap() {
                    ControlMessage::GetVThingsRequest { .. } => {
                        let message = set_v_things(&known.lock().unwrap());
                        let _ = answers.publish(c_in(), message, Qos::AtMostOnce).await;
                    }
                    ControlMessage::DestroyVSiloAck { .. } => drop(acknowledge.send_replace(true)),
                    other => panic!("a silo does not say {other:?}"),
                }
            }
        });
        Self { client, desired, acknowledged }
    }

    pub async fn connect(&self, id: &VThingId) {
        self.desired.lock().unwrap().push(id.clone());
        self.tell(&ControlMessage::AddVThing {
            v_silo: SILO.parse().unwrap(),
            v_thing: id.clone(),
            v_thing_type: String::new(),
        })
        .await;
    }

    pub async fn disconnect(&self, id: &VThingId) {
        self.desired.lock().unwrap().retain(|known| known != id);
        self.tell(&ControlMessage::DeleteVThing { v_silo: SILO.to_owned(), v_thing: id.clone() }).await;
    }

    /// Changes what is to be, and tells nobody: the silo asks for it.
    pub fn want(&self, id: &VThingId, connected: bool) {
        let mut desired = self.desired.lock().unwrap();
        desired.retain(|known| known != id);
        desired.extend(connected.then(|| id.clone()));
    }

    pub async fn destroy(&self) {
        self.tell(&ControlMessage::DestroyVSilo { v_silo: SILO.parse().unwrap() }).await;
    }

    pub async fn acknowledged(&mut self) {
        within("the silo acknowledges", self.acknowledged.wait_for(|done| *done)).await.unwrap();
    }

    /// Says anything at all to the silo.
    pub async fn say(&self, topic: String, payload: Vec<u8>) {
        within("the fabric answers", self.client.publish(topic, payload, Qos::AtLeastOnce)).await.unwrap();
    }

    async fn tell(&self, message: &ControlMessage) {
        self.say(c_in(), serde_json::to_vec(message).unwrap()).await;
    }
}

pub fn c_in() -> String {
    format!("vSilo/{SILO}/c_in")
}

fn set_v_things(desired: &[VThingId]) -> Vec<u8> {
    let reference = |id: &VThingId| VThingReference { id: id.clone(), kind: String::new() };
    let v_things = desired.iter().map(reference).collect();
    serde_json::to_vec(&ControlMessage::SetVThings { v_silo: SILO.parse().unwrap(), v_things }).unwrap()
}

/// A ThingVisor with one vThing.
pub struct Visor {
    pub id: VThingId,
    client: Client,
    context: Arc<Mutex<BTreeMap<String, Entity>>>,
}

impl Visor {
    pub async fn start(fabric: SocketAddr, id: &str, entities: Vec<Entity>) -> Self {
        let id = v_thing(id);
        // The server refuses a client id with a slash.
        let client_id = format!("tv:{id}").replace('/', ":");
        let (client, mut events) = Client::connect(ClientOptions::new(fabric.to_string(), client_id));
        let topic = Topic::VThingIn(id.clone()).to_string();
        within("the ThingVisor is there", client.subscribe(topic, Qos::AtMostOnce)).await.unwrap();
        let by_id = entities.into_iter().map(|entity| (entity.id().to_owned(), entity));
        let context = Arc::new(Mutex::new(by_id.collect::<BTreeMap<_, _>>()));
        let (answers, known, me) = (client.clone(), Arc::clone(&context), id.clone());
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let Event::Message { payload, .. } = event else { continue };
                let ControlMessage::GetContextRequest { v_silo, .. } =
                    serde_json::from_slice(&payload).unwrap()
                else {
                    panic!("a silo asks a vThing for its context and nothing else");
                };
                let data = known.lock().unwrap().values().cloned().collect();
                let answer = ControlMessage::GetContextResponse { data, meta: Meta::between(&me, &v_silo) };
                let topic = Topic::VSiloIn(v_silo).to_string();
                let _ = answers.publish(topic, serde_json::to_vec(&answer).unwrap(), Qos::AtMostOnce).await;
            }
        });
        Self { id, client, context }
    }

    /// A thing changes. Who is not connected misses it.
    pub async fn change(&self, entity: Entity) {
        {
            let mut context = self.context.lock().unwrap();
            match context.get_mut(entity.id()) {
                Some(old) => old.merge(entity.clone()),
                None => drop(context.insert(entity.id().to_owned(), entity.clone())),
            }
        }
        let message = ContextMessage { data: vec![entity], meta: Meta::of_vthing(&self.id) };
        let topic = Topic::VThingDataOut(self.id.clone()).to_string();
        let _ = self.client.publish(topic, serde_json::to_vec(&message).unwrap(), Qos::AtMostOnce).await;
    }

    /// All that the vThing knows.
    pub fn entities(&self) -> Vec<Entity> {
        self.context.lock().unwrap().values().cloned().collect()
    }

    pub async fn connected(&self) {
        self.client.connected().await.unwrap();
    }

    pub async fn stop(self) {
        within("the ThingVisor ends", self.client.close()).await;
    }
}

/// Waits for a condition.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The outcome of something that must not take for ever.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("not within {PATIENCE:?}: {what}"),
    }
}
