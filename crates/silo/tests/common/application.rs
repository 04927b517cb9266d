//! A tenant's application that switches a lamp, in the terms of each flavour's broker.

use std::sync::atomic::{AtomicU64, Ordering};

use morgana_fabric::Qos;
use morgana_silo::Silo;
use reqwest::{Client as Http, StatusCode};
use serde_json::{Value, json};

use super::lamp::ENTITY;
use super::tenant::Tenant;
use super::{PATIENCE, TOKEN, eventually};

pub const FLAVOURS: [(&str, &[u16]); 4] =
    [("ngsi-ld", &[9090]), ("ngsi-v2", &[1026]), ("onem2m", &[7579, 1883]), ("mqtt", &[1883])];

pub struct Application {
    flavour: &'static str,
    base: String,
    http: Http,
    mqtt: Option<Tenant>,
    requests: AtomicU64,
}

const TOPIC: &str = "tenant1/lamp/Lamp01/lamp:Lamp01";
const CONTAINER: &str = "/Mobius/lamp:Lamp01/lamp:Lamp01";

impl Application {
    pub async fn start(flavour: &'static str, silo: &Silo) -> Self {
        let doors = FLAVOURS.iter().find(|(name, _)| *name == flavour).unwrap().1;
        let door = silo.doors()[&doors[0]];
        let mqtt = match flavour {
            "mqtt" => Some(Tenant::enter(door, "tenant1", TOKEN, "tenant1/#").await),
            _ => None,
        };
        let (base, http) = (format!("http://{door}"), Http::builder().timeout(PATIENCE).build().unwrap());
        Self { flavour, base, http, mqtt, requests: AtomicU64::new(0) }
    }

    /// Writes into a pipe.
    pub async fn command(&self, command: &str, value: Value) -> StatusCode {
        let request = match self.flavour {
            "ngsi-ld" => {
                let url = format!("{}/ngsi-ld/v1/entities/{ENTITY}/attrs/{command}", self.base);
                self.http.patch(url).json(&json!({ "value": value }))
            }
            "ngsi-v2" => {
                let url = format!("{}/v2/entities/{ENTITY}/attrs", self.base);
                self.http.patch(url).json(&json!({ command: { "type": "command", "value": value } }))
            }
            "onem2m" => {
                let number = self.requests.fetch_add(1, Ordering::Relaxed);
                let url = format!("{}{CONTAINER}/{command}?rcn=0", self.base);
                self.http
                    .post(url)
                    .header("X-M2M-Origin", "tenant1")
                    .header("X-M2M-RI", number.to_string())
                    .header("Content-Type", "application/json; ty=4")
                    .body(json!({ "m2m:cin": { "con": value } }).to_string())
            }
            _ => {
                let tenant = self.mqtt.as_ref().unwrap();
                let topic = format!("{TOPIC}/{command}");
                tenant.client.publish(topic, value.to_string(), Qos::AtLeastOnce).await.unwrap();
                return StatusCode::OK;
            }
        };
        request.bearer_auth(TOKEN).send().await.unwrap().status()
    }

    /// An attribute of the lamp: its value.
    pub async fn value(&self, name: &str) -> Option<Value> {
        let found = match self.flavour {
            "ngsi-ld" => self.get(&format!("/ngsi-ld/v1/entities/{ENTITY}")).await?[name]["value"].clone(),
            "ngsi-v2" => {
                // The entity is there before its pipes are.
                let mut entity = self.get(&format!("/v2/entities/{ENTITY}")).await?;
                let mut attribute = entity.get_mut(name)?.take();
                let mut value = attribute["value"].take();
                let member = ["status", "result"].into_iter().find(|member| name.ends_with(member));
                if let Some(member) = member.filter(|_| value != "") {
                    value = json!({ format!("cmd-{member}"): value });
                    for (name, element) in attribute["metadata"].as_object().into_iter().flatten() {
                        value[name] = element["value"].clone();
                    }
                }
                value
            }
            "onem2m" => {
                let latest = self.get(&format!("{CONTAINER}/{name}/la")).await?;
                let content: Value = serde_json::from_str(latest["m2m:cin"]["con"].as_str()?).ok()?;
                content["value"].clone()
            }
            _ => self.mqtt.as_ref().unwrap().last(TOPIC)?[name]["value"].clone(),
        };
        (!found.is_null()).then_some(found)
    }

    /// The last message on a topic of an MQTT silo.
    pub fn last(&self, topic: &str) -> Option<Value> {
        self.mqtt.as_ref()?.last(topic)
    }

    /// All that an NGSI broker says of an entity, as text.
    pub async fn text_of(&self, entity: &str) -> Option<String> {
        let api = if self.flavour == "ngsi-ld" { "/ngsi-ld/v1" } else { "/v2" };
        Some(self.get(&format!("{api}/entities/{entity}")).await?.to_string())
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(TOKEN);
        let request = request.header("X-M2M-Origin", "tenant1").header("X-M2M-RI", "1");
        let answer = request.send().await.unwrap();
        if answer.status().is_success() { answer.json().await.ok() } else { None }
    }

    /// Waits until a member of a pipe's value, or the value itself, is this.
    pub async fn sees(&self, name: &str, member: &str, wanted: impl Into<Value>) {
        let wanted = wanted.into();
        let what = format!("{}: {name} {member} is {wanted}", self.flavour);
        eventually(&what, async || {
            let value = self.value(name).await.unwrap_or_default();
            if member.is_empty() { value == wanted } else { value.get(member) == Some(&wanted) }
        })
        .await;
    }

    /// Waits until the pipes of `set-color` are open.
    pub async fn sees_pipes(&self) {
        self.sees("color", "", "white").await;
        if self.flavour == "onem2m" {
            eventually("the pipe is there", async || {
                self.get(&format!("{CONTAINER}/set-color/vSiloCommandSub")).await.is_some()
            })
            .await;
        } else if self.flavour != "mqtt" {
            eventually("the pipe is there", async || self.value("set-color-result").await.is_some()).await;
        }
    }
}
