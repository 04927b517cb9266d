//! How many messages a second pass before any is lost.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::figures::Figures;
use crate::latency::mqtt_application;
use crate::road::Road;

/// Messages a second that are tried, until some are lost.
const RATES: [u64; 7] = [1_000, 2_500, 5_000, 10_000, 20_000, 30_000, 50_000];

pub(crate) async fn measure(road: &Road, seconds: u64, figures: &mut Figures) {
    let (_client, mut arrived) = mqtt_application(&road.mqtt).await;
    let mut best = 0.0;
    for rate in RATES {
        let messages = rate * seconds;
        let start = std::time::Instant::now();
        road.publish(messages, rate as f64).await;
        let published_in = start.elapsed().as_secs_f64();
        let received = count(&mut arrived, messages).await;
        let reached = messages as f64 / published_in;
        eprintln!("  {rate}/s: {received} of {messages} arrived, published at {reached:.0}/s");
        if received < messages {
            break;
        }
        best = f64::max(best, reached);
    }
    figures.put("ThingVisor -> MQTT silo's subscriber, without loss", best, "messages/s", None);
}

/// Counts what arrives until all has, or nothing comes for a while.
async fn count(arrived: &mut mpsc::UnboundedReceiver<Duration>, messages: u64) -> u64 {
    let mut received = 0;
    while received < messages {
        match tokio::time::timeout(Duration::from_secs(2), arrived.recv()).await {
            Ok(Some(_)) => received += 1,
            _ => break,
        }
    }
    received
}
