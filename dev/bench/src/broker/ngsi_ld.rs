//! The NGSI-LD broker. Beside it stand the figures that were seen for Antares, or a peer that somebody else started.

mod mqtt;
mod past;
mod state;

use std::io;

use super::bench::{Bench, Profile, always, one_of};
use super::case::Case;
use super::request::{get, with_body};

pub(super) const PROFILE: Profile = Profile {
    name: "ngsi-ld",
    switches: &[],
    peer: "Antares, its best of what was seen on 2 shared cores",
    ready_aim: Some("<= 30"),
    resident_aim: Some("<= 10"),
    resident_peer_mib: None,
    again_aim: Some("<= 3000"),
};

const ENTITIES: u64 = 10_000;
/// Types that the entities are spread over.
const TYPES: u64 = 100;
/// Entities in a batch.
const BATCH: u64 = 1_000;
const JSON: &str = "Content-Type: application/json\r\n";
const ROOT: &str = "/ngsi-ld/v1";

/// A room with five attributes of three kinds.
fn room(id: u64, kind: &str) -> String {
    format!(
        r#"{{"id":"urn:ngsi-ld:Room:{id}","type":"{kind}","temperature":{{"type":"Property","value":{}.5,"unitCode":"CEL","observedAt":"2026-11-26T08:00:00Z"}},"humidity":{{"type":"Property","value":{}}},"name":{{"type":"Property","value":"room number {id}"}},"location":{{"type":"GeoProperty","value":{{"type":"Point","coordinates":[{}.25,{}.75]}}}},"isPartOf":{{"type":"Relationship","object":"urn:ngsi-ld:Building:{}"}}}}"#,
        id % 30,
        id % 100,
        id % 90,
        id % 45,
        id % 1_000
    )
}

/// The type of a room, of which each has as many.
fn kind(id: u64) -> String {
    format!("Room{}", id % TYPES)
}

/// Creates or replaces 1,000 rooms at once.
fn upsert(out: &mut Vec<u8>, ids: impl Iterator<Item = u64>, kind: impl Fn(u64) -> String) {
    let rooms: Vec<String> = ids.map(|id| room(id, &kind(id))).collect();
    let body = format!("[{}]", rooms.join(","));
    with_body(out, "POST", &format!("{ROOT}/entityOperations/upsert"), JSON, &body);
}

/// The rooms that queries and updates are about.
async fn fill(bench: &Bench<'_>) -> io::Result<()> {
    bench
        .prepare(ENTITIES / BATCH, |number, out| {
            upsert(out, number * BATCH..(number + 1) * BATCH, kind);
        })
        .await
}

/// A thousand requests with paths made of numbers that jump about.
fn requests(path: impl Fn(u64) -> String) -> Vec<Vec<u8>> {
    let one = |number: u64| {
        let mut out = Vec::new();
        get(&mut out, &format!("{ROOT}{}", path(number * 7919 % ENTITIES)), "");
        out
    };
    (0..1_000).map(one).collect()
}

fn of_type() -> Vec<Vec<u8>> {
    requests(|number| format!("/entities?type={}&limit=20", kind(number)))
}

/// A partial update of an attribute (NGSI-LD 6.7.3.1).
fn update(number: u64, out: &mut Vec<u8>) {
    let path = format!("{ROOT}/entities/urn:ngsi-ld:Room:{}/attrs/temperature", number * 7919 % ENTITIES);
    with_body(out, "PATCH", &path, JSON, &format!(r#"{{"type":"Property","value":{number}.25}}"#));
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> io::Result<&'static str> {
    fill(bench).await?;
    let entity = requests(|number| format!("/entities/urn:ngsi-ld:Room:{number}"));
    bench.load(Case::new("GET one entity", one_of(entity)).aim(40_000.0).peer(33_000.0)).await?;
    let query = Case::new("query by type, limit 20", one_of(of_type()));
    bench.load(query.aim(10_000.0).peer(357.0)).await?;
    let with_q = requests(|number| format!("/entities?type={}&q=temperature%3E10&limit=20", kind(number)));
    bench.load(Case::new("query by type and q, limit 20", one_of(with_q))).await?;
    // Before the loads whose snapshots keep the disk busy for a while: a notification waits for the disk as well.
    notifications(bench).await?;
    bench.load(Case::new("durable update of an attribute", update).aim(20_000.0).peer(1_400.0)).await?;
    bench.load(Case::new("durable update of an attribute", update).clients(1)).await?;
    bench.load(Case::new("durable update of an attribute", update).clients(64)).await?;
    let create = |number: u64, out: &mut Vec<u8>| {
        let room = room(1_000_000_000 + number, &format!("Made{}", number % TYPES));
        with_body(out, "POST", &format!("{ROOT}/entities"), JSON, &room);
    };
    bench.load(Case::new("durable create", create).aim(20_000.0)).await?;
    batches(bench).await?;
    state::subscriptions(bench).await?;
    if bench.is_own() {
        state::fifty_thousand(bench).await?;
        past::measure(bench).await?;
        return state::a_million(bench).await;
    }
    Ok("after these loads")
}

/// Batches of 1,000, one at a time: of entities that are there, and of new ones.
async fn batches(bench: &mut Bench<'_>) -> io::Result<()> {
    let mut known = Vec::new();
    upsert(&mut known, 0..BATCH, kind);
    let known = Case::new("durable upsert of 1,000 known entities", always(known));
    bench.load(known.clients(1).weight(BATCH, "entities/s").middle_aim("<= 30")).await?;
    let new = |number: u64, out: &mut Vec<u8>| {
        let first = 2_000_000_000 + number * BATCH;
        upsert(out, first..first + BATCH, |id| format!("Batch{}", id % TYPES));
    };
    let new = Case::new("durable upsert of 1,000 new entities", new);
    bench.load(new.clients(1).weight(BATCH, "entities/s").middle_aim("<= 30")).await
}

/// Subscribes `uri` to the name of one room.
fn subscription(uri: &str) -> (String, String, String) {
    let body = format!(
        r#"{{"type":"Subscription","entities":[{{"id":"urn:ngsi-ld:Room:1","type":"Room1"}}],"watchedAttributes":["name"],"notification":{{"attributes":["name"],"endpoint":{{"uri":"{uri}","accept":"application/json"}}}}}}"#
    );
    (format!("{ROOT}/subscriptions"), JSON.to_owned(), body)
}

async fn notifications(bench: &mut Bench<'_>) -> io::Result<()> {
    let change = |_, mark: &str, out: &mut Vec<u8>| {
        let path = format!("{ROOT}/entities/urn:ngsi-ld:Room:1/attrs/name");
        with_body(out, "PATCH", &path, JSON, &format!(r#"{{"type":"Property","value":"{mark}"}}"#));
    };
    bench.notifications("<= 0.5", subscription, change).await?;
    mqtt::notifications(bench, change).await
}
