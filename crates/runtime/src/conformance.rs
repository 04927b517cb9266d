//! What every [`Runtime`] does, as tests that an implementation runs against itself.
//!
//! The tests of an implementation write a [`Fixture`] and call
//! [`conformance_suite!`](crate::conformance_suite) with an expression that makes one; each fact
//! becomes a test of its own. Panics are the way a fact fails, so nothing here is for production.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, missing_docs)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use morgana_model::{ImageName, WorkloadName};

use crate::{Exit, Instance, Launch, Limits, Log, Runtime};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A runtime under test, with folders of its own.
pub trait Fixture: Send + Sync {
    fn runtime(&self) -> &dyn Runtime;

    /// A folder of the test's own on this machine.
    fn folder(&self) -> &Path;

    /// An image that runs a script of the POSIX shell.
    fn image(&self, script: &str) -> ImageName;
}

/// Makes one test of each fact of the suite. The argument is an expression that makes a
/// [`Fixture`](crate::conformance::Fixture).
#[macro_export]
macro_rules! conformance_suite {
    ($fixture:expr) => {
        $crate::conformance_suite! { $fixture;
            an_end_is_told_with_its_status
            all_that_was_printed_is_in_the_log_when_the_end_is_told
            a_workload_gets_its_variables_and_none_of_ours
            a_workload_starts_in_its_data_folder
            a_workload_that_is_asked_to_end_can_tidy_up
            a_workload_that_does_not_end_is_killed_after_the_grace
            everyone_who_waits_is_told_of_the_end_also_later
            no_process_of_a_workload_outlives_it
            a_workload_that_nobody_holds_is_killed
            a_running_workload_tells_what_it_uses
            the_same_workload_can_run_again
        }
    };
    ($fixture:expr; $($fact:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $fact() {
                $crate::conformance::$fact(&$fixture).await;
            }
        )*
    };
}

/// A launch of the script, with no variables.
pub fn launch(fixture: &dyn Fixture, script: &str) -> Launch {
    let data = fixture.folder().join("data");
    std::fs::create_dir_all(&data).unwrap();
    Launch {
        name: WorkloadName::ThingVisor("under-test".parse().unwrap()),
        image: fixture.image(script),
        variables: BTreeMap::new(),
        data,
        log: Arc::new(Log::open(fixture.folder().join("log"), 1 << 20).unwrap()),
        limits: Limits::default(),
    }
}

/// Waits until `is_so`, at most [`PATIENCE`].
pub async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn start(fixture: &dyn Fixture, script: &str) -> (Arc<dyn Instance>, Arc<Log>) {
    let launch = launch(fixture, script);
    let log = Arc::clone(&launch.log);
    (fixture.runtime().start(launch).await.unwrap(), log)
}

async fn wait(instance: &dyn Instance) -> Exit {
    tokio::time::timeout(PATIENCE, instance.wait()).await.unwrap()
}

/// Waits until the workload has printed this line.
async fn printed(log: &Log, line: &str) {
    eventually(line, || log.tail(100).unwrap().iter().any(|printed| printed == line)).await;
}

pub async fn an_end_is_told_with_its_status(fixture: &dyn Fixture) {
    for status in [0, 1, 78] {
        let (instance, _) = start(fixture, &format!("exit {status}")).await;
        assert_eq!(wait(&*instance).await, Exit::Status(status));
    }
}

pub async fn all_that_was_printed_is_in_the_log_when_the_end_is_told(fixture: &dyn Fixture) {
    let script =
        "i=0; while [ $i -lt 2000 ]; do echo out $i; i=$((i+1)); done; echo no newline >&2; printf end";
    let (instance, log) = start(fixture, script).await;
    wait(&*instance).await;
    let tail = log.tail(3_000).unwrap();
    assert_eq!((tail.len(), tail[1_999].as_str()), (2_002, "out 1999"));
    assert_eq!(tail[2_000..], ["no newline", "end"]);
}

pub async fn a_workload_gets_its_variables_and_none_of_ours(fixture: &dyn Fixture) {
    let mut launch = launch(fixture, "env");
    launch.variables.insert("params".to_owned(), "{\"a b\": \"é\\n'$x'\"}".to_owned());
    let log = Arc::clone(&launch.log);
    wait(&*fixture.runtime().start(launch).await.unwrap()).await;
    let printed = log.tail(100).unwrap();
    assert!(printed.contains(&"params={\"a b\": \"é\\n'$x'\"}".to_owned()), "{printed:?}");
    assert!(printed.iter().any(|line| line.starts_with("PATH=")), "{printed:?}");
    assert!(!printed.iter().any(|line| line.starts_with("CARGO")), "{printed:?}");
}

pub async fn a_workload_starts_in_its_data_folder(fixture: &dyn Fixture) {
    let (instance, _) = start(fixture, "echo kept > mine").await;
    wait(&*instance).await;
    assert_eq!(std::fs::read_to_string(fixture.folder().join("data/mine")).unwrap(), "kept\n");
}

pub async fn a_workload_that_is_asked_to_end_can_tidy_up(fixture: &dyn Fixture) {
    let script = "trap 'echo tidy; exit 3' TERM; echo up; while :; do sleep 0.01; done";
    let (instance, log) = start(fixture, script).await;
    printed(&log, "up").await;
    assert_eq!(instance.terminate(PATIENCE).await, Exit::Status(3));
    assert_eq!(log.tail(1).unwrap(), ["tidy"]);
}

pub async fn a_workload_that_does_not_end_is_killed_after_the_grace(fixture: &dyn Fixture) {
    let (instance, log) = start(fixture, "trap '' TERM; echo up; while :; do sleep 0.01; done").await;
    printed(&log, "up").await;
    let start = Instant::now();
    assert_eq!(instance.terminate(Duration::from_millis(100)).await, Exit::Signal(9));
    assert!(start.elapsed() >= Duration::from_millis(100));
}

pub async fn everyone_who_waits_is_told_of_the_end_also_later(fixture: &dyn Fixture) {
    let (instance, _) = start(fixture, "exit 5").await;
    let other = Arc::clone(&instance);
    let waiting = tokio::spawn(async move { other.wait().await });
    assert_eq!(wait(&*instance).await, Exit::Status(5));
    assert_eq!(waiting.await.unwrap(), Exit::Status(5));
    assert_eq!(instance.terminate(PATIENCE).await, Exit::Status(5));
    assert_eq!(instance.usage(), None);
}

/// A process that leaves its session, its parent and its pipes behind, and tells its id.
const RUNAWAY: &str = "setsid sh -c 'echo $$ > runaway.new; mv runaway.new runaway; exec sleep 1000' >/dev/null 2>&1 &\n\
    while [ ! -e runaway ]; do sleep 0.01; done\n";

/// Whether a process with the id that a workload wrote into this file runs, and has not merely
/// not been waited for yet.
pub fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn is_alive(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("data/runaway")).is_ok_and(|pid| runs(&pid))
}

pub async fn no_process_of_a_workload_outlives_it(fixture: &dyn Fixture) {
    let (instance, log) = start(fixture, &format!("{RUNAWAY} echo up; read wait < /dev/zero")).await;
    printed(&log, "up").await;
    eventually("the runaway runs", || is_alive(fixture.folder())).await;
    instance.terminate(Duration::from_millis(200)).await;
    assert!(!is_alive(fixture.folder()));
}

pub async fn a_workload_that_nobody_holds_is_killed(fixture: &dyn Fixture) {
    let (instance, log) = start(fixture, &format!("{RUNAWAY} echo up; sleep 1000")).await;
    printed(&log, "up").await;
    eventually("the runaway runs", || is_alive(fixture.folder())).await;
    drop(instance);
    eventually("nothing runs", || !is_alive(fixture.folder())).await;
    // Nobody can wait for it any more: what it has is tidied away before the test ends.
    fixture.runtime().end_leftovers().await.unwrap();
}

pub async fn a_running_workload_tells_what_it_uses(fixture: &dyn Fixture) {
    let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo up; sleep 1000";
    let (instance, log) = start(fixture, script).await;
    printed(&log, "up").await;
    let usage = instance.usage().unwrap();
    assert!(usage.rss_bytes > 100_000 && usage.rss_bytes < 100 << 20, "{usage:?}");
    assert!(usage.cpu_seconds > 0.01 && usage.processes >= 1, "{usage:?}");
    instance.terminate(Duration::ZERO).await;
}

pub async fn the_same_workload_can_run_again(fixture: &dyn Fixture) {
    for round in 0..3 {
        let (instance, log) = start(fixture, "echo round; sleep 1000").await;
        eventually("printed again", || log.tail(10).unwrap().len() == round + 1).await;
        instance.terminate(PATIENCE).await;
    }
}
