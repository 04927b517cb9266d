//! The load generator and the evaluation: `make bench`.
//!
//! It starts the real binary, plays a ThingVisor and tenants' applications, and prints tables of
//! what they saw: latencies, throughput, memory. Nothing passes or fails here; figures are for people,
//! and `target/bench/*.json` for programs. `morgana-bench broker ngsi-v2`,
//! `morgana-bench silos`, `morgana-bench control` and `morgana-bench road` run a part of it.

mod broker;
mod control;
mod creation;
mod direct;
mod figures;
mod latency;
mod load;
mod memory;
mod road;
mod silos;
mod source;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::figures::Figures;
use crate::road::Road;

/// Measures a platform and its brokers on this machine; without a part, all of it.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// The binary to measure.
    #[arg(long, global = true, default_value = "target/release/morgana")]
    morgana: PathBuf,
}

/// A part of the evaluation.
#[derive(Debug, Subcommand)]
enum Part {
    /// The platform: from a ThingVisor through the fabric and a silo to an application.
    Road(RoadArguments),
    /// Silos of four standards: what virtualisation adds, commands, translations, load.
    Silos(silos::Arguments),
    /// Standard brokers alone: requests a second, latencies, memory, start.
    Broker(broker::Arguments),
    /// The control plane: reads and creates a second, memory, recovery and database with many silos.
    Control(control::Arguments),
}

#[derive(Debug, Args)]
struct RoadArguments {
    /// How many silos are created one after the other.
    #[arg(long, default_value_t = 30)]
    silos: usize,
    /// How many messages each latency is taken from, at 100 a second.
    #[arg(long, default_value_t = 1000)]
    messages: u64,
    /// How long each rate of the search for loss is held, in seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Where the JSON goes.
    #[arg(long, default_value = "target/bench/road.json")]
    json: PathBuf,
}

impl Default for RoadArguments {
    fn default() -> Self {
        Self { silos: 30, messages: 1000, seconds: 3, json: "target/bench/road.json".into() }
    }
}

fn main() -> ExitCode {
    // The platform starts this very program as an `exec:` ThingVisor.
    if std::env::var_os("thingVisorID").is_some() {
        return source::run();
    }
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(measure(&arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("morgana-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> io::Result<()> {
    let program = arguments.morgana.canonicalize().map_err(|error| {
        let name = arguments.morgana.display();
        io::Error::other(format!(
            "there is no {name} (build it with `make build`, or say --morgana FILE): {error}"
        ))
    })?;
    match &arguments.part {
        Some(Part::Road(arguments)) => road(&program, arguments).await,
        Some(Part::Silos(arguments)) => silos::run(&program, arguments).await,
        Some(Part::Control(arguments)) => control::run(&program, arguments).await,
        Some(Part::Broker(arguments)) => broker::run(&program, arguments).await,
        None => {
            road(&program, &RoadArguments::default()).await?;
            silos::run(&program, &silos::Arguments::default()).await?;
            control::run(&program, &control::Arguments::default()).await?;
            broker::run(&program, &broker::Arguments::default()).await
        }
    }
}

async fn road(program: &Path, arguments: &RoadArguments) -> io::Result<()> {
    let mut figures = Figures::of_this_machine();
    eprintln!("starting the platform");
    let road = Road::start(program).await;
    memory::measure(&road, "idle", &mut figures).await;
    eprintln!("creating {} silos", arguments.silos);
    creation::measure(&road, arguments.silos, &mut figures).await;
    eprintln!("latency at 100 messages/s");
    latency::measure(&road, arguments.messages, &mut figures).await;
    direct::measure(arguments.messages, &mut figures).await;
    eprintln!("messages/s until loss");
    load::measure(&road, arguments.seconds, &mut figures).await;
    memory::measure(&road, "after load", &mut figures).await;
    figures.print();
    figures.write(&arguments.json)?;
    println!("written to {}\n", arguments.json.display());
    Ok(())
}
