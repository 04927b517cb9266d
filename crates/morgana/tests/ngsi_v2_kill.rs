//! `morgana broker ngsi-v2` killed in the middle of the writing of several clients, again and again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use morgana_testbed::{Broker, Http, eventually};
use reqwest::Method;
use serde_json::{Value, json};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");
const CLIENTS: usize = 4;
const ROUNDS: u64 = 3;

/// What was acknowledged to one client, and what it asked for last.
#[derive(Debug, Default, Clone)]
struct Acknowledged {
    /// The number that its entity has.
    number: u64,
    /// Paths of subscriptions and registrations that are there.
    there: BTreeSet<String>,
    /// Paths of those that it deleted.
    gone: BTreeSet<String>,
    /// What it asked to delete without an answer.
    maybe: Option<String>,
}

/// Sends a request; `None` when the broker is gone, else the path of what was created.
async fn send(http: &Http, method: Method, path: &str, body: Option<&Value>) -> Option<Option<String>> {
    let request = http.request(method.clone(), path);
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let answer = request.send().await.ok()?;
    assert!(answer.status().is_success(), "{method} {path}: {}", answer.status());
    let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
    Some(location.map(str::to_owned))
}

/// Writes until the broker is gone.
async fn write(http: &Http, client: usize, acknowledged: &mut Acknowledged, count: &AtomicU64) -> Option<()> {
    // The endpoint is nobody's: notifications come and fail while the broker is killed.
    let subscription = json!({
        "subject": { "entities": [{ "idPattern": format!("^Room{client}$") }] },
        "notification": { "http": { "url": "http://127.0.0.1:1/" } }
    });
    let registration = json!({
        "dataProvided": { "entities": [{ "id": format!("Far{client}") }], "attrs": ["a"] },
        "provider": { "http": { "url": "http://127.0.0.1:1/v2" } }
    });
    loop {
        let number = acknowledged.number + 1;
        let room = json!({ "id": format!("Room{client}"), "n": { "value": number } });
        send(http, Method::POST, "/v2/entities?options=upsert", Some(&room)).await?;
        acknowledged.number = number;
        for (path, body) in [("/v2/subscriptions", &subscription), ("/v2/registrations", &registration)] {
            let location = send(http, Method::POST, path, Some(body)).await?;
            acknowledged.there.insert(location.expect("it says where it is"));
        }
        if acknowledged.there.len() > 8
            && let Some(path) = acknowledged.there.pop_first()
        {
            acknowledged.maybe = Some(path.clone());
            send(http, Method::DELETE, &path, None).await?;
            acknowledged.maybe = None;
            acknowledged.gone.insert(path);
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn check(http: &Http, client: usize, acknowledged: &mut Acknowledged) {
    let room = http.get(&format!("/v2/entities/Room{client}?options=keyValues")).await.expect(200);
    let number = room["n"].as_u64().unwrap();
    // One more may have been written down, without an answer.
    assert!((acknowledged.number..=acknowledged.number + 1).contains(&number), "{number}: {acknowledged:?}");
    acknowledged.number = number;
    for path in &acknowledged.there {
        http.get(path).await.expect(200);
    }
    for path in &acknowledged.gone {
        http.get(path).await.expect(404);
    }
    acknowledged.maybe = None;
}

#[tokio::test]
async fn what_was_acknowledged_under_load_survives_kill_after_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut all = vec![Acknowledged::default(); CLIENTS];
    for round in 1..=ROUNDS {
        let broker = Broker::start(MORGANA, "ngsi-v2", &data, &[]).await;
        let base = format!("http://{}", broker.address("http"));
        let count = Arc::new(AtomicU64::new(0));
        let mut clients = Vec::new();
        for (client, mut acknowledged) in all.drain(..).enumerate() {
            let (http, count) = (Http::new(&*base, None), Arc::clone(&count));
            clients.push(tokio::spawn(async move {
                write(&http, client, &mut acknowledged, &count).await;
                acknowledged
            }));
        }
        eventually("the clients write", async || match count.load(Ordering::Relaxed) {
            enough if enough >= 40 * round => Ok(()),
            few => Err(few),
        })
        .await;
        broker.kill().await;
        for client in clients {
            all.push(client.await.unwrap());
        }
        let broker = Broker::start(MORGANA, "ngsi-v2", &data, &[]).await;
        let http = Http::new(format!("http://{}", broker.address("http")), None);
        for (client, acknowledged) in all.iter_mut().enumerate() {
            check(&http, client, acknowledged).await;
        }
        // What was created without an answer is there or not; there is no more than that.
        for kind in ["subscriptions", "registrations"] {
            let shown = http.get(&format!("/v2/{kind}?limit=1000")).await.expect(200);
            let known = all.iter().flat_map(|one| &one.there).filter(|path| path.contains(kind)).count();
            let unanswered = 2 * CLIENTS * round as usize;
            let there = shown.as_array().unwrap().len();
            assert!((known..=known + unanswered).contains(&there), "{kind}: {there} of {known}");
        }
        broker.kill().await;
    }
}
