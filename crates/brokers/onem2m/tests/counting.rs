//! `cni`, `cbs` and the limits of a container, while many create and delete at once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use common::{ADMIN, Fixture, ty};
use morgana_onem2m::{Operation, Request, Status};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What one of the concurrent clients does.
#[derive(Debug, Clone)]
enum Step {
    /// Creates an instance with as many bytes.
    Create(usize),
    DeleteOldest,
    DeleteLatest,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..40_usize).prop_map(Step::Create),
        1 => Just(Step::DeleteOldest),
        1 => Just(Step::DeleteLatest),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    prop::collection::vec(prop::collection::vec(step(), 1..12), 8..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_container_counts_exactly_what_it_has(
        clients in steps(),
        most in prop::option::of(1..40_u64),
        most_bytes in prop::option::of(40..400_u64),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        runtime.block_on(run(clients, most, most_bytes));
    }
}

async fn run(clients: Vec<Vec<Step>>, most: Option<u64>, most_bytes: Option<u64>) {
    let cse = Fixture::new();
    let mut container = json!({"rn": "box"});
    for (name, value) in [("mni", most), ("mbs", most_bytes)] {
        if let Some(value) = value {
            container[name] = json!(value);
        }
    }
    cse.make("Mobius", ADMIN, ty::CNT, json!({ "m2m:cnt": container })).await;
    let (created, deleted) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for steps in clients {
        let (cse, created, deleted) = (cse.cse.clone(), Arc::clone(&created), Arc::clone(&deleted));
        tasks.push(tokio::spawn(async move {
            for step in steps {
                let request = match step {
                    Step::Create(bytes) => {
                        let content = json!({"m2m:cin": {"con": "x".repeat(bytes)}});
                        Request::create("Mobius/box", ADMIN, ty::CIN, content)
                    }
                    Step::DeleteOldest => Request::new(Operation::Delete, "Mobius/box/ol", ADMIN),
                    Step::DeleteLatest => Request::new(Operation::Delete, "Mobius/box/la", ADMIN),
                };
                match cse.request(request).await.status {
                    Status::Created => drop(created.fetch_add(1, Ordering::Relaxed)),
                    Status::Deleted => drop(deleted.fetch_add(1, Ordering::Relaxed)),
                    // There was nothing to delete.
                    Status::NotFound => {}
                    other => panic!("{other:?}"),
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let (created, deleted) = (created.load(Ordering::Relaxed), deleted.load(Ordering::Relaxed));
    let counted = counted(&cse).await;
    assert_eq!(counted, listed(&cse).await);
    let (count, bytes) = counted;
    if most.is_none() && most_bytes.is_none() {
        assert_eq!(count, created - deleted);
    } else {
        assert!(count <= created - deleted);
    }
    assert!(most.is_none_or(|most| count <= most), "{count} of {most:?}");
    assert!(most_bytes.is_none_or(|most| bytes <= most), "{bytes} of {most_bytes:?}");
    // And all of it is so after a restart.
    let cse = cse.reopen().await;
    assert_eq!(self::counted(&cse).await, counted);
    assert_eq!(listed(&cse).await, counted);
}

/// `cni` and `cbs`.
async fn counted(cse: &Fixture) -> (u64, u64) {
    let container = cse.get("Mobius/box", ADMIN).await;
    (container["cni"].as_u64().unwrap(), container["cbs"].as_u64().unwrap())
}

/// How many instances there are, and their bytes.
async fn listed(cse: &Fixture) -> (u64, u64) {
    let mut request = Request::new(Operation::Retrieve, "Mobius/box", ADMIN);
    request.set_parameter("rcn", "8").unwrap();
    let content = cse.cse.request(request).await.content.unwrap();
    let instances = content["m2m:cnt"]["m2m:cin"].as_array().cloned().unwrap_or_default();
    let bytes = instances.iter().map(|instance| {
        let (content, size) = (instance["con"].as_str().unwrap().len() as u64, &instance["cs"]);
        assert_eq!(size, &Value::from(content));
        content
    });
    (instances.len() as u64, bytes.sum())
}

#[tokio::test]
async fn instances_leave_when_they_are_too_old() {
    let cse = Fixture::with(|options| options.expiration_check_seconds = 1);
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "box", "mia": 1}})).await;
    for _ in 0..5 {
        cse.make("Mobius/box", ADMIN, ty::CIN, json!({"m2m:cin": {"con": "abc"}})).await;
    }
    assert_eq!(counted(&cse).await, (5, 15));
    common::pair::wait_for("the end of the instances", async || counted(&cse).await == (0, 0)).await;
}
