//! The oneM2M CSE: content instances over HTTP with an exact count, the latest, discovery, and notifications over HTTP
//! and MQTT. ACME runs the same in the same run, where it is installed.

mod acme;
mod mqtt;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::bench::{Bench, Profile, always};
use super::case::Case;
use super::request::{get, with_body};

pub(super) use acme::Acme;

pub(super) const PROFILE: Profile = Profile {
    name: "onem2m",
    switches: &["--cse-name", "cse-in", "--cse-id", "id-in", "--mqtt-port", "0"],
    peer: "ACME is not installed here (scripts/test-needs.sh does that), so nothing",
    ready_aim: None,
    resident_aim: Some("<= 10"),
    resident_peer_mib: None,
    again_aim: None,
};

const CONTAINERS: u64 = 500;
const ORIGINATOR: &str = "CAdmin";

fn headers(ty: Option<u32>) -> String {
    let ty = ty.map(|ty| format!("Content-Type: application/json;ty={ty}\r\n")).unwrap_or_default();
    format!("X-M2M-Origin: {ORIGINATOR}\r\nX-M2M-RI: 1\r\nX-M2M-RVI: 4\r\n{ty}")
}

fn create(out: &mut Vec<u8>, to: &str, ty: u32, content: &str) {
    with_body(out, "POST", to, &headers(Some(ty)), content);
}

fn retrieve(to: &str) -> Vec<u8> {
    let mut request = Vec::new();
    get(&mut request, to, &headers(None));
    request
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> io::Result<&'static str> {
    for clients in [1, 8, 32] {
        instances(bench, clients).await?;
    }
    bench.load(Case::new("GET latest", always(retrieve("/cse-in/posted32/la"))).clients(1)).await?;
    let latest = Case::new("GET latest", always(retrieve("/cse-in/posted32/la")));
    bench.load(latest.clients(32).aim(40_000.0)).await?;

    bench
        .prepare(CONTAINERS, |number, out| {
            create(out, "/cse-in", 3, &format!(r#"{{"m2m:cnt":{{"rn":"c{number}","lbl":["many"]}}}}"#));
        })
        .await?;
    let discovery = retrieve("/cse-in?fu=1&ty=3&lbl=many");
    let found: Value = serde_json::from_slice(&bench.read(&discovery).await?)?;
    let found = found["m2m:uril"].as_array().map_or(0, Vec::len);
    if found as u64 != CONTAINERS {
        return Err(io::Error::other(format!("{found} of {CONTAINERS} containers were found")));
    }
    bench.load(Case::new("discovery over 500 containers", always(discovery)).clients(1).aim(200.0)).await?;

    notifications(bench).await?;
    if let Some(address) = bench.door("mqtt") {
        mqtt::measure(bench, &address).await?;
    }
    Ok("after these loads")
}

/// Content instances in a container, which must then count every one that was acknowledged.
async fn instances(bench: &mut Bench<'_>, clients: usize) -> io::Result<()> {
    let name = format!("posted{clients}");
    bench
        .prepare(1, |_, out| {
            create(out, "/cse-in", 3, &format!(r#"{{"m2m:cnt":{{"rn":"{name}","mni":10000000}}}}"#));
        })
        .await?;
    let sent = Arc::new(AtomicU64::new(0));
    let (to, counted) = (format!("/cse-in/{name}"), Arc::clone(&sent));
    let post = move |number: u64, out: &mut Vec<u8>| {
        counted.fetch_add(1, Ordering::Relaxed);
        let content =
            format!(r#"{{"m2m:cin":{{"con":"{{\"type\":\"Property\",\"value\":{}.5}}"}}}}"#, number % 40);
        create(out, &to, 4, &content);
    };
    let mut case = Case::new("durable POST contentInstance", post).clients(clients);
    if clients == 32 {
        case = case.aim(20_000.0);
    }
    bench.load(case).await?;
    let container: Value = serde_json::from_slice(&bench.read(&retrieve(&format!("/cse-in/{name}"))).await?)?;
    let (counted, sent) = (container["m2m:cnt"]["cni"].as_u64(), sent.load(Ordering::Relaxed));
    if counted != Some(sent) {
        // Every request was acknowledged, or the load would have failed.
        let text = format!("{sent} were acknowledged, and cni is {counted:?}");
        if bench.door("http").is_some() {
            return Err(io::Error::other(text));
        }
        eprintln!("  the peer: {text}");
    }
    Ok(())
}

async fn notifications(bench: &mut Bench<'_>) -> io::Result<()> {
    bench.prepare(1, |_, out| create(out, "/cse-in", 3, r#"{"m2m:cnt":{"rn":"noticed","mni":10}}"#)).await?;
    let subscription = |uri: &str| {
        let body = format!(r#"{{"m2m:sub":{{"rn":"http","nu":["{uri}"],"nct":1,"enc":{{"net":[3]}}}}}}"#);
        ("/cse-in/noticed".to_owned(), headers(Some(23)), body)
    };
    let change = |_, mark: &str, out: &mut Vec<u8>| {
        create(out, "/cse-in/noticed", 4, &format!(r#"{{"m2m:cin":{{"con":"{mark}"}}}}"#));
    };
    bench.notifications("<= 0.5", subscription, change).await
}
