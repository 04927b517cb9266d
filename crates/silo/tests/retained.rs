//! What tenants retain in a silo's own MQTT broker survives `kill -9`, tried with Mosquitto's clients.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::net::SocketAddr;
use std::process::Command;

use common::process::{Process, free_port};
use common::*;

#[test]
fn child_is_a_silo() {
    common::process::child_is_a_silo();
}

/// How `mosquitto_sub` ends when the time of `-W` is over.
const TIME_OVER: i32 = 27;

/// A client of Mosquitto, as the tenant.
async fn mosquitto(client: &str, port: u16, more: &[&str]) -> String {
    let mut command = Command::new(format!("/usr/bin/{client}"));
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-u", "tenant1", "-P", TOKEN, "-V", "5"]);
    command.args(more);
    let run = tokio::task::spawn_blocking(move || command.output().expect("mosquitto-clients is installed"));
    let output = within(client, run).await.unwrap();
    let ended = output.status.success() || output.status.code() == Some(TIME_OVER);
    assert!(ended, "{more:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn retain(port: u16, topic: &str, message: &str, more: &[&str]) {
    let arguments: Vec<&str> =
        ["-q", "1", "-r", "-t", topic, "-m", message].into_iter().chain(more.iter().copied()).collect();
    mosquitto("mosquitto_pub", port, &arguments).await;
}

/// Waits until this, and nothing else, is retained below a filter.
async fn is_retained(port: u16, filter: &str, expected: &[&str]) {
    eventually(&format!("{expected:?} is retained"), async || {
        let arguments = ["-t", filter, "-F", "%t %p %C", "--retained-only", "-W", "1"];
        let text = mosquitto("mosquitto_sub", port, &arguments).await;
        let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.sort_unstable();
        lines == expected
    })
    .await;
}

#[tokio::test]
async fn what_a_tenant_retains_survives_a_kill_and_what_it_deletes_stays_deleted() {
    for (kind, door) in [("mqtt", 1883), ("onem2m", 1883)] {
        let fabric = start_fabric(any_port()).await;
        let platform = Platform::start(fabric.local_addr()).await;
        let (data, port) = (tempfile::tempdir().unwrap(), free_port());
        let visor = Visor::start(fabric.local_addr(), "tv/one", vec![entity("urn:ngsi-ld:1", 1)]).await;
        let silo = Process::start(kind, fabric.local_addr(), data.path(), door, port).await;
        platform.connect(&visor.id).await;
        retain(port, "app/one", "first", &[]).await;
        retain(port, "app/one", "second", &["-D", "PUBLISH", "content-type", "text/plain"]).await;
        retain(port, "app/two", "gone", &[]).await;
        retain(port, "app/three", "ü ✓", &[]).await;
        mosquitto("mosquitto_pub", port, &["-q", "1", "-r", "-n", "-t", "app/two"]).await;
        mosquitto("mosquitto_pub", port, &["-q", "1", "-t", "app/four", "-m", "not retained"]).await;
        silo.kill();

        let silo = Process::start(kind, fabric.local_addr(), data.path(), door, port).await;
        is_retained(port, "app/#", &["app/one second text/plain", "app/three ü ✓"]).await;
        retain(port, "app/one", "third", &[]).await;
        silo.kill();

        // Also without the fabric, and once more.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let _silo = Process::start(kind, nowhere, data.path(), door, port).await;
        is_retained(port, "app/#", &["app/one third", "app/three ü ✓"]).await;
        visor.stop().await;
        fabric.stop().await;
    }
}

#[tokio::test]
async fn a_message_that_a_tenant_retained_on_an_entitys_topic_lasts_until_the_next_start() {
    let fabric = start_fabric(any_port()).await;
    let platform = Platform::start(fabric.local_addr()).await;
    let (data, port) = (tempfile::tempdir().unwrap(), free_port());
    let visor = Visor::start(fabric.local_addr(), "tv/one", vec![entity("urn:ngsi-ld:1", 1)]).await;
    let silo = Process::start("mqtt", fabric.local_addr(), data.path(), 1883, port).await;
    platform.connect(&visor.id).await;
    let seen =
        async || mosquitto("mosquitto_sub", port, &["-t", "tenant1/tv/one/1", "-C", "1", "-W", "60"]).await;
    assert!(seen().await.contains("\"value\":1"));
    retain(port, "tenant1/tv/one/1", "mine", &[]).await;
    assert_eq!(seen().await.trim(), "mine");
    silo.kill();
    let _silo = Process::start("mqtt", fabric.local_addr(), data.path(), 1883, port).await;
    assert!(seen().await.contains("\"value\":1"), "the vThing's own is there again");
}
