//! `morgana broker` as a process of its own, for tests of the brokers and of their clients.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use crate::PATIENCE;
use crate::program::clean_command;

/// A broker that listens on any free port. It is killed when this is dropped.
#[derive(Debug)]
pub struct Broker {
    child: Child,
    /// What it said when it was ready.
    pub greeting: String,
}

impl Broker {
    /// Starts `morgana broker <standard> --port 0 --data <data> <switches>` and waits until it is ready.
    ///
    /// # Panics
    /// When it does not say that it is ready within [`PATIENCE`].
    pub async fn start(program: impl AsRef<Path>, standard: &str, data: &Path, switches: &[&str]) -> Self {
        let mut command = clean_command(program.as_ref(), data.parent().unwrap_or(data));
        command.args(["broker", standard, "--port", "0", "--data"]).arg(data).args(switches);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the broker can be started");
        let stdout = child.stdout.take().expect("its output is a pipe");
        let mut lines = BufReader::new(stdout).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.expect("the broker writes UTF-8") {
                if line.starts_with("morgana broker is ready") {
                    return line;
                }
            }
            panic!("the broker ended before it was ready")
        };
        let greeting = timeout(PATIENCE, ready).await.expect("the broker gets ready");
        // Whatever it says later must not block it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, greeting }
    }

    /// The address of a door, as `host:port`: what follows `<scheme>://` in the greeting.
    ///
    /// # Panics
    /// When it has no such door.
    pub fn address(&self, scheme: &str) -> String {
        let start = format!("{scheme}://");
        let after = self.greeting.split(&start).nth(1);
        let after = after.unwrap_or_else(|| panic!("no {scheme} door in: {}", self.greeting));
        after.chars().take_while(|c| !matches!(c, '/' | ',' | ' ')).collect()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the broker runs")
    }

    /// Kills it with a signal that it cannot catch, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the broker can be killed");
    }
}
