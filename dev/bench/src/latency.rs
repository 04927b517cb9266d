//! From a ThingVisor's publication to the tenant's application, through a silo.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use morgana_fabric::{Client, ClientOptions, Event, Qos};
use morgana_model::{Secret, VSilo};
use morgana_testbed::NgsiLd;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::figures::Figures;
use crate::road::Road;
use crate::source::{ENTITY_TYPE, SENT_AT};

const RATE: f64 = 100.0;
/// How long the last message may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn measure(road: &Road, messages: u64, figures: &mut Figures) {
    let (_client, mut arrived) = mqtt_application(&road.mqtt).await;
    let mut took = collect(road, &mut arrived, messages).await;
    figures.put_durations("publish -> MQTT silo's subscriber, 100/s", &mut took, Some("<= 0.5"));

    let (uri, mut arrived) = notification_listener().await;
    NgsiLd::at(&road.ngsi_ld).subscribe(ENTITY_TYPE, &uri).await;
    let mut took = collect(road, &mut arrived, messages).await;
    figures.put_durations("publish -> NGSI-LD silo's HTTP notification, 100/s", &mut took, Some("<= 2"));
}

/// Has messages published, and takes the time each of them took.
async fn collect(
    road: &Road,
    arrived: &mut mpsc::UnboundedReceiver<Duration>,
    messages: u64,
) -> Vec<Duration> {
    road.publish(20, RATE).await;
    while tokio::time::timeout(Duration::from_millis(300), arrived.recv()).await.is_ok() {}
    road.publish(messages, RATE).await;
    let mut took = Vec::new();
    while (took.len() as u64) < messages {
        match tokio::time::timeout(PATIENCE, arrived.recv()).await {
            Ok(Some(one)) => took.push(one),
            _ => panic!("only {} of {messages} messages arrived", took.len()),
        }
    }
    took
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64)
}

/// How long ago the entity says it was published.
pub(crate) fn age(entity: &Value) -> Option<Duration> {
    let sent_at = entity.get(SENT_AT)?.get("value")?.as_u64()?;
    Some(Duration::from_nanos(now().saturating_sub(sent_at)))
}

/// An application that subscribes to all of a silo, and the age of each message as it arrives.
pub(crate) async fn mqtt_application(silo: &VSilo) -> (Client, mpsc::UnboundedReceiver<Duration>) {
    let port = silo.status.endpoints.get("1883/tcp").copied().expect("a door");
    let token = silo.token.clone().expect("the owner sees the token");
    mqtt_subscriber(port, Some((silo.spec.tenant.as_str(), token)), "#").await
}

/// A subscriber of any broker.
pub(crate) async fn mqtt_subscriber(
    port: u16,
    credentials: Option<(&str, Secret)>,
    filter: &str,
) -> (Client, mpsc::UnboundedReceiver<Duration>) {
    let mut options = ClientOptions::new(format!("127.0.0.1:{port}"), "bench-subscriber");
    if let Some((user, password)) = credentials {
        options = options.with_credentials(user, password);
    }
    let (client, mut events) = Client::connect(options);
    client.subscribe(filter, Qos::AtMostOnce).await.expect("the application may subscribe");
    let (ages, arrived) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Event::Message { payload, .. } = event
                && let Ok(entity) = serde_json::from_slice::<Value>(&payload)
                && let Some(age) = age(&entity)
                && ages.send(age).is_err()
            {
                return;
            }
        }
    });
    (client, arrived)
}

/// An HTTP server that takes notifications and does little else, so that it is not what is timed.
pub(crate) async fn notification_listener() -> (String, mpsc::UnboundedReceiver<Duration>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for notifications");
    let uri = format!("http://{}/notify", listener.local_addr().expect("its address"));
    let (ages, arrived) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let ages = ages.clone();
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let (mut read, mut chunk) = (Vec::new(), [0; 16 * 1024]);
                while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                    read.extend_from_slice(&chunk[..length]);
                    while let Some((body, rest)) = request(&read) {
                        let notification: Value = serde_json::from_slice(&body).unwrap_or_default();
                        let entities =
                            notification.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
                        for age in entities.iter().filter_map(age) {
                            let _ = ages.send(age);
                        }
                        read.drain(..rest);
                        if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    (uri, arrived)
}

/// The body of a whole request at the start of `read`, and where the next one begins.
pub(crate) fn request(read: &[u8]) -> Option<(Vec<u8>, usize)> {
    let head = read.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok())?;
    let body = read.get(head..head + length)?;
    Some((body.to_vec(), head + length))
}
