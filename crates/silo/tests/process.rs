//! A silo as a process: `kill -9`, SIGTERM, exit statuses. The child processes are this
//! test binary again, told by the environment of a workload to be a silo.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::net::SocketAddr;

use common::process::{Process, command, free_port};
use common::tenant::Tenant;
use common::*;
use serde_json::{Value, json};

#[test]
fn child_is_a_silo() {
    common::process::child_is_a_silo();
}

#[tokio::test]
async fn an_mqtt_silo_keeps_its_context_after_a_kill() {
    let fabric = start_fabric(any_port()).await;
    let platform = Platform::start(fabric.local_addr()).await;
    let (data, port) = (tempfile::tempdir().unwrap(), free_port());
    let door = SocketAddr::from(([127, 0, 0, 1], port));
    let silo = Process::start("mqtt", fabric.local_addr(), data.path(), 1883, port).await;
    let visor = Visor::start(fabric.local_addr(), "tv/one", vec![entity("urn:ngsi-ld:1", 1)]).await;
    platform.connect(&visor.id).await;
    visor.change(entity("urn:ngsi-ld:2", 2)).await;
    let tenant = Tenant::enter(door, "tenant1", TOKEN, "#").await;
    tenant.sees_topics(&["tenant1/tv/one/1", "tenant1/tv/one/2"]).await;
    silo.kill();
    visor.stop().await;
    fabric.stop().await;

    let _silo = Process::start("mqtt", free_address(), data.path(), 1883, port).await;
    let later = Tenant::enter(door, "tenant1", TOKEN, "#").await;
    later.sees_topics(&["tenant1/tv/one/1", "tenant1/tv/one/2"]).await;
    assert_eq!(later.value("tenant1/tv/one/2"), Some(json!(2)));
}

#[tokio::test]
async fn an_ngsi_ld_silo_keeps_its_context_after_a_kill() {
    let fabric = start_fabric(any_port()).await;
    let platform = Platform::start(fabric.local_addr()).await;
    let (data, port) = (tempfile::tempdir().unwrap(), free_port());
    let url = format!("http://127.0.0.1:{port}/ngsi-ld/v1/entities/urn:ngsi-ld:1");
    let get = async || reqwest::Client::new().get(&url).bearer_auth(TOKEN).send().await.unwrap();
    let silo = Process::start("ngsi-ld", fabric.local_addr(), data.path(), 9090, port).await;
    let visor = Visor::start(fabric.local_addr(), "tv/one", vec![entity("urn:ngsi-ld:1", 1)]).await;
    platform.connect(&visor.id).await;
    eventually("the entity is there", async || get().await.status().is_success()).await;
    silo.kill();
    visor.stop().await;
    fabric.stop().await;

    let _silo = Process::start("ngsi-ld", free_address(), data.path(), 9090, port).await;
    let entity: Value = get().await.json().await.unwrap();
    assert_eq!(entity["value"]["value"], 1);
}

/// An address where no fabric is.
fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

#[tokio::test]
async fn a_silo_ends_well_when_it_is_told_to() {
    let fabric = start_fabric(any_port()).await;
    for (kind, door) in [("mqtt", 1883), ("ngsi-ld", 9090)] {
        let data = tempfile::tempdir().unwrap();
        let mut silo = Process::start(kind, fabric.local_addr(), data.path(), door, free_port()).await;
        silo.terminate();
        let mut status = None;
        eventually("the silo ends", async || {
            status = silo.0.try_wait().unwrap();
            status.is_some()
        })
        .await;
        assert_eq!(status.unwrap().code(), Some(0), "{kind}");
    }
}

#[test]
fn a_wrong_configuration_is_told_by_the_exit_status() {
    let data = tempfile::tempdir().unwrap();
    let status = |kind: &str, params: Value| {
        command(kind, free_address(), data.path(), 1883, 0, params).status().unwrap().code()
    };
    assert_eq!(status("mqtt", json!({ "access": "everyone" })), Some(78));
    assert_eq!(status("onem2m", json!({ "history": "long" })), Some(78));
    assert_eq!(status("ngsi-ld-external", Value::Null), Some(78), "it has no url");
    assert_eq!(status("no-such-flavour", Value::Null), Some(78));
    // No port for the door of this flavour.
    assert_eq!(status("scorpio-f", Value::Null), Some(78));
}
