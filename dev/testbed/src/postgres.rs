//! A PostgreSQL server of a test's own, from the machine's packages.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;

use crate::eventually;

/// Where Debian puts the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Who owns the databases of a test.
const USER: &str = "morgana";
/// Its password.
const PASSWORD: &str = "a password for tests";
/// The server listens in a folder of its own, where every port is free.
const PORT: &str = "5432";

/// A server with data in a temporary folder, on a Unix socket there. It ends when it is dropped, or
/// when the thread that started it ends.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    server: Option<Child>,
}

impl Postgres {
    /// Makes a cluster and starts its server.
    ///
    /// # Panics
    /// When PostgreSQL is not installed, or does not start.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut postgres = Self { programs: programs(), folder, server: None };
        if let Some(user) = unprivileged() {
            chown(postgres.folder(), Some(user.uid.as_raw()), Some(user.gid.as_raw()))
                .expect("the folder can be given to the user");
        }
        let password = postgres.folder().join("password");
        std::fs::write(&password, PASSWORD).expect("a file can be written");
        let mut initdb = postgres.command("initdb");
        initdb.args(["--username", USER, "--auth", "scram-sha-256", "--pwfile"]).arg(&password);
        initdb.args(["--encoding", "UTF8", "--locale", "C", "--no-sync", "--pgdata"]).arg(postgres.data());
        run(initdb);
        postgres.restart().await;
        postgres
    }

    /// Starts the server again after [`Postgres::stop`].
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn restart(&mut self) {
        assert!(self.server.is_none(), "the server runs already");
        let log = std::fs::File::create(self.folder().join("log")).expect("a file can be made");
        let mut server = self.command("postgres");
        server.arg("-D").arg(self.data()).arg("-k").arg(self.folder()).args(["-p", PORT]);
        server.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50"]);
        let server = server.stdout(Stdio::null()).stderr(log).spawn().expect("postgres can be started");
        self.server = Some(server);
        eventually("PostgreSQL answers", async || {
            let mut asked = self.command("pg_isready");
            asked.arg("-h").arg(self.folder()).args(["-p", PORT, "-q"]);
            let ready = asked.status().is_ok_and(|status| status.success());
            let log = || std::fs::read_to_string(self.folder().join("log")).unwrap_or_default();
            if ready { Ok(()) } else { Err(log()) }
        })
        .await;
    }

    /// Ends the server at once, as a crash of it would.
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        if let Ok(pid) = server.id().try_into() {
            kill(Pid::from_raw(pid), Signal::SIGQUIT).ok();
        }
        server.wait().ok();
    }

    /// Makes an empty database; its URL.
    pub fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(name)
    }

    /// The URL of a database.
    pub fn url(&self, name: &str) -> String {
        let password = PASSWORD.replace(' ', "%20");
        format!("postgres://{USER}:{password}@localhost:{PORT}/{name}?host={}", self.folder().display())
    }

    /// Runs a statement as the owner of all; its result as plain text.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let mut psql = self.command("psql");
        psql.env("PGPASSWORD", PASSWORD).arg("-h").arg(self.folder());
        psql.args(["-p", PORT, "-U", USER, "-d", database, "-qAt", "-v", "ON_ERROR_STOP=1", "-c", statement]);
        run(psql)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// One of PostgreSQL's programs, as a user that it lets run it, and ended with this thread.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if let Some(user) = unprivileged() {
            command.args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)]);
            command.arg("--clear-groups");
        }
        command.arg(self.programs.join(program)).current_dir(self.folder()).stdin(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// PostgreSQL does not run as the administrator of the machine; whom it runs as then.
fn unprivileged() -> Option<User> {
    let find = |name| User::from_name(name).ok().flatten();
    geteuid().is_root().then(|| find("postgres").or_else(|| find("nobody")).expect("there is a user nobody"))
}

/// The programs of the newest version that is installed.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut found: Vec<_> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse::<u32>().ok()?, version.path())))
        .map(|(version, folder)| (version, folder.join("bin")))
        .filter(|(_, programs)| programs.join("initdb").exists())
        .collect();
    found.sort();
    let newest = found.pop().map(|(_, programs)| programs);
    newest.unwrap_or_else(|| panic!("no PostgreSQL in {DEBIAN}: run scripts/test-needs.sh"))
}

fn run(mut command: Command) -> String {
    let output = command.output().expect("the program can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
