//! The oneM2M CSE and ACME, a CSE that others wrote, as neighbours: ACME is a middle node that registers with ours.
//! Registration, requests that go on, announced resources both ways, and notifications from one to the other.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::TcpListener, path::Path, time::Duration};

use morgana_testbed::{Broker, clients::Client};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// ACME starts an interpreter and loads its policies on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

struct Neighbours {
    ours: String,
    acme: String,
    http: reqwest::Client,
    _broker: Broker,
    _acme: Child,
    _folder: TempDir,
}

impl Neighbours {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let switches = ["--cse-id", "id-in", "--cse-name", "cse-in", "--accept-cse", "/id-mn"];
        let broker = Broker::start(MORGANA, "onem2m", &folder.path().join("data"), &switches).await;
        let ours = format!("http://{}", broker.address("http"));
        let port = free_port();
        let acme = acme(&folder.path().join("acme"), port, &ours);
        let neighbours = Self {
            ours,
            acme: format!("http://127.0.0.1:{port}"),
            http: reqwest::Client::new(),
            _broker: broker,
            _acme: acme,
            _folder: folder,
        };
        // Each has the other as a remoteCSE.
        for (base, path) in [(&neighbours.ours, "cse-in/id-mn"), (&neighbours.acme, "cse-mn/id-in")] {
            let registered = async {
                loop {
                    let request = neighbours.request(reqwest::Method::GET, base, path, "CAdmin");
                    if request.send().await.is_ok_and(|answer| answer.status() == 200) {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            };
            tokio::time::timeout(PATIENCE, registered)
                .await
                .unwrap_or_else(|_| panic!("{path} is not there"));
        }
        neighbours
    }

    fn request(
        &self,
        method: reqwest::Method,
        base: &str,
        path: &str,
        from: &str,
    ) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{base}/{path}"));
        request.header("x-m2m-origin", from).header("x-m2m-ri", "1").header("x-m2m-rvi", "4")
    }

    /// Sends what must succeed; gives the attributes.
    async fn send(
        &self,
        method: reqwest::Method,
        base: &str,
        path: &str,
        from: &str,
        content: Option<(u32, Value)>,
    ) -> Value {
        let mut request = self.request(method, base, path, from);
        if let Some((ty, content)) = content {
            let kind =
                if ty == 0 { "application/json".to_owned() } else { format!("application/json;ty={ty}") };
            request = request.header("content-type", kind).body(content.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
        assert!(status.is_success(), "{base}/{path}: {status}: {body}");
        body.as_object().and_then(|body| body.values().next().cloned()).unwrap_or_default()
    }

    async fn post(&self, base: &str, path: &str, from: &str, ty: u32, content: Value) -> Value {
        self.send(reqwest::Method::POST, base, path, from, Some((ty, content))).await
    }

    async fn put(&self, base: &str, path: &str, from: &str, content: Value) -> Value {
        self.send(reqwest::Method::PUT, base, path, from, Some((0, content))).await
    }

    async fn get(&self, base: &str, path: &str, from: &str) -> Value {
        self.send(reqwest::Method::GET, base, path, from, None).await
    }

    async fn status(&self, base: &str, path: &str, from: &str) -> u16 {
        self.request(reqwest::Method::GET, base, path, from).send().await.unwrap().status().as_u16()
    }

    /// Looks until something is so.
    async fn until(&self, base: &str, path: &str, is_so: impl Fn(u16, &Value) -> bool) {
        let looked = async {
            loop {
                let answer = self.request(reqwest::Method::GET, base, path, "CAdmin").send().await.unwrap();
                let status = answer.status().as_u16();
                let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
                if is_so(status, &body) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looked).await.unwrap_or_else(|_| panic!("{base}/{path}"));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts ACME as the middle node `/id-mn`.
fn acme(folder: &Path, port: u16, registrar: &str) -> Child {
    std::fs::create_dir_all(folder).unwrap();
    let base = folder.display();
    let configuration = format!(
        "[basic.config]\ncseType=MN\ncseID=id-mn\ncseName=cse-mn\nadminID=CAdmin\ndataDirectory={base}\n\
         baseDirectory={base}\nnetworkInterface=127.0.0.1\ncseHost=127.0.0.1\nhttpPort={port}\nlogLevel=off\n\
         databaseType=memory\nconsoleTheme=dark\nserviceProviderID=//morgana.example\nsecret=acme\n\
         [cse.registration]\nallowedCSROriginators=/id-in\ncheckInterval=2\n\
         [cse.registrar]\naddress={registrar}\ncseID=/id-in\nresourceName=cse-in\n[logging]\npath={base}/logs\n"
    );
    std::fs::write(folder.join("acme.ini"), configuration).unwrap();
    let client = Client::of("acme");
    Command::new(client.python("acmecse"))
        .args(["--headless", "--db-type", "memory", "--config", "acme.ini", "--base-directory"])
        .arg(folder)
        .current_dir(folder)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("acmecse can be started")
}

/// The path of an SP-relative address.
fn path_of(address: &Value) -> String {
    format!("~{}", address.as_str().unwrap_or_else(|| panic!("{address} is no address")))
}

#[tokio::test]
async fn acme_and_ours_are_neighbours() {
    let both = Neighbours::start().await;
    let (ours, acme) = (both.ours.as_str(), both.acme.as_str());

    // Requests go on through ours to ACME, and through ACME to ours.
    let ae = |name: &str| json!({"m2m:ae": {"rn": name, "api": "N1", "rr": true, "srv": ["4"]}});
    both.post(ours, "~/id-mn/-", "/id-in/Cthere", 2, ae("there")).await;
    both.post(ours, "~/id-mn/cse-mn/there", "Cthere", 3, json!({"m2m:cnt": {"rn": "box"}})).await;
    both.post(ours, "~/id-mn/cse-mn/there/box", "Cthere", 4, json!({"m2m:cin": {"con": "hot"}})).await;
    assert_eq!(both.get(acme, "cse-mn/there/box/la", "CAdmin").await["con"], "hot");
    both.post(ours, "cse-in", "Chere", 2, ae("here")).await;
    both.post(ours, "cse-in/here", "Chere", 3, json!({"m2m:cnt": {"rn": "box", "mni": 3}})).await;
    assert_eq!(both.get(acme, "~/id-in/cse-in/here/box", "/id-in/Chere").await["mni"], 3);

    // What is announced to ACME follows its original.
    let announced =
        json!({"m2m:cnt": {"rn": "shown", "mni": 1, "lbl": ["one"], "at": ["/id-mn"], "aa": ["mni"]}});
    let at = path_of(&both.post(ours, "cse-in/here", "Chere", 3, announced).await["at"][0]);
    let shown = both.get(acme, &at, "CAdmin").await;
    assert_eq!((&shown["ty"], &shown["mni"], &shown["lbl"]), (&json!(10_003), &json!(1), &json!(["one"])));
    both.put(ours, "cse-in/here/shown", "Chere", json!({"m2m:cnt": {"mni": 2, "lbl": null}})).await;
    let shown = both.get(acme, &at, "CAdmin").await;
    assert_eq!(shown["mni"], 2);
    assert!(shown.get("lbl").is_none(), "{shown}");
    both.send(reqwest::Method::DELETE, ours, "cse-in/here/shown", "Chere", None).await;
    assert_eq!(both.status(acme, &at, "CAdmin").await, 404);

    // And the other way.
    let announced = json!({"m2m:cnt": {"rn": "shown", "mni": 7, "at": ["/id-in"], "aa": ["mni"]}});
    let at = path_of(&both.post(acme, "cse-mn", "CAdmin", 3, announced).await["at"][0]);
    assert_eq!(both.get(ours, &at, "CAdmin").await["mni"], 7);
    both.put(acme, "cse-mn/shown", "CAdmin", json!({"m2m:cnt": {"mni": 8}})).await;
    both.until(ours, &at, |_, shown| shown["m2m:cntA"]["mni"] == 8).await;
    both.send(reqwest::Method::DELETE, acme, "cse-mn/shown", "CAdmin", None).await;
    both.until(ours, &at, |status, _| status == 404).await;

    // One window over a container here and one there.
    let governed = json!({"m2m:acp": {"rn": "p", "pv": {"acr": [{"acor": ["/id-in/Chere", "CAdmin"], "acop": 63}]},
        "pvs": {"acr": [{"acor": ["CAdmin"], "acop": 63}]}}});
    both.post(acme, "cse-mn", "CAdmin", 1, governed).await;
    both.post(acme, "cse-mn", "CAdmin", 3, json!({"m2m:cnt": {"rn": "far", "acpi": ["cse-mn/p"]}})).await;
    let cross = json!({"m2m:crs": {"rn": "cross", "nu": ["Chere"], "twt": 2, "tws": "PT60S",
        "rrat": ["cse-in/here/box", "/id-mn/cse-mn/far"], "encs": {"enc": [{"net": [3]}]}, "exc": 1}});
    let cross = both.post(ours, "cse-in/here", "Chere", 48, cross).await;
    let far = path_of(&cross["rrats"][1]);
    assert_eq!(both.status(acme, &far, "CAdmin").await, 200);
    both.post(ours, "cse-in/here/box", "Chere", 4, json!({"m2m:cin": {"con": 1}})).await;
    both.post(acme, "cse-mn/far", "CAdmin", 4, json!({"m2m:cin": {"con": 1}})).await;
    // Its one notification was its last: then it ends, here and there.
    both.until(ours, "cse-in/here/cross", |status, _| status == 404).await;
    both.until(acme, &far, |status, _| status == 404).await;
}
