//! `kill -9` of `morgana broker ngsi-ld` while clients write entities, their past, subscriptions and contexts, with each
//! `--durability`: what was acknowledged is there again. With `none` that is not promised, but what is there fits together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use morgana_testbed::{Answer, Broker, Http, eventually};
use reqwest::Method;
use serde_json::{Value, json};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");
const CLIENTS: usize = 4;
/// Updates after which the broker is killed, all clients together.
const ENOUGH: usize = 120;

/// What one client was told that it is written.
#[derive(Debug, Default)]
struct Acknowledged {
    client: usize,
    /// The last value of its counter; all before it that were acknowledged are in the past.
    value: u64,
    /// The value that each kill met: it may have come to the present and not to the past, as nobody was told of it.
    unacknowledged: Vec<u64>,
    /// The last value that it sent, acknowledged or not.
    sent: u64,
    /// Ids of entities, of subscriptions and of contexts.
    entities: Vec<String>,
    subscriptions: Vec<String>,
    contexts: Vec<String>,
}

/// Sends; none when the broker is gone.
async fn send(http: &Http, method: Method, path: &str, body: Value) -> Option<Answer> {
    let response = http.request(method, path).json(&body).send().await.ok()?;
    // A response that began may still be cut off.
    let (status, location) = (response.status(), response.headers().get("location").cloned());
    let text = response.text().await.ok()?;
    assert!(status.is_success(), "{path}: {status} {text}");
    let location = location.map(|location| location.to_str().expect("ASCII").to_owned());
    Some(Answer { status, content_type: String::new(), location, body: Value::Null })
}

/// Writes until the broker is gone. The counter goes on from `value`.
async fn write(http: Http, client: usize, value: u64, round: usize, done: Arc<AtomicUsize>) -> Acknowledged {
    let mut all = Acknowledged { client, value, sent: value, ..Acknowledged::default() };
    let counter = format!("/entities/urn:e:{client}/attrs/n");
    for next in value + 1.. {
        all.sent = next;
        let change = json!({ "type": "Property", "value": next });
        if send(&http, Method::PATCH, &counter, change).await.is_none() {
            break;
        }
        all.value = next;
        done.fetch_add(1, Ordering::Relaxed);
        if next % 5 != 0 {
            continue;
        }
        let name = format!("{client}:{round}:{next}");
        let entity = json!({ "id": format!("urn:n:{name}"), "type": "New", "name": name });
        if send(&http, Method::POST, "/entities", entity).await.is_none() {
            break;
        }
        all.entities.push(format!("urn:n:{name}"));
        let subscription = json!({
            "id": format!("urn:s:{name}"), "type": "Subscription", "entities": [{ "type": "Nothing" }],
            "notification": { "endpoint": { "uri": "http://127.0.0.1:1/" } },
        });
        if send(&http, Method::POST, "/subscriptions", subscription).await.is_none() {
            break;
        }
        all.subscriptions.push(format!("urn:s:{name}"));
        let context = json!({ "@context": { "name": format!("https://x.org/{name}") } });
        let Some(hosted) = send(&http, Method::POST, "/jsonldContexts", context).await else { break };
        let location = hosted.location.expect("a context that was added has an address");
        all.contexts.extend(location.rsplit('/').next().map(str::to_owned));
    }
    all
}

/// All that was acknowledged is there.
async fn check(http: &Http, all: &Acknowledged) {
    let client = all.client;
    let counter = http.get(&format!("/entities/urn:e:{client}")).await.expect(200);
    let value = counter["n"]["value"].as_u64().expect("a number");
    assert!((all.value..=all.sent).contains(&value), "{value} is there, and {all:?} was acknowledged");
    let past =
        http.get(&format!("/temporal/entities/urn:e:{client}?timeproperty=modifiedAt")).await.expect(200);
    let instances = past["n"].as_array().cloned().unwrap_or_else(|| vec![past["n"].clone()]);
    let values: Vec<u64> = instances.iter().filter_map(|one| one["value"].as_u64()).collect();
    for wanted in (0..=all.value).filter(|wanted| !all.unacknowledged.contains(wanted)) {
        assert!(values.contains(&wanted), "{wanted} is not in the past of client {client}: {values:?}");
    }
    for id in &all.entities {
        http.get(&format!("/entities/{id}")).await.expect(200);
    }
    for id in &all.subscriptions {
        http.get(&format!("/subscriptions/{id}")).await.expect(200);
    }
    for id in &all.contexts {
        http.get(&format!("/jsonldContexts/{id}")).await.expect(200);
    }
}

async fn killed_under_load(durability: &str, promised: bool) {
    let folder = tempfile::tempdir().expect("a folder for the broker");
    let data = folder.path().join("data");
    let switches = ["--durability", durability, "--history-instances", "10000"];
    let start = async || {
        let broker = Broker::start(MORGANA, "ngsi-ld", &data, &switches).await;
        let base = format!("http://{}/ngsi-ld/v1", broker.address("http"));
        (broker, Http::new(base, None))
    };
    let (mut broker, mut http) = start().await;
    for client in 0..CLIENTS {
        let entity =
            json!({ "id": format!("urn:e:{client}"), "type": "T", "n": { "type": "Property", "value": 0 } });
        http.post("/entities", &entity).await.expect(201);
    }
    let mut values = [0; CLIENTS];
    let mut unacknowledged = [const { Vec::new() }; CLIENTS];
    for round in 0..2 {
        let done = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| tokio::spawn(write(http.clone(), client, values[client], round, Arc::clone(&done))))
            .collect();
        let enough = async || match done.load(Ordering::Relaxed) {
            ENOUGH.. => Ok(()),
            some => Err(some),
        };
        eventually("the clients have written", enough).await;
        broker.kill().await;
        let mut acknowledged = Vec::new();
        for client in clients {
            let mut all = client.await.expect("the client ends");
            all.unacknowledged.clone_from(&unacknowledged[all.client]);
            acknowledged.push(all);
        }
        (broker, http) = start().await;
        for all in &acknowledged {
            if promised {
                check(&http, all).await;
            }
            // What was not promised may be gone, also the entity itself; the broker goes on with what it has.
            let found = http.get(&format!("/entities/urn:e:{}", all.client)).await;
            values[all.client] = match found.body["n"]["value"].as_u64() {
                Some(value) => value,
                None if promised => panic!("the counter is gone: {found:?}"),
                None => {
                    let entity = json!({ "id": format!("urn:e:{}", all.client), "type": "T", "n": { "type": "Property", "value": 0 } });
                    http.post("/entities", &entity).await.expect(201);
                    0
                }
            };
            assert!(values[all.client] <= all.sent, "what nobody sent is there");
            if values[all.client] > all.value {
                unacknowledged[all.client].push(values[all.client]);
            }
        }
    }
    broker.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill_under_load_when_it_waits_for_the_disk() {
    killed_under_load("commit", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill_under_load_when_it_waits_for_the_system() {
    killed_under_load("interval", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_waits_for_nothing_starts_again_after_a_kill_under_load() {
    killed_under_load("none", false).await;
}
