//! What a long past costs: memory, disk, updates that become past, and reads of it.

use std::io;

use super::super::bench::{Bench, one_of};
use super::super::case::Case;
use super::super::request::{get, with_body};
use super::{BATCH, JSON, ROOT, upsert};

/// Entities with a past.
const ENTITIES: u64 = 1_000;
/// Instances of one attribute of each.
const INSTANCES: u64 = 1_000;
/// Instances that a request brings.
const AT_ONCE: u64 = 100;
/// The past is kept, as long as it will be here.
const SWITCHES: &[&str] = &["--history-instances", "100000"];

/// Adds to the past of an entity (NGSI-LD 6.20.3.1): the requests go round all entities again and again.
fn more(number: u64, out: &mut Vec<u8>) {
    let (id, round) = (number % ENTITIES, number / ENTITIES);
    let instance = |minute: u64| {
        let (day, hour) = (1 + minute / 1440, minute / 60 % 24);
        let time = format!("2026-01-{day:02}T{hour:02}:{:02}:00Z", minute % 60);
        format!(r#"{{"type":"Property","value":{}.5,"observedAt":"{time}"}}"#, minute % 50)
    };
    let instances: Vec<String> = (round * AT_ONCE..(round + 1) * AT_ONCE).map(instance).collect();
    let body = format!(r#"{{"temperature":[{}]}}"#, instances.join(","));
    with_body(out, "POST", &format!("{ROOT}/temporal/entities/urn:ngsi-ld:Room:{id}/attrs"), JSON, &body);
}

fn reads(rest: &str) -> Vec<Vec<u8>> {
    let one = |number: u64| {
        let mut out = Vec::new();
        let id = number * 7919 % ENTITIES;
        get(&mut out, &format!("{ROOT}/temporal/entities/urn:ngsi-ld:Room:{id}?{rest}"), "");
        out
    };
    (0..ENTITIES).map(one).collect()
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    eprintln!("  a long past");
    bench.start_afresh_with(SWITCHES).await?;
    bench.figures.put("resident memory, empty, with a past", bench.resident().await, "MiB", Some("<= 10"));
    bench
        .prepare(ENTITIES / BATCH, |number, out| {
            upsert(out, number * BATCH..(number + 1) * BATCH, super::kind)
        })
        .await?;
    let before = bench.resident().await;
    bench.figures.put("resident memory, 1,000 entities with a past of one instance", before, "MiB", None);
    bench.prepare(ENTITIES * INSTANCES / AT_ONCE, more).await?;
    let after = bench.resident().await;
    bench.figures.put("resident memory, 1,000 entities with a past of 1,000 instances", after, "MiB", None);
    bench.figures.put("the same past on the disk", bench.on_disk_mib("history"), "MiB", None);
    bench.start_again(SWITCHES, "a past of a million instances").await?;
    bench.figures.put("resident memory, the same past after a start", bench.resident().await, "MiB", None);
    let newest =
        Case::new("the newest 10 of 1,000 instances", one_of(reads("lastN=10&options=temporalValues")));
    bench.load(newest).await?;
    let whole = Case::new("all of 1,000 instances", one_of(reads("options=temporalValues")));
    bench.load(whole).await?;
    let update = |number: u64, out: &mut Vec<u8>| {
        let id = number * 7919 % ENTITIES;
        let path = format!("{ROOT}/entities/urn:ngsi-ld:Room:{id}/attrs/temperature");
        with_body(out, "PATCH", &path, JSON, &format!(r#"{{"type":"Property","value":{number}.25}}"#));
    };
    bench.load(Case::new("durable update that becomes past", update).aim(20_000.0)).await?;
    bench.figures.put("resident memory, after these loads of the past", bench.resident().await, "MiB", None);
    Ok(())
}
