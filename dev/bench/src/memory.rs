//! Resident memory of each process of the platform.

use std::time::Duration;

use morgana_model::WorkloadName;

use crate::figures::Figures;
use crate::road::Road;

pub(crate) async fn measure(road: &Road, when: &str, figures: &mut Figures) {
    // Start-up allocations are given back and queues are empty after a moment.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = when == "idle";
    let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    let controller = road.platform.process().resident_bytes();
    figures.put(
        format!("controller, fabric and node agent: RSS {when}"),
        mib(controller),
        "MiB",
        idle.then_some("<= 40"),
    );
    let workloads = [
        ("silo mqtt", WorkloadName::VSilo(road.mqtt.id.clone()), "<= 12"),
        ("silo ngsi-ld", WorkloadName::VSilo(road.ngsi_ld.id.clone()), "<= 12"),
    ];
    for (what, name, aim) in workloads {
        if let Some(process) = road.platform.workload(&name) {
            figures.put(
                format!("{what}: RSS {when}"),
                mib(process.resident_bytes()),
                "MiB",
                idle.then_some(aim),
            );
        }
    }
    if let Some(process) = road.host_process() {
        figures.put(
            format!("ThingVisor host: RSS {when}"),
            mib(process.resident_bytes()),
            "MiB",
            idle.then_some("<= 10"),
        );
    }
}
