//! The holes of VirIoT, each tried and found closed (viriot-wire.md, sections 2.1, 3 and "Where Morgana
//! differs").

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use morgana_model::WorkloadName;
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

/// A lamp, and two tenants whose MQTT silos both have it.
struct Lamp {
    platform: Platform,
    tenant: MqttApplication,
    victim: MqttApplication,
}

const LAMP: &str = "lamp/Lamp01/lamp:Lamp01";

impl Lamp {
    async fn plugged_in() -> Self {
        let platform = Platform::start(MORGANA).await;
        let admin = platform.admin().await;
        platform.thing_visor(&admin, "lamp", "builtin:lamp", json!({})).await;
        platform.v_thing(&admin, "lamp/Lamp01").await;
        let mut applications = Vec::new();
        for tenant in ["tenant1", "victim"] {
            let user = platform.tenant(&admin, tenant).await;
            let silo = platform.silo(&user, "home", "mqtt").await;
            let application = MqttApplication::at(&silo).await;
            application.subscribe(&format!("{tenant}/#")).await.unwrap();
            platform.plug(&user, &silo, "lamp/Lamp01").await;
            application
                .messages
                .wait_for("the lamp as it is", |message| message.payload["color"].is_object())
                .await;
            applications.push(application);
        }
        let victim = applications.pop().expect("two tenants");
        let tenant = applications.pop().expect("two tenants");
        Self { platform, tenant, victim }
    }

    /// The tenant sets the colour, and is told what came of it.
    async fn set_color(&self, id: &str, color: &str, nuri: Option<&str>) -> Value {
        let mut command = json!({ "cmd-value": color, "cmd-qos": 1, "cmd-id": id });
        if let Some(nuri) = nuri {
            command["cmd-nuri"] = json!(nuri);
        }
        self.tenant.publish(&format!("tenant1/{LAMP}/set-color"), &command).await.unwrap();
        let result = |message: &morgana_testbed::Message| {
            let value = &message.payload["set-color-result"]["value"];
            (value["cmd-id"] == id).then(|| value["cmd-result"].clone())
        };
        let what = format!("the result of command {id}");
        let told = self.tenant.messages.wait_for(&what, |message| result(message).is_some()).await;
        result(&told).expect("it is one")
    }
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
    lamp.victim
        .messages
        .wait_for("the colour that all see", |message| message.payload["color"]["value"] == "green")
        .await;
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
    lamp.victim
        .messages
        .wait_for("the lamp is green for all", |message| message.payload["color"]["value"] == "green")
        .await;
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
    let owner = lamp.platform.log_in("tenant1", &morgana_model::Secret::new("the password of tenant1")).await;
    let silo = lamp.platform.client(&owner).vsilo(&"tenant1_home".parse().unwrap()).await.unwrap();
    let silo = lamp.platform.running_silo(&owner, &silo).await;
    lamp.tenant = MqttApplication::at(&silo).await;
    lamp.tenant.subscribe("tenant1/#").await.unwrap();
    let things = client.vthings().all().await.unwrap();
    assert_eq!(things.iter().map(|thing| thing.id.as_str()).collect::<Vec<_>>(), ["lamp/Lamp01"]);
    eventually("a command goes its whole way again", async || {
        let id = uuid::Uuid::new_v4().to_string();
        let command = json!({ "cmd-value": "red", "cmd-qos": 1, "cmd-id": id });
        lamp.tenant.publish(&format!("tenant1/{LAMP}/set-color"), &command).await?;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let all = lamp.tenant.messages.all();
        let done =
            all.iter().any(|message| message.payload["set-color-result"]["value"]["cmd-id"].is_string());
        if done { Ok(()) } else { Err(format!("{} messages", all.len())) }
    })
    .await;
}
