//! Notifications over MQTT, through the platform's own MQTT broker beside (NGSI-LD 7.2).

use std::io;

use morgana_fabric::{Client, ClientOptions, Qos};
use morgana_testbed::Broker;

use super::super::bench::{Bench, PACES};
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
    // What of it is the MQTT broker's: a message of the bench's own.
    let publish = async |_, mark: &str| {
        let published = client.publish(TOPIC, mark.to_owned(), Qos::AtMostOnce).await;
        published.map_err(|error| io::Error::other(format!("MQTT: {error}")))
    };
    for (rate, count) in PACES {
        let mut took = listener.measure_with(rate, count, publish).await?;
        let name = format!("a message at {rate}/s over the same MQTT broker alone");
        bench.figures.put_durations(&name, &mut took, None);
    }
    client.close().await;
    broker.kill().await;
    Ok(())
}
