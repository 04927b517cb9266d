//! A simulated lamp: a vThing with a command, which does what a ThingVisor has to do on the wire.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use morgana_fabric::{Client, ClientOptions, Event, Qos};
use serde_json::{Value, json};

use super::within;

pub const LAMP: &str = "lamp/Lamp01";
pub const ENTITY: &str = "urn:ngsi-ld:lamp:Lamp01";

pub struct Lamp {
    client: Client,
    received: Arc<Mutex<Vec<Value>>>,
    color: Arc<Mutex<String>>,
    pub mute: Arc<AtomicBool>,
}

impl Lamp {
    pub async fn start(fabric: SocketAddr) -> Self {
        let (client, mut events) = Client::connect(ClientOptions::new(fabric.to_string(), "tv:lamp"));
        for topic in [format!("vThing/{LAMP}/c_in"), format!("vThing/{LAMP}/data_in")] {
            within("the lamp is there", client.subscribe(topic, Qos::AtMostOnce)).await.unwrap();
        }
        let received = Arc::new(Mutex::new(Vec::new()));
        let color = Arc::new(Mutex::new("white".to_owned()));
        let mute = Arc::new(AtomicBool::new(false));
        let (answers, taken, colored, muted) =
            (client.clone(), Arc::clone(&received), Arc::clone(&color), Arc::clone(&mute));
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let Event::Message { topic, payload } = event else { continue };
                let message: Value = serde_json::from_slice(&payload).unwrap();
                let out = if topic.ends_with("c_in") {
                    let silo = message["vSiloID"].as_str().unwrap().to_owned();
                    let data = [whole(&colored.lock().unwrap())];
                    let answer = json!({ "command": "getContextResponse", "data": data, "meta": { "vThingID": LAMP } });
                    vec![(format!("vSilo/{silo}/c_in"), answer)]
                } else {
                    taken.lock().unwrap().push(message.clone());
                    act(&message, &mut colored.lock().unwrap())
                };
                if muted.load(Ordering::SeqCst) {
                    continue;
                }
                for (topic, message) in out {
                    let _ = answers.publish(topic, message.to_string(), Qos::AtMostOnce).await;
                }
            }
        });
        Self { client, received, color, mute }
    }

    /// The commands that came, whole messages.
    pub fn received(&self) -> Vec<Value> {
        self.received.lock().unwrap().clone()
    }

    /// Tells everything again, its commands too.
    pub async fn repeat(&self) {
        let message = json!({ "data": [whole(&self.color.lock().unwrap())], "meta": { "vThingID": LAMP } });
        let topic = format!("vThing/{LAMP}/data_out");
        self.client.publish(topic, message.to_string(), Qos::AtLeastOnce).await.unwrap();
    }

    pub async fn stop(self) {
        within("the lamp ends", self.client.close()).await;
    }
}

fn whole(color: &str) -> Value {
    json!({ "id": ENTITY, "type": "Lamp", "color": { "type": "Property", "value": color },
        "commands": { "type": "Property", "value": ["set-color"] } })
}

/// Status, result and the changed property, by the command's QoS.
fn act(message: &Value, color: &mut String) -> Vec<(String, Value)> {
    let value = message["data"][0]["set-color"]["value"].clone();
    let silo = message["meta"]["vSiloID"].as_str().unwrap();
    let qos = value["cmd-qos"].as_u64().unwrap_or(0);
    let feedback = |pipe: &str, member: &str, said: &str| {
        let mut value = value.clone();
        value[member] = json!(said);
        let data = json!([{ "id": ENTITY, "type": "Lamp", pipe: { "type": "Property", "value": value } }]);
        (
            format!("vSilo/{silo}/data_in"),
            json!({ "data": data, "meta": { "vThingID": LAMP, "vSiloID": silo } }),
        )
    };
    let mut out = Vec::new();
    if qos == 2 {
        out.push(feedback("set-color-status", "cmd-status", "PENDING"));
    }
    if let Some(wanted) = value["cmd-value"].as_str() {
        *color = wanted.to_owned();
        let data =
            json!([{ "id": ENTITY, "type": "Lamp", "color": { "type": "Property", "value": wanted } }]);
        out.push((format!("vThing/{LAMP}/data_out"), json!({ "data": data, "meta": { "vThingID": LAMP } })));
    }
    if qos > 0 {
        out.push(feedback("set-color-result", "cmd-result", "OK"));
    }
    out
}
