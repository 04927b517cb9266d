//! `morgana broker onem2m` as a process, and clients that others wrote against it over every binding.

use morgana_testbed::{Broker, Http, clients::Client, eventually, run_program};
use serde_json::json;
use tempfile::TempDir;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");
const ADMIN: [(&str, &str); 3] = [("x-m2m-origin", "CAdmin"), ("x-m2m-ri", "1"), ("x-m2m-rvi", "4")];

struct Cse {
    broker: Broker,
    _folder: TempDir,
}

impl Cse {
    async fn start(switches: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let broker = Broker::start(MORGANA, "onem2m", &folder.path().join("data"), switches).await;
        Self { broker, _folder: folder }
    }
}

/// A script that ends with `done` has found all as it should be.
async fn succeeds(client: &str, script: &str, arguments: &[&str]) {
    let outcome = Client::of(client).run(script, arguments).await;
    assert_eq!(outcome.status, Some(0), "{script}: {}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.ends_with("done\n"), "{script}: {}", outcome.stdout);
}

#[tokio::test]
async fn an_agent_of_onem2m_mcp_works_over_http() {
    let cse = Cse::start(&[]).await;
    let url = format!("http://{}", cse.broker.address("http"));
    succeeds("onem2m-mcp", "agent.py", &[&url, "Mobius", "CAdmin"]).await;
}

#[tokio::test]
async fn an_ae_of_acmes_parts_works_over_mqtt_in_json_and_cbor() {
    let cse = Cse::start(&["--mqtt-port", "0", "--cse-id", "id-in", "--cse-name", "cse-in"]).await;
    let address = cse.broker.address("mqtt");
    let (host, port) = address.split_once(':').unwrap();
    for form in ["json", "cbor"] {
        succeeds("acme", "mqtt_ae.py", &[host, port, "/id-in", "cse-in", form]).await;
    }
}

#[tokio::test]
async fn aes_with_websockets_work_in_json_and_cbor_and_are_notified() {
    let cse = Cse::start(&["--ws-port", "0"]).await;
    let url = format!("ws://{}", cse.broker.address("ws"));
    for form in ["json", "cbor"] {
        succeeds("acme", "websocket_ae.py", &[&url, "Mobius", form]).await;
    }
}

#[tokio::test]
async fn an_ae_with_aiocoap_works_and_is_notified() {
    let cse = Cse::start(&["--coap-port", "0"]).await;
    let address = cse.broker.address("coap");
    let (host, port) = address.split_once(':').unwrap();
    succeeds("acme", "coap_ae.py", &[host, port, "Mobius"]).await;
}

#[tokio::test]
async fn the_client_of_acme_reads_answers_of_several_coap_blocks() {
    let cse = Cse::start(&["--coap-port", "0"]).await;
    let address = cse.broker.address("coap");
    let (host, port) = address.split_once(':').unwrap();
    succeeds("acme", "coapthon_ae.py", &[host, port, "Mobius"]).await;
}

#[tokio::test]
async fn what_was_acknowledged_over_any_binding_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let broker = Broker::start(MORGANA, "onem2m", &data, &[]).await;
    let base = format!("http://{}", broker.address("http"));
    let http = reqwest::Client::new();
    let post = |path: &str, ty: u32, content: serde_json::Value| {
        let mut request = http.post(format!("{base}/{path}")).body(content.to_string());
        for (name, value) in ADMIN {
            request = request.header(name, value);
        }
        request.header("content-type", format!("application/json;ty={ty}")).send()
    };
    assert_eq!(post("Mobius", 3, json!({ "m2m:cnt": { "rn": "c" } })).await.unwrap().status(), 201);
    for number in 0..20 {
        let made = post("Mobius/c", 4, json!({ "m2m:cin": { "con": number.to_string() } })).await.unwrap();
        assert_eq!(made.status(), 201);
    }
    broker.kill().await;
    let broker = Broker::start(MORGANA, "onem2m", &data, &[]).await;
    let mut request = http.get(format!("http://{}/Mobius/c", broker.address("http")));
    for (name, value) in ADMIN {
        request = request.header(name, value);
    }
    let container: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(container["m2m:cnt"]["cni"], 20);
}

#[tokio::test]
async fn the_cse_is_who_its_switches_say() {
    let switches = [
        "--cse-name",
        "in-name",
        "--cse-id",
        "in-cse",
        "--sp-id",
        "sp.example",
        "--administrator",
        "CBoss",
        "--release",
        "3",
        "--point-of-access",
        "http://cse.example",
        "--body-max-bytes",
        "1000",
    ];
    let cse = Cse::start(&switches).await;
    let base = format!("http://{}", cse.broker.address("http"));
    let get = async |path: &str, release: &str, originator: &str| {
        let request = reqwest::Client::new().get(format!("{base}{path}"));
        let request = request.header("x-m2m-origin", originator).header("x-m2m-ri", "1");
        let answer = request.header("x-m2m-rvi", release).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
    };
    for path in ["/in-name", "/~/in-cse/in-name", "/_/sp.example/in-cse/in-name"] {
        let (status, base) = get(path, "3", "CBoss").await;
        assert_eq!(status, 200, "{path}: {base}");
        assert_eq!(base["m2m:cb"]["csi"], "/in-cse");
        assert_eq!(base["m2m:cb"]["srv"], json!(["2", "2a", "3"]));
        assert_eq!(base["m2m:cb"]["poa"], json!(["http://cse.example"]));
    }
    assert_eq!(get("/in-name", "4", "CBoss").await.0, 501);
    assert_eq!(get("/in-name", "3", "CAdmin").await.0, 403);
    let large = "x".repeat(2_000);
    let answer = Http::new(base, None).post("/in-name", &json!({ "m2m:cnt": { "lbl": [large] } })).await;
    assert!(answer.expect(400)["m2m:dbg"].as_str().unwrap().contains("1000 bytes"));
}

#[tokio::test]
async fn a_middle_node_registers_with_its_infrastructure_node() {
    let infrastructure =
        Cse::start(&["--cse-id", "id-in", "--cse-name", "cse-in", "--accept-cse", "/id-mn"]).await;
    let base = format!("http://{}", infrastructure.broker.address("http"));
    let switches = [
        "--cse-type",
        "mn",
        "--cse-id",
        "id-mn",
        "--cse-name",
        "cse-mn",
        "--registrar",
        &base,
        "--registrar-id",
        "id-in",
    ];
    let _middle = Cse::start(&switches).await;
    let http = reqwest::Client::new();
    let shown = eventually("the infrastructure node reaches the middle node's CSEBase", async || {
        let mut request = http.get(format!("{base}/~/id-mn/cse-mn"));
        for (name, value) in [("x-m2m-origin", "/id-in/CAdmin"), ADMIN[1], ADMIN[2]] {
            request = request.header(name, value);
        }
        let text = request.send().await.map_err(|error| error.to_string())?.text().await;
        let text = text.map_err(|error| error.to_string())?;
        // The administrator of one CSE is nobody at the other: what counts is who answers.
        if text.contains("no privilege") { Ok(text) } else { Err(text) }
    })
    .await;
    assert!(shown.contains("cse-mn"), "{shown}");
}

#[tokio::test]
async fn the_upper_tester_is_there_only_when_asked_for() {
    for (switches, expected) in [(&[][..], 404), (&["--upper-tester"][..], 200)] {
        let cse = Cse::start(switches).await;
        let url = format!("http://{}/__ut__", cse.broker.address("http"));
        let request = reqwest::Client::new().post(url).header("x-m2m-utcmd", "Status");
        let request = request.header("x-m2m-origin", "CAdmin").header("x-m2m-ri", "1");
        assert_eq!(request.send().await.unwrap().status().as_u16(), expected);
    }
}

#[tokio::test]
async fn with_a_token_only_who_shows_it_is_answered_and_is_authenticated_to_policies() {
    let cse = Cse::start(&["--token", "sesame"]).await;
    let base = format!("http://{}", cse.broker.address("http"));
    let http = reqwest::Client::new();
    let ask = async |request: reqwest::RequestBuilder, from: &str, token: Option<&str>| {
        let request = request.header("x-m2m-origin", from).header("x-m2m-ri", "1").header("x-m2m-rvi", "4");
        let request = match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        request.send().await.unwrap().status().as_u16()
    };
    let post = |ty: u32, content: serde_json::Value| {
        let request = http.post(format!("{base}/Mobius")).body(content.to_string());
        request.header("content-type", format!("application/json;ty={ty}"))
    };
    for token in [None, Some("wrong")] {
        assert_eq!(ask(http.get(format!("{base}/Mobius")), "CAdmin", token).await, 401);
    }
    let rule = json!({ "acr": [{ "acor": ["Cother"], "acop": 63, "acaf": true }] });
    let policy = json!({ "m2m:acp": { "rn": "acp", "pv": rule, "pvs": rule } });
    assert_eq!(ask(post(1, policy), "CAdmin", Some("sesame")).await, 201);
    let container = json!({ "m2m:cnt": { "rn": "c", "acpi": ["Mobius/acp"] } });
    assert_eq!(ask(post(3, container), "CAdmin", Some("sesame")).await, 201);
    assert_eq!(ask(http.get(format!("{base}/Mobius/c")), "Cother", Some("sesame")).await, 200);
    assert_eq!(ask(http.get(format!("{base}/Mobius/c")), "Cother", None).await, 401);
}

#[tokio::test]
async fn switches_that_make_no_sense_are_refused_with_their_name() {
    let folder = tempfile::tempdir().unwrap();
    for (switches, name) in [
        (["--cse-name", "a/b"], "--cse-name"),
        (["--cse-id", ""], "--cse-id"),
        (["--release", "1"], "--release"),
        (["--registrar", "http://host"], "--registrar"),
        (["--cse-type", "x"], "--cse-type"),
        (["--mqtt", "http://broker"], "--mqtt"),
        (["--coap-port", "99999"], "--coap-port"),
        (["--token=x", "--ws-port=0"], "--token"),
    ] {
        let arguments = [&["broker", "onem2m", "--port", "0"][..], &switches].concat();
        let outcome = run_program(MORGANA, &arguments, &[], folder.path()).await;
        assert_eq!(outcome.status, Some(2), "{name}");
        assert!(outcome.stderr.contains(name), "{name}: {}", outcome.stderr);
    }
}
