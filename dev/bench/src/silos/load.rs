//! How many messages a second pass before any is lost: through one silo, and through ten that have the same vThing.

use std::time::{Duration, Instant};

use morgana_model::VSilo;
use tokio::sync::mpsc;

use crate::figures::Figures;
use crate::latency::mqtt_application;
use crate::road::{PROBE, Road};

/// Messages a second that are tried, until some are lost.
const RATES: [u64; 8] = [1_000, 2_500, 5_000, 10_000, 15_000, 20_000, 30_000, 40_000];

pub(super) async fn measure(road: &Road, seconds: u64, figures: &mut Figures) {
    let one = [road.mqtt.clone()];
    let best = without_loss(road, &one, seconds).await;
    figures.put("messages into one mqtt silo, without loss", best, "messages/s", Some(">= 30000"));
    let mut ten = vec![road.mqtt.clone()];
    for number in 1..10 {
        let silo = road.platform.silo(&road.tenant, &format!("load{number}"), "mqtt").await;
        road.platform.plug(&road.tenant, &silo, PROBE).await;
        ten.push(silo);
    }
    let best = without_loss(road, &ten, seconds).await * 10.0;
    figures.put("messages into ten mqtt silos, without loss", best, "messages/s", Some(">= 100000"));
}

/// The highest rate at which every silo's application gets every message.
async fn without_loss(road: &Road, silos: &[VSilo], seconds: u64) -> f64 {
    let mut applications = Vec::new();
    for silo in silos {
        applications.push(mqtt_application(silo).await);
    }
    let mut best = 0.0;
    for rate in RATES {
        let messages = rate * seconds;
        for (_, arrived) in &mut applications {
            while arrived.try_recv().is_ok() {}
        }
        let start = Instant::now();
        road.publish(messages, rate as f64).await;
        let reached = messages as f64 / start.elapsed().as_secs_f64();
        let mut least = messages;
        for (_, arrived) in &mut applications {
            least = least.min(count(arrived, messages).await);
        }
        eprintln!(
            "  {} silos, {rate}/s: at least {least} of {messages} arrived, published at {reached:.0}/s",
            silos.len()
        );
        if least < messages {
            break;
        }
        best = f64::max(best, reached);
        if reached < 0.8 * rate as f64 {
            // The publisher, or this machine, does no more.
            break;
        }
    }
    best
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
