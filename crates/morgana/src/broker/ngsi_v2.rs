//! `morgana broker ngsi-v2`.

use std::time::Duration;

use clap::Args;
use morgana_ngsi_v2::{Broker, HttpOptions, Options, serve};
use tokio_util::sync::CancellationToken;

use super::{Durability, Place, address_of};
use crate::failure::Failure;

/// The switches of an NGSIv2 broker.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place<1026>,
    /// When a write is acknowledged.
    #[arg(long, value_enum, default_value_t = Durability::Commit)]
    durability: Durability,
}

pub(super) async fn run(arguments: &Arguments, stop: CancellationToken) -> Result<(), Failure> {
    let options = Options {
        dir: arguments.place.data.clone(),
        durability: arguments.durability.into(),
        ..Options::default()
    };
    let http = HttpOptions::default();
    let patience = Duration::from_millis(http.patience_ms);
    let broker = Broker::open(options).map_err(|error| Failure::new("cannot open the broker", error))?;
    let listener = arguments.place.bind().await?;
    println!(
        "morgana broker is ready: NGSIv2 http://{}/v2, data {}",
        address_of(&listener)?,
        arguments.place.data.display()
    );
    let outcome = serve(broker.clone(), http, listener, stop).await;
    broker.shutdown(patience).await;
    outcome.map_err(|error| Failure::new("the broker ended badly", error))
}
