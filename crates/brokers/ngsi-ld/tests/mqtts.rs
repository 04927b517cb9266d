//! Notifications over MQTT with TLS (NGSI-LD 7.2), to a real Mosquitto with a certificate of its own making, for
//! subscriptions to entities and to context sources.
//!
//! Needs the Debian packages `mosquitto` and `mosquitto-clients`; `scripts/test-needs.sh` installs them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{TestBroker, car, eventually, expect, options, serve_in};
use morgana_ngsi_ld::{Broker, HttpOptions};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Writes a certificate of a new authority, and one of a server on this machine that it vouches for.
fn certificates(dir: &Path) {
    let authority = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // OpenSSL takes who is called like its issuer for its own issuer.
    params.distinguished_name.push(DnType::CommonName, "an authority of this test");
    let certificate = params.self_signed(&authority).unwrap();
    std::fs::write(dir.join("ca.pem"), certificate.pem()).unwrap();
    let issuer = Issuer::from_params(&params, &authority);
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let server = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::write(dir.join("server.pem"), server.pem()).unwrap();
    std::fs::write(dir.join("server.key"), key.serialize_pem()).unwrap();
}

/// A Mosquitto, and what someone who subscribed to everything hears.
struct Mosquitto {
    port: u16,
    _server: Child,
    _client: Child,
    heard: Lines<BufReader<ChildStdout>>,
}

async fn mosquitto(dir: &Path) -> Mosquitto {
    certificates(dir);
    let path = |name: &str| dir.join(name).display().to_string();
    for _ in 0..20 {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let conf = format!(
            "listener {port} 127.0.0.1\ncertfile {}\nkeyfile {}\nallow_anonymous true\nuser root\n",
            path("server.pem"),
            path("server.key")
        );
        std::fs::write(dir.join("mosquitto.conf"), conf).unwrap();
        let mut server = Command::new("/usr/sbin/mosquitto");
        server.args(["-c", &path("mosquitto.conf")]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = server.kill_on_drop(true).spawn().expect("mosquitto; see scripts/test-needs.sh");
        let mut up = async || {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                // The port may have been taken meanwhile.
                if server.try_wait().unwrap().is_some() {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            true
        };
        if !tokio::time::timeout(PATIENCE, up()).await.expect("mosquitto to start") {
            continue;
        }
        let number = port.to_string();
        let arguments =
            ["-h", "localhost", "-p", &number, "-t", "#", "-d", "-q", "2", "--cafile", &path("ca.pem")];
        // Into a pipe it would say nothing for a long time.
        let mut client = Command::new("stdbuf");
        client
            .args(["-oL", "mosquitto_sub"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut client = client.spawn().expect("mosquitto_sub; see scripts/test-needs.sh");
        let mut heard = BufReader::new(client.stdout.take().unwrap()).lines();
        let subscribed = async {
            while !heard.next_line().await.unwrap().expect("mosquitto_sub goes on").contains("Subscribed") {}
        };
        tokio::time::timeout(PATIENCE, subscribed).await.expect("mosquitto_sub to subscribe");
        return Mosquitto { port, _server: server, _client: client, heard };
    }
    panic!("no port stays free for mosquitto");
}

impl Mosquitto {
    /// The next message; what mosquitto_sub says of itself is no JSON.
    async fn next(&mut self) -> Value {
        let message = async {
            loop {
                let line = self.heard.next_line().await.unwrap().expect("mosquitto_sub goes on");
                if let Ok(message @ Value::Object(_)) = serde_json::from_str(&line) {
                    return message;
                }
            }
        };
        tokio::time::timeout(PATIENCE, message).await.expect("a message")
    }
}

async fn start(ca: Option<&Path>) -> TestBroker {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.notification_ca = ca.map(Into::into);
    options.notifications.timeout_ms = 30_000;
    serve_in(Broker::open(options).unwrap(), HttpOptions::default(), dir).await
}

fn subscription(id: &str, port: u16, version: &str, qos: &str) -> Value {
    json!({
        "id": format!("urn:ngsi-ld:Subscription:{id}"), "type": "Subscription", "entities": [{"type": "Car"}],
        "notification": {"endpoint": {
            "uri": format!("mqtts://localhost:{port}/{id}"),
            "receiverInfo": [{"key": "X-Who", "value": id}],
            "notifierInfo": [{"key": "MQTT-Version", "value": version}, {"key": "MQTT-QoS", "value": qos}],
        }},
    })
}

#[tokio::test]
async fn notifications_reach_an_mqtt_server_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = mosquitto(dir.path()).await;
    let it = start(Some(&dir.path().join("ca.pem"))).await;
    for (number, (version, qos)) in
        [("mqtt5.0", "0"), ("mqtt5.0", "1"), ("mqtt5.0", "2"), ("mqtt3.1.1", "0"), ("mqtt3.1.1", "2")]
            .into_iter()
            .enumerate()
    {
        let id = format!("s{number}");
        expect(it.post("/subscriptions", &subscription(&id, server.port, version, qos)), 201).await;
        it.create(car(number as u32, 50)).await;
        let message = server.next().await;
        assert_eq!(
            (&message["metadata"]["X-Who"], &message["body"]["type"]),
            (&json!(id), &json!("Notification"))
        );
        let path = format!("/subscriptions/urn:ngsi-ld:Subscription:{id}");
        eventually(async || it.read(&path).await["notification"]["status"] == "ok").await;
        expect(it.delete(&path), 204).await;
    }
    let sources = subscription("sources", server.port, "mqtt5.0", "1");
    expect(it.post("/csourceSubscriptions", &sources), 201).await;
    let registration = json!({
        "type": "ContextSourceRegistration", "information": [{"entities": [{"type": "Car"}]}], "endpoint": "http://127.0.0.1:1",
    });
    expect(it.post("/csourceRegistrations", &registration), 201).await;
    let message = server.next().await;
    assert_eq!(message["body"]["type"], "ContextSourceNotification");
    assert_eq!(message["metadata"]["Content-Type"], "application/json");
    assert_eq!(message["body"]["triggerReason"], "newlyMatching");
}

/// Another port of a server, which counts who connects.
async fn counted(port: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (own, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut there = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::io::copy_bidirectional(&mut here, &mut there).await
            });
        }
    });
    (own, count)
}

#[tokio::test]
async fn notifications_share_a_connection_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = mosquitto(dir.path()).await;
    let (port, connections) = counted(server.port).await;
    let it = start(Some(&dir.path().join("ca.pem"))).await;
    for (id, qos) in [("a", "0"), ("b", "1"), ("c", "2")] {
        expect(it.post("/subscriptions", &subscription(id, port, "mqtt5.0", qos)), 201).await;
    }
    for number in 0..3 {
        it.create(car(number, 50)).await;
        for _ in 0..3 {
            let message = server.next().await;
            assert_eq!(message["body"]["data"][0]["id"], format!("urn:ngsi-ld:Car:{number}"));
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_no_one_vouches_for_is_told_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = mosquitto(dir.path()).await;
    // The system does not know the authority.
    let it = start(None).await;
    expect(it.post("/subscriptions", &subscription("s", server.port, "mqtt5.0", "1")), 201).await;
    it.create(car(1, 50)).await;
    let path = "/subscriptions/urn:ngsi-ld:Subscription:s";
    eventually(async || it.read(path).await["notification"]["status"] == "failed").await;
    assert_eq!(it.read(path).await["notification"].get("lastSuccess"), None);
}
