//! `morgana broker`: one standard broker alone. One file a standard; here is what they share.

mod mqtt;
mod ngsi_ld;
mod ngsi_v2;
mod onem2m;

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::{logging, pages};

/// How long requests under way may take at the end.
const REQUEST_PATIENCE: Duration = Duration::from_secs(2);

/// How long after it is ready a broker's start is over.
const START_PATIENCE: Duration = Duration::from_millis(500);

/// A standard that a broker speaks, with the switches of its broker.
#[derive(Debug, Subcommand)]
pub(crate) enum Standard {
    /// An NGSI-LD context broker (ETSI GS CIM 009).
    NgsiLd(ngsi_ld::Arguments),
    /// An NGSIv2 context broker, with what Orion's users rely on.
    NgsiV2(ngsi_v2::Arguments),
    /// A oneM2M common services entity (TS-0001, TS-0004).
    Onem2m(Box<onem2m::Arguments>),
    /// An MQTT broker (3.1.1 and 5).
    Mqtt(mqtt::Arguments),
}

/// Where a broker listens and keeps its state.
#[derive(Debug, Args)]
struct Place<const PORT: u16> {
    /// Address to listen on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    listen: IpAddr,
    /// Port to listen on; 0 means any.
    // Not a default of clap: it keeps that in a static, which all values of `PORT` would share.
    #[arg(long)]
    port: Option<u16>,
    /// Folder where its state lives.
    #[arg(long, value_name = "DIR", default_value = "./morgana-broker")]
    data: PathBuf,
}

impl<const PORT: u16> Place<PORT> {
    fn address(&self) -> SocketAddr {
        SocketAddr::new(self.listen, self.port.unwrap_or(PORT))
    }

    /// Listens there.
    async fn bind(&self) -> Result<TcpListener, Failure> {
        let address = self.address();
        TcpListener::bind(address).await.map_err(|error| {
            Failure::new(format_args!("cannot listen on {address} (choose another with --port)"), error)
        })
    }
}

/// Who may use a broker, and whom it may use.
#[derive(Debug, Args)]
struct Reach {
    /// Answer only who shows this token, as `Authorization: Bearer TOKEN` or `X-Auth-Token: TOKEN` [default: everyone
    /// who reaches the broker].
    #[arg(long, env = "MORGANA_BROKER_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Send notifications and forwarded requests to public addresses only, so that who may subscribe cannot reach
    /// into the network of the broker.
    #[arg(long)]
    public_endpoints_only: bool,
}

impl Reach {
    fn access(&self) -> morgana_engine::Access {
        match &self.token {
            Some(token) => morgana_engine::Access::Token(token.as_str().into()),
            None => morgana_engine::Access::Open,
        }
    }
}

/// What the help says of `--port`.
fn port_help(arg: clap::Arg, port: u16) -> clap::Arg {
    arg.help(format!("Port to listen on; 0 means any [default: {port}]"))
}

/// When a write is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Durability {
    /// Once it is on the disk: it survives a power cut.
    Commit,
    /// Once the system has it: it survives the end of the broker, and reaches the disk some milliseconds later.
    Interval,
    /// Once it is in memory: it reaches the disk when the system likes.
    None,
}

impl From<Durability> for morgana_journal::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Commit => Self::Commit,
            Durability::Interval => Self::Interval,
            Durability::None => Self::None,
        }
    }
}

/// The command line with what a peer's users are used to replaced by what is meant.
pub(crate) fn with_known_flags(arguments: Vec<OsString>) -> Vec<OsString> {
    ngsi_v2::with_orion_flags(arguments)
}

/// Runs a broker until it is told to stop.
pub(crate) fn run(standard: &Standard, log: Option<&str>) -> Result<(), Failure> {
    let filter = log.unwrap_or(logging::DEFAULT_FILTER);
    let log = logging::start_for_broker(filter)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("cannot start", error))?;
    runtime.block_on(async {
        let stop = stop_on_signal()?;
        match standard {
            Standard::NgsiLd(arguments) => ngsi_ld::run(arguments, stop).await,
            Standard::NgsiV2(arguments) => ngsi_v2::run(arguments, log, stop).await,
            Standard::Onem2m(arguments) => onem2m::run(arguments, stop).await,
            Standard::Mqtt(arguments) => mqtt::run(arguments, stop).await,
        }
    })
}

/// Says that a broker is ready, and from soon on gives back memory that it does not need, when it rests.
fn ready(what: std::fmt::Arguments<'_>) {
    println!("morgana broker is ready: {what}");
    tokio::spawn(pages::give_back_at_rest(START_PATIENCE));
}

fn stop_on_signal() -> Result<CancellationToken, Failure> {
    let failed = |error| Failure::new("cannot listen for signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    });
    Ok(stop)
}

/// The address that a listener got.
fn address_of(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| Failure::new("cannot tell the port", error))
}
