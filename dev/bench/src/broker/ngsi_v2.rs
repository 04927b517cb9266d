//! The NGSIv2 broker. Beside it stands Orion 4.7.0 with a stand-in for MongoDB, as it was seen on two shared cores.

use std::io;

use super::bench::{Bench, Profile, always, one_of};
use super::case::Case;
use super::request::{get, with_body};

pub(super) const PROFILE: Profile = Profile {
    name: "ngsi-v2",
    switches: &[],
    peer: "Orion 4.7.0 with a stand-in for MongoDB, its best, on 2 shared cores",
    ready_aim: Some("<= 30"),
    resident_aim: Some("<= 10"),
    resident_peer_mib: Some(75.0),
    again_aim: None,
};

const ENTITIES: u64 = 10_000;
/// Types that the entities are spread over.
const TYPES: u64 = 100;
/// Entities in a batch.
const BATCH: u64 = 1_000;
const JSON: &str = "Content-Type: application/json\r\n";

/// A room as smart homes have them: numbers, a text, metadata.
fn room(id: u64, kind: u64) -> String {
    format!(
        r#"{{"id":"urn:ngsi:Room:{id}","type":"Room{kind}","temperature":{{"type":"Number","value":{}.5,"metadata":{{"unit":{{"type":"Text","value":"CEL"}}}}}},"humidity":{{"type":"Number","value":{}}},"name":{{"type":"Text","value":"room number {id}"}}}}"#,
        id % 30,
        id % 100
    )
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> io::Result<&'static str> {
    bench
        .prepare(ENTITIES, |number, out| {
            with_body(out, "POST", "/v2/entities", JSON, &room(number, number % TYPES));
        })
        .await?;
    let requests = |path: &dyn Fn(u64) -> String| -> Vec<Vec<u8>> {
        let one = |number: u64| {
            let mut out = Vec::new();
            get(&mut out, &path(number * 7919 % ENTITIES), "");
            out
        };
        (0..1_000).map(one).collect()
    };
    let entity = requests(&|number| format!("/v2/entities/urn:ngsi:Room:{number}"));
    bench.load(Case::new("GET one entity", one_of(entity)).aim(40_000.0).peer(1_480.0)).await?;
    let of_type = requests(&|number| format!("/v2/entities?type=Room{}&limit=20", number % TYPES));
    bench.load(Case::new("query by type, limit 20", one_of(of_type)).aim(10_000.0).peer(590.0)).await?;
    let with_q =
        requests(&|number| format!("/v2/entities?type=Room{}&q=temperature>10&limit=20", number % TYPES));
    bench.load(Case::new("query by type and q, limit 20", one_of(with_q))).await?;
    let update = |number: u64, out: &mut Vec<u8>| {
        let path = format!("/v2/entities/urn:ngsi:Room:{}/attrs/temperature", number * 7919 % ENTITIES);
        let body = format!(r#"{{"type":"Number","value":{}.25}}"#, number);
        with_body(out, "PUT", &path, JSON, &body);
    };
    bench.load(Case::new("durable update of an attribute", update).aim(20_000.0).peer(900.0)).await?;
    bench.load(Case::new("durable update of an attribute", update).clients(1)).await?;
    bench.load(Case::new("durable update of an attribute", update).clients(64)).await?;
    let create = |number: u64, out: &mut Vec<u8>| {
        with_body(out, "POST", "/v2/entities", JSON, &room(1_000_000_000 + number, 1000 + number % TYPES));
    };
    bench.load(Case::new("durable create", create)).await?;
    bench.load(batch().clients(2)).await?;
    notifications(bench).await?;
    // What patterns cost an update that none of them is about.
    for (from, to, name) in [
        (0, 10, "durable update beside 10 pattern subscriptions"),
        (10, 10_000, "durable update beside 10,000 pattern subscriptions"),
    ] {
        bench.prepare(to - from, |number, out| pattern(from + number, out)).await?;
        bench.load(Case::new(name, update)).await?;
    }
    bench.load(Case::new("GET /version", always(version()))).await?;
    Ok("after these loads")
}

/// The same 1,000 entities again and again: an update of each.
fn batch() -> Case {
    let rooms: Vec<String> = (0..BATCH).map(|number| room(number, number % TYPES)).collect();
    let body = format!(r#"{{"actionType":"append","entities":[{}]}}"#, rooms.join(","));
    let mut request = Vec::new();
    with_body(&mut request, "POST", "/v2/op/update", JSON, &body);
    Case::new("durable append batch of 1,000", always(request)).weight(BATCH, "entities/s")
}

/// A subscription to an entity that never comes, by a pattern.
fn pattern(number: u64, out: &mut Vec<u8>) {
    let body = format!(
        r#"{{"subject":{{"entities":[{{"idPattern":"^urn:ngsi:Nobody:{number}$"}}]}},"notification":{{"http":{{"url":"http://127.0.0.1:1/"}}}}}}"#
    );
    with_body(out, "POST", "/v2/subscriptions", JSON, &body);
}

async fn notifications(bench: &mut Bench<'_>) -> io::Result<()> {
    let subscription = |uri: &str| {
        let body = format!(
            r#"{{"subject":{{"entities":[{{"id":"urn:ngsi:Room:1","type":"Room1"}}]}},"notification":{{"http":{{"url":"{uri}"}},"attrs":["name"]}}}}"#
        );
        ("/v2/subscriptions".to_owned(), JSON.to_owned(), body)
    };
    let change = |_, mark: &str, out: &mut Vec<u8>| {
        let body = format!(r#"{{"type":"Text","value":"{mark}"}}"#);
        with_body(out, "PUT", "/v2/entities/urn:ngsi:Room:1/attrs/name", JSON, &body);
    };
    bench.notifications("<= 0.5", subscription, change).await
}

fn version() -> Vec<u8> {
    let mut out = Vec::new();
    get(&mut out, "/version", "");
    out
}
