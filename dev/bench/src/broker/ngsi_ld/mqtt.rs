//! Notifications over MQTT, through the platform's own MQTT broker beside (NGSI-LD 7.2).

use std::io;

use morgana_fabric::{Client, ClientOptions, Qos};
use morgana_testbed::Broker;

use super::super::bench::Bench;
use super::super::notify::Listener;
use super::subscription;

const TOPIC: &str = "bench/notify";

pub(super) async fn notifications(
    bench: &mut Bench<'_>,
    change: impl Fn(u64, &str, &mut Vec<u8>),
) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(bench.program(), "mqtt", &folder.path().join("data"), &[]).await;
    let address = broker.address("mqtt");
    let (client, events) = Client::connect(ClientOptions::new(&address, "bench"));
    let subscribed = client.subscribe(TOPIC, Qos::AtMostOnce).await;
    subscribed.map_err(|error| io::Error::other(format!("MQTT: {error}")))?;
    let mut listener = Listener::of_messages(format!("mqtt://{address}/{TOPIC}"), events);
    let name = "request -> notification over MQTT";
    bench.notifications_to(&mut listener, name, "<= 0.5", subscription, change).await?;
    client.close().await;
    broker.kill().await;
    Ok(())
}
