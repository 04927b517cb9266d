//! Mosquitto's command line clients against the server, in MQTT 3.1.1 and 5.
//!
//! They come in the Debian package `mosquitto-clients`. Without it the tests print that and pass.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use common::*;
use morgana_fabric::{Qos, Server, ServerOptions};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const VERSIONS: [&str; 2] = ["mqttv311", "mqttv5"];

fn installed() -> bool {
    let found = std::process::Command::new("mosquitto_pub").arg("--help").output().is_ok();
    if !found {
        println!("skipped: mosquitto_pub is not installed (Debian package mosquitto-clients)");
    }
    found
}

fn command(program: &str, server: &Server, version: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(["-h", "127.0.0.1", "-p", &server.local_addr().port().to_string(), "-V", version])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Publishes; answers whether the client said that all went well, and what it printed.
async fn publish(server: &Server, version: &str, arguments: &[&str]) -> (bool, String) {
    let run = command("mosquitto_pub", server, version, arguments).output();
    let output = timeout(PATIENCE, run).await.expect("mosquitto_pub ends").unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A running subscriber and the lines it prints.
struct Subscriber {
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Subscriber {
    /// Starts, and waits until a probe on `probe` gets through.
    async fn start(server: &Server, version: &str, probe: &str, arguments: &[&str]) -> Self {
        let mut child = command("mosquitto_sub", server, version, arguments).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut subscriber = Self { lines, _child: child };
        loop {
            publish(server, version, &["-t", probe, "-m", "probe"]).await;
            match timeout(Duration::from_millis(200), subscriber.lines.next_line()).await {
                Ok(line) => break assert!(line.unwrap().unwrap().contains("probe")),
                Err(_) => continue,
            }
        }
        subscriber
    }

    /// The next line that is not a left-over probe.
    async fn line(&mut self) -> String {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await.expect("a line in time");
            match line.unwrap().expect("a subscriber that runs") {
                line if line.contains("probe") => {}
                line => return line,
            }
        }
    }
}

#[tokio::test]
async fn properties_are_passed_on_unless_the_policy_says_otherwise() {
    if !installed() {
        return;
    }
    let bare = Server::start(ServerOptions::default(), Arc::new(NothingForged { passes_properties: false }))
        .await
        .unwrap();
    for (server, passes) in [(open_server().await, true), (bare, false)] {
        let all = ["-t", "a/#", "-q", "2", "-F", "%t %q %p user=%P"];
        let mut subscriber = Subscriber::start(&server, "mqttv5", "a/probe", &all).await;
        for qos in ["0", "1", "2"] {
            let property = ["-D", "publish", "user-property", "unit", "lux"];
            let message = [&["-t", "a/b", "-q", qos, "-m", "7"][..], &property].concat();
            assert_eq!(publish(&server, "mqttv5", &message).await, (true, String::new()));
            let line = subscriber.line().await;
            let (said, properties) = line.split_once(" user=").unwrap();
            assert_eq!(said, format!("a/b {qos} 7"));
            assert_eq!(properties.contains("unit:lux"), passes, "{line}");
            assert!(passes || properties.is_empty(), "{line}");
        }
        // What is retained is so all the same.
        assert!(publish(&server, "mqttv5", &["-t", "a/kept", "-r", "-m", "8"]).await.0);
        let late = ["-t", "a/kept", "-C", "1", "-F", "%r %p"];
        let output = timeout(PATIENCE, command("mosquitto_sub", &server, "mqttv5", &late).output()).await;
        assert_eq!(String::from_utf8(output.unwrap().unwrap().stdout).unwrap(), "1 8\n");
    }
}

#[tokio::test]
async fn messages_pass_between_versions_in_every_qos() {
    if !installed() {
        return;
    }
    let server = open_server().await;
    for theirs in VERSIONS {
        let all = ["-t", "a/#", "-q", "2", "-F", "%t %q %p"];
        let mut subscriber = Subscriber::start(&server, theirs, "a/probe", &all).await;
        for ours in VERSIONS {
            for qos in ["0", "1", "2"] {
                let text = format!("{ours}-{qos}");
                let sent = publish(&server, ours, &["-t", "a/b", "-q", qos, "-m", &text]).await;
                assert!(sent.0, "{sent:?}");
                assert_eq!(subscriber.line().await, format!("a/b {qos} {text}"));
            }
        }
    }
}

#[tokio::test]
async fn a_retained_message_waits_for_its_subscriber() {
    if !installed() {
        return;
    }
    let server = open_server().await;
    for version in VERSIONS {
        let topic = format!("kept/{version}");
        assert!(publish(&server, version, &["-t", &topic, "-r", "-q", "1", "-m", "state"]).await.0);
        let one = ["-t", topic.as_str(), "-C", "1", "-F", "%r %p"];
        let output = command("mosquitto_sub", &server, version, &one).output();
        let output = timeout(PATIENCE, output).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1 state");
    }
}

#[tokio::test]
async fn a_stored_session_gets_what_came_while_it_was_away() {
    if !installed() {
        return;
    }
    let server = open_server().await;
    for version in VERSIONS {
        let topic = format!("away/{version}");
        let mut session = vec!["-i", version, "-c", "-q", "1", "-t", topic.as_str()];
        if version == "mqttv5" {
            session.extend(["-x", "600"]);
        }
        let subscribed =
            command("mosquitto_sub", &server, version, &[&session[..], &["-E"]].concat()).output();
        assert!(timeout(PATIENCE, subscribed).await.unwrap().unwrap().status.success());
        assert!(publish(&server, version, &["-t", &topic, "-q", "1", "-m", "missed"]).await.0);
        let back =
            command("mosquitto_sub", &server, version, &[&session[..], &["-C", "1"]].concat()).output();
        let output = timeout(PATIENCE, back).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "missed");
    }
}

#[tokio::test]
async fn a_shared_subscription_gives_each_message_to_one_member() {
    if !installed() {
        return;
    }
    let server = open_server().await;
    let member = ["-t", "$share/g/work", "-q", "1", "-F", "%p"];
    let plain = ["-t", "work", "-t", "probe/#", "-q", "1", "-F", "%p"];
    let mut members = Vec::new();
    for version in VERSIONS {
        let arguments = [&member[..], &["-t", "probe/#"]].concat();
        members.push(Subscriber::start(&server, version, "probe/x", &arguments).await);
    }
    let mut all = Subscriber::start(&server, "mqttv5", "probe/x", &plain).await;
    for n in 0..10 {
        assert!(publish(&server, "mqttv5", &["-t", "work", "-q", "1", "-m", &n.to_string()]).await.0);
    }
    publish(&server, "mqttv5", &["-t", "probe/end", "-q", "1", "-m", "end"]).await;
    let mut seen = Vec::new();
    for member in &mut members {
        loop {
            match member.line().await.as_str() {
                "end" => break,
                work => seen.push(work.to_owned()),
            }
        }
    }
    seen.sort();
    assert_eq!(seen, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(all.line().await, "0");
}

#[tokio::test]
async fn refusals_reach_real_clients() {
    if !installed() {
        return;
    }
    let rules = Arc::new(Rules::default());
    rules.set("silo", &["vSilo/s/c_out"], &["vThing/a/data_out"]);
    let server = ruled_server(&rules).await;
    for version in VERSIONS {
        let login = ["-u", "silo", "-P", "silo", "-q", "1", "-m", "x"];
        let allowed = publish(&server, version, &[&login[..], &["-t", "vSilo/s/c_out"]].concat()).await;
        assert!(allowed.0, "{allowed:?}");
        let (_, told) = publish(&server, version, &["-u", "silo", "-P", "wrong", "-t", "a", "-m", "x"]).await;
        assert!(!told.is_empty(), "{version}: a wrong password went unnoticed");
        let wide = ["-u", "silo", "-P", "silo", "-t", "vThing/#", "-E"];
        let output = command("mosquitto_sub", &server, version, &wide).output();
        let output = timeout(PATIENCE, output).await.unwrap().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("denied") || !output.status.success(), "{version}: {told:?}");
    }
    let (_, told) =
        publish(&server, "mqttv5", &["-u", "silo", "-P", "silo", "-q", "1", "-t", "b", "-m", "x"]).await;
    assert!(told.contains("Not authorized"), "{told:?}");
}

#[tokio::test]
async fn a_will_of_a_killed_client_is_published() {
    if !installed() {
        return;
    }
    let server = open_server().await;
    let (watcher, mut events) = connected(options(&server, "watcher")).await;
    watcher.subscribe("will/#", Qos::AtLeastOnce).await.unwrap();
    for version in VERSIONS {
        let topic = format!("will/{version}");
        let arguments = ["-t", "x", "--will-topic", &topic, "--will-payload", "gone", "--will-qos", "1"];
        let mut mortal = Subscriber::start(&server, version, "x", &arguments).await;
        mortal._child.kill().await.unwrap();
        assert_eq!(next_message(&mut events).await, (topic, "gone".to_owned()));
    }
}
