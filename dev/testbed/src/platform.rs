//! A platform: `morgana up` as a process.

mod standby;

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use morgana_client::Client;
use morgana_model::{Credentials, Secret, WorkloadName};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use crate::door_ports::DoorPorts;
use crate::process::processes_of;
use crate::program::clean_command;
use crate::{Cli, Http, PATIENCE, Process, User, eventually, logs};

/// The password that the administrator of a testbed has, unless a test wants another.
const ADMIN_PASSWORD: &str = "the administrator of a testbed";
/// What the binary prints when all its parts answer.
const READY: &str = "morgana is ready";
/// Where the parts of a running platform are, in its data folder.
const ENDPOINTS: &str = "endpoints.json";
/// How long the processes of a killed platform may take to be gone.
const DEATH_PATIENCE: Duration = Duration::from_secs(10);

/// How a platform is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The administrator's password; where there is none, the platform makes one up.
    pub admin_password: Option<Secret>,
    /// Further arguments of `morgana up`.
    pub arguments: Vec<String>,
    /// Further environment variables.
    pub variables: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        let admin_password = Some(Secret::new(ADMIN_PASSWORD));
        Self { admin_password, arguments: Vec::new(), variables: Vec::new() }
    }
}

/// A platform in a process of its own, with a data folder and door ports of its own.
///
/// When it is dropped, everything it started is ended; a process that then is still there fails
/// the test. When the test has failed, the logs are printed.
#[derive(Debug)]
pub struct Platform {
    program: PathBuf,
    folder: TempDir,
    data: PathBuf,
    options: Options,
    doors: DoorPorts,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    pid: i32,
    endpoints: Endpoints,
    stdout: Text,
    stderr: Text,
}

/// What a process has written so far.
type Text = Arc<Mutex<String>>;

/// `endpoints.json`.
#[derive(Debug, Deserialize)]
struct Endpoints {
    rest: Door,
    mqtt: Door,
}

#[derive(Debug, Deserialize)]
struct Door {
    url: String,
    port: u16,
}

/// How a platform ended.
#[derive(Debug)]
pub struct Ending {
    /// The exit status.
    pub status: ExitStatus,
    /// How long it took.
    pub took: Duration,
}

impl Platform {
    /// Starts a platform in a fresh folder and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start(program: &str) -> Self {
        Self::start_with(program, Options::default()).await
    }

    /// [`Platform::start`] with options.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start_with(program: &str, options: Options) -> Self {
        let mut platform = Self::prepare(program, options);
        platform.restart().await;
        platform
    }

    /// A platform that is not started yet: its folder is there, its data folder is not.
    pub fn prepare(program: &str, options: Options) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let data = folder.path().join("data");
        Self { program: program.into(), folder, data, options, doors: DoorPorts::lease(), running: None }
    }

    /// Sets an environment variable for the next start.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.options.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the platform on its data folder, and waits until it is ready. Its REST and MQTT ports
    /// may be others than before.
    ///
    /// # Panics
    /// When it runs already, or does not become ready.
    pub async fn restart(&mut self) {
        let mut child = self.spawn();
        let pid = child.id().and_then(|pid| pid.try_into().ok()).expect("a process that runs has an id");
        let stdout = collect(child.stdout.take().expect("its output is a pipe"));
        let stderr = collect(child.stderr.take().expect("its messages are a pipe"));
        let ready = eventually("`morgana up` is ready", async || {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                panic!("`morgana up` ended with {status}: {}", logs::tail(&read(&stderr)));
            }
            let said = read(&stdout);
            if said.contains(READY) { Ok(()) } else { Err(said + &logs::tail(&read(&stderr))) }
        });
        ready.await;
        let endpoints = self.read_endpoints();
        self.running = Some(Running { child, pid, endpoints, stdout, stderr });
    }

    /// Waits until the platform has ended by itself; its exit status.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut running = self.running.take().expect("the platform runs");
        let ended = timeout(PATIENCE, running.child.wait()).await;
        let Ok(status) = ended else {
            panic!("the platform does not end: {}", logs::tail(&read(&running.stderr)))
        };
        status.expect("a child can be waited for")
    }

    fn read_endpoints(&self) -> Endpoints {
        let endpoints = std::fs::read(self.data.join(ENDPOINTS));
        let endpoints = endpoints.expect("endpoints.json is there when the platform is ready");
        serde_json::from_slice(&endpoints).expect("endpoints.json can be read")
    }

    /// Starts the platform on its data folder and kills it after a while, ready or not.
    ///
    /// # Panics
    /// When it runs already.
    pub async fn start_and_kill(&mut self, after: Duration) {
        let mut child = self.spawn();
        sleep(after).await;
        child.kill().await.expect("a child can be killed");
    }

    fn spawn(&self) -> Child {
        assert!(self.running.is_none(), "the platform runs already");
        // What an earlier run has left must not be taken for an answer of this one.
        std::fs::remove_file(self.data.join(ENDPOINTS)).ok();
        let password = self.options.admin_password.iter();
        let mut command = clean_command(&self.program, self.folder.path());
        command
            .args(["up", "--port", "0", "--mqtt-port", "0", "--data"])
            .arg(&self.data)
            .args(&self.options.arguments)
            .envs(password.map(|password| ("MORGANA_ADMIN_PASSWORD", password.expose())))
            .envs(self.doors.variables())
            .envs(self.options.variables.iter().cloned())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("the program can be started")
    }

    /// Kills the process of the platform as `kill -9` does. What it ran has to notice by itself.
    pub async fn kill(&mut self) {
        let mut running = self.running.take().expect("the platform runs");
        running.child.kill().await.expect("a child can be killed");
    }

    /// Kills every process of the platform at once.
    pub async fn kill_all(&mut self) {
        processes_of(&self.data).iter().for_each(Process::kill);
        self.kill().await;
    }

    /// Asks the platform to end as `kill` does, and waits until it has.
    ///
    /// # Panics
    /// When it does not.
    pub async fn terminate(&mut self) -> Ending {
        self.end(Signal::SIGTERM).await
    }

    /// Asks the platform to end as Ctrl-C does, and waits until it has.
    ///
    /// # Panics
    /// When it does not.
    pub async fn interrupt(&mut self) -> Ending {
        self.end(Signal::SIGINT).await
    }

    async fn end(&mut self, signal: Signal) -> Ending {
        let mut running = self.running.take().expect("the platform runs");
        let start = Instant::now();
        kill(Pid::from_raw(running.pid), signal).expect("a child can be signalled");
        let ended = timeout(PATIENCE, running.child.wait()).await;
        let took = start.elapsed();
        let Ok(status) = ended else {
            panic!("{signal} does not end the platform: {}", logs::tail(&read(&running.stderr)))
        };
        Ending { status: status.expect("a child can be waited for"), took }
    }

    /// Waits until no process has to do with the data folder.
    ///
    /// # Panics
    /// When one stays, with its command line.
    pub async fn no_process_is_left(&self) {
        eventually("every process of the platform is gone", async || match processes_of(&self.data) {
            none if none.is_empty() => Ok(()),
            left => Err(format!("{left:?}")),
        })
        .await;
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A folder for the files of the test; the data folder is in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The URL of the REST API.
    pub fn rest_url(&self) -> &str {
        &self.running().endpoints.rest.url
    }

    /// The port of the fabric.
    pub fn fabric_port(&self) -> u16 {
        self.running().endpoints.mqtt.port
    }

    /// What it wrote to its standard output since it was started.
    pub fn stdout(&self) -> String {
        read(&self.running().stdout)
    }

    /// What it wrote to its standard error since it was started.
    pub fn stderr(&self) -> String {
        read(&self.running().stderr)
    }

    /// Every process that has to do with the data folder, but the keeper.
    pub fn processes(&self) -> Vec<Process> {
        processes_of(&self.data).into_iter().filter(|process| !process.is_keeper).collect()
    }

    /// The process that waits for a kill of the platform, if it is there.
    pub fn keeper(&self) -> Option<Process> {
        processes_of(&self.data).into_iter().find(|process| process.is_keeper)
    }

    /// The process of the platform itself.
    pub fn process(&self) -> Process {
        let pid = self.running().pid;
        let found = self.processes().into_iter().find(|process| process.pid == pid);
        found.expect("the platform runs")
    }

    /// The process of a workload, when it runs.
    pub fn workload(&self, name: &WorkloadName) -> Option<Process> {
        let variable = match name {
            WorkloadName::ThingVisor(_) => "thingVisorID",
            WorkloadName::VSilo(_) => "vSiloID",
        };
        let platform = self.running().pid;
        self.processes().into_iter().find(|process| {
            process.parent == platform && process.variable(variable).as_deref() == Some(name.id())
        })
    }

    /// The command line, as somebody who is not logged in.
    pub fn cli(&self) -> Cli {
        Cli::new(&self.program, self.rest_url())
    }

    /// Plain HTTP, as somebody who is not logged in.
    pub fn http(&self) -> Http {
        Http::new(self.rest_url(), None)
    }

    /// Plain HTTP as a user.
    pub fn http_as(&self, user: &User) -> Http {
        Http::new(self.rest_url(), Some(user.token.expose()))
    }

    /// The REST API as a user.
    pub fn client(&self, user: &User) -> Client {
        Client::new(self.rest_url(), Some(user.token.clone())).expect("a session's token is a header")
    }

    /// The administrator, logged in.
    pub async fn admin(&self) -> User {
        self.log_in("admin", &Secret::new(ADMIN_PASSWORD)).await
    }

    /// A user, logged in.
    ///
    /// # Panics
    /// When the platform does not let it in.
    pub async fn log_in(&self, id: &str, password: &Secret) -> User {
        let client = Client::new(self.rest_url(), None).expect("the URL of a platform is one");
        let credentials = Credentials { user_id: id.to_owned(), password: password.clone() };
        let session =
            client.login(&credentials).await.unwrap_or_else(|error| panic!("{id} cannot log in: {error}"));
        let id = id.parse().expect("the id of a user that exists is valid");
        User { id, password: password.clone(), token: session.access_token }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the platform runs")
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Some(running) = &self.running {
                eprintln!("--- morgana up\n{}", logs::tail(&read(&running.stderr)));
            }
            eprintln!("{}", logs::of_workloads(&self.data));
        }
        if let Some(mut running) = self.running.take() {
            // It may have ended by itself.
            running.child.start_kill().ok();
            wait_until(|| !matches!(running.child.try_wait(), Ok(None)));
        }
        let is_gone = wait_until(|| processes_of(&self.data).is_empty());
        let left = processes_of(&self.data);
        left.iter().for_each(Process::kill);
        assert!(is_gone || std::thread::panicking(), "the platform left processes behind: {left:?}");
    }
}

/// Waits where no runtime can be waited on; whether the condition came.
fn wait_until(mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < DEATH_PATIENCE {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Keeps all that a process writes.
fn collect(pipe: impl AsyncRead + Unpin + Send + 'static) -> Text {
    let text = Text::default();
    let writing = Arc::clone(&text);
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut text = writing.lock().unwrap_or_else(PoisonError::into_inner);
            text.push_str(&line);
            text.push('\n');
        }
    });
    text
}

fn read(text: &Text) -> String {
    text.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
