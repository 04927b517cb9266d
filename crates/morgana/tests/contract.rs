//! What scripts may rely on: how `morgana up` starts, what it prints, and how it ends.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use morgana_model::Secret;
use morgana_testbed::{Options, Outcome, Platform, eventually, run_program};
use serde_json::{Value, json};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// `morgana up` in an empty folder, with any ports unless the arguments say others.
async fn up(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let ports = [
        ("MORGANA_PORT", "0"),
        ("MORGANA_MQTT_PORT", "0"),
        ("MORGANA_ADMIN_PASSWORD", "a password of a test"),
    ];
    run_program(MORGANA, &[&["up"], arguments].concat(), &[&ports, variables].concat(), folder).await
}

/// Checks that a start was refused with one line that has all these words in it; the log goes to
/// stderr too, as JSON where it is no terminal.
#[track_caller]
fn assert_refused(outcome: &Outcome, words: &[&str]) {
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(!outcome.stdout.contains("ready"), "{outcome:?}");
    let lines: Vec<&str> = outcome.stderr.lines().filter(|line| !line.starts_with('{')).collect();
    assert_eq!(lines.len(), 1, "one line on stderr, not {lines:#?}");
    for word in words {
        assert!(lines[0].contains(word), "'{word}' is not in: {}", lines[0]);
    }
}

#[tokio::test]
async fn port_0_means_any_and_endpoints_json_tells_which() {
    let platform = Platform::start(MORGANA).await;
    let endpoints = fs::read(platform.data().join("endpoints.json")).unwrap();
    let endpoints: Value = serde_json::from_slice(&endpoints).unwrap();
    let (rest, mqtt) =
        (endpoints["rest"]["port"].as_u64().unwrap(), endpoints["mqtt"]["port"].as_u64().unwrap());
    assert!(rest > 0 && mqtt > 0 && rest != mqtt, "{endpoints}");
    assert_eq!(endpoints["pid"], json!(platform.process().pid));
    let ready = platform.stdout();
    let ready = ready.lines().find(|line| line.starts_with("morgana is ready")).unwrap();
    for told in [rest.to_string(), mqtt.to_string(), platform.data().display().to_string()] {
        assert!(ready.contains(&told), "{told} is not in: {ready}");
    }
    platform.http().get("/healthz").await.expect(200);
}

#[tokio::test]
async fn health_readiness_and_metrics_need_no_login() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    platform.relay(&admin, "relay", "room", "Room").await;
    let http = platform.http();
    http.get("/healthz").await.expect(200);
    http.get("/readyz").await.expect(200);
    let metrics = http.get("/metrics").await;
    assert_eq!(metrics.content_type, "text/plain");
    let text = metrics.expect(200);
    let text = text.as_str().unwrap();
    assert!(text.contains("# TYPE morgana_"), "{text}");
    assert!(text.contains("morgana_workload_resident_memory_bytes{workload=\"thingvisor/relay\"}"), "{text}");
    let document = http.get("/v1/openapi.json").await.expect(200);
    assert!(document["paths"]["/v1/vsilos/{vsilo}"]["get"].is_object());
}

#[tokio::test]
async fn a_platform_where_nothing_happens_writes_nothing() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    platform.relay(&admin, "relay", "room", "Room").await;
    let silo = platform.silo(&admin, "home", "mqtt").await;
    platform.plug(&admin, &silo, "relay/room").await;
    let commits = async || {
        let metrics = platform.http().get("/metrics").await.expect(200);
        let mut lines = metrics.as_str().unwrap().lines();
        lines
            .find(|line| line.starts_with("morgana_store_commits_total{outcome=\"committed\"}"))
            .unwrap()
            .to_owned()
    };
    eventually("the System DB rests", async || {
        let before = commits().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let after = commits().await;
        if before == after { Ok(()) } else { Err(format!("{before}, half a second later {after}")) }
    })
    .await;
}

#[tokio::test]
async fn sigterm_and_sigint_end_it_with_0_within_10_seconds_and_leave_no_process() {
    let mut platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    platform.relay(&admin, "relay", "room", "Room").await;
    let alice = platform.tenant(&admin, "alice").await;
    for (name, flavour) in [("messages", "mqtt"), ("context", "ngsi-ld")] {
        let silo = platform.silo(&alice, name, flavour).await;
        platform.plug(&alice, &silo, "relay/room").await;
    }
    for signal in ["SIGTERM", "SIGINT"] {
        // Somebody who listens for ever must not keep it from ending.
        let _following = platform.client(&admin).events(false).await.unwrap();
        let ending =
            if signal == "SIGTERM" { platform.terminate().await } else { platform.interrupt().await };
        assert_eq!(ending.status.code(), Some(0), "{signal}");
        assert!(ending.took < Duration::from_secs(10), "{signal}: it took {:?}", ending.took);
        let left = platform.processes();
        assert!(left.is_empty(), "{signal}: {left:?}");
        platform.restart().await;
        let silos = platform.client(&alice).vsilos().all().await.unwrap();
        assert_eq!(silos.len(), 2, "{signal} lost a silo");
    }
}

#[tokio::test]
async fn a_workload_that_does_not_want_to_end_keeps_nothing_from_ending() {
    let mut platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let script = platform.folder().join("stubborn");
    // It hides a process from its group, and does not listen to SIGTERM.
    fs::write(&script, "#!/bin/sh\ntrap '' TERM\nsetsid sleep 1000 &\nwhile :; do sleep 1000; done\n")
        .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let image = format!("exec:{}", script.display());
    platform.thing_visor(&admin, "stubborn", &image, Value::Null).await;
    let ending = platform.terminate().await;
    assert_eq!(ending.status.code(), Some(0));
    assert!(ending.took < Duration::from_secs(10), "it took {:?}", ending.took);
    let left = platform.processes();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_busy_port_is_named_with_the_option_that_chooses_another() {
    let folder = tempfile::tempdir().unwrap();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    for option in ["--port", "--mqtt-port"] {
        assert_refused(&up(folder.path(), &[option, &port], &[]).await, &[&port, option]);
    }
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "a file").unwrap();
    let file = file.to_str().unwrap();
    let below = format!("{file}/data");
    for data in [file, &below, "/proc/data", "/proc/self/data"] {
        assert_refused(&up(folder.path(), &["--data", data], &[]).await, &[data]);
    }
}

#[tokio::test]
async fn what_is_damaged_in_the_data_folder_is_named_and_left_as_it_is() {
    let mut platform = Platform::start(MORGANA).await;
    platform.terminate().await;
    let data = platform.data().to_str().unwrap();
    // An empty system.db is what a kill in the middle of the very first start leaves: that is none.
    for (name, damaged) in
        [("signing.key", &b""[..]), ("signing.key", b"nonsense"), ("system.db", b"nonsense")]
    {
        let file = platform.data().join(name);
        let good = fs::read(&file).unwrap();
        fs::write(&file, damaged).unwrap();
        assert_refused(&up(platform.folder(), &["--data", data], &[]).await, &[name]);
        assert_eq!(fs::read(&file).unwrap(), damaged, "{name} was changed");
        fs::write(&file, good).unwrap();
    }
    platform.restart().await;
    platform.admin().await;
}

#[tokio::test]
async fn a_wrong_value_is_told_with_where_it_is_and_what_may_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    let path = file.to_str().unwrap();
    for (text, words) in [
        ("port = \"many\"", &["wrong.toml", "port", "many", "u16"][..]),
        ("port = 70000", &["wrong.toml", "port", "70000"]),
        ("listen = \"everywhere\"", &["wrong.toml", "listen", "everywhere"]),
        ("prot = 1", &["wrong.toml", "prot", "mqtt_port"]),
        ("[node]\nlog_max_mib = -1", &["wrong.toml", "node.log_max_mib", "-1"]),
        ("port = ", &["wrong.toml"]),
    ] {
        fs::write(&file, text).unwrap();
        // The file speaks where the environment and the command line are silent.
        let ports = [("MORGANA_MQTT_PORT", "0"), ("MORGANA_ADMIN_PASSWORD", "x")];
        let outcome = run_program(MORGANA, &["up", "--config", path], &ports, folder.path()).await;
        assert_refused(&outcome, words);
    }
    assert_refused(&up(folder.path(), &[], &[("MORGANA_PORT", "many")]).await, &["MORGANA_PORT", "many"]);
    assert_refused(&up(folder.path(), &["--config", "/nowhere.toml"], &[]).await, &["/nowhere.toml"]);
    assert_refused(&up(folder.path(), &["--log", "everything=loud"], &[]).await, &["everything=loud"]);
    assert!(!folder.path().join("morgana-data").exists(), "a start that is refused makes no data folder");
}

#[tokio::test]
async fn two_platforms_cannot_have_the_same_data_folder() {
    let platform = Platform::start(MORGANA).await;
    let data = platform.data().to_str().unwrap().to_owned();
    let second = up(platform.folder(), &["--data", &data], &[]).await;
    assert_refused(&second, &[&data]);
    platform.http().get("/readyz").await.expect(200);
    let endpoints = fs::read_to_string(platform.data().join("endpoints.json")).unwrap();
    assert!(endpoints.contains(platform.rest_url()), "the second has changed what the first has written");
}

#[tokio::test]
async fn the_keys_and_the_data_are_their_owners_alone() {
    let mut platform = Platform::start(MORGANA).await;
    let mode = |name: &str| fs::metadata(platform.data().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("signing.key"), 0o600);
    assert_eq!(mode(""), 0o700);
    let key = || fs::read(platform.data().join("signing.key")).unwrap();
    let before = key();
    assert!(before.len() >= 32);
    let admin = platform.admin().await;
    platform.terminate().await;
    platform.restart().await;
    assert_eq!(fs::read(platform.data().join("signing.key")).unwrap(), before);
    // So a session goes on after a restart.
    platform.client(&admin).users().all().await.unwrap();
}

#[tokio::test]
async fn a_password_that_was_made_up_is_said_once_and_only_at_the_first_start() {
    let mut platform =
        Platform::start_with(MORGANA, Options { admin_password: None, ..Options::default() }).await;
    let said = platform.stdout();
    let line: Vec<&str> = said.lines().filter(|line| line.contains("password")).collect();
    assert_eq!(line.len(), 1, "{said}");
    let password = line[0].split("password ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(password.len() >= 12, "{password}");
    assert!(!platform.stderr().contains(&password), "the password is in the log");
    platform.log_in("admin", &Secret::new(&password)).await;
    platform.terminate().await;
    platform.restart().await;
    assert!(!platform.stdout().contains("password"), "{}", platform.stdout());
    platform.log_in("admin", &Secret::new(&password)).await;
    let kept = fs::read(platform.data().join("system.db")).unwrap();
    assert!(!String::from_utf8_lossy(&kept).contains(&password), "the password itself is kept");
}

#[tokio::test]
async fn the_password_of_the_environment_counts_at_the_first_start_only() {
    let mut platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    platform.terminate().await;
    platform.set_variable("MORGANA_ADMIN_PASSWORD", "another one");
    platform.restart().await;
    assert_eq!(platform.admin().await.id, admin.id);
    let credentials = json!({ "userID": "admin", "password": "another one" });
    platform.http().post("/v1/login", &credentials).await.expect(401);
}
