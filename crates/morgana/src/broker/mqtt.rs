//! `morgana broker mqtt`.

use std::sync::Arc;

use clap::Args;
use morgana_fabric::{Open, Server, ServerOptions};
use tokio_util::sync::CancellationToken;

use super::{Place, ready};
use crate::failure::Failure;

/// The switches of an MQTT broker.
#[derive(Debug, Args)]
#[command(mut_arg("port", |arg| super::port_help(arg, 1883)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place<1883>,
}

pub(super) async fn run(arguments: &Arguments, stop: CancellationToken) -> Result<(), Failure> {
    let data = &arguments.place.data;
    let options = ServerOptions {
        listen: arguments.place.address(),
        data_dir: Some(data.clone()),
        ..ServerOptions::default()
    };
    let server = Server::start(options, Arc::new(Open))
        .await
        .map_err(|error| Failure::new("cannot start the broker (choose its port with --port)", error))?;
    ready(format_args!("MQTT mqtt://{}, data {}", server.local_addr(), data.display()));
    stop.cancelled().await;
    server.stop().await;
    Ok(())
}
