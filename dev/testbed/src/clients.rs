//! Clients of the standards that somebody else wrote, installed by `scripts/test-needs.sh` from
//! `dev/clients/<name>/` into `target/clients/<name>/`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::{Listener, Outcome};

/// How long a client may take. It starts an interpreter and loads its libraries on a busy machine.
const CLIENT_PATIENCE: Duration = Duration::from_secs(180);

/// The environment of one client.
#[derive(Debug, Clone)]
pub struct Client {
    /// The folder of its scripts.
    pub scripts: PathBuf,
    /// The folder of its libraries: a virtual environment of Python, or one with `node_modules`.
    pub installed: PathBuf,
}

impl Client {
    /// The client of a name in `dev/clients`.
    ///
    /// # Panics
    /// When it is not installed: a test that cannot run its client has failed.
    pub fn of(name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let (scripts, installed) =
            (root.join("dev/clients").join(name), root.join("target/clients").join(name));
        assert!(
            installed.join(".installed").exists(),
            "the client {name} is not installed: run scripts/test-needs.sh (make test does)"
        );
        Self { scripts, installed }
    }

    /// A Python program of its environment: `python`, or the name of an installed command.
    pub fn python(&self, program: &str) -> PathBuf {
        self.installed.join("bin").join(program)
    }

    /// Runs one of its scripts, with Python or Node by the ending of its name, until it ends.
    ///
    /// # Panics
    /// When it cannot be started, or does not end in three minutes.
    pub async fn run(&self, script: &str, arguments: &[&str]) -> Outcome {
        let mut command = self.command(script);
        command.args(arguments);
        let ended = timeout(CLIENT_PATIENCE, command.output()).await;
        let output = ended.unwrap_or_else(|_| panic!("{script} does not end")).expect("it can be started");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Outcome { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs a script that is an application on the broker at `base`, to its end, and gives the notifications that it
    /// caused. The script gets the broker's address and the one to be notified at, and says "done" last.
    ///
    /// # Panics
    /// When the application fails, or nobody is notified.
    pub async fn play(&self, script: &str, base: &str) -> Vec<Value> {
        let listener = Listener::start().await;
        let outcome = self.run(script, &[base, listener.uri()]).await;
        assert_eq!(outcome.status, Some(0), "{}\n{}", outcome.stdout, outcome.stderr);
        assert!(outcome.stdout.ends_with("done\n"), "{}", outcome.stdout);
        listener.posted.wait_for("a notification", |_| true).await;
        listener.posted.all()
    }

    /// A command that runs one of its scripts and is killed when it is dropped.
    pub fn command(&self, script: &str) -> Command {
        let path = self.scripts.join(script);
        let mut command = if script.ends_with(".py") {
            Command::new(self.python("python"))
        } else {
            let mut node = Command::new("node");
            // A script finds its modules beside itself, which is not where they are installed.
            node.env("NODE_PATH", self.installed.join("node_modules"));
            node
        };
        command.arg(path).stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}
