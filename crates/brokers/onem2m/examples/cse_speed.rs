//! How fast a CSE is over HTTP: `cargo run --release -p morgana-onem2m --example cse_speed -- [seconds]`. Prints durable
//! POST/s of contentInstances at 1, 8 and 32 clients with a check of `cni`, GET/s of the latest, and the time of a
//! discovery over 500 containers.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use morgana_onem2m::{Cse, HttpOptions, Operation, Options, Request, serve};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

const ADMIN: &str = "CAdmin";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(2), |text| text.parse())?;
    let dir = std::env::temp_dir().join(format!("cse-speed-{}", std::process::id()));
    let cse = Cse::open(Options { dir: dir.clone(), ..Options::default() })?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let stop = CancellationToken::new();
    let server = serve(listener, cse.clone(), HttpOptions::default(), stop.clone(), Duration::ZERO);
    let server = tokio::spawn(server);

    let body = r#"{"m2m:cin":{"con":"{\"type\":\"Property\",\"value\":21.5}"}}"#;
    let post = head("POST /Mobius/c", port, "Content-Type: application/json;ty=4\r\n", body);
    let latest = head("GET /Mobius/c/la", port, "", "");
    println!("{:>8} {:>12} {:>12}", "clients", "POST/s", "GET la/s");
    for clients in [1, 8, 32] {
        let container = json!({"m2m:cnt": {"rn": "c", "mni": 1_000_000}});
        cse.request(Request::create("Mobius", ADMIN, 3, container)).await;
        let posted = run(port, clients, seconds, &post).await?;
        let counted = cse.request(Request::new(Operation::Retrieve, "Mobius/c", ADMIN)).await.content;
        let counted = counted.and_then(|content| content["m2m:cnt"]["cni"].as_u64());
        if counted != Some(posted) {
            return Err(format!("{posted} were acknowledged, and cni is {counted:?}").into());
        }
        let got = run(port, clients, seconds, &latest).await?;
        println!("{clients:>8} {:>12} {:>12}", posted / seconds, got / seconds);
        cse.request(Request::new(Operation::Delete, "Mobius/c", ADMIN)).await;
    }

    for number in 0..500 {
        let container = json!({"m2m:cnt": {"rn": format!("c{number}"), "lbl": ["many"]}});
        cse.request(Request::create("Mobius", ADMIN, 3, container)).await;
    }
    let discovery = head("GET /Mobius?fu=1&ty=3&lbl=many", port, "", "");
    let started = Instant::now();
    let done = run(port, 1, 1, &discovery).await?;
    println!(
        "discovery over 500 containers: {:.2} ms",
        started.elapsed().as_secs_f64() * 1000.0 / done.max(1) as f64
    );
    stop.cancel();
    server.await??;
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

fn head(line: &str, port: u16, more: &str, body: &str) -> Arc<str> {
    format!(
        "{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-M2M-Origin: {ADMIN}\r\nX-M2M-RI: 1\r\nX-M2M-RVI: 4\r\n{more}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

/// Sends the same request over and over on `clients` connections; gives how many were answered well.
async fn run(port: u16, clients: u32, seconds: u64, request: &Arc<str>) -> Result<u64, Box<dyn Error>> {
    let answered = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let (request, answered) = (Arc::clone(request), Arc::clone(&answered));
        tasks.push(tokio::spawn(async move {
            let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
            connection.set_nodelay(true)?;
            let mut buffer = Vec::with_capacity(64 * 1024);
            while Instant::now() < end {
                connection.write_all(request.as_bytes()).await?;
                buffer.clear();
                while !is_whole(&buffer) {
                    if connection.read_buf(&mut buffer).await? == 0 {
                        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
                    }
                }
                if !buffer.starts_with(b"HTTP/1.1 20") {
                    return Err(std::io::Error::other(String::from_utf8_lossy(&buffer).into_owned()));
                }
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(answered.load(Ordering::Relaxed))
}

/// Whether a response is there with all of its body.
fn is_whole(buffer: &[u8]) -> bool {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
    let length =
        head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
    buffer.len() >= end + 4 + length.unwrap_or(0)
}
