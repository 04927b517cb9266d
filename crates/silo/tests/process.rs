//! A silo as a process: `kill -9`, SIGTERM, exit statuses. The child processes are this
//! test binary again, told by the environment of a workload to be a silo.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::tenant::Tenant;
use common::*;
use morgana_workload::{Environment, Notification};
use serde_json::{Value, json};

const KIND: &str = "MORGANA_TEST_SILO_KIND";

#[test]
fn child_is_a_silo() {
    let Ok(kind) = std::env::var(KIND) else { return };
    let outcome = Environment::from_env().map(|environment| morgana_silo::run(&kind, environment)).unwrap();
    std::process::exit(outcome.map_or_else(|error| i32::from(error.exit_code()), |()| 0));
}

/// A silo process that is killed, at the latest, with the test.
struct Process(Child);

impl Process {
    /// Starts it and waits until it says that it is ready.
    async fn start(kind: &str, fabric: SocketAddr, data: &Path, door: u16, port: u16) -> Self {
        let socket = data.join("notify");
        let _ = std::fs::remove_file(&socket);
        let node = tokio::net::UnixDatagram::bind(&socket).unwrap();
        let mut command = command(kind, fabric, data, door, port, Value::Null);
        let child = Self(command.env("NOTIFY_SOCKET", &socket).spawn().unwrap());
        let mut datagram = [0; 256];
        let length = within("the silo is ready", node.recv(&mut datagram)).await.unwrap();
        assert!(Notification::parse(std::str::from_utf8(&datagram[..length]).unwrap()).ready);
        child
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(kind: &str, fabric: SocketAddr, data: &Path, door: u16, port: u16, params: Value) -> Command {
    let mut environment = environment(fabric, data, door, params);
    environment.doors = [(door, port)].into();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child_is_a_silo", "--nocapture"]).env(KIND, kind);
    command.envs(environment.to_variables()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
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
    assert_eq!(status("onem2m", Value::Null), Some(78));
    assert_eq!(status("no-such-flavour", Value::Null), Some(78));
    // No port for the door of this flavour.
    assert_eq!(status("ngsi-ld", Value::Null), Some(78));
}
