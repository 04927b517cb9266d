//! An emulator of a Philips Hue bridge, because there is no bridge here: version 1 of its REST API,
//! written from the public description of that API, as far as lamps need it. The library `phue`,
//! which others wrote for real bridges, works with it (`hue.rs`).
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

/// A bridge with two lamps: 1 in colours, 2 white.
pub(crate) struct BridgeEmulator {
    pub(crate) address: SocketAddr,
    inside: Shared,
    task: JoinHandle<()>,
}

type Shared = Arc<Mutex<Inside>>;

#[derive(Default)]
struct Inside {
    pressed: bool,
    usernames: Vec<String>,
    lights: BTreeMap<String, Value>,
}

impl BridgeEmulator {
    pub(crate) async fn start() -> Self {
        let colour = json!({ "on": false, "bri": 254, "hue": 8418, "sat": 140, "xy": [0.46, 0.41], "ct": 366,
            "alert": "none", "effect": "none", "colormode": "ct", "reachable": true });
        let white = json!({ "on": true, "bri": 100, "alert": "none", "reachable": true });
        let lights = BTreeMap::from([
            ("1".to_owned(), light("Kitchen", "Extended color light", "LCT015", colour)),
            ("2".to_owned(), light("Hall", "Dimmable light", "LWB010", white)),
        ]);
        let inside = Shared::new(Mutex::new(Inside { lights, ..Inside::default() }));
        let router = Router::new()
            .route("/api", post(introduce))
            .route("/api/", post(introduce))
            .route("/api/{user}", get(everything))
            .route("/api/{user}/", get(everything))
            .route("/api/{user}/lights", get(lights_of))
            .route("/api/{user}/lights/", get(lights_of))
            .route("/api/{user}/lights/{number}", get(one_light))
            .route("/api/{user}/lights/{number}/state", put(set_state))
            .with_state(Arc::clone(&inside));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inside, task }
    }

    /// Somebody presses the button.
    pub(crate) fn press(&self) {
        self.inside.lock().unwrap().pressed = true;
    }

    /// A name the bridge knows.
    pub(crate) fn username(&self) -> String {
        let name = "emulated-user-0000".to_owned();
        self.inside.lock().unwrap().usernames.push(name.clone());
        name
    }

    /// How many names it knows.
    pub(crate) fn known(&self) -> usize {
        self.inside.lock().unwrap().usernames.len()
    }

    /// Somebody switches a lamp by hand.
    pub(crate) fn change(&self, number: &str, member: &str, value: Value) {
        self.inside.lock().unwrap().lights.get_mut(number).unwrap()["state"][member] = value;
    }

    /// The state of a lamp.
    pub(crate) fn state(&self, number: &str) -> Value {
        self.inside.lock().unwrap().lights[number]["state"].clone()
    }

    /// A lamp is taken away.
    pub(crate) fn remove(&self, number: &str) {
        self.inside.lock().unwrap().lights.remove(number).unwrap();
    }
}

impl Drop for BridgeEmulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn light(name: &str, kind: &str, model: &str, state: Value) -> Value {
    json!({ "state": state, "type": kind, "name": name, "modelid": model, "manufacturername": "emulated",
        "uniqueid": format!("00:17:88:{name}"), "swversion": "1" })
}

fn error(number: u64, address: &str, description: &str) -> Json<Value> {
    Json(json!([{ "error": { "type": number, "address": address, "description": description } }]))
}

async fn introduce(State(inside): State<Shared>, body: String) -> Json<Value> {
    // A bridge does not ask for a media type; phue gives none.
    let Ok(body) = serde_json::from_str::<Value>(&body) else {
        return error(2, "", "body contains invalid json");
    };
    let mut inside = inside.lock().unwrap();
    if body["devicetype"].as_str().is_none_or(|device| device.is_empty() || device.len() > 40) {
        return error(7, "/devicetype", "invalid value for parameter, devicetype");
    }
    if !std::mem::take(&mut inside.pressed) {
        return error(101, "", "link button not pressed");
    }
    let name = format!("emulated-user-{:04}", inside.usernames.len() + 1);
    inside.usernames.push(name.clone());
    Json(json!([{ "success": { "username": name } }]))
}

/// What the bridge says to a name that it knows.
fn to_known(inside: &Shared, user: &str, say: impl FnOnce(&mut Inside) -> Json<Value>) -> Json<Value> {
    let mut inside = inside.lock().unwrap();
    match inside.usernames.iter().any(|known| known == user) {
        true => say(&mut inside),
        false => error(1, "/", "unauthorized user"),
    }
}

async fn everything(State(inside): State<Shared>, Path(user): Path<String>) -> Json<Value> {
    to_known(&inside, &user, |inside| {
        Json(json!({ "lights": inside.lights, "groups": {}, "config": { "name": "emulator" },
            "schedules": {}, "scenes": {}, "rules": {}, "sensors": {}, "resourcelinks": {} }))
    })
}

async fn lights_of(State(inside): State<Shared>, Path(user): Path<String>) -> Json<Value> {
    to_known(&inside, &user, |inside| Json(json!(inside.lights)))
}

async fn one_light(
    State(inside): State<Shared>,
    Path((user, number)): Path<(String, String)>,
) -> Json<Value> {
    to_known(&inside, &user, |inside| match inside.lights.get(&number) {
        Some(light) => Json(light.clone()),
        None => not_available(&number),
    })
}

async fn set_state(
    State(inside): State<Shared>,
    Path((user, number)): Path<(String, String)>,
    body: String,
) -> Json<Value> {
    let Ok(body) = serde_json::from_str::<Map<String, Value>>(&body) else {
        return error(2, "", "body contains invalid json");
    };
    to_known(&inside, &user, |inside| {
        let Some(light) = inside.lights.get_mut(&number) else { return not_available(&number) };
        let state = light["state"].as_object_mut().unwrap();
        let answers = body.into_iter().map(|(name, value)| {
            let address = format!("/lights/{number}/state/{name}");
            match in_range(&name, &value) {
                _ if name == "transitiontime" => json!({ "success": { address: value } }),
                _ if !state.contains_key(&name) => {
                    let description = format!("parameter, {name}, not available");
                    json!({ "error": { "type": 6, "address": address, "description": description } })
                }
                false => {
                    let description = format!("invalid value, {value}, for parameter, {name}");
                    json!({ "error": { "type": 7, "address": address, "description": description } })
                }
                true => {
                    state.insert(name, value.clone());
                    json!({ "success": { address: value } })
                }
            }
        });
        Json(answers.collect())
    })
}

fn in_range(name: &str, value: &Value) -> bool {
    match name {
        "on" => value.is_boolean(),
        "bri" => value.as_u64().is_some_and(|number| (1..=254).contains(&number)),
        "sat" => value.as_u64().is_some_and(|number| number <= 254),
        "hue" => value.as_u64().is_some_and(|number| number <= 65_535),
        _ => true,
    }
}

fn not_available(number: &str) -> Json<Value> {
    let address = format!("/lights/{number}");
    error(3, &address, &format!("resource, {address}, not available"))
}
