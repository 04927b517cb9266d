//! `morgana broker ngsi-ld`.

use clap::Args;
use morgana_ngsi_ld::{Access, Broker, HttpOptions, Options, router};
use tokio_util::sync::CancellationToken;

use super::{Durability, Place, REQUEST_PATIENCE, address_of};
use crate::failure::Failure;

/// The switches of an NGSI-LD broker.
#[derive(Debug, Args)]
#[command(mut_arg("port", |arg| super::port_help(arg, 9090)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place<9090>,
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
    let broker = Broker::open(options).map_err(|error| Failure::new("cannot open the broker", error))?;
    let listener = arguments.place.bind().await?;
    println!(
        "morgana broker is ready: NGSI-LD http://{}/ngsi-ld/v1, data {}",
        address_of(&listener)?,
        arguments.place.data.display()
    );
    let router = router(broker, HttpOptions { access: Access::Open, ..HttpOptions::default() });
    morgana_engine::serve(listener, router, stop, REQUEST_PATIENCE)
        .await
        .map_err(|error| Failure::new("the broker ended badly", error))
}
