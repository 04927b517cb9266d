//! A CSE alone: `cargo run -p morgana-onem2m --example cse -- --port 8080 --data DIR [--name cse-in] [--id /id-in]
//! [--sp acme.example.com] [--admin CAdmin] [--upper-tester]`.

use std::{error::Error, path::PathBuf, time::Duration};

use morgana_onem2m::{Cse, HttpOptions, Options, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    let mut http = HttpOptions::default();
    let mut port = 8080;
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
            "--upper-tester" => http.upper_tester = true,
            other => return Err(format!("{other} is not an option").into()),
        }
    }
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    let cse = Cse::open(options)?;
    println!("CSE {} on http://{}, {} resources", cse.cse_id(), listener.local_addr()?, cse.resource_count());
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopping.cancel();
        }
    });
    serve(listener, cse.clone(), http, stop, Duration::from_secs(1)).await?;
    cse.shutdown(Duration::from_secs(1)).await;
    Ok(())
}
