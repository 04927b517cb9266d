//! A tenant's application at an NGSI-LD broker.

use morgana_model::{Secret, VSilo};
use serde_json::{Value, json};

use crate::Http;

/// The inner port of a silo of flavour `ngsi-ld`.
const NGSI_LD_DOOR: &str = "9090/tcp";

/// An NGSI-LD client of one silo.
#[derive(Debug, Clone)]
pub struct NgsiLd {
    /// The broker's own API, below `/ngsi-ld/v1`.
    pub http: Http,
}

impl NgsiLd {
    /// A client with the silo's own token.
    pub fn at(silo: &VSilo) -> Self {
        let token = silo.token.as_ref().map(Secret::expose);
        Self::with_token(silo, Some(token.expect("the silo is seen by its owner")))
    }

    /// A client with any token, or none.
    pub fn with_token(silo: &VSilo, token: Option<&str>) -> Self {
        let port = silo.status.endpoints.get(NGSI_LD_DOOR);
        let port = port.expect("a running silo of flavour ngsi-ld has an HTTP door");
        Self { http: Http::new(format!("http://127.0.0.1:{port}/ngsi-ld/v1"), token) }
    }

    /// All entities of a type (NGSI-LD 6.4.3.2).
    pub async fn entities(&self, type_name: &str) -> Vec<Value> {
        let answer = self.http.get(&format!("/entities?type={type_name}&limit=1000")).await;
        serde_json::from_value(answer.expect(200)).expect("entities are an array")
    }

    /// One entity (NGSI-LD 6.5.3.1); nothing if there is no such entity.
    pub async fn entity(&self, id: &str) -> Option<Value> {
        let answer = self.http.get(&format!("/entities/{id}")).await;
        (answer.status != 404).then(|| answer.expect(200))
    }

    /// Has the changes of entities of a type posted to a listener (NGSI-LD 6.10.3.1).
    pub async fn subscribe(&self, type_name: &str, uri: &str) {
        let subscription = json!({
            "type": "Subscription",
            "entities": [{ "type": type_name }],
            "notification": { "endpoint": { "uri": uri, "accept": "application/json" } },
        });
        self.http.post("/subscriptions", &subscription).await.expect(201);
    }
}
