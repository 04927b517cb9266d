//! The switches of `morgana broker ngsi-v2`, and what its administrator sees and changes.

use std::process::Stdio;

use morgana_testbed::{Answer, Broker, Http, Listener, PATIENCE, run_program};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

async fn start(folder: &tempfile::TempDir, switches: &[&str]) -> (Broker, Http) {
    let broker = Broker::start(MORGANA, "ngsi-v2", &folder.path().join("data"), switches).await;
    let http = Http::new(format!("http://{}", broker.address("http")), None);
    (broker, http)
}

async fn send(
    http: &Http,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Answer {
    let mut request = http.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    Answer::of(request.send().await.expect("an answer")).await
}

#[tokio::test]
async fn orions_command_line_works() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "-multiservice",
        "-corsOrigin",
        "__ALL",
        "-inReqPayloadMaxSize",
        "100",
        "-dbURI",
        "mongodb://x",
        "-fg",
    ];
    let (_broker, http) = start(&folder, &flags).await;
    let service = [("fiware-service", "one")];
    send(&http, Method::POST, "/v2/entities", &service, Some(json!({ "id": "E" }))).await.expect(201);
    assert_eq!(http.get("/v2/entities").await.expect(200), json!([]));
    let large = json!({ "id": "x".repeat(200) });
    let refused = http.post("/v2/entities", &large).await.expect(413);
    assert!(refused["description"].as_str().unwrap().ends_with("max size supported: 100"), "{refused}");
    let asked =
        http.request(Method::GET, "/v2/entities").header("origin", "http://page").send().await.unwrap();
    assert_eq!(asked.headers()["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn a_flag_that_would_be_missed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["broker", "ngsi-v2", "--port", "0", "--data", data.to_str().unwrap(), "-https"];
    let outcome = run_program(MORGANA, &arguments, &[], folder.path()).await;
    assert_eq!(outcome.status, Some(2));
    assert!(outcome.stderr.contains("--https"), "{}", outcome.stderr);
}

#[tokio::test]
async fn a_broker_with_a_token_answers_who_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let (broker, http) = start(&folder, &["--token", "sesame"]).await;
    http.get("/v2/entities").await.expect(401);
    http.get("/metrics").await.expect(401);
    let shown = Http::new(format!("http://{}", broker.address("http")), Some("sesame"));
    shown.get("/v2/entities").await.expect(200);
}

#[tokio::test]
async fn a_subscriber_cannot_reach_inside_when_that_is_forbidden() {
    let folder = tempfile::tempdir().unwrap();
    let (_broker, http) = start(&folder, &["--public-endpoints-only"]).await;
    let listener = Listener::start().await;
    let port = listener.uri().split(':').nth(2).unwrap().split('/').next().unwrap().to_owned();
    let targets = [
        json!({ "http": { "url": listener.uri() } }),
        json!({ "http": { "url": format!("http://localhost:{port}/") } }),
        json!({ "mqtt": { "url": format!("mqtt://127.0.0.1:{port}"), "topic": "t" } }),
    ];
    for mut notification in targets {
        notification["attrs"] = json!(["n"]);
        let subscription =
            json!({ "subject": { "entities": [{ "idPattern": ".*" }] }, "notification": notification });
        http.post("/v2/subscriptions", &subscription).await.expect(201);
    }
    let far = json!({ "dataProvided": { "entities": [{ "id": "E" }] }, "provider": { "http": { "url": listener.uri() } } });
    http.post("/v2/registrations", &far).await.expect(201);
    http.post("/v2/entities", &json!({ "id": "E", "n": { "value": 1 } })).await.expect(201);
    http.get("/v2/entities/E").await.expect(200);
    let failed = async || {
        let shown = http.get("/v2/subscriptions").await.expect(200);
        let reasons: Vec<_> = shown
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["notification"]["lastFailureReason"].as_str().map(str::to_owned))
            .collect();
        if reasons.len() == 3 { Ok(reasons) } else { Err(shown) }
    };
    for reason in morgana_testbed::eventually("all three fail", failed).await {
        assert!(reason.contains("public address"), "{reason}");
    }
    assert!(listener.posted.all().is_empty());
}

#[tokio::test]
async fn the_level_of_the_log_can_be_changed_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(MORGANA);
    command
        .args(["broker", "--log", "warn", "ngsi-v2", "--port", "0", "--data"])
        .arg(folder.path().join("data"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let greeting = BufReader::new(child.stdout.take().unwrap()).lines().next_line().await.unwrap().unwrap();
    let address = greeting.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let http = Http::new(format!("http://{address}"), None);
    assert_eq!(http.get("/admin/log").await.expect(200), json!({ "level": "WARNING" }));
    send(&http, Method::PUT, "/admin/log?level=loud", &[], Some(json!({}))).await.expect(400);
    send(&http, Method::PUT, "/admin/log?level=DEBUG", &[], Some(json!({}))).await.expect(200);
    assert_eq!(http.get("/admin/log").await.expect(200), json!({ "level": "DEBUG" }));
    // A notification that nobody takes is a line at this level.
    let nobody = json!({
        "subject": { "entities": [{ "idPattern": ".*" }] },
        "notification": { "http": { "url": "http://127.0.0.1:1/" } }
    });
    http.post("/v2/subscriptions", &nobody).await.expect(201);
    http.post("/v2/entities", &json!({ "id": "E" })).await.expect(201);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let said = async { while !lines.next_line().await.unwrap().unwrap().contains("was not delivered") {} };
    tokio::time::timeout(PATIENCE, said).await.expect("the log says it");
}

#[tokio::test]
async fn metrics_are_counted_by_service_and_path_and_for_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    let (_broker, http) = start(&folder, &["--multiservice"]).await;
    let garden = [("fiware-service", "madrid"), ("fiware-servicepath", "/garden/#")];
    send(&http, Method::GET, "/v2/entities", &garden, None).await.expect(200);
    send(&http, Method::GET, "/v2/entities/none", &garden, None).await.expect(404);
    send(&http, Method::GET, "/v2/entities", &[("fiware-service", "not-one")], None).await.expect(400);
    let shown = http.get("/admin/metrics?reset=true").await.expect(200);
    let counted = &shown["services"]["madrid"]["subservs"]["garden"];
    assert_eq!(
        (&counted["incomingTransactions"], &counted["incomingTransactionErrors"]),
        (&json!(2), &json!(1))
    );
    assert!(counted["serviceTime"].as_f64().unwrap() > 0.0);
    assert_eq!(shown["sum"]["sum"]["incomingTransactions"], 2);
    http.delete("/admin/metrics").await.expect(204);
    let statistics = http.get("/statistics").await.expect(200);
    assert!(statistics["counters"]["requests"].as_u64().unwrap() >= 4, "{statistics}");
    http.delete("/statistics").await.expect(200);
    http.post("/v2/entities", &json!({ "id": "E" })).await.expect(201);
    let text = http.get("/metrics").await.expect(200);
    let text = text.as_str().unwrap();
    assert!(text.contains("\nmorgana_ngsi_v2_entities 1\n"), "{text}");
    assert!(text.contains("# TYPE morgana_ngsi_v2_requests_total counter"), "{text}");
}
