//! The node agent with real processes.
#![allow(clippy::unwrap_used)]

mod common;
mod simulated;

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use common::{TestNode, acts, assignment, eventually, kill, options, runs, script};
use futures_util::StreamExt;
use morgana_model::Endpoints;
use morgana_node::{Error, Limits, Node, NodeAgent, State};
use morgana_workload::NOTIFY_SOCKET;
use serde_json::Value;

/// Not a test but the workload of the others: a node runs this program as
/// `<program> thingvisor acts_as_a_workload`, and the test harness takes that as a filter. Hence
/// no other test here may have one of these words in its name.
#[test]
fn acts_as_a_workload() {
    if std::env::var_os(NOTIFY_SOCKET).is_some() {
        common::act();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_assigned_gets_ready_and_its_door_is_open() {
    let test = TestNode::new().await;
    let assignment = assignment("a", Value::Null);
    let start = Instant::now();
    test.node.assign(assignment.clone()).await.unwrap();
    let report = test.ready(&assignment.name).await;
    eprintln!("assigned to ready: {:?}", start.elapsed());
    assert_eq!((report.generation, report.restarts), (1, 0));
    assert!(runs(report.pid.unwrap()));
    assert!(report.limits.is_some());
    assert!(TcpStream::connect(("127.0.0.1", report.endpoints["80/tcp"])).is_ok());
    assert!(test.node.usage().await[&assignment.name].rss_bytes > 100_000);
    test.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_it_comes_back_with_its_ports_and_its_data() {
    let test = TestNode::new().await;
    let assignment = assignment("a", Value::Null);
    test.node.assign(assignment.clone()).await.unwrap();
    let before = test.ready(&assignment.name).await;
    kill(before.pid.unwrap());
    let newer = |report: &morgana_node::Report| {
        report.state == State::Ready && report.incarnation > before.incarnation
    };
    let after = test.reported(&assignment.name, "ready again", newer).await;
    assert_eq!(after.endpoints, before.endpoints);
    assert_eq!(after.restarts, 1);
    assert_ne!(after.pid, before.pid);
    assert_eq!(test.node.log_tail(&assignment.name, 10).await.unwrap().last().unwrap(), "life 2");
    test.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_parameters_fail_at_once_and_the_reason_is_in_the_report() {
    let test = TestNode::new().await;
    let assignment = assignment("a", acts("wrong parameters"));
    test.node.assign(assignment.clone()).await.unwrap();
    let reason = test.failed(&assignment.name).await;
    assert!(reason.contains("exit status 78") && reason.contains("'rate' is -1"), "{reason}");
    assert_eq!(test.report(&assignment.name).unwrap().restarts, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loop_fails_and_a_new_assignment_brings_it_back() {
    let test = TestNode::new().await;
    let mut assignment = assignment("a", acts("crash"));
    test.node.assign(assignment.clone()).await.unwrap();
    let reason = test.failed(&assignment.name).await;
    assert!(reason.starts_with("ended 6 times within 30 s; last: exit status 1"), "{reason}");
    assert!(reason.contains("life 6"), "{reason}");
    assignment.generation = 2;
    assignment.role = common::assignment("a", Value::Null).role;
    test.node.assign(assignment.clone()).await.unwrap();
    assert_eq!(test.ready(&assignment.name).await.generation, 2);
    test.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_never_gets_ready_is_ended_and_tried_again() {
    let test = TestNode::with(|options| {
        options.ready_timeout_ms = 150;
        options.crash_loop_ends = 2;
    })
    .await;
    let assignment = assignment("a", acts("mute"));
    test.node.assign(assignment.clone()).await.unwrap();
    let reason = test.failed(&assignment.name).await;
    assert!(reason.contains("did not get ready within 0.15 s"), "{reason}");
    assert_eq!(test.report(&assignment.name).unwrap().restarts, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_tells_nothing_is_ready_after_a_moment() {
    let test = TestNode::with(|options| options.settle_ms = 100).await;
    let assignment = script(test.folder.path(), "a", "echo hello; sleep 1000");
    test.node.assign(assignment.clone()).await.unwrap();
    let start = Instant::now();
    test.ready(&assignment.name).await;
    assert!(start.elapsed() >= Duration::from_millis(100));
    test.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_run_here_fails_at_once_with_the_way_out() {
    let test = TestNode::new().await;
    for (id, image, words) in [
        ("a", "exec:/no/such/program", "no such file"),
        ("b", "fed4iot/hello:1", "what runs today is builtin:<kind> and exec:<path>"),
    ] {
        let mut assignment = assignment(id, Value::Null);
        assignment.image = image.parse().unwrap();
        test.node.assign(assignment.clone()).await.unwrap();
        let reason = test.failed(&assignment.name).await;
        assert!(reason.contains(words), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_one_that_was_removed() {
    let test = TestNode::new().await;
    let assignment = assignment("a", Value::Null);
    test.node.assign(assignment.clone()).await.unwrap();
    let report = test.ready(&assignment.name).await;
    assert!(test.home(&assignment.name).join("data/lives").exists());
    let gone = test.remove(&assignment.name).await;
    assert_eq!((gone.generation, gone.pid), (1, None));
    assert!(!runs(report.pid.unwrap()));
    assert!(!test.home(&assignment.name).exists());
    assert!(TcpListener::bind(("127.0.0.1", report.endpoints["80/tcp"])).is_ok());
    assert!(test.node.reports().is_empty());
    assert!(matches!(test.node.log_tail(&assignment.name, 1).await, Err(Error::Unknown(_))));
    // Again, and one that never was.
    test.remove(&assignment.name).await;
    test.remove(&common::assignment("never-was", Value::Null).name).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_removed_and_assigned_again_starts_with_empty_folders() {
    let test = TestNode::new().await;
    let assignment = assignment("a", Value::Null);
    test.node.assign(assignment.clone()).await.unwrap();
    let before = test.ready(&assignment.name).await;
    test.node.remove(&assignment.name).await.unwrap();
    test.node.assign(assignment.clone()).await.unwrap();
    let newer = |report: &morgana_node::Report| {
        report.state == State::Ready && report.incarnation > before.incarnation
    };
    test.reported(&assignment.name, "ready again", newer).await;
    // What it wrote before it was ready may be read a moment later.
    while test.node.log_tail(&assignment.name, 10).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(test.node.log_tail(&assignment.name, 10).await.unwrap().last().unwrap(), "life 1");
    test.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_agent_ends_all_and_the_next_one_finds_their_data() {
    let test = TestNode::new().await;
    let first = assignment("a", Value::Null);
    let mut second = assignment("b", Value::Null);
    second.doors = vec![];
    for assignment in [&first, &second] {
        test.node.assign(assignment.clone()).await.unwrap();
    }
    let (a, b) = (test.ready(&first.name).await, test.ready(&second.name).await);
    test.node.shutdown().await;
    assert!(!runs(a.pid.unwrap()) && !runs(b.pid.unwrap()));
    assert!(matches!(test.node.assign(first.clone()).await, Err(Error::ShuttingDown)));
    let next = Node::start(options(test.folder.path())).await.unwrap();
    let test = TestNode { node: next, folder: test.folder };
    let again = morgana_node::Assignment { endpoints: a.endpoints.clone(), ..first.clone() };
    test.node.assign(again).await.unwrap();
    let after = test.ready(&first.name).await;
    assert_eq!(after.endpoints, a.endpoints);
    assert!(after.incarnation > a.incarnation);
    let mut log = test.node.log_tail(&first.name, 20).await.unwrap();
    log.retain(|line| line.starts_with("life"));
    assert_eq!(log, ["life 1", "life 2"]);
    test.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_of_before_that_another_program_has_is_replaced() {
    let test = TestNode::new().await;
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().port();
    let mut assignment = assignment("a", Value::Null);
    assignment.endpoints = Endpoints::from_iter([("80/tcp".to_owned(), taken)]);
    test.node.assign(assignment.clone()).await.unwrap();
    assert_ne!(test.ready(&assignment.name).await.endpoints["80/tcp"], taken);
    test.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_finds_its_port_taken_gets_another() {
    let test = TestNode::new().await;
    let assignment = assignment("a", acts("port taken once"));
    test.node.assign(assignment.clone()).await.unwrap();
    let first = test.reported(&assignment.name, "given a port", |report| !report.endpoints.is_empty()).await;
    assert_ne!(test.ready(&assignment.name).await.endpoints, first.endpoints);
    test.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_can_be_followed_over_restarts_until_the_end() {
    let test = TestNode::new().await;
    let assignment = assignment("a", Value::Null);
    test.node.assign(assignment.clone()).await.unwrap();
    let before = test.ready(&assignment.name).await;
    let mut lines = test.node.log_follow(&assignment.name, 10).await.unwrap();
    // The harness of this test program prints around it.
    let mut next = async |wanted: &str| {
        let found = async { while lines.next().await.is_none_or(|line| line != wanted) {} };
        tokio::time::timeout(Duration::from_secs(20), found).await.unwrap();
    };
    next("life 1").await;
    kill(before.pid.unwrap());
    next("life 2").await;
    test.remove(&assignment.name).await;
    while lines.next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_get_ready_each_with_a_port_of_its_own() {
    let test = TestNode::new().await;
    let all: Vec<_> = (0..24).map(|n| assignment(&format!("w{n}"), Value::Null)).collect();
    let start = Instant::now();
    for assignment in &all {
        test.node.assign(assignment.clone()).await.unwrap();
    }
    let mut ports = Vec::new();
    for assignment in &all {
        ports.push(test.ready(&assignment.name).await.endpoints["80/tcp"]);
    }
    eprintln!("24 workloads ready after {:?}", start.elapsed());
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 24);
    test.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_over_its_memory_says_so_and_leaves_the_others_alone() {
    let test = TestNode::with(|options| {
        options.limits = Limits { memory_mib: 32, ..Limits::default() };
        options.crash_loop_ends = 2;
    })
    .await;
    if !test.node.inventory().limits.starts_with("memory") {
        eprintln!("skipped: no memory limit on this machine: {}", test.node.inventory().limits);
        return;
    }
    let (quiet, hog) =
        (assignment("quiet", Value::Null), script(test.folder.path(), "hog", "exec tail /dev/zero"));
    test.node.assign(quiet.clone()).await.unwrap();
    let before = test.ready(&quiet.name).await;
    test.node.assign(hog.clone()).await.unwrap();
    let reason = test.failed(&hog.name).await;
    assert!(reason.contains("killed: over its memory limit of 32 MiB"), "{reason}");
    assert_eq!(test.report(&quiet.name), Some(before));
    test.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_owner_can_look_into_the_folders() {
    let test = TestNode::new().await;
    let assignment = assignment("a", Value::Null);
    test.node.assign(assignment.clone()).await.unwrap();
    test.ready(&assignment.name).await;
    let mode = |path: &std::path::Path| {
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
    };
    let home = test.home(&assignment.name);
    for folder in [home.clone(), home.join("data"), test.folder.path().join("runtime")] {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
    assert_eq!(mode(&home.join("log")), 0o600);
    assert_eq!(mode(&home.join("data/lives")), 0o600);
    test.node.shutdown().await;
    eventually("sockets are gone", || {
        std::fs::read_dir(test.folder.path().join("run")).unwrap().next().is_none()
    })
    .await;
}
