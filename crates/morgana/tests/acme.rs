//! A silo whose broker is ACME, a oneM2M CSE that others wrote: the platform drives it over HTTP, and a tenant switches
//! a lamp in it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use morgana_model::{FlavourSpec, NewFlavour};
use morgana_testbed::clients::Client;
use morgana_testbed::{Platform, eventually};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");
const CONTAINER: &str = "cse-in/lamp~3ALamp01/lamp~3ALamp01";

/// How long ACME may take to be there, on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(120);

/// ACME, killed at the latest with the test.
struct Acme {
    process: Child,
    _folder: tempfile::TempDir,
    base: String,
    http: reqwest::Client,
}

impl Acme {
    /// Starts it, again and again: it gives up by itself when a busy machine keeps it from its start for some seconds,
    /// and its port, which was free a moment ago, may be another's by then.
    async fn start() -> Self {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let mut acme = Self::spawn();
            while Instant::now() < deadline && acme.process.try_wait().unwrap().is_none() {
                if acme.get("cse-in", "CAdmin").await.is_some() {
                    return acme;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        panic!("ACME does not answer within {PATIENCE:?}")
    }

    fn spawn() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "[basic.config]\ncseType=IN\ncseID=id-in\ncseName=cse-in\nadminID=CAdmin\n\
             serviceProviderID=//acme.example.com\ndataDirectory={folder}\nnetworkInterface=127.0.0.1\n\
             cseHost=127.0.0.1\nhttpPort={port}\nlogLevel=warn\ndatabaseType=memory\nconsoleTheme=dark\n",
            folder = folder.path().display()
        );
        std::fs::write(folder.path().join("acme.ini"), configuration).unwrap();
        let mut command = Command::new(Client::of("acme").python("acmecse"));
        command
            .current_dir(folder.path())
            .args(["--headless", "--config", "acme.ini", "-dir"])
            .arg(folder.path());
        command.args(["--db-type", "memory", "--no-mqtt", "--no-remote-cse"]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let base = format!("http://127.0.0.1:{port}");
        Self { process, _folder: folder, base, http: reqwest::Client::new() }
    }

    async fn get(&self, path: &str, originator: &str) -> Option<Value> {
        let request = self.http.get(format!("{}/{path}", self.base)).header("X-M2M-Origin", originator);
        let answer = request.header("X-M2M-RI", "1").header("X-M2M-RVI", "3").send().await.ok()?;
        if answer.status().is_success() { answer.json().await.ok() } else { None }
    }

    /// The value of the lamp's attribute, as the tenant sees it.
    async fn value(&self, name: &str) -> Option<Value> {
        let latest = self.get(&format!("{CONTAINER}/{name}/la"), "alice").await?;
        let content: Value = serde_json::from_str(latest["m2m:cin"]["con"].as_str()?).ok()?;
        Some(content["value"].clone())
    }

    async fn command(&self, value: &Value) -> u16 {
        let request =
            self.http.post(format!("{}/{CONTAINER}/set-color", self.base)).header("X-M2M-Origin", "alice");
        let request = request.header("X-M2M-RI", "2").header("X-M2M-RVI", "3");
        let request = request.header("Content-Type", "application/json;ty=4");
        let content = json!({ "m2m:cin": { "con": value } }).to_string();
        request.body(content).send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn acme_is_driven_as_a_silos_broker() {
    let acme = Acme::start().await;
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    platform.thing_visor(&admin, "lamp", "builtin:lamp", json!({})).await;
    platform.v_thing(&admin, "lamp/Lamp01").await;
    let params = json!({ "url": acme.base, "cseName": "cse-in", "originator": "CAdmin", "names": "unreserved", "release": "3" });
    let spec = FlavourSpec {
        image_name: "builtin:onem2m-external".parse().unwrap(),
        params,
        description: String::new(),
        yaml_files: None,
    };
    let flavour = NewFlavour { id: "acme".parse().unwrap(), spec };
    platform.client(&admin).create_flavour(&flavour).await.unwrap();
    let alice = platform.tenant(&admin, "alice").await;
    let silo = platform.silo(&alice, "home", "acme").await;
    platform.plug(&alice, &silo, "lamp/Lamp01").await;
    let sees = async |name: &str, wanted: Value| {
        eventually(&format!("{name} is {wanted}"), async || {
            let value = acme.value(name).await.unwrap_or_default();
            if value == wanted || value["cmd-result"] == wanted { Ok(()) } else { Err(value) }
        })
        .await;
    };
    sees("color", json!("white")).await;
    // ACME shows a subscription before it heeds it: the silo goes on to the next pipe once it was answered.
    eventually("the pipe is open", async || {
        match acme.get(&format!("{CONTAINER}/set-luminosity/vSiloCommandSub"), "CAdmin").await {
            Some(_) => Ok(()),
            None => Err("there is no subscription on the pipe after it"),
        }
    })
    .await;
    assert_eq!(acme.command(&json!({ "cmd-value": "green", "cmd-qos": 2, "cmd-id": "1" })).await, 201);
    sees("set-color-result", json!("OK")).await;
    sees("color", json!("green")).await;
    platform.client(&alice).disconnect(&silo.id, &"lamp/Lamp01".parse().unwrap()).await.unwrap();
    eventually("the lamp is gone", async || match acme.get(CONTAINER, "CAdmin").await {
        None => Ok(()),
        Some(found) => Err(found),
    })
    .await;
}
