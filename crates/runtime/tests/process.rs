//! What the process runtime does beyond the suite: limits, and no orphans after a killed agent.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Programs, image, runtime_in};
use morgana_model::ImageName;
use morgana_runtime::conformance::{Fixture, eventually, launch, runs};
use morgana_runtime::{Error, Exit, Limits, Runtime};

/// Says so and returns false where the machine cannot set this limit.
fn can_limit(programs: &Programs, what: &str) -> bool {
    let text = programs.runtime.limits_text(&Limits::default());
    let limits = text.split(';').next().unwrap_or_default().to_owned();
    let can = limits.contains(what) && limits.contains("cgroup");
    if !can {
        eprintln!("skipped: no limit on {what} on this machine: {text}");
    }
    can
}

#[tokio::test]
async fn a_memory_hog_is_killed_and_told_with_its_limit() {
    let programs = Programs::new(true);
    if !can_limit(&programs, "memory") {
        return;
    }
    // The second one is the child of a shell that goes on for long enough to see it die.
    for script in ["exec tail /dev/zero", "tail /dev/zero"] {
        let mut launch = launch(&programs, script);
        launch.limits = Limits { memory_mib: 24, ..Limits::default() };
        let instance = programs.runtime.start(launch).await.unwrap();
        assert!(instance.limits().contains("memory 24 MiB"), "{}", instance.limits());
        let exit = instance.wait().await;
        assert_eq!(exit, Exit::OverMemory { limit_mib: 24 });
        assert_eq!(exit.to_string(), "killed: over its memory limit of 24 MiB");
    }
}

#[tokio::test]
async fn a_workload_gets_no_more_processes_than_it_may_have() {
    let programs = Programs::new(true);
    if !can_limit(&programs, "processes") {
        return;
    }
    let mut launch = launch(&programs, "while :; do sleep 1000 & echo $! >> born; done");
    launch.limits = Limits { processes: 20, ..Limits::default() };
    let log = Arc::clone(&launch.log);
    let instance = programs.runtime.start(launch).await.unwrap();
    // The shell gives up when it cannot fork, and what it has started goes with it.
    assert!(matches!(instance.wait().await, Exit::Status(_)));
    assert!(log.tail(1).unwrap()[0].contains("fork"), "{:?}", log.tail(1));
    let born = std::fs::read_to_string(programs.folder().join("data/born")).unwrap();
    assert_eq!(born.lines().count(), 19);
    assert!(!born.lines().any(runs));
}

#[tokio::test]
async fn a_busy_loop_gets_no_more_than_its_processor_time() {
    let programs = Programs::new(true);
    if !can_limit(&programs, "cpu") {
        return;
    }
    let mut launch = launch(&programs, "while :; do :; done");
    launch.limits = Limits { cpu_percent: 20, ..Limits::default() };
    let instance = programs.runtime.start(launch).await.unwrap();
    let start = Instant::now();
    eventually("a second is over", || start.elapsed() > Duration::from_secs(1)).await;
    let used = instance.usage().unwrap().cpu_seconds / start.elapsed().as_secs_f64();
    assert!(used < 0.4, "used {used} cores");
    instance.terminate(Duration::ZERO).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_workload_that_ended() {
    let programs = Programs::new(true);
    let instance = programs.runtime.start(launch(&programs, "sleep 1000")).await.unwrap();
    let memberships = std::fs::read_to_string(format!("/proc/{}/cgroup", instance.pid().unwrap())).unwrap();
    let records = || std::fs::read_dir(programs.folder().join("runtime")).unwrap().count();
    assert_eq!(records(), 1);
    instance.terminate(Duration::from_secs(5)).await;
    assert_eq!(records(), 0);
    programs.runtime.tidy();
    for line in memberships.lines().filter(|line| line.contains("thingvisor-under-test")) {
        let group = line.rsplit(':').next().unwrap().strip_suffix("/thingvisor-under-test").unwrap();
        let left =
            Command::new("find").args(["/sys/fs/cgroup", "-path", &format!("*{group}")]).output().unwrap();
        assert!(left.stdout.is_empty(), "{}", String::from_utf8_lossy(&left.stdout));
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_is_an_error_that_stays() {
    let programs = Programs::new(true);
    let path = programs.folder().join("script");
    std::fs::write(&path, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut launch = launch(&programs, "");
    launch.image = ImageName::Exec(path.to_str().unwrap().to_owned());
    let error = programs.runtime.start(launch).await.unwrap_err();
    assert!(matches!(error, Error::Start { .. }) && error.is_permanent(), "{error:?}");
}

#[tokio::test]
async fn a_workload_that_prints_without_end_fills_neither_disk_nor_processor() {
    let programs = Programs::new(true);
    let launch = launch(&programs, "yes a line that is printed again and again");
    let log = Arc::clone(&launch.log);
    let instance = programs.runtime.start(launch).await.unwrap();
    let size = |name: &str| std::fs::metadata(programs.folder().join(name)).map_or(0, |found| found.len());
    eventually("the log was turned over", || size("log.1") > 0).await;
    assert!(size("log") + size("log.1") <= 1 << 20);
    assert_eq!(log.tail(5).unwrap().len(), 5);
    instance.terminate(Duration::ZERO).await;
}

/// Not a test: the agent that the tests below kill. It starts the program in `AGENT_FOLDER`.
#[tokio::test]
#[ignore = "the tests below run it as a program of its own"]
async fn an_agent() {
    let Some(folder) = std::env::var_os("AGENT_FOLDER") else { return };
    let cgroups = std::env::var_os("AGENT_CGROUPS").is_some();
    let fixture = Agent { runtime: runtime_in(Path::new(&folder), cgroups), folder: folder.into() };
    let script = "setsid env - sh -c 'echo $$ > hidden; exec sleep 1000' >/dev/null 2>&1 &\n\
        setsid sh -c 'echo $$ > runaway; exec sleep 1000' >/dev/null 2>&1 &\n\
        echo $$ > leader; exec sleep 1000";
    let instance = fixture.runtime.start(launch(&fixture, script)).await.unwrap();
    instance.wait().await;
}

struct Agent {
    runtime: morgana_runtime::ProcessRuntime,
    folder: std::path::PathBuf,
}

impl Fixture for Agent {
    fn runtime(&self) -> &dyn Runtime {
        &self.runtime
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn image(&self, script: &str) -> ImageName {
        image(&self.folder, script)
    }
}

fn sleeps(folder: &Path, name: &str) -> bool {
    std::fs::read_to_string(folder.join("data").join(name)).is_ok_and(|pid| !pid.is_empty() && runs(&pid))
}

async fn after_a_killed_agent(cgroups: bool, runaways: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "an_agent", "--ignored", "--nocapture"]).env("AGENT_FOLDER", folder.path());
    if cgroups {
        command.env("AGENT_CGROUPS", "1");
    }
    let mut agent = command.stdout(Stdio::null()).spawn().unwrap();
    for name in ["leader", "runaway", "hidden"] {
        eventually(name, || sleeps(folder.path(), name)).await;
    }
    eventually("recorded", || std::fs::read_dir(folder.path().join("runtime")).unwrap().count() == 1).await;
    agent.kill().unwrap();
    agent.wait().unwrap();
    eventually("the kernel has ended the leader", || !sleeps(folder.path(), "leader")).await;
    for name in runaways {
        assert!(sleeps(folder.path(), name), "{name} should have needed the next agent");
    }
    let next = runtime_in(folder.path(), cgroups);
    let names = next.end_leftovers().await.unwrap();
    assert_eq!(names.iter().map(ToString::to_string).collect::<Vec<_>>(), ["thingvisor/under-test"]);
    for name in runaways {
        assert!(!sleeps(folder.path(), name), "{name}");
    }
    assert_eq!(next.end_leftovers().await.unwrap(), []);
    if !runaways.contains(&"hidden") {
        let pid = std::fs::read_to_string(folder.path().join("data/hidden")).unwrap();
        Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
    }
}

#[tokio::test]
async fn what_a_killed_agent_left_running_is_ended_by_the_next_one() {
    if can_limit(&Programs::new(true), "processes") {
        after_a_killed_agent(true, &["runaway", "hidden"]).await;
    }
}

#[tokio::test]
async fn what_a_killed_agent_left_running_is_found_by_its_mark_without_cgroups() {
    after_a_killed_agent(false, &["runaway"]).await;
}
