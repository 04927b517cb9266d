//! `morgana broker`: one standard broker alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use morgana_fabric::{Open, Server, ServerOptions};
use morgana_ngsi_ld::{Access, Broker, HttpOptions};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::arguments::{BrokerArguments, Standard};
use crate::failure::Failure;
use crate::logging;

/// How long requests under way may take at the end.
const REQUEST_PATIENCE: Duration = Duration::from_secs(2);

/// Runs a broker until it is told to stop.
pub(crate) fn run(arguments: &BrokerArguments) -> Result<(), Failure> {
    logging::start(&std::env::var("RUST_LOG").unwrap_or_else(|_| logging::DEFAULT_FILTER.to_owned()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("cannot start", error))?;
    runtime.block_on(async {
        let stop = stop_on_signal()?;
        match arguments.standard {
            Standard::NgsiLd => ngsi_ld(arguments, stop).await,
            Standard::Mqtt => mqtt(arguments, stop).await,
        }
    })
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

async fn ngsi_ld(arguments: &BrokerArguments, stop: CancellationToken) -> Result<(), Failure> {
    let options =
        morgana_ngsi_ld::Options { dir: arguments.data.clone(), ..morgana_ngsi_ld::Options::default() };
    let broker = Broker::open(options).map_err(|error| Failure::new("cannot open the broker", error))?;
    let address = SocketAddr::new(arguments.listen, arguments.port.unwrap_or(9090));
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::new(format_args!("cannot listen on {address} (choose another with --port)"), error)
    })?;
    let address = listener.local_addr().map_err(|error| Failure::new("cannot tell the port", error))?;
    println!(
        "morgana broker is ready: NGSI-LD http://{address}/ngsi-ld/v1, data {}",
        arguments.data.display()
    );
    let router =
        morgana_ngsi_ld::router(broker, HttpOptions { access: Access::Open, ..HttpOptions::default() });
    morgana_engine::serve(listener, router, stop, REQUEST_PATIENCE)
        .await
        .map_err(|error| Failure::new("the broker ended badly", error))
}

async fn mqtt(arguments: &BrokerArguments, stop: CancellationToken) -> Result<(), Failure> {
    let options = ServerOptions {
        listen: SocketAddr::new(arguments.listen, arguments.port.unwrap_or(1883)),
        data_dir: Some(arguments.data.clone()),
        ..ServerOptions::default()
    };
    let server = Server::start(options, Arc::new(Open))
        .await
        .map_err(|error| Failure::new("cannot start the broker (choose its port with --port)", error))?;
    println!(
        "morgana broker is ready: MQTT mqtt://{}, data {}",
        server.local_addr(),
        arguments.data.display()
    );
    stop.cancelled().await;
    server.stop().await;
    Ok(())
}
