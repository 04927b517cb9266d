//! Silos of four standards: what virtualisation adds to a broker, and how long a command takes.

mod actuation;
mod connecting;
mod counter;
mod direct;
mod heard;
mod load;
mod messages;
mod standard;
mod translation;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use morgana_model::VSilo;
use serde_json::json;

use crate::figures::Figures;
use crate::latency::mqtt_application;
use crate::road::{PROBE, Road};
use heard::Heard;
use standard::{Place, Standard};

/// The vThing that is commanded.
const LAMP: &str = "lamp/Lamp01";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many messages or commands each latency is taken from, at 100 a second.
    #[arg(long, default_value_t = 1000)]
    messages: u64,
    /// How many times the lamp is connected to each silo.
    #[arg(long, default_value_t = 50)]
    connections: u64,
    /// How long each rate of the search for loss is held, in seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Where the JSON goes.
    #[arg(long, default_value = "target/bench/silos.json")]
    json: PathBuf,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { messages: 1000, connections: 50, seconds: 3, json: "target/bench/silos.json".into() }
    }
}

pub(crate) async fn run(program: &Path, arguments: &Arguments) -> io::Result<()> {
    let mut figures = Figures::of_this_machine();
    translation::measure(&mut figures);
    eprintln!("starting the platform");
    let road = Road::start(program).await;
    let admin = road.platform.admin().await;
    road.platform.thing_visor(&admin, "lamp", "builtin:lamp", json!({})).await;
    road.platform.v_thing(&road.tenant, LAMP).await;
    let mut silos = Vec::new();
    for standard in Standard::ALL {
        let silo = match standard {
            Standard::Mqtt => road.mqtt.clone(),
            Standard::NgsiLd => road.ngsi_ld.clone(),
            Standard::NgsiV2 => road.platform.silo(&road.tenant, "v2", "ngsi-v2").await,
            Standard::OneM2m => road.platform.silo(&road.tenant, "m2m", "onem2m").await,
        };
        if matches!(standard, Standard::NgsiV2 | Standard::OneM2m) {
            road.platform.plug(&road.tenant, &silo, PROBE).await;
        }
        road.platform.plug(&road.tenant, &silo, LAMP).await;
        silos.push((standard, silo));
    }
    for (standard, silo) in &silos {
        let name = standard.name();
        eprintln!("{name}: publish -> notification, beside the broker alone");
        let mut through = sensing(&road, *standard, silo, arguments.messages).await;
        figures.put_durations(&format!("{name}: publish -> broker -> notification"), &mut through, None);
        let mut alone = direct::measure(program, *standard, arguments.messages).await?;
        figures.put_durations(
            &format!("{name}: written to the broker alone -> notification"),
            &mut alone,
            None,
        );
        let added = middle(&through) - middle(&alone);
        figures.put(format!("{name}: added by virtualisation, p50"), added, "ms", Some("<= 0.5"));
        eprintln!("{name}: command -> result");
        let mut commands = actuation::measure(*standard, silo, arguments.messages).await;
        figures.put_durations(&format!("{name}: command -> result"), &mut commands, Some("<= 3"));
        eprintln!("{name}: connect -> full context");
        let mut connected = connecting::measure(&road, *standard, silo, arguments.connections).await;
        figures.put_durations_within(&format!("{name}: connect -> full context"), &mut connected, "<= 100");
    }
    eprintln!("messages/s until loss, one silo and ten");
    let others: Vec<&VSilo> =
        silos.iter().map(|(_, silo)| silo).filter(|silo| silo.id != road.mqtt.id).collect();
    load::measure(&road, &others, arguments.seconds, &mut figures).await;
    figures.print();
    figures.write(&arguments.json)?;
    println!("written to {}\n", arguments.json.display());
    Ok(())
}

/// How long changes of the probe take to the application of a silo.
async fn sensing(road: &Road, standard: Standard, silo: &VSilo, messages: u64) -> Vec<Duration> {
    let mut took = Vec::new();
    if standard == Standard::Mqtt {
        let (_client, mut arrived) = mqtt_application(silo).await;
        road.publish(20, 100.0).await;
        while tokio::time::timeout(Duration::from_millis(300), arrived.recv()).await.is_ok() {}
        road.publish(messages, 100.0).await;
        while let Ok(Some(age)) = tokio::time::timeout(Duration::from_secs(1), arrived.recv()).await {
            took.push(age);
        }
        return took;
    }
    let place = Place::in_silo(standard, silo);
    road.publish(20, 100.0).await;
    let mut heard = Heard::start().await;
    place.subscribe_probe(&heard.uri).await;
    heard.drain(Duration::from_millis(500)).await;
    road.publish(messages, 100.0).await;
    while let Some((at, body)) = heard.next(Duration::from_secs(1)).await {
        took.extend(heard::ages(at, &body));
    }
    took
}

fn middle(durations: &[Duration]) -> f64 {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map_or(f64::NAN, |middle| middle.as_secs_f64() * 1000.0)
}
