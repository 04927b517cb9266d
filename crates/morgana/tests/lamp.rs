//! The heart of it: one virtual lamp in four silos of four standards, each of a tenant of its own. Each switches the
//! lamp in the terms of its standard, and sees status and result; all see the light.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use morgana_model::{Secret, VSilo};
use morgana_testbed::{Http, MqttApplication, NgsiLd, Platform, User, eventually};
use serde_json::{Value, json};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");
const ENTITY: &str = "urn:ngsi-ld:lamp:Lamp01";

fn port(silo: &VSilo, inner: &str) -> u16 {
    silo.status.endpoints[inner]
}

fn http(silo: &VSilo, inner: &str) -> Http {
    let token = silo.token.as_ref().map(Secret::expose);
    Http::new(format!("http://127.0.0.1:{}", port(silo, inner)), token)
}

async fn onem2m(silo: &VSilo, path: &str) -> Option<Value> {
    let request = http(silo, "7579/tcp").request(reqwest::Method::GET, path);
    let request = request.header("X-M2M-Origin", silo.spec.tenant.as_str()).header("X-M2M-RI", "1");
    let answer = request.send().await.unwrap();
    if !answer.status().is_success() {
        return None;
    }
    let latest: Value = answer.json().await.unwrap();
    serde_json::from_str(latest["m2m:cin"]["con"].as_str()?).ok()
}

async fn silo(platform: &Platform, admin: &User, tenant: &str, flavour: &str) -> VSilo {
    let user = platform.tenant(admin, tenant).await;
    let silo = platform.silo(&user, "home", flavour).await;
    platform.plug(&user, &silo, "lamp/Lamp01").await;
    silo
}

async fn sees<T: PartialEq + std::fmt::Debug>(what: &str, wanted: T, look: impl AsyncFn() -> T) {
    eventually(what, async || {
        let seen = look().await;
        if seen == wanted { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
}

#[tokio::test]
async fn one_lamp_is_switched_from_silos_of_four_standards() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    platform.thing_visor(&admin, "lamp", "builtin:lamp", json!({})).await;
    platform.v_thing(&admin, "lamp/Lamp01").await;
    let (alice, bob) =
        (silo(&platform, &admin, "alice", "ngsi-ld").await, silo(&platform, &admin, "bob", "orion-f").await);
    let (carol, dave) = (
        silo(&platform, &admin, "carol", "mobius2-base-f").await,
        silo(&platform, &admin, "dave", "mqtt").await,
    );
    let ld = NgsiLd::at(&alice);
    let v2 = http(&bob, "1026/tcp");
    let token = dave.token.clone().unwrap();
    let mqtt = MqttApplication::connect(port(&dave, "1883/tcp"), Some(("dave", token))).await;
    mqtt.subscribe("dave/lamp/Lamp01/#").await.unwrap();

    let ld_value = async |name: &str| ld.entity(ENTITY).await.unwrap_or_default()[name]["value"].clone();
    let v2_value = async |name: &str| {
        let answer = v2.get(&format!("/v2/entities/{ENTITY}")).await;
        answer.body[name]["value"].clone()
    };
    let m2m_value = async |name: &str| {
        let path = format!("/Mobius/lamp:Lamp01/lamp:Lamp01/{name}/la");
        onem2m(&carol, &path).await.unwrap_or_default()["value"].clone()
    };
    let mqtt_value = async |name: &str| {
        let all = mqtt.messages.all();
        let last = all.into_iter().rfind(|message| message.topic == "dave/lamp/Lamp01/lamp:Lamp01");
        last.map(|message| message.payload[name]["value"].clone()).unwrap_or_default()
    };
    let all_see = async |color: &str| {
        sees("the NGSI-LD silo sees the light", json!(color), async || ld_value("color").await).await;
        sees("the NGSIv2 silo sees the light", json!(color), async || v2_value("color").await).await;
        sees("the oneM2M silo sees the light", json!(color), async || m2m_value("color").await).await;
        sees("the MQTT silo sees the light", json!(color), async || mqtt_value("color").await).await;
    };
    all_see("white").await;

    let command = |color: &str, id: &str| json!({ "cmd-value": color, "cmd-qos": 2, "cmd-id": id });
    eventually("the pipe is there", async || {
        let answer = ld
            .http
            .patch(&format!("/entities/{ENTITY}/attrs/set-color"), &json!({ "value": command("green", "a") }))
            .await;
        if answer.status.as_u16() == 204 { Ok(()) } else { Err(answer.status.to_string()) }
    })
    .await;
    sees("alice has her result", json!("OK"), async || {
        ld_value("set-color-result").await["cmd-result"].clone()
    })
    .await;
    all_see("green").await;

    v2.patch(
        &format!("/v2/entities/{ENTITY}/attrs"),
        &json!({ "set-color": { "type": "command", "value": "blue" } }),
    )
    .await
    .expect(204);
    sees("bob has his result", json!("OK"), async || v2_value("set-color-result").await).await;
    all_see("blue").await;

    let request =
        http(&carol, "7579/tcp").request(reqwest::Method::POST, "/Mobius/lamp:Lamp01/lamp:Lamp01/set-color");
    let content = json!({ "m2m:cin": { "con": command("red", "c") } }).to_string();
    let request = request.header("X-M2M-Origin", "carol").header("X-M2M-RI", "2");
    let answer = request.header("Content-Type", "application/json; ty=4").body(content).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    sees("carol has her result", json!("OK"), async || {
        m2m_value("set-color-result").await["cmd-result"].clone()
    })
    .await;
    all_see("red").await;

    mqtt.publish("dave/lamp/Lamp01/lamp:Lamp01/set-color", &command("yellow", "d")).await.unwrap();
    sees("dave has his result", json!("OK"), async || {
        mqtt_value("set-color-result").await["cmd-result"].clone()
    })
    .await;
    all_see("yellow").await;

    // Feedback is for who asked alone.
    assert_eq!(ld_value("set-color-result").await["cmd-id"], "a");
    assert_eq!(m2m_value("set-color-result").await["cmd-id"], "c");
    assert_eq!(mqtt_value("set-color-result").await["cmd-id"], "d");
    assert!(
        mqtt.messages.all().iter().all(|message| !message.payload.to_string().contains("\"cmd-id\":\"a\""))
    );
}
