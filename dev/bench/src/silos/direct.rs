//! The same changes written to the same broker directly, with nothing between.

use std::io;
use std::path::Path;
use std::time::Duration;

use morgana_fabric::{Client, ClientOptions, Qos};
use morgana_testbed::Broker;
use serde_json::json;

use super::heard::{self, Heard, now};
use super::standard::{Place, Standard};
use crate::latency::mqtt_subscriber;
use crate::source::SENT_AT;

/// 100 a second.
const PACE: Duration = Duration::from_millis(10);

pub(super) async fn measure(program: &Path, standard: Standard, messages: u64) -> io::Result<Vec<Duration>> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    if standard == Standard::Mqtt {
        let broker = Broker::start(program, standard.name(), &data, &[]).await;
        return mqtt(&broker, messages).await;
    }
    // A silo's broker has a write survive a kill, not a power cut; so does this one.
    let broker = Broker::start(program, standard.name(), &data, &["--durability", "interval"]).await;
    let place = Place::alone(standard, &broker.address("http"));
    place.prepare().await;
    let mut heard = Heard::start().await;
    place.subscribe_probe(&heard.uri).await;
    heard.drain(Duration::from_millis(500)).await;
    for _ in 0..messages {
        place.write(now()).await;
        tokio::time::sleep(PACE).await;
    }
    let mut took = Vec::new();
    while let Some((at, body)) = heard.next(Duration::from_secs(1)).await {
        took.extend(heard::ages(at, &body));
    }
    Ok(took)
}

async fn mqtt(broker: &Broker, messages: u64) -> io::Result<Vec<Duration>> {
    let address = broker.address("mqtt");
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default();
    let (_subscriber, mut arrived) = mqtt_subscriber(port, None, "bench/#").await;
    let (publisher, _events) = Client::connect(ClientOptions::new(address, "bench-publisher"));
    publisher.connected().await.map_err(io::Error::other)?;
    for _ in 0..messages {
        let message = json!({ SENT_AT: { "value": now() } });
        // Retained, as a silo does it.
        let sent = publisher.publish_retained("bench/probe", message.to_string(), Qos::AtMostOnce).await;
        sent.map_err(io::Error::other)?;
        tokio::time::sleep(PACE).await;
    }
    let mut took = Vec::new();
    while let Ok(Some(age)) = tokio::time::timeout(Duration::from_secs(1), arrived.recv()).await {
        took.push(age);
    }
    Ok(took)
}
