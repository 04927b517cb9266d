//! A broker of its own that takes Orion's flags: `cargo run -p morgana-ngsi-v2 --example orion -- --port 1026 --data DIR`.
//! Flags that it knows it honours (`-port`, `-multiservice`, `-corsOrigin`, `-corsMaxAge`, `-httpTimeout`,
//! `-inReqPayloadMaxSize`); the others it accepts and leaves alone.

use std::{error::Error, net::SocketAddr, path::PathBuf};

use morgana_ngsi_v2::{Broker, Cors, HttpOptions, Options, serve};
use tokio::{net::TcpListener, signal::unix::SignalKind};
use tokio_util::sync::CancellationToken;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut options = Options { dir: PathBuf::from("ngsi-v2-data"), ..Options::default() };
    let mut http = HttpOptions::default();
    let (mut port, mut cors_origin, mut cors_max_age) = (1026_u16, None, 86_400);
    let mut arguments = std::env::args().skip(1).peekable();
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{flag} needs a value"));
        match flag.trim_start_matches('-') {
            "port" => port = value()?.parse()?,
            "data" => options.dir = value()?.into(),
            "multiservice" => options.multiservice = true,
            "corsOrigin" => cors_origin = Some(value()?),
            "corsMaxAge" => cors_max_age = value()?.parse()?,
            "httpTimeout" => options.http_timeout_ms = value()?.parse()?,
            "inReqPayloadMaxSize" => http.body_max_bytes = value()?.parse()?,
            _ => {}
        }
    }
    http.cors = cors_origin
        .map(|origin| Cors { origin: (origin != "__ALL").then_some(origin), max_age_s: cors_max_age });
    let broker = Broker::open(options)?;
    let listener = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], port))).await?;
    println!("listening on {}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        let terminated = tokio::signal::unix::signal(SignalKind::terminate());
        if let Ok(mut terminated) = terminated {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        stopping.cancel();
    });
    let patience = std::time::Duration::from_millis(http.patience_ms);
    serve(broker.clone(), http, listener, stop).await?;
    broker.shutdown(patience).await;
    Ok(())
}
