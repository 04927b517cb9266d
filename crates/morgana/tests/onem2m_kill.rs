//! `kill -9` of `morgana broker onem2m`, again and again: every type of resource is there afterwards as it was acknowledged, and does what
//! it is for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use morgana_testbed::{Broker, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");
const ADMIN: &str = "CAdmin";

/// A CSE that can be killed.
struct Mortal {
    broker: Broker,
    http: reqwest::Client,
    data: PathBuf,
    _folder: TempDir,
}

async fn start(data: &Path) -> Broker {
    let switches =
        ["--cse-name", "cse-in", "--cse-id", "id-in", "--accept-cse", "/id-mn", "--mqtt-port", "0"];
    Broker::start(MORGANA, "onem2m", data, &switches).await
}

impl Mortal {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Self { broker: start(&data).await, http: reqwest::Client::new(), data, _folder: folder }
    }

    async fn kill(self) -> Self {
        let Self { broker, http, data, _folder } = self;
        broker.kill().await;
        Self { broker: start(&data).await, http, data, _folder }
    }

    /// The response status code of oneM2M, and the content.
    async fn ask(&self, method: Method, to: &str, from: &str, content: Option<(u32, Value)>) -> (u64, Value) {
        let url = format!("http://{}/{to}", self.broker.address("http"));
        let mut request = self.http.request(method, url).header("x-m2m-origin", from);
        request = request.header("x-m2m-ri", "1").header("x-m2m-rvi", "4");
        if let Some((ty, content)) = content {
            let kind =
                if ty == 0 { "application/json".to_owned() } else { format!("application/json;ty={ty}") };
            request = request.header("content-type", kind).body(content.to_string());
        }
        let answer = request.send().await.unwrap();
        let code = answer.headers()["x-m2m-rsc"].to_str().unwrap().parse().unwrap();
        (code, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    async fn get(&self, to: &str) -> Value {
        let (code, content) = self.ask(Method::GET, to, ADMIN, None).await;
        assert_eq!(code, 2000, "{to}: {content}");
        content
    }

    async fn make(&self, to: &str, from: &str, ty: u32, content: Value) -> Value {
        let (code, made) = self.ask(Method::POST, to, from, Some((ty, content))).await;
        assert_eq!(code, 2001, "{ty} below {to}: {made}");
        made
    }
}

/// Where a resource is made, by whom, its type and its content, which has a name.
type Wanted = (&'static str, &'static str, u32, Value);

fn every_type() -> Vec<Wanted> {
    let area = json!({"type": "Polygon", "coordinates": [[[0, 0], [0, 10], [10, 10], [10, 0]]]});
    let flex = json!({"cod:tempe": {"rn": "flex", "cnd": "org.onem2m.common.moduleclass.temperature", "curT0": 23.0,
        "fcied": true, "mni": 5}});
    let cross = json!({"m2m:crs": {"rn": "cross", "nu": ["mqtt://host/watcher"], "twt": 1, "tws": "PT600S",
        "rrat": ["cse-in/cnt", "cse-in/ts"], "encs": {"enc": [{"net": [3]}]}}});
    let rule = json!({"acr": [{"acor": ["Cother"], "acop": 63, "acco": [{"actw": ["* * * * * * *"]}]}]});
    vec![
        ("cse-in", ADMIN, 1, json!({"m2m:acp": {"rn": "acp", "pv": rule, "pvs": rule}})),
        ("cse-in", "Cae", 2, json!({"m2m:ae": {"rn": "ae", "api": "N1", "rr": false, "srv": ["4"]}})),
        ("cse-in/ae", "Cae", 15, json!({"m2m:pch": {"rn": "pch"}})),
        ("cse-in", "Cae", 3, json!({"m2m:cnt": {"rn": "cnt", "lbl": ["a"], "mni": 3}})),
        ("cse-in/cnt", ADMIN, 4, json!({"m2m:cin": {"rn": "cin", "con": "1", "cnf": "text/plain:0"}})),
        ("cse-in", ADMIN, 29, json!({"m2m:ts": {"rn": "ts", "mni": 3}})),
        ("cse-in/ts", ADMIN, 30, json!({"m2m:tsi": {"rn": "tsi", "dgt": "20260101T000000", "con": 5}})),
        ("cse-in", ADMIN, 28, flex),
        ("cse-in", ADMIN, 9, json!({"m2m:grp": {"rn": "grp", "mnm": 5, "mid": ["cse-in/cnt", "cse-in/ts"]}})),
        ("cse-in", ADMIN, 14, json!({"m2m:nod": {"rn": "nod", "ni": "n1"}})),
        ("cse-in/nod", ADMIN, 13, json!({"m2m:bat": {"rn": "bat", "mgd": 1006, "btl": 23, "bts": 1}})),
        ("cse-in/nod", ADMIN, 18, json!({"m2m:sch": {"rn": "sch", "se": {"sce": ["* * * * * * *"]}}})),
        (
            "cse-in",
            ADMIN,
            10,
            json!({"m2m:lcp": {"rn": "lcp", "los": 2, "lit": 2, "lon": "places", "gta": area, "gec": 2}}),
        ),
        (
            "cse-in",
            ADMIN,
            60,
            json!({"m2m:tsb": {"rn": "tsb", "bcnc": 1, "bcni": "PT600S", "bcnu": ["mqtt://host/watcher"]}}),
        ),
        ("cse-in", ADMIN, 34, json!({"m2m:dac": {"rn": "dac", "dae": true, "dap": ["http://127.0.0.1:9/"]}})),
        ("cse-in", ADMIN, 48, cross),
        (
            "cse-in/cnt",
            "Cae",
            23,
            json!({"m2m:sub": {"rn": "sub", "nu": ["Cae"], "enc": {"net": [3], "chty": [4]}}}),
        ),
        (
            "cse-in",
            "/id-mn",
            16,
            json!({"m2m:csr": {"rn": "id-mn", "cb": "/id-mn/cse-mn", "rr": false, "srv": ["4"]}}),
        ),
        (
            "cse-in/id-mn",
            "/id-mn",
            10_003,
            json!({"m2m:cntA": {"rn": "announced", "lnk": "/id-mn/c1", "lbl": ["far"]}}),
        ),
        (
            "cse-in/id-mn",
            "/id-mn",
            10_028,
            json!({"cod:tempeAnnc": {"rn": "flexA", "lnk": "/id-mn/f1", "curT0": 3.0}}),
        ),
    ]
}

/// The addresses of everything below the CSEBase, and what is there.
async fn everything(cse: &Mortal) -> Vec<(String, Value)> {
    let found = cse.get("cse-in?fu=1").await;
    let mut all = Vec::new();
    for address in found["m2m:uril"].as_array().unwrap() {
        let address = address.as_str().unwrap().to_owned();
        let resource = cse.get(&address).await;
        all.push((address, resource));
    }
    all
}

#[tokio::test]
async fn resources_of_every_type_are_there_after_a_kill_as_they_were() {
    let cse = Mortal::start().await;
    // Who may see policies of which it is none of: the administrator asks, and so sees all.
    for (to, from, ty, content) in every_type() {
        cse.make(to, from, ty, content).await;
    }
    let update = json!({"cod:tempe": {"curT0": 24.5}});
    assert_eq!(cse.ask(Method::PUT, "cse-in/flex", ADMIN, Some((0, update))).await.0, 2004);
    assert_eq!(
        cse.ask(Method::PUT, "cse-in/grp", ADMIN, Some((0, json!({"m2m:grp": {"lbl": ["g"]}})))).await.0,
        2004
    );
    let before = everything(&cse).await;
    let types: std::collections::BTreeSet<u64> =
        before.iter().filter_map(|(_, found)| found.as_object()?.values().next()?["ty"].as_u64()).collect();
    // What was made, and the instances of the flexContainer.
    let wanted = every_type().into_iter().map(|(_, _, ty, _)| u64::from(ty)).chain([58]);
    assert_eq!(types, wanted.collect(), "{before:#?}");
    let cse = cse.kill().await;
    assert_eq!(everything(&cse).await, before);
    let cse = cse.kill().await;
    assert_eq!(everything(&cse).await, before);
}

#[tokio::test]
async fn resources_do_what_they_are_for_after_a_kill() {
    let cse = Mortal::start().await;
    for (to, from, ty, content) in every_type() {
        cse.make(to, from, ty, content).await;
    }
    let cse = cse.kill().await;
    // The container counts on, and forgets the oldest.
    for content in 2..=4 {
        cse.make("cse-in/cnt", ADMIN, 4, json!({"m2m:cin": {"con": content.to_string()}})).await;
    }
    assert_eq!(cse.get("cse-in/cnt").await["m2m:cnt"]["cni"], 3);
    assert_eq!(cse.ask(Method::GET, "cse-in/cnt/cin", ADMIN, None).await.0, 4004);
    // The group fans out, the flexContainer keeps its history.
    let answers = cse.get("cse-in/grp/fopt").await;
    assert_eq!(answers["m2m:agr"]["m2m:rsp"].as_array().map(Vec::len), Some(2), "{answers}");
    let update = json!({"cod:tempe": {"curT0": 25.0}});
    assert_eq!(cse.ask(Method::PUT, "cse-in/flex", ADMIN, Some((0, update))).await.0, 2004);
    assert_eq!(cse.get("cse-in/flex").await["cod:tempe"]["cni"], 2);
    // The policy grants, the geo-fence watches, the announced resource is its CSE's to change.
    assert_eq!(cse.ask(Method::GET, "cse-in/acp", "Cother", None).await.0, 2000);
    assert_eq!(cse.ask(Method::GET, "cse-in/cnt", "Cother", None).await.0, 4103);
    let point = json!({"m2m:cin": {"con": {"type": "Point", "coordinates": [5, 5]}}});
    cse.make("cse-in/places", ADMIN, 4, point).await;
    let changed = json!({"m2m:cntA": {"lbl": ["nearer"]}});
    assert_eq!(cse.ask(Method::PUT, "cse-in/id-mn/announced", "/id-mn", Some((0, changed))).await.0, 2004);
    assert_eq!(cse.ask(Method::PUT, "cse-in/id-mn/announced", "Cae", Some((0, json!({})))).await.0 / 1000, 4);
    // The AE hears of what came since, and of nothing twice.
    for expected in 2..=4 {
        let (code, told) = cse.ask(Method::GET, "cse-in/ae/pch/pcu", "Cae", None).await;
        assert_eq!(code, 2000, "{told}");
        let content = &told["m2m:rqp"]["pc"]["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"];
        assert_eq!(content, &json!(expected.to_string()));
    }
    // What is deleted stays so, and what hung on it goes too: the crossResourceSubscription with one of its own.
    for gone in ["cse-in/cnt", "cse-in/id-mn", "cse-in/lcp", "cse-in/nod"] {
        assert_eq!(cse.ask(Method::DELETE, gone, ADMIN, None).await.0, 2002, "{gone}");
    }
    let cse = cse.kill().await;
    for gone in ["cse-in/cnt", "cse-in/cnt/sub", "cse-in/id-mn/announced", "cse-in/cross", "cse-in/nod/bat"] {
        assert_eq!(cse.ask(Method::GET, gone, ADMIN, None).await.0, 4004, "{gone}");
    }
    assert_eq!(cse.get("cse-in/grp").await["m2m:grp"]["cnm"], 1);
}

#[tokio::test]
async fn what_waits_for_a_schedule_or_a_poller_is_there_after_a_kill() {
    let cse = Mortal::start().await;
    cse.make("cse-in", "Cae", 2, json!({"m2m:ae": {"rn": "ae", "api": "N1", "rr": false, "srv": ["4"]}}))
        .await;
    cse.make("cse-in/ae", "Cae", 15, json!({"m2m:pch": {"rn": "pch"}})).await;
    cse.make("cse-in", "Cae", 3, json!({"m2m:cnt": {"rn": "cnt"}})).await;
    for (name, more) in [("now", json!({})), ("later", json!({"pn": 2}))] {
        let mut content = json!({"rn": name, "nu": ["Cae"], "enc": {"net": [3], "chty": [4]}});
        content.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cse.make("cse-in/cnt", "Cae", 23, json!({ "m2m:sub": content })).await;
    }
    let never = json!({"m2m:sch": {"se": {"sce": ["* * * * * * 2000"]}}});
    cse.make("cse-in/cnt/later", "Cae", 18, never).await;
    for content in 1..=3 {
        cse.make("cse-in/cnt", "Cae", 4, json!({"m2m:cin": {"con": content}})).await;
    }
    let cse = cse.kill().await;
    let poll = async || {
        let (code, told) = cse.ask(Method::GET, "cse-in/ae/pch/pcu", "Cae", None).await;
        assert_eq!(code, 2000, "{told}");
        let notification = &told["m2m:rqp"]["pc"]["m2m:sgn"];
        (notification["sur"].clone(), notification["nev"]["rep"]["m2m:cin"]["con"].clone())
    };
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(poll().await);
    }
    let always = json!({"m2m:sch": {"se": {"sce": ["* * * * * * *"]}}});
    let opened =
        cse.ask(Method::PUT, "cse-in/cnt/later/notificationSchedule", "Cae", Some((0, always))).await;
    assert_eq!(opened.0, 2004, "{}", opened.1);
    for _ in 0..3 {
        heard.push(poll().await);
    }
    let contents: Vec<&Value> = heard.iter().map(|(_, content)| content).collect();
    assert_eq!(contents, [1, 2, 3, 1, 2, 3], "{heard:?}");
    assert_ne!(heard[0].0, heard[3].0);
}

#[tokio::test]
async fn a_middle_node_that_is_killed_registers_again_and_keeps_what_it_announced() {
    let folder = tempfile::tempdir().unwrap();
    let upper = Mortal::start().await;
    let base = format!("http://{}", upper.broker.address("http"));
    let data = folder.path().join("mn");
    let switches = [
        "--cse-type",
        "mn",
        "--cse-id",
        "id-mn",
        "--cse-name",
        "cse-mn",
        "--accept-cse",
        "/id-in",
        "--registrar",
        &base,
        "--registrar-id",
        "id-in",
        "--registrar-name",
        "cse-in",
    ];
    let start = async || Broker::start(MORGANA, "onem2m", &data, &switches).await;
    let middle = start().await;
    let registered = async || {
        let (code, found) = upper.ask(Method::GET, "cse-in/id-mn", ADMIN, None).await;
        if code == 2000 { Ok(found) } else { Err(found.to_string()) }
    };
    eventually("the middle node registers", registered).await;
    let http = reqwest::Client::new();
    let ask = async |middle: &Broker, method: Method, to: &str, content: Option<(u32, Value)>| {
        let url = format!("http://{}/{to}", middle.address("http"));
        let mut request = http.request(method, url).header("x-m2m-origin", ADMIN).header("x-m2m-ri", "1");
        request = request.header("x-m2m-rvi", "4");
        if let Some((ty, content)) = content {
            request =
                request.header("content-type", format!("application/json;ty={ty}")).body(content.to_string());
        }
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let content = json!({"m2m:cnt": {"rn": "cnt", "lbl": ["a"], "at": ["/id-in"]}});
    let made = ask(&middle, Method::POST, "cse-mn", Some((3, content))).await;
    let announced = made["m2m:cnt"]["at"][0].as_str().unwrap().trim_start_matches("/id-in/").to_owned();
    assert_eq!(upper.get(&announced).await["m2m:cntA"]["lbl"], json!(["a"]));
    middle.kill().await;
    let middle = start().await;
    assert_eq!(ask(&middle, Method::GET, "cse-mn/cnt", None).await, made);
    let url = format!("http://{}/cse-mn/cnt", middle.address("http"));
    let update = http.put(url).header("x-m2m-origin", ADMIN).header("x-m2m-ri", "1").header("x-m2m-rvi", "4");
    let update = update.header("content-type", "application/json");
    let update = update.body(json!({"m2m:cnt": {"lbl": ["b"]}}).to_string()).send().await.unwrap();
    assert_eq!(update.status(), 200);
    eventually("the announced resource follows", async || {
        let found = upper.get(&announced).await;
        if found["m2m:cntA"]["lbl"] == json!(["b"]) { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
}
