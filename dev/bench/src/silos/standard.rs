//! The four standards: how each is subscribed to, written to and commanded.

use morgana_model::{Secret, VSilo};
use morgana_testbed::Http;
use reqwest::Method;
use serde_json::{Value, json};

use crate::source::{ENTITY, ENTITY_TYPE, SENT_AT};

/// The entity that is commanded.
const LAMP_ENTITY: &str = "urn:ngsi-ld:lamp:Lamp01";

/// What the lamp's whole context is made of.
pub(super) const LAMP_ATTRIBUTES: [&str; 4] = ["status", "color", "luminosity", "commands"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standard {
    Mqtt,
    NgsiLd,
    NgsiV2,
    OneM2m,
}

impl Standard {
    pub(super) const ALL: [Self; 4] = [Self::Mqtt, Self::NgsiLd, Self::NgsiV2, Self::OneM2m];

    /// The name, of the flavour and of the broker.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::NgsiLd => "ngsi-ld",
            Self::NgsiV2 => "ngsi-v2",
            Self::OneM2m => "onem2m",
        }
    }

    fn door(self) -> &'static str {
        match self {
            Self::Mqtt => "1883/tcp",
            Self::NgsiLd => "9090/tcp",
            Self::NgsiV2 => "1026/tcp",
            Self::OneM2m => "7579/tcp",
        }
    }
}

/// A broker of a standard with an HTTP interface.
pub(super) struct Place {
    standard: Standard,
    http: Http,
    originator: String,
    /// Where the probe's container is.
    container: &'static str,
}

impl Place {
    /// In a silo.
    pub(super) fn in_silo(standard: Standard, silo: &VSilo) -> Self {
        let port = silo.status.endpoints.get(standard.door()).expect("a door");
        let token = silo.token.as_ref().map(Secret::expose);
        let http = Http::new(format!("http://127.0.0.1:{port}"), token);
        let originator = silo.spec.tenant.to_string();
        Self { standard, http, originator, container: "Mobius/bench:probe/Probe:1" }
    }

    /// A broker alone.
    pub(super) fn alone(standard: Standard, address: &str) -> Self {
        let http = Http::new(format!("http://{address}"), None);
        Self { standard, http, originator: "CAdmin".to_owned(), container: "Mobius/bench/Probe:1" }
    }

    async fn send(&self, method: Method, path: &str, ty: Option<u8>, body: &Value) -> (u16, String) {
        let kind = ty.map_or("application/json".to_owned(), |ty| format!("application/json;ty={ty}"));
        let request = self.http.request(method, path).header("Content-Type", kind).body(body.to_string());
        let request = request.header("X-M2M-Origin", &self.originator).header("X-M2M-RI", "1");
        let answer = request.send().await.expect("the broker answers");
        (answer.status().as_u16(), answer.text().await.unwrap_or_default())
    }

    async fn must(&self, method: Method, path: &str, ty: Option<u8>, body: &Value) {
        let (status, text) = self.send(method, path, ty, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {text}");
    }

    /// Has changes of the probe notified.
    pub(super) async fn subscribe_probe(&self, uri: &str) {
        match self.standard {
            Standard::OneM2m => self.subscribe(&format!("{}/{SENT_AT}", self.container), uri).await,
            _ => self.subscribe_entity(ENTITY, Some(ENTITY_TYPE), SENT_AT, uri).await,
        }
    }

    /// Has results of the lamp's commands notified.
    pub(super) async fn subscribe_result(&self, uri: &str) {
        match self.standard {
            Standard::OneM2m => self.subscribe("Mobius/lamp:Lamp01/lamp:Lamp01/set-color-result", uri).await,
            _ => self.subscribe_entity(LAMP_ENTITY, None, "set-color-result", uri).await,
        }
    }

    /// Subscribes to a container.
    async fn subscribe(&self, container: &str, uri: &str) {
        let body = json!({ "m2m:sub": { "nu": [uri], "nct": 1, "enc": { "net": [3] } } });
        self.must(Method::POST, &format!("/{container}"), Some(23), &body).await;
    }

    async fn subscribe_entity(&self, id: &str, kind: Option<&str>, attribute: &str, uri: &str) {
        let kind = kind.unwrap_or("Lamp");
        match self.standard {
            Standard::NgsiV2 => {
                let body = json!({
                    "subject": { "entities": [{ "id": id, "type": kind }], "condition": { "attrs": [attribute] } },
                    "notification": { "http": { "url": uri }, "attrs": [attribute] },
                });
                self.must(Method::POST, "/v2/subscriptions", None, &body).await;
            }
            _ => {
                let body = json!({
                    "type": "Subscription", "entities": [{ "id": id, "type": kind }], "watchedAttributes": [attribute],
                    "notification": { "attributes": [attribute], "endpoint": { "uri": uri, "accept": "application/json" } },
                });
                self.must(Method::POST, "/ngsi-ld/v1/subscriptions", None, &body).await;
            }
        }
    }

    /// Makes the probe in a broker alone, as a silo would.
    pub(super) async fn prepare(&self) {
        match self.standard {
            Standard::NgsiV2 => {
                let body =
                    json!({ "id": ENTITY, "type": ENTITY_TYPE, SENT_AT: { "type": "Number", "value": 0 } });
                self.must(Method::POST, "/v2/entities", None, &body).await;
            }
            Standard::OneM2m => {
                let ae = json!({ "m2m:ae": { "rn": "bench", "api": "Nbench", "rr": false } });
                let (status, text) = {
                    let request = self
                        .http
                        .request(Method::POST, "/Mobius")
                        .header("Content-Type", "application/json;ty=2");
                    let request =
                        request.header("X-M2M-Origin", "S").header("X-M2M-RI", "1").body(ae.to_string());
                    let answer = request.send().await.expect("the broker answers");
                    (answer.status(), answer.text().await.unwrap_or_default())
                };
                assert!(status.is_success(), "{status} {text}");
                for (parent, name) in [("/Mobius/bench", "Probe:1"), ("/Mobius/bench/Probe:1", SENT_AT)] {
                    self.must(Method::POST, parent, Some(3), &json!({ "m2m:cnt": { "rn": name, "mni": 1 } }))
                        .await;
                }
            }
            _ => {
                let body =
                    json!({ "id": ENTITY, "type": ENTITY_TYPE, SENT_AT: { "type": "Property", "value": 0 } });
                self.must(Method::POST, "/ngsi-ld/v1/entities", None, &body).await;
            }
        }
    }

    /// Writes a time into the probe of a broker alone.
    pub(super) async fn write(&self, time: u64) {
        match self.standard {
            Standard::NgsiV2 => {
                let body = json!({ SENT_AT: { "type": "Number", "value": time } });
                self.must(Method::PATCH, &format!("/v2/entities/{ENTITY}/attrs"), None, &body).await;
            }
            Standard::OneM2m => {
                let content = json!({ "type": "Property", "value": time }).to_string();
                let path = format!("/{}/{SENT_AT}?rcn=0", self.container);
                self.must(Method::POST, &path, Some(4), &json!({ "m2m:cin": { "con": content } })).await;
            }
            _ => {
                let path = format!("/ngsi-ld/v1/entities/{ENTITY}/attrs/{SENT_AT}");
                self.must(Method::PATCH, &path, None, &json!({ "value": time })).await;
            }
        }
    }

    /// Whether the lamp is there: all of it, or anything of it.
    pub(super) async fn shows_lamp(&self, whole: bool) -> bool {
        let get = async |path: &str| self.send(Method::GET, path, None, &json!("")).await;
        if self.standard == Standard::OneM2m {
            let lamp = "/Mobius/lamp:Lamp01/lamp:Lamp01";
            if !whole {
                return get("/Mobius/lamp:Lamp01").await.0 == 200;
            }
            for name in LAMP_ATTRIBUTES.iter().filter(|name| **name != "commands") {
                if get(&format!("{lamp}/{name}/la")).await.0 != 200 {
                    return false;
                }
            }
            // Commands are containers of their own there.
            return get(&format!("{lamp}/set-color")).await.0 == 200;
        }
        let path = if self.standard == Standard::NgsiV2 { "/v2/entities" } else { "/ngsi-ld/v1/entities" };
        let (status, text) = get(&format!("{path}/{LAMP_ENTITY}")).await;
        let entity: Value = serde_json::from_str(&text).unwrap_or_default();
        // NGSIv2 shows the pipes of commands instead of their list.
        let all =
            LAMP_ATTRIBUTES.iter().filter(|name| self.standard == Standard::NgsiLd || **name != "commands");
        let has_pipe = entity.get("set-color").is_some();
        status == 200 && (!whole || has_pipe && all.into_iter().all(|name| entity.get(name).is_some()))
    }

    /// Commands the lamp; says whether there was a pipe.
    pub(super) async fn command(&self, value: &Value) -> bool {
        let (status, _) = match self.standard {
            Standard::NgsiV2 => {
                let body = json!({ "set-color": { "type": "command", "value": value } });
                self.send(Method::PATCH, &format!("/v2/entities/{LAMP_ENTITY}/attrs"), None, &body).await
            }
            Standard::OneM2m => {
                let path = "/Mobius/lamp:Lamp01/lamp:Lamp01/set-color?rcn=0";
                self.send(Method::POST, path, Some(4), &json!({ "m2m:cin": { "con": value } })).await
            }
            _ => {
                let path = format!("/ngsi-ld/v1/entities/{LAMP_ENTITY}/attrs/set-color");
                self.send(Method::PATCH, &path, None, &json!({ "value": value })).await
            }
        };
        (200..300).contains(&status)
    }
}
