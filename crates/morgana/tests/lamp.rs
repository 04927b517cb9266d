//! The heart of it: one virtual lamp in four silos of four standards, each of a tenant of its own. Each switches the
//! lamp in the terms of its standard, and sees status and result; all see the light.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use morgana_model::{FlavourSpec, NewFlavour, Secret, VSilo};
use morgana_testbed::{Http, MqttApplication, NgsiLd, Platform, User, add_silo, eventually};
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

/// A tenant's silo with the lamp, commanded and read in the terms of its standard.
struct Home {
    silo: VSilo,
    standard: &'static str,
    application: Option<MqttApplication>,
}

impl Home {
    /// A silo of a tenant whose name is that of the standard.
    async fn open(platform: &Platform, admin: &User, standard: &'static str) -> Self {
        let tenant = format!("of-{standard}");
        let silo = silo(platform, admin, &tenant, standard).await;
        let mut application = None;
        if standard == "mqtt" {
            let mqtt = MqttApplication::at(&silo).await;
            mqtt.subscribe(&format!("{tenant}/lamp/Lamp01/#")).await.unwrap();
            application = Some(mqtt);
        }
        let home = Self { silo, standard, application };
        eventually(&format!("{standard}: the lamp is there"), async || {
            if home.value("color").await == "white" { Ok(()) } else { Err("no lamp".to_owned()) }
        })
        .await;
        home
    }

    /// The value of an attribute of the lamp; null while it is not there.
    async fn value(&self, name: &str) -> Value {
        match self.standard {
            "ngsi-ld" => {
                NgsiLd::at(&self.silo).entity(ENTITY).await.unwrap_or_default()[name]["value"].clone()
            }
            "ngsi-v2" => {
                let answer = http(&self.silo, "1026/tcp").get(&format!("/v2/entities/{ENTITY}")).await;
                let attribute = &answer.body[name];
                if !name.ends_with("-result") {
                    return attribute["value"].clone();
                }
                // The rest of the feedback is in the metadata.
                let mut value = json!({ "cmd-result": attribute["value"] });
                for member in ["cmd-id", "cmd-error"] {
                    value[member] = attribute["metadata"][member]["value"].clone();
                }
                value
            }
            "onem2m" => {
                let path = format!("/Mobius/lamp:Lamp01/lamp:Lamp01/{name}/la");
                onem2m(&self.silo, &path).await.unwrap_or_default()["value"].clone()
            }
            _ => {
                let topic = format!("{}/lamp/Lamp01/lamp:Lamp01", self.silo.spec.tenant);
                let all = self.application.as_ref().unwrap().messages.all();
                let last = all.into_iter().rfind(|message| message.topic == topic);
                last.map(|message| message.payload[name]["value"].clone()).unwrap_or_default()
            }
        }
    }

    /// Writes a command; gives what the broker says to it at once, as an HTTP status.
    async fn command(&self, name: &str, value: &Value) -> u16 {
        match self.standard {
            "ngsi-ld" => {
                let path = format!("/entities/{ENTITY}/attrs/{name}");
                NgsiLd::at(&self.silo).http.patch(&path, &json!({ "value": value })).await.status.as_u16()
            }
            "ngsi-v2" => {
                let body = json!({ name: { "type": "command", "value": value } });
                let path = format!("/v2/entities/{ENTITY}/attrs");
                http(&self.silo, "1026/tcp").patch(&path, &body).await.status.as_u16()
            }
            "onem2m" => {
                let path = format!("/Mobius/lamp:Lamp01/lamp:Lamp01/{name}");
                let request = http(&self.silo, "7579/tcp").request(reqwest::Method::POST, &path);
                let request = request.header("X-M2M-Origin", self.silo.spec.tenant.as_str());
                let request =
                    request.header("X-M2M-RI", "2").header("Content-Type", "application/json; ty=4");
                let body = json!({ "m2m:cin": { "con": value } }).to_string();
                request.body(body).send().await.unwrap().status().as_u16()
            }
            _ => {
                let topic = format!("{}/lamp/Lamp01/lamp:Lamp01/{name}", self.silo.spec.tenant);
                self.application.as_ref().unwrap().publish(&topic, value).await.unwrap();
                204
            }
        }
    }

    /// Writes a command, and gives the result that comes for it.
    async fn result(&self, name: &str, id: &str, mut command: Value) -> Value {
        command["cmd-id"] = json!(id);
        command["cmd-qos"] = json!(1);
        eventually(&format!("{}: {name} is taken", self.standard), async || {
            let status = self.command(name, &command).await;
            if (200..300).contains(&status) { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
        eventually(&format!("{}: {id} has a result", self.standard), async || {
            let result = self.value(&format!("{name}-result")).await;
            if result["cmd-id"] == id { Ok(result) } else { Err(result.to_string()) }
        })
        .await
    }

    fn must_fail(&self, result: &Value, why: &str) {
        assert_eq!(result["cmd-result"], "FAIL", "{}: {result}", self.standard);
        assert!(result["cmd-error"].as_str().unwrap().contains(why), "{}: {result}", self.standard);
        assert!(!result.to_string().contains("cmd-token\":"), "{}: {result}", self.standard);
    }
}

/// The token in an answer to `token-req`; NGSIv2 may have it as an object or as its text.
fn token_of(result: &Value) -> Value {
    let answer = &result["cmd-result"];
    assert_eq!(answer["code"], "OK", "{result}");
    answer["cmd-token"].clone()
}

#[tokio::test]
async fn what_is_refused_is_told_in_the_tenants_own_broker_in_each_of_four_standards() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let policy = json!({ "policy": { "kind": "token", "holders": 4 } });
    platform.thing_visor(&admin, "lamp", "builtin:lamp", policy).await;
    platform.v_thing(&admin, "lamp/Lamp01").await;
    let mut others_token = json!("guessed");
    for standard in ["ngsi-ld", "ngsi-v2", "onem2m", "mqtt"] {
        let home = Home::open(&platform, &admin, standard).await;
        // No token, a wrong one, and that of another tenant.
        let result = home.result("set-color", "none", json!({ "cmd-value": "green" })).await;
        home.must_fail(&result, "a cmd-token is needed");
        let stolen = json!({ "cmd-value": "green", "cmd-token": others_token });
        let result = home.result("set-color", "wrong", stolen).await;
        home.must_fail(&result, "the cmd-token is not valid");
        // One of its own.
        let result = home.result("token-req", "ask", json!({ "cmd-value": {} })).await;
        let token = token_of(&result);
        let with_token = |value: Value| json!({ "cmd-value": value, "cmd-token": token });
        let result = home.result("set-color", "right", with_token(json!("green"))).await;
        assert_eq!(result["cmd-result"], "OK", "{standard}: {result}");
        // A value of the wrong type.
        let result = home.result("set-luminosity", "type", with_token(json!({ "not": "a number" }))).await;
        home.must_fail(&result, "luminosity");
        // Another silo's address for feedback.
        let mut foreign = with_token(json!("red"));
        foreign["cmd-nuri"] = json!("viriot://vSilo/admin_home/data_in");
        let result = home.result("set-color", "foreign", foreign).await;
        home.must_fail(&result, "cmd-nuri is not the address of this silo");
        // A megabyte: a broker that takes so much shows the result; one that does not says so at once.
        let large = json!({ "cmd-value": "x".repeat(1024 * 1024), "cmd-id": "large", "cmd-qos": 1 });
        let status = home.command("set-color", &large).await;
        if (200..300).contains(&status) {
            let result = eventually(&format!("{standard}: the megabyte has a result"), async || {
                let result = home.value("set-color-result").await;
                if result["cmd-id"] == "large" { Ok(result) } else { Err(result.to_string()) }
            })
            .await;
            home.must_fail(&result, "bytes");
        } else {
            assert_eq!(status, 413, "{standard}");
        }
        // The light is as it was: green, and nothing that was refused.
        eventually(&format!("{standard}: it is green"), async || {
            let color = home.value("color").await;
            if color == "green" { Ok(()) } else { Err(color.to_string()) }
        })
        .await;
        let result = home.result("set-color", "back", with_token(json!("white"))).await;
        assert_eq!(result["cmd-result"], "OK", "{standard}: {result}");
        others_token = token;
    }
}

#[tokio::test]
async fn a_flavour_sets_the_port_of_its_silo_and_one_that_is_in_use_is_named() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let tenant = platform.tenant(&admin, "alice").await;
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (port, mqtt) = (free(), free());
    let client = platform.client(&admin);
    let flavour = |id: &str, params: Value| NewFlavour {
        id: id.parse().unwrap(),
        spec: FlavourSpec {
            image_name: "builtin:onem2m".parse().unwrap(),
            params,
            description: String::new(),
            yaml_files: None,
        },
    };
    let error = client.create_flavour(&flavour("low", json!({ "port": 80 }))).await.unwrap_err().to_string();
    assert!(error.contains("'port' is 80") && error.contains("1024"), "{error}");
    client.create_flavour(&flavour("fixed", json!({ "port": port, "mqttPort": mqtt }))).await.unwrap();
    let first = platform.silo(&tenant, "first", "fixed").await;
    assert_eq!((first.status.endpoints["7579/tcp"], first.status.endpoints["1883/tcp"]), (port, mqtt));
    let answer = http(&first, "7579/tcp").get("/Mobius").await;
    assert!(answer.status.is_success() || answer.status.is_client_error(), "it is reached there");

    let second = add_silo(&platform.client(&tenant), &tenant, "second", "fixed").await.unwrap();
    eventually("the second silo says why it does not start", async || {
        let silo = platform.client(&tenant).vsilo(&second.id).await.map_err(|error| error.to_string())?;
        let phase = format!("{:?}", silo.status.phase);
        let told = phase.contains(&port.to_string()) && phase.contains("another workload");
        if told { Ok(()) } else { Err(phase) }
    })
    .await;
    // Both go: the port is the next one's.
    let client = platform.client(&tenant);
    for silo in [&second, &first] {
        client.delete_vsilo(&silo.id, false).await.unwrap();
        eventually("the silo is gone", async || match client.vsilo(&silo.id).await {
            Ok(silo) => Err(format!("{:?}", silo.status.phase)),
            Err(_) => Ok(()),
        })
        .await;
    }
    let third = platform.silo(&tenant, "third", "fixed").await;
    assert_eq!(third.status.endpoints["7579/tcp"], port);
}
