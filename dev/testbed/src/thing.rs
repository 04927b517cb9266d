//! Something real that sends its readings to a `relay` ThingVisor.

use morgana_model::ThingVisor;
use serde_json::Value;

use crate::{Answer, Http};

/// The inner port of `relay` (viriot-wire.md section 4.1).
const RELAY_DOOR: &str = "8089/tcp";

/// A thing that posts JSON.
#[derive(Debug, Clone)]
pub struct SimulatedThing {
    relay: Http,
}

impl SimulatedThing {
    /// A thing that knows where a running `relay` listens.
    pub fn of(relay: &ThingVisor) -> Self {
        let port = relay.status.endpoints.get(RELAY_DOOR).expect("a running relay has a door");
        Self { relay: Http::new(format!("http://127.0.0.1:{port}"), None) }
    }

    /// Sends a reading.
    ///
    /// # Panics
    /// When the ThingVisor does not take it.
    pub async fn send(&self, reading: &Value) {
        self.relay.post("/notify", reading).await.expect(201);
    }

    /// Sends a reading, to somebody who may be away; whether it was taken.
    pub async fn try_send(&self, reading: &Value) -> bool {
        let sent = self.relay.request(reqwest::Method::POST, "/notify").json(reading).send().await;
        match sent {
            Ok(response) => Answer::of(response).await.status == 201,
            Err(_) => false,
        }
    }
}
