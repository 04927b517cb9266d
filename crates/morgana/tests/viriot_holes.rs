//! The holes of VirIoT, each tried and found closed (viriot-wire.md, sections 2.1, 3 and "Where Morgana
//! differs").

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use morgana_model::{Secret, WorkloadName};
use morgana_testbed::{Http, MqttApplication, Platform, eventually};
use serde_json::{Value, json};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// The key that VirIoT's public repository signs its tokens with, unless the operator changes it.
const PUBLISHED_SECRET: &[u8] = b"UYG867ti867f(/&$SWRUco)(YPO/T";

/// A token as VirIoT's makes them, of any user and any role.
fn forged(user: &str, secret: &[u8]) -> String {
    let now = jiff::Timestamp::now().as_second();
    let header = json!({ "typ": "JWT", "alg": "HS256" });
    let claims = json!({
        "iat": now, "nbf": now, "exp": now + 4_000_000, "jti": uuid::Uuid::new_v4(),
        "sid": uuid::Uuid::new_v4(), "identity": user, "fresh": false, "type": "access",
        "user_claims": "{\"role\": \"admin\"}",
    });
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(&header), encode(&claims));
    let key = jsonwebtoken::EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256);
    format!("{message}.{}", signature.expect("HMAC signs anything"))
}

#[tokio::test]
async fn a_token_forged_with_the_published_secret_opens_nothing() {
    let platform = Platform::start(MORGANA).await;
    for secret in [PUBLISHED_SECRET, b"", b"secret"] {
        let thief = Http::new(platform.rest_url(), Some(&forged("admin", secret)));
        for path in ["/listUsers", "/listThingVisors", "/listVirtualSilos"] {
            let refused = thief.get(path).await.expect(422);
            assert_eq!(refused, json!({ "msg": "Signature verification failed" }), "{path}");
        }
        thief.get("/v1/users").await.expect(401);
    }
}

#[tokio::test]
async fn a_query_operator_in_the_place_of_a_password_logs_nobody_in() {
    let platform = Platform::start(MORGANA).await;
    let any = json!({ "$ne": null });
    for credentials in [
        json!({ "userID": any, "password": any }),
        json!({ "userID": "admin", "password": any }),
        json!({ "userID": { "$regex": "^a" }, "password": { "$gt": "" } }),
        json!({ "userID": ["admin"], "password": [""] }),
        json!({ "userID": "admin", "password": null }),
        json!({ "userID": "admin' || '1'=='1", "password": "x" }),
    ] {
        let answer = platform.http().post("/login", &credentials).await;
        assert!(!answer.status.is_success(), "{credentials}: {}", answer.body);
        assert!(answer.body.get("access_token").is_none(), "{credentials}: {}", answer.body);
        let answer = platform.http().post("/v1/login", &credentials).await;
        assert!(answer.status.is_client_error(), "{credentials}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_tenant_whose_name_begins_like_anothers_sees_nothing_of_it() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let victim = platform.tenant(&admin, "tenant10").await;
    let thief = platform.tenant(&admin, "tenant1").await;
    // VirIoT takes what is before the first underscore for the tenant.
    for name in ["home", "tenant1_home"] {
        platform.silo(&victim, name, "mqtt").await;
    }
    let thief = platform.http_as(&thief);
    assert_eq!(thief.get("/listVirtualSilos").await.expect(200), json!([]));
    let mine = thief.post("/inspectTenant", &json!({})).await.expect(200);
    assert_eq!(mine, json!({ "vSilos": [], "vThings": [] }));
    for silo in ["tenant10_home", "tenant10_tenant1_home"] {
        thief.post("/inspectVirtualSilo", &json!({ "vSiloID": silo })).await.expect(401);
    }
    for (tenant, name) in [("tenant10", "home"), ("tenant1", "0_home")] {
        let destroy = json!({ "tenantID": tenant, "vSiloName": name, "force": true });
        thief.post("/siloDestroy", &destroy).await.expect(401);
    }
    let silos = platform.client(&victim).vsilos().all().await.unwrap();
    assert_eq!(silos.len(), 2);
}

/// A lamp, and two tenants whose silos both have it, seen from the fabric with the silos' own
/// credentials: what a silo can be made to say, and what it is told.
struct Lamp {
    platform: Platform,
    tenant: MqttApplication,
    victim: MqttApplication,
}

impl Lamp {
    async fn plugged_in() -> Self {
        let platform = Platform::start(MORGANA).await;
        let admin = platform.admin().await;
        platform.thing_visor(&admin, "lamp", "builtin:lamp", json!({})).await;
        platform.v_thing(&admin, "lamp/Lamp01").await;
        for tenant in ["tenant1", "victim"] {
            let user = platform.tenant(&admin, tenant).await;
            let silo = platform.silo(&user, "home", "mqtt").await;
            platform.plug(&user, &silo, "lamp/Lamp01").await;
        }
        let (tenant, victim) =
            (as_silo(&platform, "tenant1_home").await, as_silo(&platform, "victim_home").await);
        Self { platform, tenant, victim }
    }

    /// The tenant's silo sets the colour, and is told what came of it.
    async fn set_color(&self, id: &str, color: &str, nuri: Option<&str>) -> Value {
        let mut value = json!({ "cmd-value": color, "cmd-qos": 1, "cmd-id": id });
        if let Some(nuri) = nuri {
            value["cmd-nuri"] = json!(nuri);
        }
        let entity = json!({
            "id": "urn:ngsi-ld:lamp:Lamp01", "type": "Lamp", "set-color": { "type": "Property", "value": value },
        });
        let meta = json!({ "vSiloID": "tenant1_home", "vThingID": "lamp/Lamp01" });
        let command = json!({ "data": [entity], "meta": meta });
        self.tenant.publish("vThing/lamp/Lamp01/data_in", &command).await.unwrap();
        let result = |message: &morgana_testbed::Message| {
            let value = &message.payload["data"][0]["set-color-result"]["value"];
            (value["cmd-id"] == id).then(|| value["cmd-result"].clone())
        };
        let what = format!("the result of command {id}");
        let told = self.tenant.messages.wait_for(&what, |message| result(message).is_some()).await;
        assert_eq!(told.topic, "vSilo/tenant1_home/data_in");
        result(&told).expect("it is one")
    }

    /// Waits until all silos were told of a colour.
    async fn is_seen_as(&self, color: &str) {
        let shows =
            |message: &morgana_testbed::Message| message.payload["data"][0]["color"]["value"] == color;
        self.victim.messages.wait_for(&format!("the lamp is {color} for all"), shows).await;
    }
}

/// The fabric as a silo sees it.
async fn as_silo(platform: &Platform, silo: &str) -> MqttApplication {
    let name = WorkloadName::VSilo(silo.parse().unwrap());
    let process = platform.workload(&name).expect("the silo runs");
    let variable = |name: &str| process.variable(name).expect("the silo has a credential");
    let (user, password) = (variable("MORGANA_FABRIC_USER"), variable("MORGANA_FABRIC_PASSWORD"));
    let client = MqttApplication::connect(platform.fabric_port(), Some((&user, Secret::new(password)))).await;
    client.subscribe(&format!("vSilo/{silo}/data_in")).await.unwrap();
    // The right comes with the connection, a moment after it was asked for.
    eventually("the silo may hear the lamp", async || client.subscribe("vThing/lamp/Lamp01/data_out").await)
        .await;
    client
}

#[tokio::test]
async fn feedback_goes_to_the_asking_silo_and_to_no_topic_that_a_command_names() {
    let lamp = Lamp::plugged_in().await;
    for (id, nuri) in [
        ("1", "viriot://vSilo/victim_home/data_in"),
        ("2", "viriot://vThing/lamp/Lamp01/data_out"),
        ("3", "viriot://TV/lamp/c_in"),
        ("4", "http://127.0.0.1:9/"),
    ] {
        // Carried out or refused, whoever asked is told, and nobody else.
        lamp.set_color(id, "blue", Some(nuri)).await;
    }
    assert_eq!(lamp.set_color("5", "green", None).await, "OK");
    lamp.is_seen_as("green").await;
    for message in lamp.victim.messages.all() {
        let text = message.payload.to_string();
        assert!(!text.contains("cmd-id") && !text.contains("cmd-result"), "the victim got {message:?}");
    }
}

#[tokio::test]
async fn an_apostrophe_in_a_command_harms_nobody() {
    let lamp = Lamp::plugged_in().await;
    for (id, color) in [("1", "it's"), ("2", "\"quoted\" 'and' \\"), ("3", "\u{1f4a1} \u{fc}")] {
        lamp.set_color(id, color, None).await;
    }
    assert_eq!(lamp.set_color("4", "green", None).await, "OK", "the lamp still listens");
    lamp.is_seen_as("green").await;
}

#[tokio::test]
async fn everything_registers_again_after_the_broker_was_restarted() {
    let mut lamp = Lamp::plugged_in().await;
    let admin = lamp.platform.admin().await;
    lamp.platform.kill().await;
    lamp.platform.restart().await;
    let name = WorkloadName::ThingVisor("lamp".parse().unwrap());
    let client = lamp.platform.client(&admin);
    let patience = morgana_testbed::PATIENCE;
    client.wait_until(&name, morgana_client::Goal::Running, patience, |_| ()).await.unwrap();
    let silo = WorkloadName::VSilo("tenant1_home".parse().unwrap());
    client.wait_until(&silo, morgana_client::Goal::Running, patience, |_| ()).await.unwrap();
    let things = client.vthings().all().await.unwrap();
    assert_eq!(things.iter().map(|thing| thing.id.as_str()).collect::<Vec<_>>(), ["lamp/Lamp01"]);
    lamp.tenant = as_silo(&lamp.platform, "tenant1_home").await;
    lamp.victim = as_silo(&lamp.platform, "victim_home").await;
    assert_eq!(lamp.set_color("1", "red", None).await, "OK", "a command goes its whole way again");
    lamp.is_seen_as("red").await;
}
