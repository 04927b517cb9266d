//! `morgana broker ngsi-ld`, killed with `kill -9`: registrations, subscriptions to context sources, copies of
//! subscriptions at them, snapshots and tenants are there again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use morgana_testbed::{Broker, Http};
use reqwest::Method;
use serde_json::{Value, json};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");
const SWITCHES: &[&str] = &["--allow-host", "127.0.0.1"];

async fn start(data: &Path) -> (Broker, Http) {
    let broker = Broker::start(MORGANA, "ngsi-ld", data, SWITCHES).await;
    let http = Http::new(format!("http://{}/ngsi-ld/v1", broker.address("http")), None);
    (broker, http)
}

fn registration(id: &str, endpoint: &str) -> Value {
    json!({
        "id": format!("urn:ngsi-ld:ContextSourceRegistration:{id}"), "type": "ContextSourceRegistration",
        "information": [{ "entities": [{ "type": "Car" }] }], "endpoint": endpoint,
    })
}

fn subscription(id: &str) -> Value {
    json!({
        "id": format!("urn:ngsi-ld:Subscription:{id}"), "type": "Subscription", "entities": [{ "type": "Car" }],
        "notification": { "endpoint": { "uri": "http://127.0.0.1:1/notify" } },
    })
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn registrations_and_subscriptions_to_them_survive_kills_in_the_middle_of_writing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..3 {
        let (broker, http) = start(&data).await;
        // What was acknowledged before the last kill is there, whatever was under way then.
        let known = http.get("/csourceRegistrations?type=Car&limit=1000").await.expect(200);
        let watching = http.get("/csourceSubscriptions?limit=1000").await.expect(200);
        for id in &acknowledged {
            assert!(ids(&known).iter().any(|known| known.ends_with(id.as_str())), "{id} is lost");
            assert!(ids(&watching).iter().any(|known| known.ends_with(id.as_str())), "{id} is lost");
        }
        for number in 0..20 {
            let id = format!("{round}-{number}");
            http.post("/csourceRegistrations", &registration(&id, "http://127.0.0.1:1")).await.expect(201);
            http.post("/csourceSubscriptions", &subscription(&id)).await.expect(201);
            acknowledged.push(id);
        }
        let gone = format!("/csourceRegistrations/urn:ngsi-ld:ContextSourceRegistration:{round}-0");
        http.delete(&gone).await.expect(204);
        http.delete(&format!("/csourceSubscriptions/urn:ngsi-ld:Subscription:{round}-0")).await.expect(204);
        acknowledged.retain(|id| *id != format!("{round}-0"));
        // More is under way while it dies; whether that is there is not promised.
        let late = registration(&format!("{round}-late"), "http://127.0.0.1:1");
        let late = http.request(Method::POST, "/csourceRegistrations").json(&late).send();
        let (_, ()) = tokio::join!(late, broker.kill());
    }
    let (_broker, http) = start(&data).await;
    let known = http.get("/csourceRegistrations?type=Car&limit=1000").await.expect(200);
    assert!(ids(&known).iter().all(|id| !id.ends_with("-0")), "what was deleted is back");
    assert!(acknowledged.iter().all(|one| ids(&known).iter().any(|id| id.ends_with(one.as_str()))));
}

#[tokio::test]
async fn a_copy_of_a_subscription_is_made_after_a_kill_and_let_go_after_another() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    let (source_broker, source) = start(&there).await;
    let endpoint = format!("http://{}", source_broker.address("http"));
    let (broker, http) = start(&here).await;
    http.post("/csourceRegistrations", &registration("r", &endpoint)).await.expect(201);
    http.post("/subscriptions", &subscription("s")).await.expect(201);
    broker.kill().await;
    let (broker, http) = start(&here).await;
    let copies = async |count: usize| {
        let found = async || source.get("/subscriptions").await.expect(200).as_array().unwrap().len();
        let there = async {
            while found().await != count {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), there).await.expect("the copies");
    };
    copies(1).await;
    http.delete("/subscriptions/urn:ngsi-ld:Subscription:s").await.expect(204);
    broker.kill().await;
    let (_broker, _http) = start(&here).await;
    copies(0).await;
}

#[tokio::test]
async fn snapshots_and_tenants_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (broker, http) = start(&data).await;
    let car =
        json!({ "id": "urn:ngsi-ld:Car:1", "type": "Car", "speed": { "type": "Property", "value": 7 } });
    http.post("/entities", &car).await.expect(201);
    let snapshot = json!({
        "id": "urn:ngsi-ld:Snapshot:1", "type": "Snapshot",
        "snapshotQueries": [{ "type": "Query", "entities": [{ "type": "Car" }] }],
    });
    http.post("/snapshots", &snapshot).await.expect(201);
    let base = format!("http://{}/ngsi-ld/v1", broker.address("http"));
    let client = reqwest::Client::new();
    let blue =
        client.post(format!("{base}/entities")).header("ngsild-tenant", "Blue").json(&car).send().await;
    assert_eq!(blue.unwrap().status(), 201);
    let filled = async {
        while http.get("/snapshots/urn:ngsi-ld:Snapshot:1").await.expect(200)["status"] == "preparing" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), filled).await.expect("the snapshot");
    let before = http.get("/snapshots/urn:ngsi-ld:Snapshot:1").await.expect(200);
    http.delete("/entities/urn:ngsi-ld:Car:1").await.expect(204);
    broker.kill().await;
    let (broker, http) = start(&data).await;
    let after = http.get("/snapshots/urn:ngsi-ld:Snapshot:1").await.expect(200);
    assert_eq!((&after["id"], &after["status"]), (&before["id"], &before["status"]));
    http.get("/entities/urn:ngsi-ld:Car:1").await.expect(404);
    let base = format!("http://{}/ngsi-ld/v1", broker.address("http"));
    let get = |header: &'static str, value: &'static str| {
        client.get(format!("{base}/entities/urn:ngsi-ld:Car:1")).header(header, value).send()
    };
    assert_eq!(get("ngsild-tenant", "Blue").await.unwrap().status(), 200);
    let in_snapshot = get("ngsild-snapshot", "urn:ngsi-ld:Snapshot:1").await.unwrap();
    assert_eq!(in_snapshot.json::<Value>().await.unwrap()["speed"]["value"], 7);
}
