//! What VirIoT's controller sends, as it sends it (viriot-wire 4.2, flavour mobius): no release, originator `S`, a
//! constant request id, over HTTP and over MQTT; and the commands that come back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{sync::Arc, time::Duration};

use common::Fixture;
use morgana_fabric::{Client, ClientOptions, Event, Open, Qos, Server, ServerOptions};
use morgana_onem2m::{HttpOptions, MqttOptions, serve, serve_mqtt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

struct Silo {
    base: String,
    http: reqwest::Client,
    mqtt: Client,
    events: tokio::sync::mpsc::Receiver<Event>,
    stop: CancellationToken,
    _cse: Fixture,
    _server: Server,
}

impl Drop for Silo {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Silo {
    async fn start() -> Self {
        let cse = Fixture::with(|options| {
            options.administrators = vec!["S".to_owned()];
            options.inherit_access = true;
            options.structured_references = true;
        });
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let http = serve(
            listener,
            cse.cse.clone(),
            HttpOptions::default(),
            stop.clone(),
            Duration::from_millis(100),
        );
        tokio::spawn(http);
        let options = ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() };
        let server = Server::start(options, Arc::new(Open)).await.unwrap();
        let address = format!("127.0.0.1:{}", server.local_addr().port());
        let mqtt = MqttOptions {
            client: ClientOptions::new(address.clone(), "cse"),
            topic_id: "Mobius".to_owned(),
            ..MqttOptions::default()
        };
        tokio::spawn(serve_mqtt(cse.cse.clone(), mqtt, stop.clone()));
        let (mqtt, events) = Client::connect(ClientOptions::new(address, "silo"));
        mqtt.subscribe("/oneM2M/resp/+/Mobius/json", Qos::AtLeastOnce).await.unwrap();
        mqtt.subscribe("/oneM2M/req/Mobius/tenant1_silo/json", Qos::AtLeastOnce).await.unwrap();
        Self { base, http: reqwest::Client::new(), mqtt, events, stop, _cse: cse, _server: server }
    }

    async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        ty: Option<u32>,
        content: Value,
    ) -> (u16, Value) {
        let kind = ty
            .map_or("application/json".to_owned(), |ty| format!("application/vnd.onem2m-res+json; ty={ty}"));
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        request = request
            .header("X-M2M-Origin", "S")
            .header("X-M2M-RI", "12345")
            .header("Accept", "application/json");
        if !content.is_null() {
            request = request.header("Content-Type", kind).body(content.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(response.headers()["x-m2m-ri"], "12345");
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn post(&self, path: &str, ty: u32, content: Value) -> Value {
        let (status, body) = self.send(reqwest::Method::POST, path, Some(ty), content).await;
        assert_eq!(status, 201, "{path}: {body}");
        body
    }

    /// The next message on a topic that ends so.
    async fn next(&mut self, topic: &str) -> Value {
        let wait = async {
            loop {
                if let Event::Message { topic: found, payload } = self.events.recv().await.unwrap()
                    && found == topic
                {
                    return serde_json::from_slice(&payload).unwrap();
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap()
    }
}

#[tokio::test]
async fn a_silo_controller_finds_mobius() {
    let mut silo = Silo::start().await;
    let (status, base) = silo.send(reqwest::Method::GET, "/Mobius?rcn=4", None, Value::Null).await;
    assert_eq!((status, &base["m2m:cb"]["rn"]), (200, &json!("Mobius")));
    let policy = json!({"m2m:acp": {"rn": "policy1",
        "pv": {"acr": [{"acor": ["tenant1"], "acop": "3"}, {"acor": ["S"], "acop": "63"}]},
        "pvs": {"acr": [{"acor": ["admin"], "acop": "63"}]}}});
    let made = silo.post("/Mobius", 1, policy).await;
    let ri = made["m2m:acp"]["ri"].clone();
    // It looks whether the vThing is there before it adds it.
    assert_eq!(silo.send(reqwest::Method::GET, "/Mobius/tv:lamp", None, Value::Null).await.0, 404);
    let ae = json!({"m2m:ae": {"rn": "tv:lamp", "lbl": [], "api": "v1", "rr": false}});
    assert!(
        silo.post("/Mobius?rcn=3", 2, ae).await["m2m:rce"]["m2m:ae"]["aei"]
            .as_str()
            .unwrap()
            .starts_with('S')
    );
    let policies = json!({"m2m:ae": {"acpi": [ri]}});
    let (status, body) = silo.send(reqwest::Method::PUT, "/Mobius/tv:lamp", None, policies).await;
    assert_eq!(status, 200, "{body}");
    let container = |name: &str| json!({"m2m:cnt": {"rn": name, "lbl": ["lamp"], "mni": 1}});
    silo.post("/Mobius/tv:lamp?rcn=3", 3, container("lamp:Lamp01")).await;
    silo.post("/Mobius/tv:lamp/lamp:Lamp01?rcn=3", 3, container("color")).await;
    for pipe in ["set-color", "set-color-status", "set-color-result"] {
        let pipe = json!({"m2m:cnt": {"rn": pipe, "lbl": [], "mni": 3}});
        silo.post("/Mobius/tv:lamp/lamp:Lamp01?rcn=3", 3, pipe).await;
    }
    let subscription = json!({"m2m:sub": {"rn": "vSiloCommandSub", "nu": ["mqtt://127.0.0.1/tenant1_silo"],
        "nct": 2, "pn": 2, "enc": {"net": [3]}}});
    silo.post("/Mobius/tv:lamp/lamp:Lamp01/set-color?rcn=3", 23, subscription).await;

    // Values come over MQTT with a number as the request id.
    let property = "{\"type\": \"Property\", \"value\": \"green\"}";
    let primitive = json!({"m2m:rqp": {"fr": "S", "to": "Mobius/tv:lamp/lamp:Lamp01/color", "op": 1, "rqi": 1700000000.25,
        "ty": 4, "pc": {"m2m:cin": {"con": property}}}});
    let topic = "/oneM2M/req/tv:lamp/Mobius/json";
    silo.mqtt.publish(topic, primitive.to_string(), Qos::AtLeastOnce).await.unwrap();
    let answer = silo.next("/oneM2M/resp/tv:lamp/Mobius/json").await;
    assert_eq!(
        (&answer["m2m:rsp"]["rsc"], &answer["m2m:rsp"]["rqi"]),
        (&json!(2001), &json!(1_700_000_000.25))
    );
    let (_, latest) =
        silo.send(reqwest::Method::GET, "/Mobius/tv:lamp/lamp:Lamp01/color/la", None, Value::Null).await;
    assert_eq!(latest["m2m:cin"]["con"], property);

    // Only the newest value is there.
    let primitive = primitive.to_string().replace("green", "blue").replace("1700000000.25", "1700000001.5");
    silo.mqtt.publish(topic, primitive, Qos::AtLeastOnce).await.unwrap();
    assert_eq!(silo.next("/oneM2M/resp/tv:lamp/Mobius/json").await["m2m:rsp"]["rsc"], 2001);
    let (_, color) =
        silo.send(reqwest::Method::GET, "/Mobius/tv:lamp/lamp:Lamp01/color?rcn=4", None, Value::Null).await;
    assert_eq!(color["m2m:cnt"]["cni"], 1);
    assert!(color["m2m:cnt"]["m2m:cin"][0]["con"].as_str().unwrap().contains("blue"), "{color}");

    // The tenant actuates with an object, and the controller hears of it.
    let command = json!({"m2m:cin": {"con": {"cmd-value": "red", "cmd-id": "1", "cmd-qos": 2}}});
    silo.post("/Mobius/tv:lamp/lamp:Lamp01/set-color", 4, command).await;
    let request = silo.next("/oneM2M/req/Mobius/tenant1_silo/json").await;
    assert_eq!(request["op"], 5);
    let notification = &request["pc"]["m2m:sgn"];
    assert_eq!(notification["sur"], "Mobius/tv:lamp/lamp:Lamp01/set-color/vSiloCommandSub");
    assert_eq!(notification["nev"]["rep"]["m2m:cin"]["con"]["cmd-value"], "red");

    // The controller answers, and hears of the next command too; its feedback is instances.
    let answer = json!({"m2m:rsp": {"rsc": 2001, "to": "/oneM2M/resp/Mobius/tenant1_silo/json", "fr": "S",
        "rqi": request["rqi"], "pc": ""}});
    let topic = "/oneM2M/resp/Mobius/tenant1_silo/json";
    silo.mqtt.publish(topic, answer.to_string(), Qos::AtLeastOnce).await.unwrap();
    let command = json!({"m2m:cin": {"con": {"cmd-value": "blue", "cmd-id": "2", "cmd-qos": 2}}});
    silo.post("/Mobius/tv:lamp/lamp:Lamp01/set-color", 4, command).await;
    let request = silo.next("/oneM2M/req/Mobius/tenant1_silo/json").await;
    assert_eq!(request["pc"]["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"]["cmd-value"], "blue");
    for number in 0..4 {
        let status = json!({"m2m:cin": {"con": format!("{{\"type\": \"Property\", \"value\": {number}}}")}});
        silo.post("/Mobius/tv:lamp/lamp:Lamp01/set-color-status", 4, status).await;
    }
    let (_, status) = silo
        .send(reqwest::Method::GET, "/Mobius/tv:lamp/lamp:Lamp01/set-color-status", None, Value::Null)
        .await;
    assert_eq!(status["m2m:cnt"]["cni"], 3);

    let (status, _) = silo.send(reqwest::Method::DELETE, "/Mobius/tv:lamp", None, Value::Null).await;
    assert_eq!(status, 200);
    let (status, body) = silo.send(reqwest::Method::GET, "/Mobius/tv:lamp", None, Value::Null).await;
    assert_eq!((status, body["m2m:dbg"].is_string()), (404, true));
}

#[tokio::test]
async fn a_rule_for_an_address_is_for_who_comes_from_there() {
    let silo = Silo::start().await;
    for (name, address, status) in [("here", "127.0.0.0/8", 200), ("there", "10.0.0.0/8", 403)] {
        let rule = json!({"acor": ["all"], "acop": 2, "acco": [{"acip": {"ipv4": [address]}}]});
        let policy = json!({"m2m:acp": {"rn": format!("p-{name}"), "pv": {"acr": [rule]},
            "pvs": {"acr": [{"acor": ["S"], "acop": 63}]}}});
        silo.post("/Mobius", 1, policy).await;
        let container = json!({"m2m:cnt": {"rn": name, "acpi": [format!("Mobius/p-{name}")]}});
        silo.post("/Mobius", 3, container).await;
        let request = silo.http.get(format!("{}/Mobius/{name}", silo.base)).header("X-M2M-Origin", "Canyone");
        assert_eq!(request.header("X-M2M-RI", "1").send().await.unwrap().status().as_u16(), status, "{name}");
    }
}
