//! `morgana broker onem2m`.

use clap::Args;
use morgana_onem2m::{Cse, HttpOptions, Options, serve};
use tokio_util::sync::CancellationToken;

use super::{Durability, Place, REQUEST_PATIENCE, address_of};
use crate::failure::Failure;

/// The switches of a CSE.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place<8080>,
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
    let cse = Cse::open(options).map_err(|error| Failure::new("cannot open the CSE", error))?;
    let listener = arguments.place.bind().await?;
    println!(
        "morgana broker is ready: oneM2M http://{}, CSE {}, data {}",
        address_of(&listener)?,
        cse.cse_id(),
        arguments.place.data.display()
    );
    let outcome = serve(listener, cse.clone(), HttpOptions::default(), stop, REQUEST_PATIENCE).await;
    cse.shutdown(REQUEST_PATIENCE).await;
    outcome.map_err(|error| Failure::new("the CSE ended badly", error))
}
