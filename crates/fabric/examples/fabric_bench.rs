//! Measures an MQTT server over loopback: latency, messages a second until loss, memory.
//!
//! ```text
//! fabric_bench serve 127.0.0.1:0 [DATA_DIR]     run our server, print its address
//! fabric_bench measure ADDRESS PID              measure the server at ADDRESS, whose process is PID
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use morgana_fabric::{Client, ClientOptions, Event, Open, Qos, Server, ServerOptions};
use tokio::sync::mpsc;

type Failure = Box<dyn std::error::Error>;

const PAYLOAD_BYTES: usize = 200;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", listen] => run(serve(listen, None)),
        ["serve", listen, folder] => run(serve(listen, Some(folder))),
        ["measure", address, pid] => {
            tokio::runtime::Runtime::new()?.block_on(measure(address.to_owned(), pid.parse()?))
        }
        _ => Err("usage: fabric_bench serve LISTEN [DATA_DIR] | measure ADDRESS PID".into()),
    }
}

/// As a silo runs it: one thread.
fn run(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

async fn serve(listen: &str, folder: Option<&str>) -> Result<(), Failure> {
    let options = ServerOptions {
        listen: listen.parse()?,
        data_dir: folder.map(Into::into),
        ..ServerOptions::default()
    };
    let server = Server::start(options, Arc::new(Open)).await?;
    println!("{}", server.local_addr());
    std::future::pending().await
}

async fn measure(address: String, pid: u32) -> Result<(), Failure> {
    println!("rss idle                {:>9.1} MB", rss_megabytes(pid)?);
    for (name, qos, rate) in [
        ("100/s QoS 0", Qos::AtMostOnce, 100),
        ("1000/s QoS 0", Qos::AtMostOnce, 1000),
        ("100/s QoS 1", Qos::AtLeastOnce, 100),
    ] {
        let mut micros = latencies(&address, qos, rate, Duration::from_secs(4)).await?;
        micros.sort_unstable();
        let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
        println!("latency {name:<14}  p50 {:>5} us  p99 {:>6} us", at(0.50), at(0.99));
    }
    for (name, qos) in [("QoS 0", Qos::AtMostOnce), ("QoS 1", Qos::AtLeastOnce)] {
        let mut sustained = 0;
        for rate in (1..=40).map(|step| step * 5_000) {
            let (sent, received, took) = flood(&address, qos, rate, Duration::from_secs(2)).await?;
            let reached = (sent as f64 / took.as_secs_f64()) as u64;
            if received < sent || reached < rate * 95 / 100 {
                println!(
                    "until loss {name}: {sustained}/s; at {rate}/s asked: {reached}/s sent, {} lost",
                    sent - received
                );
                break;
            }
            sustained = rate;
        }
    }
    println!("rss after load          {:>9.1} MB", rss_megabytes(pid)?);
    let mut idle = Vec::new();
    for n in 0..500 {
        idle.push(connect(&address, &format!("idle{n}")).await?);
    }
    println!("rss 500 connections     {:>9.1} MB", rss_megabytes(pid)?);
    Ok(())
}

async fn connect(address: &str, id: &str) -> Result<(Client, mpsc::Receiver<Event>), Failure> {
    let options = ClientOptions { event_queue: 4096, ..ClientOptions::new(address, id) };
    let (client, events) = Client::connect(options);
    client.connected().await?;
    Ok((client, events))
}

/// One message at a time, at a steady rate; microseconds from publish to receipt.
async fn latencies(address: &str, qos: Qos, rate: u64, time: Duration) -> Result<Vec<u64>, Failure> {
    let (subscriber, mut events) = connect(address, "latency-subscriber").await?;
    subscriber.subscribe("latency", qos).await?;
    let (publisher, _events) = connect(address, "latency-publisher").await?;
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / rate));
    let mut micros = Vec::new();
    let end = Instant::now() + time;
    while Instant::now() < end {
        ticks.tick().await;
        let sent = Instant::now();
        let publishing = publisher.publish("latency", vec![b'x'; PAYLOAD_BYTES], qos);
        let (published, ()) = tokio::join!(publishing, message(&mut events));
        published?;
        // For QoS 1 this includes the acknowledgement to the publisher.
        micros.push(sent.elapsed().as_micros() as u64);
    }
    publisher.close().await;
    subscriber.close().await;
    Ok(micros)
}

async fn message(events: &mut mpsc::Receiver<Event>) {
    while !matches!(events.recv().await, Some(Event::Message { .. }) | None) {}
}

/// Publishes at `rate`; answers how many were sent, how many came, and how long the sending took.
async fn flood(address: &str, qos: Qos, rate: u64, time: Duration) -> Result<(u64, u64, Duration), Failure> {
    let (subscriber, mut events) = connect(address, "flood-subscriber").await?;
    subscriber.subscribe("flood", qos).await?;
    let (publisher, _events) = connect(address, "flood-publisher").await?;
    let received = Arc::new(AtomicU64::new(0));
    let counting = tokio::spawn({
        let received = Arc::clone(&received);
        async move {
            while let Some(event) = events.recv().await {
                if let Event::Message { .. } = event {
                    received.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    let all = rate * time.as_secs();
    let started = Instant::now();
    let mut sent = 0;
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let mut under_way = tokio::task::JoinSet::new();
    while sent < all {
        ticks.tick().await;
        let due = (started.elapsed().as_secs_f64() * rate as f64) as u64;
        while sent < due.min(all) {
            sent += 1;
            if qos == Qos::AtMostOnce {
                publisher.publish("flood", vec![b'x'; PAYLOAD_BYTES], qos).await?;
                continue;
            }
            let publisher = publisher.clone();
            while under_way.len() >= 256 {
                under_way.join_next().await.transpose()?.transpose()?;
            }
            under_way.spawn(async move { publisher.publish("flood", vec![b'x'; PAYLOAD_BYTES], qos).await });
        }
    }
    while let Some(published) = under_way.join_next().await {
        published??;
    }
    let took = started.elapsed();
    // Until nothing more comes.
    let mut before = u64::MAX;
    while before != received.load(Ordering::Relaxed) && received.load(Ordering::Relaxed) < sent {
        before = received.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    publisher.close().await;
    subscriber.close().await;
    counting.abort();
    Ok((sent, received.load(Ordering::Relaxed), took))
}

fn rss_megabytes(pid: u32) -> Result<f64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("no VmRSS")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).ok_or("no VmRSS value")?.parse()?;
    Ok(kilobytes / 1024.0)
}
