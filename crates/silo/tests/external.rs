//! Silos whose broker is somebody else's: our own standalone brokers as peers of NGSI, Mosquitto as one of MQTT. (ACME,
//! a oneM2M CSE that others wrote, is in `acme.rs`.)

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::lamp::{ENTITY, LAMP, Lamp};
use common::process::free_port;
use common::tenant::Tenant;
use common::*;
use morgana_silo::Silo;
use reqwest::Client as Http;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A broker of our own that stands alone, on a port that stays.
struct Peer {
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Peer {
    async fn ngsi_ld(port: u16, data: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let options = morgana_ngsi_ld::Options { dir: data.to_owned(), ..Default::default() };
        let broker = morgana_ngsi_ld::Broker::open(options).unwrap();
        let stop = CancellationToken::new();
        let served = morgana_ngsi_ld::serve(broker, Default::default(), listener, stop.clone());
        Self { stop, server: tokio::spawn(async move { served.await.unwrap() }) }
    }

    async fn ngsi_v2(port: u16, data: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let options = morgana_ngsi_v2::Options { dir: data.to_owned(), ..Default::default() };
        let broker = morgana_ngsi_v2::Broker::open(options).unwrap();
        let stop = CancellationToken::new();
        let served = morgana_ngsi_v2::serve(broker, Default::default(), listener, stop.clone());
        Self { stop, server: tokio::spawn(async move { served.await.unwrap() }) }
    }

    async fn onem2m(port: u16, data: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let options = morgana_onem2m::Options {
            dir: data.to_owned(),
            administrators: vec!["CAdmin".to_owned()],
            inherit_access: true,
            verify_subscriptions: true,
            ..Default::default()
        };
        let cse = morgana_onem2m::Cse::open(options).unwrap();
        let stop = CancellationToken::new();
        let patience = std::time::Duration::from_secs(1);
        let served = morgana_onem2m::serve(listener, cse, Default::default(), stop.clone(), patience);
        Self { stop, server: tokio::spawn(async move { served.await.unwrap() }) }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.server.await.unwrap();
    }
}

async fn start(kind: &str, fabric: SocketAddr, data: &Path, params: Value) -> Silo {
    let mut environment = environment(fabric, data, 5555, params);
    environment.doors = [(5555, 0)].into();
    let silo = Silo::start(kind, environment).await.unwrap();
    silo.ready().await;
    silo
}

async fn get(url: &str) -> Option<Value> {
    let request = Http::new().get(url).header("X-M2M-Origin", "CAdmin").header("X-M2M-RI", "1");
    let answer = request.header("X-M2M-RVI", "3").send().await.ok()?;
    if answer.status().is_success() { answer.json().await.ok() } else { None }
}

/// The lamp appears in the broker, is switched from there, and goes; and a broker that was away, or has forgotten
/// everything, is made right.
async fn a_lamp_is_switched(
    kind: &str,
    params: impl Fn(u16) -> Value,
    peer: impl AsyncFn(u16, &Path) -> Peer,
    value: impl AsyncFn(u16, &str) -> Option<Value>,
    command: impl AsyncFn(u16, Value),
    subscription: impl AsyncFn(u16) -> Value,
) {
    let (data, state, other_state) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let fabric = start_fabric(any_port()).await;
    let platform = Platform::start(fabric.local_addr()).await;
    let lamp = Lamp::start(fabric.local_addr()).await;
    // The broker is not there yet.
    let mut silo = start(kind, fabric.local_addr(), data.path(), params(port)).await;
    platform.connect(&v_thing(LAMP)).await;
    let broker = peer(port, state.path()).await;
    let sees = async |name: &str, wanted: Value| {
        eventually(&format!("{kind}: {name} is {wanted}"), async || {
            value(port, name).await.as_ref() == Some(&wanted)
        })
        .await;
    };
    sees("color", json!("white")).await;
    eventually("a command goes through", async || {
        command(port, json!({ "cmd-value": "green", "cmd-qos": 1, "cmd-id": "a" })).await;
        !lamp.received().is_empty()
    })
    .await;
    sees("color", json!("green")).await;
    eventually("the result is there", async || {
        let result = value(port, "set-color-result").await.unwrap_or_default();
        result == "OK" || result["cmd-result"] == "OK"
    })
    .await;
    assert_eq!(lamp.received().len(), 1, "an id is sent once");

    // A silo that starts again listens elsewhere. It takes no subscription away: what a tenant writes meanwhile counts.
    let subscribed = subscription(port).await;
    assert!(!subscribed.is_null(), "{kind}");
    silo.stop();
    silo.ended().await.unwrap();
    let silo = start(kind, fabric.local_addr(), data.path(), params(port)).await;
    lamp.repeat().await;
    eventually("a command goes through to the new run", async || {
        command(port, json!({ "cmd-value": "red", "cmd-qos": 1, "cmd-id": "again" })).await;
        lamp.received().len() == 2
    })
    .await;
    sees("color", json!("red")).await;
    assert_eq!(subscription(port).await, subscribed, "{kind}");

    // The broker was away, and has forgotten everything.
    broker.stop().await;
    let silo_command = json!({ "cmd-value": "blue", "cmd-qos": 1, "cmd-id": "b" });
    lamp.repeat().await;
    let broker = peer(port, other_state.path()).await;
    lamp.repeat().await;
    sees("color", json!("red")).await;
    eventually("a command goes through again", async || {
        command(port, silo_command.clone()).await;
        lamp.received().len() == 3
    })
    .await;
    sees("color", json!("blue")).await;

    // It goes, also when the broker was away when it went.
    broker.stop().await;
    lamp.repeat().await;
    platform.disconnect(&v_thing(LAMP)).await;
    eventually("the silo knows of it", async || {
        // While the broker is away nothing can be seen of it there.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        true
    })
    .await;
    let broker = peer(port, other_state.path()).await;
    eventually("the lamp is gone", async || value(port, "color").await.is_none()).await;
    broker.stop().await;
    drop(silo);
}

#[tokio::test]
async fn an_ngsi_ld_broker_of_somebody_else_is_driven_over_its_api() {
    a_lamp_is_switched(
        "ngsi-ld-external",
        |port| json!({ "url": format!("http://127.0.0.1:{port}") }),
        async |port, data| Peer::ngsi_ld(port, data).await,
        async |port, name| {
            let entity = get(&format!("http://127.0.0.1:{port}/ngsi-ld/v1/entities/{ENTITY}")).await?;
            Some(entity.get(name)?["value"].clone())
        },
        async |port, value| {
            let url = format!("http://127.0.0.1:{port}/ngsi-ld/v1/entities/{ENTITY}/attrs/set-color");
            Http::new().patch(url).json(&json!({ "value": value })).send().await.unwrap();
        },
        async |port| {
            let all =
                get(&format!("http://127.0.0.1:{port}/ngsi-ld/v1/subscriptions?options=sysAttrs")).await;
            all.unwrap()[0]["createdAt"].clone()
        },
    )
    .await;
}

#[tokio::test]
async fn an_ngsi_v2_broker_of_somebody_else_is_driven_over_its_api() {
    a_lamp_is_switched(
        "ngsi-v2-external",
        |port| json!({ "url": format!("http://127.0.0.1:{port}") }),
        async |port, data| Peer::ngsi_v2(port, data).await,
        async |port, name| {
            let entity = get(&format!("http://127.0.0.1:{port}/v2/entities/{ENTITY}")).await?;
            Some(entity.get(name)?["value"].clone())
        },
        async |port, value| {
            let url = format!("http://127.0.0.1:{port}/v2/entities/{ENTITY}/attrs?options=forcedUpdate");
            let body = json!({ "set-color": { "type": "command", "value": value } });
            Http::new().patch(url).json(&body).send().await.unwrap();
        },
        async |port| {
            get(&format!("http://127.0.0.1:{port}/v2/subscriptions")).await.unwrap()[0]["id"].clone()
        },
    )
    .await;
}

#[tokio::test]
async fn a_onem2m_cse_of_somebody_else_is_driven_over_http() {
    const CONTAINER: &str = "Mobius/lamp:Lamp01/lamp:Lamp01";
    a_lamp_is_switched(
        "onem2m-external",
        |port| json!({ "url": format!("http://127.0.0.1:{port}"), "originator": "CAdmin", "release": "3" }),
        async |port, data| Peer::onem2m(port, data).await,
        async |port, name| {
            let latest = get(&format!("http://127.0.0.1:{port}/{CONTAINER}/{name}/la")).await?;
            let content: Value = serde_json::from_str(latest["m2m:cin"]["con"].as_str()?).ok()?;
            Some(content["value"].clone())
        },
        async |port, value| {
            let request = Http::new().post(format!("http://127.0.0.1:{port}/{CONTAINER}/set-color"));
            let request =
                request.header("X-M2M-Origin", "CAdmin").header("X-M2M-RI", "1").header("X-M2M-RVI", "3");
            let request = request.header("Content-Type", "application/json;ty=4");
            request.body(json!({ "m2m:cin": { "con": value } }).to_string()).send().await.unwrap();
        },
        async |port| {
            let one = get(&format!("http://127.0.0.1:{port}/{CONTAINER}/set-color/vSiloCommandSub")).await;
            one.unwrap()["m2m:sub"]["ri"].clone()
        },
    )
    .await;
}

#[tokio::test]
async fn an_entity_that_somebody_elses_broker_has_no_room_for_is_told_there() {
    const NOTICE: &str = "urn:ngsi-ld:VSilo:tenant1_silo1";
    let long = format!("urn:{}", "x".repeat(2_000));
    for (kind, bad, path) in [
        ("ngsi-ld-external", "no uri", format!("/ngsi-ld/v1/entities/{NOTICE}")),
        ("ngsi-v2-external", &long, format!("/v2/entities/{NOTICE}")),
        ("onem2m-external", &long, "/Mobius/vSilo/VSilo:tenant1_silo1/refused/la".to_owned()),
    ] {
        let (data, state, port) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), free_port());
        let broker = match kind {
            "ngsi-ld-external" => Peer::ngsi_ld(port, state.path()).await,
            "ngsi-v2-external" => Peer::ngsi_v2(port, state.path()).await,
            _ => Peer::onem2m(port, state.path()).await,
        };
        let fabric = start_fabric(any_port()).await;
        let platform = Platform::start(fabric.local_addr()).await;
        let entities = vec![entity(bad, 1), entity("urn:ngsi-ld:good", 2)];
        let visor = Visor::start(fabric.local_addr(), "tv/a", entities).await;
        let params = json!({ "url": format!("http://127.0.0.1:{port}") });
        let params = match kind {
            "onem2m-external" => json!({ "url": params["url"], "originator": "CAdmin", "release": "3" }),
            _ => params,
        };
        let _silo = start(kind, fabric.local_addr(), data.path(), params).await;
        platform.connect(&visor.id).await;
        eventually(&format!("{kind}: it is told"), async || {
            let notice = get(&format!("http://127.0.0.1:{port}{path}")).await;
            notice.is_some_and(|notice| notice.to_string().contains("reason"))
        })
        .await;
        let good = match kind {
            "ngsi-ld-external" => "/ngsi-ld/v1/entities/urn:ngsi-ld:good",
            "ngsi-v2-external" => "/v2/entities/urn:ngsi-ld:good",
            _ => "/Mobius/tv:a/good/value/la",
        };
        eventually(&format!("{kind}: the good one is there"), async || {
            get(&format!("http://127.0.0.1:{port}{good}")).await.is_some()
        })
        .await;
        broker.stop().await;
    }
}

#[tokio::test]
async fn a_stranger_takes_nothing_in_somebody_elses_broker() {
    const NOTICE: &str = "urn:ngsi-ld:VSilo:tenant1_silo1";
    for (kind, api) in [("ngsi-ld-external", "/ngsi-ld/v1"), ("ngsi-v2-external", "/v2")] {
        let (data, state, port) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), free_port());
        let broker = match kind {
            "ngsi-ld-external" => Peer::ngsi_ld(port, state.path()).await,
            _ => Peer::ngsi_v2(port, state.path()).await,
        };
        let fabric = start_fabric(any_port()).await;
        let platform = Platform::start(fabric.local_addr()).await;
        let lamp = Lamp::start(fabric.local_addr()).await;
        let params = json!({ "url": format!("http://127.0.0.1:{port}") });
        let _silo = start(kind, fabric.local_addr(), data.path(), params).await;
        let base = format!("http://127.0.0.1:{port}{api}/entities");
        let color = async || Some(get(&format!("{base}/{ENTITY}")).await?["color"]["value"].clone());
        platform.connect(&v_thing(LAMP)).await;
        eventually("the lamp is there", async || color().await == Some(json!("white"))).await;

        // Another ThingVisor gives the same entity, with the same command, and then goes.
        let stolen = morgana_model::Entity::builder(ENTITY, "Lamp")
            .property("color", "stolen")
            .property("commands", json!(["set-color"]));
        let stranger = Visor::start(fabric.local_addr(), "aaa/Lamp01", vec![stolen.build().unwrap()]).await;
        platform.connect(&stranger.id).await;
        eventually("the tenant is told", async || {
            let notice = get(&format!("{base}/{NOTICE}")).await;
            notice.is_some_and(|notice| notice.to_string().contains("aaa/Lamp01"))
        })
        .await;
        assert_eq!(color().await, Some(json!("white")), "{kind}");
        platform.disconnect(&stranger.id).await;
        let good = Visor::start(fabric.local_addr(), "good/a", vec![entity("urn:ngsi-ld:good", 2)]).await;
        platform.connect(&good.id).await;
        let marker = async || get(&format!("{base}/urn:ngsi-ld:good")).await.is_some();
        eventually("what came after it is there", marker).await;
        assert_eq!(color().await, Some(json!("white")), "{kind}");

        // Whoever has the entity gets its place when the lamp goes.
        platform.connect(&stranger.id).await;
        lamp.repeat().await;
        platform.disconnect(&v_thing(LAMP)).await;
        eventually("its place is taken", async || color().await == Some(json!("stolen"))).await;
        broker.stop().await;
    }
}

/// A Mosquitto, killed at the latest with the test.
struct Mosquitto(Child);

impl Mosquitto {
    fn start(port: u16, folder: &Path) -> Self {
        Self::start_with(port, folder, "")
    }

    fn start_with(port: u16, folder: &Path, more: &str) -> Self {
        let configuration = folder.join("mosquitto.conf");
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\n{more}");
        std::fs::write(&configuration, text).unwrap();
        let mut command = Command::new("/usr/sbin/mosquitto");
        let child = command.arg("-c").arg(configuration).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.expect("mosquitto is installed (scripts/test-needs.sh)"))
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn mosquitto_is_driven_as_a_silos_broker() {
    const TOPIC: &str = "tenant1/lamp/Lamp01/lamp:Lamp01";
    let (data, folder, port) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), free_port());
    let fabric = start_fabric(any_port()).await;
    let platform = Platform::start(fabric.local_addr()).await;
    let lamp = Lamp::start(fabric.local_addr()).await;
    let params = json!({ "url": format!("mqtt://127.0.0.1:{port}") });
    let _silo = start("mqtt-external", fabric.local_addr(), data.path(), params).await;
    platform.connect(&v_thing(LAMP)).await;
    let door = SocketAddr::from(([127, 0, 0, 1], port));
    // It forgets everything when it ends.
    for color in ["green", "blue"] {
        let broker = Mosquitto::start(port, folder.path());
        eventually("mosquitto listens", async || tokio::net::TcpStream::connect(door).await.is_ok()).await;
        let tenant = Tenant::enter(door, "tenant1", "", "tenant1/#").await;
        eventually("the lamp is there", async || tenant.last(TOPIC).is_some()).await;
        let before = lamp.received().len();
        eventually("a command goes through", async || {
            let command = json!({ "cmd-value": color, "cmd-qos": 1, "cmd-id": color }).to_string();
            let topic = format!("{TOPIC}/set-color");
            tenant.client.publish(topic, command, morgana_fabric::Qos::AtLeastOnce).await.unwrap();
            lamp.received().len() > before
        })
        .await;
        eventually("the light is seen", async || tenant.last(TOPIC).unwrap()["color"]["value"] == color)
            .await;
        eventually("the result is seen", async || {
            tenant
                .last(&format!("{TOPIC}/set-color-result"))
                .is_some_and(|result| result["cmd-result"] == "OK")
        })
        .await;
        drop(broker);
    }
}

/// A certificate for this machine that nobody but itself vouches for, and its key, in PEM form.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[tokio::test]
async fn mosquitto_is_driven_over_tls_by_who_trusts_its_certificate_and_nobody_else() {
    const TOPIC: &str = "tenant1/lamp/Lamp01/lamp:Lamp01";
    let (data, folder, port) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), free_port());
    let (pem, key) = certificate();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        // Mosquitto, started by root, reads as its own user.
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        path.display().to_string()
    };
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let more = format!("certfile {}\nkeyfile {}\n", file("cert.pem", &pem), file("key.pem", &key));
    let _broker = Mosquitto::start_with(port, folder.path(), &more);
    let door = SocketAddr::from(([127, 0, 0, 1], port));
    eventually("mosquitto listens", async || tokio::net::TcpStream::connect(door).await.is_ok()).await;

    let fabric = start_fabric(any_port()).await;
    let platform = Platform::start(fabric.local_addr()).await;
    let lamp = Lamp::start(fabric.local_addr()).await;
    let url = format!("mqtts://127.0.0.1:{port}");
    let params = json!({ "url": url, "ca": pem });
    let _silo = start("mqtt-external", fabric.local_addr(), data.path(), params).await;
    platform.connect(&v_thing(LAMP)).await;
    let connect = |ca: &str| {
        let options = morgana_fabric::ClientOptions::new(door.to_string(), "tenant");
        morgana_fabric::Client::connect(options.with_tls(morgana_fabric::ClientTls::trusting(ca).unwrap()))
    };
    let (tenant, mut events) = connect(&pem);
    tenant.subscribe(format!("{TOPIC}/#"), morgana_fabric::Qos::AtLeastOnce).await.unwrap();
    eventually("a command goes through", async || {
        let command = json!({ "cmd-value": "green", "cmd-qos": 1, "cmd-id": "a" }).to_string();
        let topic = format!("{TOPIC}/set-color");
        tenant.publish(topic, command, morgana_fabric::Qos::AtLeastOnce).await.unwrap();
        !lamp.received().is_empty()
    })
    .await;
    within("the result comes", async {
        loop {
            if let Some(morgana_fabric::Event::Message { topic, payload }) = events.recv().await
                && topic == format!("{TOPIC}/set-color-result")
            {
                let result: Value = serde_json::from_slice(&payload).unwrap();
                return assert_eq!(result["cmd-result"], "OK");
            }
        }
    })
    .await;

    // Who trusts another certificate does not connect; a text without one is refused at the start.
    let (_stranger, mut events) = connect(&certificate().0);
    let event = within("an answer", events.recv()).await;
    assert!(matches!(event, Some(morgana_fabric::Event::Disconnected { .. })), "{event:?}");
    let other = tempfile::tempdir().unwrap();
    let mut wrong = environment(fabric.local_addr(), other.path(), 5555, json!({ "url": url, "ca": "none" }));
    wrong.doors = [(5555, 0)].into();
    let error = Silo::start("mqtt-external", wrong).await.unwrap_err();
    assert!(error.to_string().contains("'ca'") && error.exit_code() == 78, "{error}");
}
