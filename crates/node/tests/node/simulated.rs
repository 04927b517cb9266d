//! The simulated node keeps the contract of the real one, as far as a controller can see.

use crate::common::assignment;
use morgana_node::{Error, NodeAgent, SimulatedNode, State};
use serde_json::Value;

#[tokio::test]
async fn it_reports_starting_then_ready_and_gone() {
    let node = SimulatedNode::new();
    let mut reports = node.subscribe();
    let assignment = assignment("a", Value::Null);
    node.assign(assignment.clone()).await.unwrap();
    assert_eq!(reports.recv().await.unwrap().state, State::Starting);
    let ready = reports.recv().await.unwrap();
    assert_eq!(ready.state, State::Ready);
    assert!(ready.endpoints.contains_key("80/tcp"));
    node.assign(assignment.clone()).await.unwrap();
    node.remove(&assignment.name).await.unwrap();
    assert_eq!(reports.recv().await.unwrap().state, State::Gone);
    assert!(node.reports().is_empty());
}

#[tokio::test]
async fn a_restart_keeps_ports_and_a_failed_one_comes_back_when_assigned_again() {
    let node = SimulatedNode::new();
    let assignment = assignment("a", Value::Null);
    node.assign(assignment.clone()).await.unwrap();
    let before = node.report(&assignment.name).unwrap();
    node.crash(&assignment.name, "exit status 1");
    node.restart(&assignment.name);
    let after = node.report(&assignment.name).unwrap();
    assert_eq!((after.restarts, &after.endpoints), (1, &before.endpoints));
    assert!(after.incarnation > before.incarnation);
    node.fail(&assignment.name, "a crash loop");
    node.assign(assignment.clone()).await.unwrap();
    assert_eq!(node.report(&assignment.name).unwrap().state, State::Ready);
    node.shutdown().await;
    assert!(matches!(node.assign(assignment).await, Err(Error::ShuttingDown)));
}
