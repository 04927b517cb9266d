//! Whatever was killed or cut off, and whatever changed meanwhile: in the end a silo shows each connected vThing's last
//! word, and nothing of those that are not connected. Over real processes with `kill -9`.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use common::application::FLAVOURS;
use common::process::{Process, free_port};
use common::tenant::Tenant;
use common::*;
use morgana_fabric::Server;
use morgana_model::{Entity, VThingId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

#[test]
fn child_is_a_silo() {
    common::process::child_is_a_silo();
}

/// What happens, to one of two things.
#[derive(Debug, Clone)]
enum Step {
    Change { thing: usize, entity: usize, attribute: usize, value: u32 },
    Connect(usize),
    Disconnect(usize),
    KillSilo,
    KillFabric,
    StartFabric,
    RestartThingVisor(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let thing = || 0..2usize;
    prop_oneof![
        6 => (thing(), 0..2usize, 0..2usize, any::<u32>())
            .prop_map(|(thing, entity, attribute, value)| Step::Change { thing, entity, attribute, value }),
        2 => thing().prop_map(Step::Connect),
        1 => thing().prop_map(Step::Disconnect),
        1 => Just(Step::KillSilo),
        1 => Just(Step::KillFabric),
        1 => Just(Step::StartFabric),
        1 => thing().prop_map(Step::RestartThingVisor),
    ]
}

fn id(thing: usize) -> VThingId {
    v_thing(&format!("tv/a{thing}"))
}

/// Each thing has an entity of its own, and a part of a shared one: they are of one ThingVisor.
fn entity_id(thing: usize, entity: usize) -> String {
    if entity == 0 { format!("urn:ngsi-ld:own{thing}") } else { "urn:ngsi-ld:shared".to_owned() }
}

fn attribute(thing: usize, attribute: usize) -> String {
    format!("{}{thing}", ["p", "q"][attribute])
}

fn changed(thing: usize, entity: usize, name: usize, value: u32) -> Entity {
    Entity::builder(entity_id(thing, entity), "Sensor")
        .property(attribute(thing, name), value)
        .build()
        .unwrap()
}

/// Of thing, entity and attribute, the value.
type View = BTreeMap<(usize, usize, usize), Value>;

struct World {
    flavour: &'static str,
    data: tempfile::TempDir,
    port: u16,
    fabric_address: SocketAddr,
    fabric: Option<Server>,
    platform: Platform,
    connected: [bool; 2],
    visors: Vec<Visor>,
    silo: Option<Process>,
}

impl World {
    async fn new(flavour: &'static str) -> Self {
        let fabric = start_fabric(any_port()).await;
        let fabric_address = fabric.local_addr();
        let platform = Platform::start(fabric_address).await;
        let mut visors = Vec::new();
        for thing in 0..2 {
            visors
                .push(Visor::start(fabric_address, id(thing).as_str(), vec![changed(thing, 0, 0, 0)]).await);
        }
        let (data, port) = (tempfile::tempdir().unwrap(), free_port());
        let connected = [false; 2];
        let mut world = Self {
            flavour,
            data,
            port,
            fabric_address,
            fabric: Some(fabric),
            platform,
            connected,
            visors,
            silo: None,
        };
        world.start_silo().await;
        world
    }

    fn door(&self) -> u16 {
        FLAVOURS.iter().find(|(name, _)| *name == self.flavour).unwrap().1[0]
    }

    async fn start_silo(&mut self) {
        let silo =
            Process::start(self.flavour, self.fabric_address, self.data.path(), self.door(), self.port).await;
        self.silo = Some(silo);
    }

    async fn suffer(&mut self, step: Step) {
        match step {
            Step::Change { thing, entity, attribute, value } => {
                self.visors[thing].change(changed(thing, entity, attribute, value)).await;
            }
            Step::Connect(thing) => self.want(thing, true).await,
            Step::Disconnect(thing) => self.want(thing, false).await,
            Step::KillSilo => {
                self.silo.take().unwrap().kill();
                self.start_silo().await;
            }
            Step::KillFabric => drop(self.fabric.take()),
            Step::StartFabric if self.fabric.is_none() => {
                eventually("the fabric's port is free", async || {
                    tokio::net::TcpListener::bind(self.fabric_address).await.is_ok()
                })
                .await;
                self.fabric = Some(start_fabric(self.fabric_address).await);
            }
            Step::StartFabric => {}
            // It knows what it knew, as the kit's memory does it.
            Step::RestartThingVisor(thing) if self.fabric.is_some() => {
                let known = self.visors[thing].entities();
                let visor = self.visors.remove(thing);
                visor.stop().await;
                self.visors.insert(thing, Visor::start(self.fabric_address, id(thing).as_str(), known).await);
            }
            Step::RestartThingVisor(_) => {}
        }
    }

    async fn want(&mut self, thing: usize, connected: bool) {
        self.connected[thing] = connected;
        self.platform.want(&id(thing), connected);
        // What is told while the fabric is away is asked for later.
        if self.fabric.is_some() {
            if connected {
                self.platform.connect(&id(thing)).await;
            } else {
                self.platform.disconnect(&id(thing)).await;
            }
            self.platform.want(&id(thing), connected);
        }
    }

    fn expected(&self) -> View {
        let mut view = View::new();
        for (thing, visor) in self.visors.iter().enumerate().filter(|(thing, _)| self.connected[*thing]) {
            for known in visor.entities() {
                let entity = (0..2).find(|entity| entity_id(thing, *entity) == known.id()).unwrap();
                for name in 0..2 {
                    let value = known.get(&attribute(thing, name)).map(|found| found["value"].clone());
                    view.extend(value.map(|value| ((thing, entity, name), value)));
                }
            }
        }
        view
    }

    async fn shown(&self) -> View {
        let mut view = View::new();
        let http = reqwest::Client::new();
        let get = async |path: String| {
            let request = http.get(format!("http://127.0.0.1:{}{path}", self.port)).bearer_auth(TOKEN);
            let answer =
                request.header("X-M2M-Origin", "tenant1").header("X-M2M-RI", "1").send().await.ok()?;
            if answer.status().is_success() { answer.json::<Value>().await.ok() } else { None }
        };
        let tenant = match self.flavour {
            "mqtt" => {
                let door = SocketAddr::from(([127, 0, 0, 1], self.port));
                let tenant = Tenant::enter(door, "tenant1", TOKEN, "tenant1/#").await;
                // What is retained comes before what is published after it.
                tenant.client.publish("tenant1/end", "1", morgana_fabric::Qos::AtLeastOnce).await.unwrap();
                eventually("all that is retained has come", async || tenant.last("tenant1/end").is_some())
                    .await;
                Some(tenant)
            }
            _ => None,
        };
        for (thing, entity, name) in [0, 1].into_iter().flat_map(|thing| {
            [0, 1]
                .into_iter()
                .flat_map(move |entity| [0, 1].into_iter().map(move |name| (thing, entity, name)))
        }) {
            let (id, attribute) = (entity_id(thing, entity), attribute(thing, name));
            let local = id.trim_start_matches("urn:ngsi-ld:");
            let value = match self.flavour {
                "ngsi-ld" => get(format!("/ngsi-ld/v1/entities/{id}"))
                    .await
                    .map(|found| found[&attribute]["value"].clone()),
                "ngsi-v2" => {
                    get(format!("/v2/entities/{id}")).await.map(|found| found[&attribute]["value"].clone())
                }
                "onem2m" => {
                    let latest = get(format!("/Mobius/tv:a{thing}/{local}/{attribute}/la")).await;
                    latest.map(|latest| {
                        let content = latest["m2m:cin"]["con"].as_str().unwrap();
                        serde_json::from_str::<Value>(content).unwrap()["value"].clone()
                    })
                }
                _ => {
                    let message = tenant.as_ref().unwrap().last(&format!("tenant1/tv/a{thing}/{local}"));
                    message.map(|message| message[&attribute]["value"].clone())
                }
            };
            view.extend(value.filter(|value| !value.is_null()).map(|value| ((thing, entity, name), value)));
        }
        view
    }
}

async fn nothing_is_missing_and_nothing_is_stale(flavour: &'static str, steps: Vec<Step>) {
    let mut world = World::new(flavour).await;
    for step in steps {
        world.suffer(step).await;
    }
    world.suffer(Step::StartFabric).await;
    let mut last = View::new();
    let expected = world.expected();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while last != expected {
        assert!(tokio::time::Instant::now() < deadline, "{flavour}: shown {last:?}, expected {expected:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        last = world.shown().await;
    }
}

fn after_any_history(flavour: &'static str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases: 6, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let steps = prop::collection::vec(step(), 4..16);
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(nothing_is_missing_and_nothing_is_stale(flavour, steps));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn an_ngsi_ld_silo_is_right_after_any_outages() {
    after_any_history("ngsi-ld");
}

#[test]
fn an_ngsi_v2_silo_is_right_after_any_outages() {
    after_any_history("ngsi-v2");
}

#[test]
fn a_onem2m_silo_is_right_after_any_outages() {
    after_any_history("onem2m");
}

#[test]
fn an_mqtt_silo_is_right_after_any_outages() {
    after_any_history("mqtt");
}
