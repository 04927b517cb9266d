//! Whether what is desired is what is.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use morgana_model::{Endpoints, Phase, WorkloadName};
use morgana_testbed::{Platform, User, listening_ports};

use crate::ledger::Ledger;
use crate::{DOORS, Size};

/// Looks until everything is as it should be.
pub(crate) async fn eventually_as_desired(platform: &Platform, admin: &User, ledger: &Ledger, size: Size) {
    let patience = Duration::from_secs(120 + size.silos as u64);
    let began = Instant::now();
    let mut said = began;
    loop {
        let wrong = differences(platform, admin, ledger).await;
        if wrong.is_empty() {
            return;
        }
        if said.elapsed() > Duration::from_secs(15) {
            said = Instant::now();
            println!(
                "{:.0?}: {} things are not as desired yet, as {}",
                began.elapsed(),
                wrong.len(),
                wrong[0]
            );
        }
        let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n  ");
        assert!(began.elapsed() < patience, "{} things are not as desired:\n  {shown}", wrong.len());
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn differences(platform: &Platform, admin: &User, ledger: &Ledger) -> Vec<String> {
    let client = platform.client(admin);
    let silos = client.vsilos().all().await.unwrap();
    let visors = client.thing_visors().all().await.unwrap();
    let mut connections = BTreeSet::new();
    for silo in &silos {
        // One that goes in this moment has none.
        let found = client.connections(&silo.id).all().await.unwrap_or_default();
        connections.extend(found.into_iter().map(|found| (found.spec.v_silo, found.spec.v_thing)));
    }
    let silo_ids: BTreeSet<_> = silos.iter().map(|silo| silo.id.clone()).collect();
    let visor_ids: BTreeSet<_> = visors.iter().map(|visor| visor.id.clone()).collect();
    let mut wrong = ledger.differences(&silo_ids, &visor_ids, &connections);

    let silos =
        silos.iter().map(|it| (WorkloadName::VSilo(it.id.clone()), &it.status.phase, &it.status.endpoints));
    let visors = visors
        .iter()
        .map(|it| (WorkloadName::ThingVisor(it.id.clone()), &it.status.phase, &it.status.endpoints));
    let all: Vec<(WorkloadName, &Phase, &Endpoints)> = silos.chain(visors).collect();
    wrong.extend(
        all.iter()
            .filter(|(_, phase, _)| **phase != Phase::Running)
            .map(|(name, phase, _)| format!("{name} is {phase}")),
    );

    // One process for each, and the platform's own: no orphan, nothing twice.
    let processes = platform.processes();
    let workloads: Vec<String> = processes
        .iter()
        .filter_map(|process| {
            process
                .variable("vSiloID")
                .map(|id| format!("vsilo/{id}"))
                .or_else(|| process.variable("thingVisorID").map(|id| format!("thingvisor/{id}")))
        })
        .collect();
    for (name, ..) in &all {
        let runs = workloads.iter().filter(|runs| **runs == name.to_string()).count();
        if runs != 1 {
            wrong.push(format!("{name} runs {runs} times"));
        }
    }
    if processes.len() != all.len() + 1 {
        wrong.push(format!("{} processes for {} workloads", processes.len(), all.len()));
    }

    // Every door that is open belongs to somebody, and to one.
    let doors: Vec<u16> = all.iter().flat_map(|(_, _, endpoints)| endpoints.values().copied()).collect();
    let open = listening_ports(DOORS);
    let distinct: BTreeSet<u16> = doors.iter().copied().collect();
    if distinct.len() != doors.len() {
        wrong.push("a port is given to two".to_owned());
    }
    wrong.extend(open.difference(&distinct).map(|port| format!("port {port} is open and nobody's")));
    wrong.extend(distinct.difference(&open).map(|port| format!("port {port} is somebody's and not open")));
    wrong
}
