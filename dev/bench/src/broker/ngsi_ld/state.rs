//! What much state costs: subscriptions beside an update, memory, queries and starts beside a million entities.

use std::io;

use super::super::bench::{Bench, one_of};
use super::super::case::Case;
use super::super::request::with_body;
use super::{BATCH, JSON, ROOT, TYPES, fill, of_type, update, upsert};

/// Subscriptions that an update must not be slowed down by.
const SUBSCRIPTIONS: u64 = 10_000;
/// Entities that memory is measured with.
const SOME: u64 = 50_000;
/// Entities that a query and a start are measured beside.
const MANY: u64 = 1_000_000;

/// A subscription that no update of the bench is about, although it is to a type that is updated: to another entity
/// by its id or by a pattern, or to another attribute.
fn bystander(number: u64, out: &mut Vec<u8>) {
    let kind = super::kind(number);
    let (selector, watched) = match number % 3 {
        0 => (format!(r#""id":"urn:ngsi-ld:Nobody:{number}","#), "temperature"),
        1 => (format!(r#""idPattern":"^urn:ngsi-ld:Nobody:{number}$","#), "temperature"),
        _ => (String::new(), "pressure"),
    };
    let body = format!(
        r#"{{"type":"Subscription","entities":[{{{selector}"type":"{kind}"}}],"watchedAttributes":["{watched}"],"notification":{{"endpoint":{{"uri":"http://127.0.0.1:1/"}}}}}}"#
    );
    with_body(out, "POST", &format!("{ROOT}/subscriptions"), JSON, &body);
}

/// What 10,000 subscriptions cost an update beside 10, in processor time of the broker. A broker of its own has little
/// state then: a snapshot of what other loads made, which falls into one of the two, would cost more than both.
pub(super) async fn subscriptions(bench: &mut Bench<'_>) -> io::Result<()> {
    if bench.is_own() {
        bench.start_afresh().await?;
        fill(bench).await?;
    }
    let mut costs = Vec::new();
    for (from, to, name) in [
        (0, 10, "durable update beside 10 subscriptions"),
        (10, SUBSCRIPTIONS, "durable update beside 10,000 subscriptions"),
    ] {
        bench.prepare(to - from, |number, out| bystander(from + number, out)).await?;
        bench.load(Case::new(name, update)).await?;
        costs.extend(bench.last_cost());
    }
    if let [few, many] = costs[..] {
        let more = (many / few - 1.0) * 100.0;
        bench.figures.put(
            "an update costs more beside 10,000 subscriptions than beside 10",
            more,
            "%",
            Some("< 10"),
        );
    }
    Ok(())
}

/// What one of `count` entities takes, when `before` MiB were held without them.
fn put_each(bench: &mut Bench<'_>, before: f64, after: f64, count: u64, what: &str) {
    let each = (after - before) * 1024.0 * 1024.0 / count as f64;
    bench.figures.put(
        format!("memory of an entity of five attributes, {what}"),
        each,
        "bytes",
        Some("<= 1536"),
    );
}

/// The memory of 50,000 entities, and of 10,000 subscriptions more.
pub(super) async fn fifty_thousand(bench: &mut Bench<'_>) -> io::Result<()> {
    eprintln!("  memory");
    bench.start_afresh().await?;
    let empty = bench.resident().await;
    bench
        .prepare(SOME / BATCH, |number, out| {
            upsert(out, number * BATCH..(number + 1) * BATCH, super::kind);
        })
        .await?;
    let full = bench.resident().await;
    bench.figures.put("resident memory, 50,000 entities", full, "MiB", None);
    put_each(bench, empty, full, SOME, "of 50,000");
    bench.prepare(SUBSCRIPTIONS, bystander).await?;
    let subscribed = bench.resident().await;
    bench.figures.put("resident memory, 10,000 subscriptions more", subscribed, "MiB", None);
    Ok(())
}

/// The same query as without them, then what they are held and started with.
pub(super) async fn a_million(bench: &mut Bench<'_>) -> io::Result<&'static str> {
    bench.start_afresh().await?;
    fill(bench).await?;
    bench.load(Case::new("query by type, limit 20, nothing beside", one_of(of_type()))).await?;
    let alone = bench.last_cost();
    let before = bench.resident().await;
    eprintln!("  a million entities");
    bench
        .prepare(MANY / BATCH, |number, out| {
            let first = 1_000_000 + number * BATCH;
            upsert(out, first..first + BATCH, |id| format!("Other{}", id % TYPES));
        })
        .await?;
    let after = bench.resident().await;
    put_each(bench, before, after, MANY, "of a million");
    let query = Case::new("query by type, limit 20, beside 1,000,000 others", one_of(of_type()));
    bench.load(query.aim(10_000.0).peer(8.0)).await?;
    if let (Some(alone), Some(beside)) = (alone, bench.last_cost()) {
        let more = (beside / alone - 1.0) * 100.0;
        bench.figures.put(
            "a query costs more beside 1,000,000 others than alone",
            more,
            "%",
            Some("about 0"),
        );
    }
    Ok("a million entities")
}
