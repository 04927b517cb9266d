//! A broker for conformance suites: `broker PORT DIR [commit]`. It may fetch contexts from this machine, which a broker on the
//! public network must not, and it is as strict about queries as the standard (NGSI-LD 5.7.2.4).

use std::{env, error::Error};

use morgana_ngsi_ld::{Broker, Durability, HttpOptions, Options, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(port), Some(dir)) = (arguments.next(), arguments.next()) else {
        return Err("usage: broker PORT DIR [commit]".into());
    };
    // As it is measured, every write waits for the disk and there is no past.
    let measured = arguments.next().is_some_and(|mode| mode == "commit");
    let durability = if measured { Durability::Commit } else { Durability::Interval };
    let mut options = Options { dir: dir.into(), durability, ..Options::default() };
    options.history_instances = if measured { 0 } else { 1000 };
    options.contexts.fetch.allow_hosts = vec!["*".to_owned()];
    options.sources.allow_hosts = vec!["*".to_owned()];
    // Some cases of the suite never answer; they need not wait longer than this.
    options.sources.timeout_ms = 2_000;
    // The suite's longest evolutions come in parts.
    let http = HttpOptions { lenient_queries: measured, temporal_max: 30, ..HttpOptions::default() };
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    println!("ready on {}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let on_signal = stop.clone();
    tokio::spawn(async move {
        // Without a handler for it, the signal itself ends the process.
        let _ = tokio::signal::ctrl_c().await;
        on_signal.cancel();
    });
    serve(Broker::open(options)?, http, listener, stop).await?;
    Ok(())
}
