//! Commands in every flavour: a tenant's application writes them where its broker shows them, a lamp gets them, and
//! status and result come back.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::path::Path;
use std::sync::atomic::Ordering;

use common::application::{Application, FLAVOURS};
use common::lamp::{LAMP, Lamp};
use common::*;
use morgana_silo::Silo;
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn start(flavour: &str, fabric: &morgana_fabric::Server, data: &Path) -> Silo {
    let doors = FLAVOURS.iter().find(|(name, _)| *name == flavour).unwrap().1;
    let mut environment = environment(fabric.local_addr(), data, doors[0], Value::Null);
    environment.doors = doors.iter().map(|door| (*door, 0)).collect();
    let silo = Silo::start(flavour, environment).await.unwrap();
    silo.ready().await;
    silo
}

/// The value of a command that the lamp got.
fn command(message: &Value) -> &Value {
    &message["data"][0]["set-color"]["value"]
}

async fn a_lamp_is_switched(flavour: &'static str) {
    let data = tempfile::tempdir().unwrap();
    let fabric = start_fabric(any_port()).await;
    let platform = Platform::start(fabric.local_addr()).await;
    let lamp = Lamp::start(fabric.local_addr()).await;
    let mut silo = start(flavour, &fabric, data.path()).await;
    platform.connect(&v_thing(LAMP)).await;
    let application = Application::start(flavour, &silo).await;
    application.sees_pipes().await;

    // Status, result and the changed property, with the silo's own address.
    let green = json!({ "cmd-value": "green", "cmd-qos": 2, "cmd-id": "77" });
    assert!(application.command("set-color", green.clone()).await.is_success());
    application.sees("set-color-result", "cmd-result", "OK").await;
    application.sees("set-color-status", "cmd-status", "PENDING").await;
    application.sees("color", "", "green").await;
    let received = lamp.received();
    assert_eq!(received[0]["meta"], json!({ "vThingID": LAMP, "vSiloID": SILO }));
    assert_eq!(command(&received[0])["cmd-nuri"], "viriot://vSilo/tenant1_silo1/data_in");

    // The same id again is not sent again.
    application.command("set-color", green.clone()).await;
    application.sees("set-color-status", "cmd-status", "DUPLICATE").await;
    assert_eq!(lamp.received().len(), 1);

    // A command without an id gets one, and feedback shows it.
    application.command("set-color", json!({ "cmd-value": "blue", "cmd-qos": 1 })).await;
    application.sees("color", "", "blue").await;
    let id = command(&lamp.received()[1])["cmd-id"].clone();
    application.sees("set-color-result", "cmd-id", id.clone()).await;

    // Commands that are listed again reset nothing.
    lamp.repeat().await;
    application.command("set-color", json!({ "cmd-value": "red" })).await;
    application.sees("color", "", "red").await;
    application.sees("set-color-result", "cmd-id", id).await;

    // What is no command is told.
    if flavour != "ngsi-v2" {
        application.command("set-color", json!("green")).await;
        application.sees("set-color-result", "cmd-result", "FAIL").await;
    }
    let foreign = json!({ "cmd-value": "x", "cmd-id": "f", "cmd-qos": 1, "cmd-nuri": "viriot://vSilo/tenant2_s/data_in" });
    application.command("set-color", foreign).await;
    application.sees("set-color-result", "cmd-id", "f").await;
    application
        .sees("set-color-result", "cmd-error", "cmd-nuri is not the address of this silo: leave it out")
        .await;
    let received = lamp.received().len();

    // A restart knows the ids and the pipes; and the lamp may be away.
    lamp.stop().await;
    silo.stop();
    silo.ended().await.unwrap();
    drop(application);
    let silo = start(flavour, &fabric, data.path()).await;
    let application = Application::start(flavour, &silo).await;
    application.command("set-color", green).await;
    application.sees("set-color-status", "cmd-status", "DUPLICATE").await;
    application.command("set-color", json!({ "cmd-value": "white", "cmd-id": "late" })).await;
    application.sees("set-color-result", "cmd-id", "late").await;
    let result = application.value("set-color-result").await.unwrap();
    assert!(result["cmd-error"].as_str().unwrap().contains("its ThingVisor is down"), "{result}");
    assert_eq!(received, 3);
}

async fn a_burst_is_carried(flavour: &'static str) {
    const COMMANDS: usize = 1000;
    let data = tempfile::tempdir().unwrap();
    let fabric = start_fabric(any_port()).await;
    let platform = Platform::start(fabric.local_addr()).await;
    let lamp = Lamp::start(fabric.local_addr()).await;
    lamp.mute.store(false, Ordering::SeqCst);
    let silo = start(flavour, &fabric, data.path()).await;
    platform.connect(&v_thing(LAMP)).await;
    let application = std::sync::Arc::new(Application::start(flavour, &silo).await);
    application.sees_pipes().await;
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..8 {
        let application = application.clone();
        senders.spawn(async move {
            for number in (sender..COMMANDS).step_by(8) {
                let value = json!({ "cmd-value": number, "cmd-qos": 0, "cmd-id": number });
                let status = application.command("set-color", value).await;
                assert!(status.is_success(), "{status}");
            }
        });
    }
    while let Some(done) = senders.join_next().await {
        done.unwrap();
    }
    eventually("every command arrives", async || lamp.received().len() >= COMMANDS).await;
    let mut ids: Vec<u64> =
        lamp.received().iter().map(|message| command(message)["cmd-id"].as_f64().unwrap() as u64).collect();
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(0..COMMANDS as u64), "each once");
    assert_eq!(
        application.value("set-color-result").await.filter(|value| value["cmd-result"] == "FAIL"),
        None
    );
}

macro_rules! in_every_flavour {
    ($($name:ident $burst:ident $flavour:literal,)*) => { $(
        #[tokio::test]
        async fn $name() {
            a_lamp_is_switched($flavour).await;
        }

        #[tokio::test]
        async fn $burst() {
            a_burst_is_carried($flavour).await;
        }
    )* };
}

in_every_flavour! {
    a_lamp_is_switched_in_an_ngsi_ld_silo a_burst_of_a_thousand_is_carried_by_an_ngsi_ld_silo "ngsi-ld",
    a_lamp_is_switched_in_an_ngsi_v2_silo a_burst_of_a_thousand_is_carried_by_an_ngsi_v2_silo "ngsi-v2",
    a_lamp_is_switched_in_a_onem2m_silo a_burst_of_a_thousand_is_carried_by_a_onem2m_silo "onem2m",
    a_lamp_is_switched_in_an_mqtt_silo a_burst_of_a_thousand_is_carried_by_an_mqtt_silo "mqtt",
}

#[tokio::test]
async fn a_command_where_no_vthing_is_fails_in_the_brokers_own_words() {
    for (flavour, _) in FLAVOURS {
        let data = tempfile::tempdir().unwrap();
        let fabric = start_fabric(any_port()).await;
        let _platform = Platform::start(fabric.local_addr()).await;
        let silo = start(flavour, &fabric, data.path()).await;
        let application = Application::start(flavour, &silo).await;
        let status = application.command("set-color", json!({ "cmd-value": 1, "cmd-id": "x" })).await;
        if flavour == "mqtt" {
            let topic = "tenant1/lamp/Lamp01/lamp:Lamp01/set-color-result";
            eventually("it is refused", async || application.last(topic).is_some()).await;
            let result = application.last(topic).unwrap();
            assert!(result["cmd-error"].as_str().unwrap().contains("no vThing"), "{result}");
        } else {
            assert_eq!(status, StatusCode::NOT_FOUND, "{flavour}");
        }
    }
}

#[tokio::test]
async fn a_bare_value_is_a_command_in_ngsi_v2_as_in_fiware() {
    let data = tempfile::tempdir().unwrap();
    let fabric = start_fabric(any_port()).await;
    let platform = Platform::start(fabric.local_addr()).await;
    let lamp = Lamp::start(fabric.local_addr()).await;
    let silo = start("ngsi-v2", &fabric, data.path()).await;
    platform.connect(&v_thing(LAMP)).await;
    let application = Application::start("ngsi-v2", &silo).await;
    application.sees_pipes().await;
    application.command("set-color", json!("green")).await;
    application.sees("color", "", "green").await;
    application.sees("set-color-result", "cmd-result", "OK").await;
    assert_eq!(command(&lamp.received()[0])["cmd-qos"], 2);
}

#[tokio::test]
async fn an_entity_that_a_broker_has_no_room_for_is_told_in_the_broker() {
    for (flavour, doors) in FLAVOURS {
        let data = tempfile::tempdir().unwrap();
        let fabric = start_fabric(any_port()).await;
        let platform = Platform::start(fabric.local_addr()).await;
        let length = if flavour == "mqtt" { 70_000 } else { 2_000 };
        // Neither a URI nor short.
        let id =
            if flavour == "ngsi-ld" { "no uri".to_owned() } else { format!("urn:{}", "x".repeat(length)) };
        let visor =
            Visor::start(fabric.local_addr(), "tv/a", vec![entity(&id, 1), entity("urn:ngsi-ld:good", 2)])
                .await;
        let silo = start(flavour, &fabric, data.path()).await;
        platform.connect(&visor.id).await;
        let notice = "urn:ngsi-ld:VSilo:tenant1_silo1";
        let door = silo.doors()[&doors[0]];
        let path = match flavour {
            "ngsi-ld" => format!("/ngsi-ld/v1/entities/{notice}"),
            "ngsi-v2" => format!("/v2/entities/{notice}"),
            _ => "/Mobius/vSilo/VSilo:tenant1_silo1/refused/la".to_owned(),
        };
        let told = async || {
            let request = reqwest::Client::new().get(format!("http://{door}{path}")).bearer_auth(TOKEN);
            let request = request.header("X-M2M-Origin", "tenant1").header("X-M2M-RI", "1");
            let answer = request.send().await.ok()?;
            if answer.status().is_success() { answer.text().await.ok() } else { None }
        };
        if flavour == "mqtt" {
            let tenant = common::tenant::Tenant::enter(door, "tenant1", TOKEN, "tenant1/#").await;
            eventually("it is told", async || {
                tenant.last("tenant1/vSilo").is_some_and(|notice| {
                    notice.to_string().contains("the most") || notice.to_string().contains("more than")
                })
            })
            .await;
            tenant.sees("tenant1/tv/a/good", 2).await;
        } else {
            eventually(&format!("{flavour}: it is told"), async || {
                told().await.is_some_and(|text| text.contains("reason"))
            })
            .await;
        }
    }
}
