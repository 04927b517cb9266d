//! An entity is its ThingVisor's: another ThingVisor, of whomever, that gives the same entity into a silo overwrites
//! nothing, takes no command, forges no feedback, and erases nothing by going.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::application::{Application, FLAVOURS};
use common::lamp::{ENTITY, LAMP, Lamp};
use common::*;
use morgana_fabric::{Client, ClientOptions, Event, Qos};
use morgana_model::Entity;
use morgana_silo::Silo;
use serde_json::{Value, json};

/// Its name comes before the lamp's, wherever that should matter.
const STRANGER: &str = "aaa/Lamp01";
const NOTICE: &str = "urn:ngsi-ld:VSilo:tenant1_silo1";

/// A vThing of another ThingVisor, which gives the lamp's entity as its own.
struct Stranger {
    visor: Visor,
    client: Client,
    /// The commands that were sent to it.
    commands: Arc<Mutex<Vec<Value>>>,
}

impl Stranger {
    async fn start(fabric: SocketAddr) -> Self {
        let stolen = Entity::builder(ENTITY, "Lamp")
            .property("color", "stolen")
            .property("extra", "of the stranger")
            .property("commands", json!(["set-color"]));
        let visor = Visor::start(fabric, STRANGER, vec![stolen.build().unwrap()]).await;
        let (client, mut events) = Client::connect(ClientOptions::new(fabric.to_string(), "stranger"));
        let topic = format!("vThing/{STRANGER}/data_in");
        within("it listens", client.subscribe(topic, Qos::AtLeastOnce)).await.unwrap();
        let commands = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&commands);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let Event::Message { payload, .. } = event {
                    taken.lock().unwrap().push(serde_json::from_slice(&payload).unwrap());
                }
            }
        });
        Self { visor, client, commands }
    }

    /// Everything that a ThingVisor can say of an entity to all silos and to one.
    async fn says_everything(&self) {
        let whole = self.visor.entities().remove(0);
        self.visor.change(whole).await;
        let done = json!({ "cmd-id": "forged", "cmd-result": "OK" });
        let data = json!([{ "id": ENTITY, "type": "Lamp", "set-color-result": { "type": "Property", "value": done } }]);
        let message = json!({ "data": data, "meta": { "vThingID": STRANGER, "vSiloID": SILO } }).to_string();
        let topic = format!("vSilo/{SILO}/data_in");
        within("it is said", self.client.publish(topic, message, Qos::AtLeastOnce)).await.unwrap();
    }
}

async fn start(flavour: &str, fabric: SocketAddr, data: &Path) -> Silo {
    let doors = FLAVOURS.iter().find(|(name, _)| *name == flavour).unwrap().1;
    let mut environment = environment(fabric, data, doors[0], Value::Null);
    environment.doors = doors.iter().map(|door| (*door, 0)).collect();
    let silo = Silo::start(flavour, environment).await.unwrap();
    silo.ready().await;
    silo
}

/// Switches the lamp; the colour that it gets is known to nobody before.
async fn switch(application: &Application, lamp: &Lamp, color: &str) {
    let before = lamp.received().len();
    let command = json!({ "cmd-value": color, "cmd-qos": 1, "cmd-id": color });
    assert!(application.command("set-color", command).await.is_success());
    application.sees("color", "", color).await;
    application.sees("set-color-result", "cmd-id", color).await;
    assert_eq!(lamp.received().len(), before + 1);
}

async fn a_stranger_takes_nothing(flavour: &'static str, shares: bool) {
    let data = tempfile::tempdir().unwrap();
    let fabric = start_fabric(any_port()).await;
    let platform = Platform::start(fabric.local_addr()).await;
    let lamp = Lamp::start(fabric.local_addr()).await;
    let mut silo = start(flavour, fabric.local_addr(), data.path()).await;
    platform.connect(&v_thing(LAMP)).await;
    let mut application = Application::start(flavour, &silo).await;
    application.sees_pipes().await;

    let stranger = Stranger::start(fabric.local_addr()).await;
    platform.connect(&stranger.visor.id).await;
    stranger.says_everything().await;
    if shares {
        let of_it = async || application.text_of(NOTICE).await.is_some_and(|text| text.contains(STRANGER));
        eventually("the tenant is told of it", of_it).await;
    }
    switch(&application, &lamp, "green").await;
    stranger.says_everything().await;
    switch(&application, &lamp, "blue").await;
    assert_eq!(application.value("extra").await, None);

    // Whose an entity is survives a restart.
    drop(application);
    silo.stop();
    within("the silo ends", silo.ended()).await.unwrap();
    silo = start(flavour, fabric.local_addr(), data.path()).await;
    application = Application::start(flavour, &silo).await;
    stranger.says_everything().await;
    switch(&application, &lamp, "red").await;
    assert_eq!(*stranger.commands.lock().unwrap(), [Value::Null; 0], "no command went to the stranger");

    // When the stranger goes, what is the lamp's stays.
    platform.disconnect(&stranger.visor.id).await;
    switch(&application, &lamp, "white").await;

    // When the lamp goes, the entity is free, and whoever has it is asked for it.
    platform.connect(&stranger.visor.id).await;
    stranger.says_everything().await;
    switch(&application, &lamp, "black").await;
    platform.disconnect(&v_thing(LAMP)).await;
    if shares {
        application.sees("color", "", "stolen").await;
        application.sees("extra", "", "of the stranger").await;
    } else {
        eventually("the lamp's place is gone", async || application.value("color").await.is_none()).await;
    }
}

#[tokio::test]
async fn a_stranger_takes_nothing_in_an_ngsi_ld_silo() {
    a_stranger_takes_nothing("ngsi-ld", true).await;
}

#[tokio::test]
async fn a_stranger_takes_nothing_in_an_ngsi_v2_silo() {
    a_stranger_takes_nothing("ngsi-v2", true).await;
}

#[tokio::test]
async fn a_stranger_has_a_place_of_its_own_in_a_onem2m_silo() {
    a_stranger_takes_nothing("onem2m", false).await;
}

#[tokio::test]
async fn a_stranger_has_a_place_of_its_own_in_an_mqtt_silo() {
    a_stranger_takes_nothing("mqtt", false).await;
}

#[tokio::test]
async fn two_ids_that_are_one_in_ngsi_v2_are_one_thing_visors() {
    let data = tempfile::tempdir().unwrap();
    let fabric = start_fabric(any_port()).await;
    let platform = Platform::start(fabric.local_addr()).await;
    let silo = start("ngsi-v2", fabric.local_addr(), data.path()).await;
    let application = Application::start("ngsi-v2", &silo).await;
    let one = Visor::start(fabric.local_addr(), "one/a", vec![entity("urn:x y", "of one")]).await;
    platform.connect(&one.id).await;
    let shown = async || application.text_of("urn:x_y").await;
    eventually("it is there", async || shown().await.is_some_and(|text| text.contains("of one"))).await;
    let two = Visor::start(fabric.local_addr(), "two/a", vec![entity("urn:x_y", "of two")]).await;
    platform.connect(&two.id).await;
    let told = async || application.text_of(NOTICE).await.is_some_and(|text| text.contains("two/a"));
    eventually("the tenant is told", told).await;
    assert!(shown().await.unwrap().contains("of one"));
}
