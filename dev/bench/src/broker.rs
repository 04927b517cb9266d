//! `morgana broker <standard>` under load, one file a standard: `morgana-bench broker ngsi-v2`.
//!
//! A standard's file says how its broker is started ([`bench::Profile`]), fills it, and names its loads
//! ([`case::Case`]); clients, clocks, memory and tables are here. With `--peer` the same loads run against a broker
//! that somebody else started, and its figures stand beside.

mod bare;
mod bench;
pub(crate) mod case;
mod connection;
pub(crate) mod load;
mod ngsi_ld;
mod ngsi_v2;
mod notify;
mod onem2m;
pub(crate) mod request;
mod usage;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use self::bench::{Bench, Profile};
use crate::figures::Figures;

/// A standard whose broker can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Standard {
    /// The NGSI-LD broker, beside what was seen of Antares.
    NgsiLd,
    /// The NGSIv2 broker, beside Orion.
    NgsiV2,
    /// The oneM2M CSE, beside ACME.
    Onem2m,
}

/// How brokers are measured.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The standards to measure; all without any.
    #[arg(value_enum)]
    standards: Vec<Standard>,
    /// How long each load runs, in seconds.
    #[arg(long, default_value_t = 5)]
    load_seconds: u64,
    /// Runs the same against this broker, which is empty and listens on HOST:PORT, and puts its figures beside.
    #[arg(long, value_name = "HOST:PORT")]
    peer: Option<String>,
    /// The folder of the installed clients (scripts/test-needs.sh), where ACME is.
    #[arg(long, value_name = "DIR", default_value = "target/clients")]
    clients: PathBuf,
    /// The folder that the JSON goes to, a file a standard.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    folder: PathBuf,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            standards: Vec::new(),
            load_seconds: 5,
            peer: None,
            clients: "target/clients".into(),
            folder: "target/bench".into(),
        }
    }
}

impl Standard {
    fn profile(self) -> &'static Profile {
        match self {
            Self::NgsiLd => &ngsi_ld::PROFILE,
            Self::NgsiV2 => &ngsi_v2::PROFILE,
            Self::Onem2m => &onem2m::PROFILE,
        }
    }

    /// Runs its measurements; gives what the broker was filled with.
    async fn measure(self, bench: &mut Bench<'_>) -> io::Result<&'static str> {
        match self {
            Self::NgsiLd => ngsi_ld::measure(bench).await,
            Self::NgsiV2 => ngsi_v2::measure(bench).await,
            Self::Onem2m => onem2m::measure(bench).await,
        }
    }
}

/// Measures brokers one after the other, and prints and writes what was seen.
///
/// # Errors
/// When a broker does not answer as it should, or a file cannot be written.
pub(crate) async fn run(program: &Path, arguments: &Arguments) -> io::Result<()> {
    let standards = match &*arguments.standards {
        [] => Standard::value_variants(),
        some => some,
    };
    for standard in standards {
        let figures = measure(*standard, program, arguments).await?;
        figures.print();
        let file = arguments.folder.join(format!("broker-{}.json", standard.profile().name));
        figures.write(&file)?;
        println!("written to {}\n", file.display());
    }
    Ok(())
}

async fn measure(standard: Standard, program: &Path, arguments: &Arguments) -> io::Result<Figures> {
    let profile = standard.profile();
    let lasting = Duration::from_secs(arguments.load_seconds);
    eprintln!("broker {}", profile.name);
    let mut bench = Bench::start(profile, program, lasting).await?;
    let filled = standard.measure(&mut bench).await?;
    let mut figures = bench.end(filled).await?;
    let acme = match (standard, &arguments.peer) {
        (Standard::Onem2m, None) => onem2m::Acme::start(&arguments.clients).await?,
        _ => None,
    };
    if let Some(acme) = acme {
        eprintln!("its peer, ACME");
        let mut bench = Bench::of_running(profile, program, lasting, &acme.address);
        bench.figures.put("resident memory, empty", acme.resident_mib(), "MiB", None);
        standard.measure(&mut bench).await?;
        figures.beside("ACME of PyPI with its memory database, in the same run");
        figures.put_all_beside(&bench.figures);
    } else if let Some(peer) = &arguments.peer {
        eprintln!("its peer at {peer}");
        let mut bench = Bench::of_running(profile, program, lasting, peer);
        standard.measure(&mut bench).await?;
        figures.beside(format!("the broker at {peer}, in the same run"));
        figures.put_all_beside(&bench.figures);
    }
    Ok(figures)
}
