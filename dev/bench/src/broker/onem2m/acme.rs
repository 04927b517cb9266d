//! ACME, the CSE of PyPI, as the peer.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::super::usage::resident_mib;
use crate::broker::connection::Connection;

/// How long it may take to start.
const ATTEMPTS: u32 = 120;

/// A running ACME. It is killed when this is dropped.
pub(in crate::broker) struct Acme {
    pub(in crate::broker) address: String,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Acme {
    /// Starts the ACME that is installed in the folder of clients; none when there is none, which is said.
    pub(in crate::broker) async fn start(clients: &Path) -> io::Result<Option<Self>> {
        let installed = std::path::absolute(clients.join("acme"))?;
        let program = installed.join("bin/acmecse");
        let Some(init) = init_folder(&installed).filter(|_| program.exists()) else {
            eprintln!("ACME is not in {}: scripts/test-needs.sh installs it", installed.display());
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        // ACME cannot be told to take any port.
        let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
        std::fs::write(folder.path().join("acme.ini"), configuration(folder.path(), &init, port))?;
        let child = Command::new(&program)
            .args([
                "--config",
                "acme.ini",
                "--headless",
                "--no-mqtt",
                "--no-ws",
                "--no-coap",
                "--no-remote-cse",
            ])
            .args(["--db-type", "memory", "--log-level", "off", "-dir"])
            .arg(folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let address = format!("127.0.0.1:{port}");
        for _ in 0..ATTEMPTS {
            if Connection::open(&address).await.is_ok() {
                // It listens somewhat before it answers.
                tokio::time::sleep(Duration::from_secs(3)).await;
                return Ok(Some(Self { address, child, _folder: folder }));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Err(io::Error::other("ACME does not start"))
    }

    pub(in crate::broker) fn resident_mib(&self) -> f64 {
        self.child.id().map_or(f64::NAN, resident_mib)
    }
}

/// The folder of what ACME imports at its start.
fn init_folder(installed: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(installed.join("lib")).ok()?;
    let folder = |version: std::fs::DirEntry| version.path().join("site-packages/acmecse/init");
    versions.flatten().map(folder).find(|folder| folder.is_dir())
}

fn configuration(folder: &Path, init: &Path, port: u16) -> String {
    format!(
        "[basic.config]\ncseType=IN\ncseID=id-in\ncseName=cse-in\nadminID=CAdmin\n\
         serviceProviderID=//acme.example.com\nnetworkInterface=127.0.0.1\ncseHost=127.0.0.1\nhttpPort={port}\n\
         logLevel=off\ndatabaseType=memory\ndataDirectory={}\nbaseDirectory={}\ninitDirectory={}\n",
        folder.display(),
        folder.display(),
        init.display()
    )
}
