//! A vSilo that somebody else wrote, in another language: the Python example of `examples/`, which knows VirIoT's
//! messages alone, run as `exec:<path>` through the whole life of a silo.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use morgana_model::{ErrorCode, FlavourSpec, NewFlavour, VSilo, WorkloadName};
use morgana_testbed::{Platform, SimulatedThing, User, clients, eventually};
use serde_json::{Value, json};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// Adds a flavour that runs the example with the Python that has paho-mqtt.
async fn add_flavour(platform: &Platform, admin: &User) {
    let python = clients::Client::of("thingvisor").python("python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python-silo/recorder.py");
    let script = script.canonicalize().unwrap();
    let program = platform.folder().join("recorder");
    fs::write(&program, format!("#!/bin/sh\nexec '{}' '{}'\n", python.display(), script.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let spec = FlavourSpec {
        image_name: format!("exec:{}", program.display()).parse().unwrap(),
        params: Value::Null,
        description: "prints what things say".to_owned(),
        yaml_files: None,
    };
    let flavour = NewFlavour { id: "recorder".parse().unwrap(), spec };
    platform.client(admin).create_flavour(&flavour).await.unwrap();
}

/// What the silo has printed, line by line.
async fn lines(platform: &Platform, owner: &User, silo: &VSilo) -> Vec<Value> {
    let name = WorkloadName::VSilo(silo.id.clone());
    let lines = platform.client(owner).logs(&name, Some(1000)).await.unwrap();
    lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

async fn says(platform: &Platform, owner: &User, silo: &VSilo, times: usize, what: &dyn Fn(&Value) -> bool) {
    eventually("the silo prints it", async || {
        let lines = lines(platform, owner, silo).await;
        if lines.iter().filter(|line| what(line)).count() >= times {
            Ok(())
        } else {
            Err(format!("{lines:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_python_silo_lives_as_any_other() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    add_flavour(&platform, &admin).await;
    let thing = SimulatedThing::of(&platform.relay(&admin, "relay", "room", "Room").await);
    let alice = platform.tenant(&admin, "alice").await;
    thing.send(&json!({ "temperature": 20 })).await;
    let silo = platform.silo(&alice, "diary", "recorder").await;
    platform.plug(&alice, &silo, "relay/room").await;

    let reads = |temperature: u32| {
        move |line: &Value| line["entity"]["msg"]["value"]["temperature"] == json!(temperature)
    };
    says(&platform, &alice, &silo, 1, &|line| line["connected"] == "relay/room").await;
    says(&platform, &alice, &silo, 1, &reads(20)).await;
    thing.send(&json!({ "temperature": 21 })).await;
    says(&platform, &alice, &silo, 1, &reads(21)).await;

    // It ends by itself, is started again, and is told by VirIoT's messages what it has.
    let name = WorkloadName::VSilo(silo.id.clone());
    platform.workload(&name).unwrap().kill();
    says(&platform, &alice, &silo, 2, &|line| line["connected"] == "relay/room").await;
    thing.send(&json!({ "temperature": 22 })).await;
    says(&platform, &alice, &silo, 1, &reads(22)).await;

    platform.unplug(&alice, &silo, "relay/room").await;
    says(&platform, &alice, &silo, 1, &|line| line["gone"] == "relay/room").await;

    // It acknowledges its end, so that it is not ended for want of a word.
    platform.client(&alice).delete_vsilo(&silo.id, false).await.unwrap();
    eventually("it is gone", async || {
        let found = platform.client(&alice).vsilo(&silo.id).await;
        let code = found.as_ref().err().and_then(morgana_client::Error::code);
        if code == Some(ErrorCode::NotFound) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    assert!(platform.workload(&name).is_none());
    let ends = platform.http_as(&admin).get("/v1/audit?action=endWorkload").await.body;
    assert_eq!(ends["items"], json!([]), "nobody had to end it");
}
