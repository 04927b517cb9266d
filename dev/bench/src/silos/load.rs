//! How many messages a second pass before any is lost: through one silo, and through ten that have the same vThing.
//!
//! Each silo has an application that counts what arrives; a message counts as passed when the application of every
//! silo got it, all of those it was to get and not one less.

use std::time::{Duration, Instant};

use morgana_model::VSilo;

use super::counter::Counter;
use crate::figures::Figures;
use crate::road::{PROBE, Road};

/// Messages a second that are tried, until some are lost.
const RATES: [u64; 11] = [1_000, 2_500, 5_000, 7_500, 10_500, 12_500, 15_000, 20_000, 25_000, 32_000, 40_000];
/// How long nothing may come before the rest counts as lost.
const QUIET: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// Measures the first of the silos, and then ten. The vThing is taken out of all others, which would have each message
/// too.
pub(super) async fn measure(road: &Road, others: &[&VSilo], seconds: u64, figures: &mut Figures) {
    for silo in others {
        road.platform.unplug(&road.tenant, silo, PROBE).await;
    }
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
        applications.push(Counter::start(silo).await);
    }
    // What was retained has come.
    road.publish(20, 100.0).await;
    tokio::time::sleep(QUIET).await;
    let mut best = 0.0;
    for rate in RATES {
        let messages = rate * seconds;
        let before: Vec<u64> = applications.iter().map(Counter::count).collect();
        let start = Instant::now();
        road.publish(messages, rate as f64).await;
        let reached = messages as f64 / start.elapsed().as_secs_f64();
        let mut least = messages;
        for (application, before) in applications.iter().zip(before) {
            least = least.min(arrived(application, before, messages).await);
        }
        let passed = messages as f64 / start.elapsed().as_secs_f64();
        eprintln!(
            "  {} silos, {rate}/s: at least {least} of {messages} arrived, published at {reached:.0}/s, arrived at \
             {passed:.0}/s",
            silos.len()
        );
        if least < messages {
            break;
        }
        best = f64::max(best, passed);
        if reached < 0.8 * rate as f64 {
            // The publisher, or this machine, does no more.
            break;
        }
    }
    best
}

/// How many have arrived once all have, or nothing came for a while.
async fn arrived(application: &Counter, before: u64, messages: u64) -> u64 {
    let (mut known, mut since) = (application.count(), Instant::now());
    while known - before < messages && since.elapsed() < QUIET {
        tokio::time::sleep(LOOK).await;
        let count = application.count();
        if count > known {
            (known, since) = (count, Instant::now());
        }
    }
    known - before
}
