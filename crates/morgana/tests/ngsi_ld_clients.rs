//! Clients of NGSI-LD that others wrote, against `morgana broker ngsi-ld`.

use std::path::Path;

use morgana_testbed::Broker;
use morgana_testbed::clients::Client;
use serde_json::Value;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// Runs an application to its end, and gives the data of the first notification that it caused.
async fn run(client: &str, script: &str) -> Value {
    let folder = tempfile::tempdir().expect("a folder for the broker");
    let switches = ["--history-instances", "100"];
    let broker = Broker::start(MORGANA, "ngsi-ld", &folder.path().join("data"), &switches).await;
    let base = format!("http://{}", broker.address("http"));
    let documents = Client::of(client).play(script, &base).await;
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents[0]["data"][0].clone()
}

#[tokio::test]
async fn an_application_on_ngsijs_works_and_is_notified() {
    let told = run("ngsijs", "room_ld.js").await;
    assert_eq!((&told["id"], &told["temperature"]["value"]), (&"urn:ngsi-ld:Room:1".into(), &22.into()));
}

#[tokio::test]
async fn an_application_on_ngsildclient_works_and_is_notified() {
    let told = run("ngsildclient", "room.py").await;
    assert_eq!((&told["id"], &told["temperature"]["value"]), (&"urn:ngsi-ld:Room:3".into(), &33.5.into()));
}

#[tokio::test]
async fn names_are_those_of_a_full_json_ld_processor() {
    let folder = tempfile::tempdir().expect("a folder for the broker");
    // The contexts that it hosts itself are at an address that is not public.
    let switches = ["--allow-host", "127.0.0.1"];
    let broker = Broker::start(MORGANA, "ngsi-ld", &folder.path().join("data"), &switches).await;
    let base = format!("http://{}", broker.address("http"));
    // Beside the repository where it was made; elsewhere the script says that there are none.
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/smart-data-models");
    let examples = examples.to_str().expect("a path in UTF-8");
    let outcome = Client::of("pyld").run("oracle.py", &[&base, examples]).await;
    eprintln!("{}", outcome.stdout);
    assert_eq!(outcome.status, Some(0), "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.ends_with("done\n"), "{}", outcome.stdout);
}
