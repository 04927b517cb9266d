//! The ThingVisor of the bench: this program, started by the platform as `exec:`.
//!
//! It takes orders on a TCP connection to the address in its parameters (`{"orders": "host:port"}`),
//! one a line, `<messages> <messages per second>`, publishes so many changes of one entity, and
//! answers each order with a line when it is done.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use morgana_thingvisor::{Entity, Environment, NewVThing, Options, RunError, ThingVisor, VThing};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The entity whose changes are timed.
pub(crate) const ENTITY: &str = "urn:ngsi-ld:Probe:1";
/// Its type.
pub(crate) const ENTITY_TYPE: &str = "Probe";
/// Nanoseconds since 1970 at which a change was published.
pub(crate) const SENT_AT: &str = "sentAt";
/// Which change it is, counted from 0 in each order.
pub(crate) const NUMBER: &str = "number";

#[derive(Deserialize)]
struct Params {
    #[serde(default)]
    orders: String,
    /// How many vThings to announce, and then do nothing.
    #[serde(default, rename = "vThings")]
    v_things: usize,
}

/// Plays the ThingVisor until the platform ends it.
pub(crate) fn run() -> ExitCode {
    let outcome = Environment::from_env()
        .map_err(RunError::from)
        .and_then(|environment| morgana_thingvisor::run(environment, Options::default(), obey));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("morgana-bench: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

async fn obey(visor: ThingVisor) -> Result<(), RunError> {
    let params: Params = visor.params()?;
    if params.v_things > 0 {
        let mut announced = Vec::with_capacity(params.v_things);
        for number in 0..params.v_things {
            announced.push(visor.create(NewVThing::new(format!("thing-{number}"))).await?);
        }
        visor.ready().await?;
        // The platform ends it.
        return std::future::pending().await;
    }
    let probe = visor.create(NewVThing::new("probe").description("publishes as fast as it is told")).await?;
    visor.ready().await?;
    let failed = |error| RunError::system("taking orders", error);
    let stream = TcpStream::connect(&params.orders).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let (orders, mut answers) = stream.into_split();
    let mut orders = BufReader::new(orders).lines();
    while let Some(order) = orders.next_line().await.map_err(failed)? {
        let (messages, rate) = order.split_once(' ').unwrap_or((&order, "1"));
        publish(&probe, messages.parse().unwrap_or(0), rate.parse().unwrap_or(1.0)).await?;
        answers.write_all(b"done\n").await.map_err(failed)?;
    }
    Ok(())
}

/// Publishes at an even pace; where it falls behind it catches up, so that the rate is what was asked.
async fn publish(probe: &VThing, messages: u64, rate: f64) -> Result<(), RunError> {
    let start = Instant::now();
    for number in 0..messages {
        let due = start + Duration::from_secs_f64(number as f64 / rate);
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        let sent_at =
            SystemTime::now().duration_since(UNIX_EPOCH).map_err(RunError::failed)?.as_nanos() as u64;
        let entity = Entity::builder(ENTITY, ENTITY_TYPE).property(SENT_AT, sent_at).property(NUMBER, number);
        probe.publish(entity.build().map_err(RunError::failed)?).await?;
    }
    Ok(())
}
