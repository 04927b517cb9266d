//! Clients of NGSIv2 that others wrote, against `morgana broker ngsi-v2`.

use std::process::Stdio;

use morgana_testbed::clients::Client;
use morgana_testbed::{Answer, Broker, Http, PATIENCE, eventually};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

async fn broker(folder: &tempfile::TempDir) -> Broker {
    Broker::start(MORGANA, "ngsi-v2", &folder.path().join("data"), &["--multiservice"]).await
}

/// Runs an application to its end, and gives the temperatures that it was notified of.
async fn run(client: &str, script: &str) -> Vec<f64> {
    let folder = tempfile::tempdir().expect("a folder for the broker");
    let broker = broker(&folder).await;
    let base = format!("http://{}", broker.address("http"));
    let documents = Client::of(client).play(script, &base).await;
    documents.iter().filter_map(|document| document["data"][0]["temperature"]["value"].as_f64()).collect()
}

#[tokio::test]
async fn an_application_on_ngsijs_works_and_is_notified() {
    assert_eq!(run("ngsijs", "room.js").await, [22.0]);
}

#[tokio::test]
async fn an_application_on_filip_works_and_is_notified() {
    assert_eq!(run("filip", "room.py").await, [22.0]);
}

#[tokio::test]
async fn an_agent_on_iotagent_node_lib_provisions_measures_and_is_commanded() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(&folder).await;
    let address = broker.address("http");
    let (host, port) = address.split_once(':').unwrap();
    let mut command = Client::of("iotagent").command("agent.js");
    let mut agent = command.args([host, port]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(agent.stdout.take().unwrap()).lines();
    let ready = async { while lines.next_line().await.unwrap().expect("the agent runs on") != "ready" {} };
    tokio::time::timeout(PATIENCE, ready).await.expect("the agent gets ready");

    let context = Http::new(format!("http://{address}"), None);
    let send = async |method, path: &str, body: Option<serde_json::Value>| {
        let mut request = context.request(method, path).header("fiware-service", "smart");
        request = request.header("fiware-servicepath", "/lamps");
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.send().await.unwrap()).await
    };
    let lamp = async || {
        let path = "/v2/entities/Lamp:lamp1?type=Lamp&options=keyValues,skipForwarding";
        send(Method::GET, path, None).await.expect(200)
    };
    let shown = lamp().await;
    assert_eq!((&shown["brightness"], &shown["maker"]), (&json!(50), &json!("Morgana")));
    // Nothing of it is in another service.
    context.get("/v2/entities/Lamp:lamp1").await.expect(404);

    let switch = json!({ "switch": { "type": "command", "value": "on" } });
    send(Method::PATCH, "/v2/entities/Lamp:lamp1/attrs?type=Lamp", Some(switch)).await.expect(204);
    let done = async || match lamp().await {
        shown if shown["switch_status"] == "OK" => Ok(shown),
        other => Err(other),
    };
    let shown = eventually("the command is done", done).await;
    assert_eq!((&shown["switch_info"], &shown["brightness"]), (&json!("it is on"), &json!(100)));
}
