//! A silo as a process of its own: this test binary again, told by the environment of a workload to be a silo.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use morgana_workload::{Environment, Notification};
use serde_json::Value;

use super::{environment, within};

const KIND: &str = "MORGANA_TEST_SILO_KIND";

/// The body of a test of this name, which every test file with such processes has.
pub fn child_is_a_silo() {
    let Ok(kind) = std::env::var(KIND) else { return };
    let outcome = Environment::from_env().map(|environment| morgana_silo::run(&kind, environment)).unwrap();
    std::process::exit(outcome.map_or_else(|error| i32::from(error.exit_code()), |()| 0));
}

/// A silo process that is killed, at the latest, with the test.
pub struct Process(pub Child);

impl Process {
    /// Starts it and waits until it says that it is ready.
    pub async fn start(kind: &str, fabric: SocketAddr, data: &Path, door: u16, port: u16) -> Self {
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

    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub fn terminate(&self) {
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

pub fn command(kind: &str, fabric: SocketAddr, data: &Path, door: u16, port: u16, params: Value) -> Command {
    let mut environment = environment(fabric, data, door, params);
    let doors = super::application::FLAVOURS
        .iter()
        .find(|(name, _)| *name == kind)
        .map_or(&[][..], |(_, doors)| doors);
    environment.doors = doors.iter().map(|inner| (*inner, 0)).chain([(door, port)]).collect();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child_is_a_silo", "--nocapture"]).env(KIND, kind);
    command.envs(environment.to_variables()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
