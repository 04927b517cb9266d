//! The load generator and the evaluation: `make bench`.
//!
//! It starts the real binary, plays a ThingVisor and tenants' applications, and prints tables of
//! what they saw: latencies, throughput, memory. Nothing passes or fails here; figures are for people,
//! and `target/bench/road.json` for programs.

mod creation;
mod direct;
mod figures;
mod latency;
mod load;
mod memory;
mod road;
mod source;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::figures::Figures;
use crate::road::Road;

/// Measures a platform on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// The binary to measure.
    #[arg(long, default_value = "target/release/morgana")]
    morgana: PathBuf,
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

fn main() -> ExitCode {
    // The platform starts this very program as an `exec:` ThingVisor.
    if std::env::var_os("thingVisorID").is_some() {
        return source::run();
    }
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let figures = match runtime {
        Ok(runtime) => runtime.block_on(measure(&arguments)),
        Err(error) => {
            eprintln!("morgana-bench: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    figures.print();
    match figures.write(&arguments.json) {
        Ok(()) => {
            println!("written to {}", arguments.json.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("morgana-bench: cannot write {}: {error}", arguments.json.display());
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> Figures {
    let mut figures = Figures::of_this_machine();
    eprintln!("starting the platform");
    let road = Road::start(&arguments.morgana).await;
    memory::measure(&road, "idle", &mut figures).await;
    eprintln!("creating {} silos", arguments.silos);
    creation::measure(&road, arguments.silos, &mut figures).await;
    eprintln!("latency at 100 messages/s");
    latency::measure(&road, arguments.messages, &mut figures).await;
    direct::measure(arguments.messages, &mut figures).await;
    eprintln!("messages/s until loss");
    load::measure(&road, arguments.seconds, &mut figures).await;
    memory::measure(&road, "after load", &mut figures).await;
    figures
}
