//! A node in a folder of its own, whose workloads are this test program itself.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use morgana_model::{Endpoints, Secret, WorkloadName};
use morgana_node::{Assignment, Node, NodeAgent, Options, Report, State};
use morgana_workload::{EXIT_CONFIGURATION, EXIT_PORT_TAKEN, Environment, FabricAccess, Notifier, Role};
use serde_json::{Value, json};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct TestNode {
    pub(crate) node: Node,
    pub(crate) folder: tempfile::TempDir,
}

impl TestNode {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path());
        change(&mut options);
        Self { node: Node::start(options).await.unwrap(), folder }
    }

    pub(crate) fn home(&self, name: &WorkloadName) -> PathBuf {
        self.folder.path().join("workloads").join(name.to_string())
    }

    pub(crate) fn report(&self, name: &WorkloadName) -> Option<Report> {
        self.node.reports().into_iter().find(|report| report.name == *name)
    }

    /// The first report, now or later, for which `is_it` is true.
    pub(crate) async fn reported(
        &self,
        name: &WorkloadName,
        what: &str,
        is_it: impl Fn(&Report) -> bool,
    ) -> Report {
        let mut coming = self.node.subscribe();
        if let Some(report) = self.report(name).filter(&is_it) {
            return report;
        }
        let wanted = async {
            loop {
                let report = coming.recv().await.unwrap();
                if report.name == *name && is_it(&report) {
                    return report;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, wanted).await {
            Ok(report) => report,
            Err(_) => panic!("{name} was never {what}; its last report is {:?}", self.report(name)),
        }
    }

    pub(crate) async fn ready(&self, name: &WorkloadName) -> Report {
        self.reported(name, "ready", |report| report.state == State::Ready).await
    }

    /// The reason of its failure.
    pub(crate) async fn failed(&self, name: &WorkloadName) -> String {
        let report =
            self.reported(name, "failed", |report| matches!(report.state, State::Failed { .. })).await;
        match report.state {
            State::Failed { reason } => reason,
            _ => unreachable!("it was asked for"),
        }
    }

    /// Removes a workload and waits until it is gone.
    pub(crate) async fn remove(&self, name: &WorkloadName) -> Report {
        let mut coming = self.node.subscribe();
        self.node.remove(name).await.unwrap();
        let gone = async {
            loop {
                let report = coming.recv().await.unwrap();
                if report.name == *name && report.state == State::Gone {
                    return report;
                }
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.unwrap()
    }
}

pub(crate) fn options(folder: &Path) -> Options {
    Options {
        program: Some(std::env::current_exe().unwrap()),
        data_dir: folder.to_owned(),
        door_ports: some_ports(),
        restart_first_ms: 5,
        restart_max_ms: 50,
        ..Options::default()
    }
}

/// A range that tests which run at the same time hardly share.
fn some_ports() -> std::ops::RangeInclusive<u16> {
    let first = 20_000 + u16::try_from(std::process::id() % 90).unwrap() * 100;
    first..=first + 99
}

/// A ThingVisor that is this program, see [`act`].
pub(crate) fn assignment(id: &str, params: Value) -> Assignment {
    let id: morgana_model::ThingVisorId = id.parse().unwrap();
    Assignment {
        born: jiff::Timestamp::UNIX_EPOCH,
        name: WorkloadName::ThingVisor(id.clone()),
        generation: 1,
        update: 0,
        image: "builtin:acts_as_a_workload".parse().unwrap(),
        role: Role::ThingVisor { id, params },
        fabric: FabricAccess {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 1883,
            user: "tv".to_owned(),
            password: Secret::new("pass"),
        },
        doors: vec![80],
        endpoints: Endpoints::new(),
        asked: Endpoints::new(),
    }
}

/// An `exec:` workload: a shell script in the folder.
pub(crate) fn script(folder: &Path, id: &str, text: &str) -> Assignment {
    let path = folder.join(format!("{id}.sh"));
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut assignment = assignment(id, Value::Null);
    assignment.image = format!("exec:{}", path.display()).parse().unwrap();
    assignment
}

/// Waits until `is_so`.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Whether the process runs, and has not merely not been waited for.
pub(crate) fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

pub(crate) fn kill(pid: u32) {
    assert!(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// What this program does when a node runs it as a workload.
pub(crate) fn act() -> ! {
    let environment = Environment::from_env().unwrap();
    let Role::ThingVisor { params, .. } = &environment.role else { unreachable!("it is one") };
    // Not `println!`: the test harness would keep that to itself.
    let mut stdout = std::io::stdout();
    let mut print = |text: &str| stdout.write_all(format!("{text}\n").as_bytes()).unwrap();
    let lives = environment.data.join("lives");
    let life = std::fs::read(&lives).unwrap_or_default().len() + 1;
    std::fs::OpenOptions::new().create(true).append(true).open(&lives).unwrap().write_all(b"x").unwrap();
    // The test harness has begun a line.
    print(&format!("\nlife {life}"));
    let mut doors = Vec::new();
    for port in environment.doors.values() {
        match TcpListener::bind((environment.listen, *port)) {
            Ok(door) => doors.push(door),
            Err(error) => {
                print(&format!("port {port}: {error}"));
                std::process::exit(EXIT_PORT_TAKEN.into());
            }
        }
    }
    let notifier = Notifier::from_env().unwrap();
    match params["act"].as_str() {
        Some("wrong parameters") => {
            print("parameter 'rate' is -1: give a number above 0");
            std::process::exit(EXIT_CONFIGURATION.into());
        }
        Some("crash") => std::process::exit(1),
        Some("mute") => {}
        Some("port taken once") if life == 1 => std::process::exit(EXIT_PORT_TAKEN.into()),
        _ => notifier.ready().unwrap(),
    }
    loop {
        std::thread::park();
    }
}

pub(crate) fn acts(how: &str) -> Value {
    json!({ "act": how })
}
