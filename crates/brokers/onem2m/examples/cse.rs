//! A CSE alone: `cargo run -p morgana-onem2m --example cse -- --port 8080 --data DIR [--name cse-in] [--id /id-in]
//! [--sp acme.example.com] [--admin CAdmin] [--upper-tester]
//! [--mqtt-port 1883]`; with the last one it brings an MQTT broker of its own.

use std::{error::Error, path::PathBuf, sync::Arc, time::Duration};

use morgana_fabric::{ClientOptions, Open, Server, ServerOptions};
use morgana_onem2m::{Cse, HttpOptions, MqttOptions, Options, serve, serve_mqtt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    let mut http = HttpOptions::default();
    let mut port = 8080;
    let mut mqtt_port: Option<u16> = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} wants a value"));
        match name.as_str() {
            "--port" => port = value()?.parse()?,
            "--data" => options.dir = PathBuf::from(value()?),
            "--name" => options.cse_name = value()?,
            "--id" => options.cse_id = value()?,
            "--sp" => options.sp_id = value()?,
            "--admin" => options.administrators.push(value()?),
            "--mqtt-port" => mqtt_port = Some(value()?.parse()?),
            "--upper-tester" => http.upper_tester = true,
            other => return Err(format!("{other} is not an option").into()),
        }
    }
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    let cse = Cse::open(options)?;
    println!("CSE {} on http://{}, {} resources", cse.cse_id(), listener.local_addr()?, cse.resource_count());
    let stop = CancellationToken::new();
    let broker = match mqtt_port {
        Some(port) => {
            let options = ServerOptions { listen: ([0, 0, 0, 0], port).into(), ..ServerOptions::default() };
            let broker = Server::start(options, Arc::new(Open)).await?;
            let address = format!("127.0.0.1:{}", broker.local_addr().port());
            println!("MQTT on {address}");
            let mqtt = MqttOptions { client: ClientOptions::new(address, "cse"), ..MqttOptions::default() };
            tokio::spawn(serve_mqtt(cse.clone(), mqtt, stop.clone()));
            Some(broker)
        }
        None => None,
    };
    let stopping = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopping.cancel();
        }
    });
    serve(listener, cse.clone(), http, stop, Duration::from_secs(1)).await?;
    cse.shutdown(Duration::from_secs(1)).await;
    if let Some(broker) = broker {
        broker.stop().await;
    }
    Ok(())
}
