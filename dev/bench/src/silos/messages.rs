//! The lamp in an `mqtt` silo.

use std::time::{Duration, Instant};

use morgana_fabric::{Client, ClientOptions, Event, Qos};
use morgana_model::VSilo;
use serde_json::Value;

use super::standard::LAMP_ATTRIBUTES;

const TOPIC: &str = "lamp/Lamp01/lamp:Lamp01";

/// Subscribes and waits for the message that is all of the lamp, or for the one that deletes it; gives when it came.
/// A subscriber that finds no retained message takes that for the deletion.
pub(super) async fn wait_for_lamp(silo: &VSilo, whole: bool, patience: Duration) -> Instant {
    let port = silo.status.endpoints.get("1883/tcp").copied().expect("a door");
    let tenant = silo.spec.tenant.as_str();
    let options = ClientOptions::new(format!("127.0.0.1:{port}"), "bench-looker");
    let options = options.with_credentials(tenant, silo.token.clone().expect("the owner sees the token"));
    let (client, mut events) = Client::connect(options);
    client
        .subscribe(format!("{tenant}/{TOPIC}"), Qos::AtMostOnce)
        .await
        .expect("the application may subscribe");
    let quiet = if whole { patience } else { Duration::from_millis(300) };
    loop {
        match tokio::time::timeout(quiet, events.recv()).await {
            Ok(Some(Event::Message { payload, .. })) => {
                let at = Instant::now();
                let entity: Value = serde_json::from_slice(&payload).unwrap_or_default();
                if whole && LAMP_ATTRIBUTES.iter().all(|name| entity.get(name).is_some()) {
                    return at;
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => panic!("the silo's broker is gone"),
            Err(_) => {
                assert!(!whole, "mqtt: the lamp is not shown");
                return Instant::now();
            }
        }
    }
}
