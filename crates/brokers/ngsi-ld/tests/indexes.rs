//! What the indexes find is what a look at every entity finds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{expect, ids, start};
use morgana_ngsi_ld::{Context, EntityQuery};
use serde_json::{Value, json};

const TYPES: [&str; 3] = ["Car", "Bus", "Tram"];

/// Entities that differ in type, attributes, scopes and place.
fn entity(number: u32) -> Value {
    let mut entity = json!({"id": format!("urn:e:{number}"), "type": TYPES[number as usize % 3]});
    if number.is_multiple_of(2) {
        entity["speed"] = json!(number);
    }
    if number.is_multiple_of(5) {
        entity["brand"] = json!({"type": "Property", "value": "Fiat", "since": 2000 + number});
    }
    if number % 4 == 1 {
        entity["scope"] = json!([format!("/Rome/{}", if number % 8 == 1 { "North" } else { "South" })]);
    }
    if number % 7 < 3 {
        let at = [12.0 + f64::from(number % 20) / 10.0, 41.0 + f64::from(number % 10) / 10.0];
        entity["location"] = json!({"type": "Point", "coordinates": at});
    }
    entity
}

async fn fill(it: &common::TestBroker) {
    let entities: Vec<Value> = (0..300).map(entity).collect();
    it.broker.upsert(entities, Default::default()).await.unwrap();
    // Some change what they are found by, some go.
    for number in (0..300).step_by(9) {
        let moved = json!({"location": {"type": "Point", "coordinates": [0.5, 0.5]}, "color": "red"});
        let path = format!("/entities/urn:e:{number}/attrs");
        expect(it.post(&path, &moved), 204).await;
    }
    for number in (0..300).step_by(11) {
        expect(it.delete(&format!("/entities/urn:e:{number}")), 204).await;
    }
}

#[tokio::test]
async fn queries_find_by_the_indexes_what_they_find_without() {
    let it = start().await;
    fill(&it).await;
    let context = Context::core();
    let all = it.broker.query(&EntityQuery::default(), 0, usize::MAX, false).entities;
    let q = |q: &str| EntityQuery::default().with_q(q, &context).unwrap();
    let types = |types: &str| EntityQuery::default().with_types(types, &context).unwrap();
    let queries = [
        types("Car"),
        types("Car,Bus"),
        types("Car;Bus"),
        types("Car").with_q("speed>10", &context).unwrap(),
        types("Car,Tram").with_attributes(["brand", "color"], &context).unwrap(),
        q("speed|brand"),
        q("speed;brand"),
        q("(speed>10|brand==\"Fiat\");color"),
        q("speed!=4"),
        q("brand.since>2010"),
        q("none|speed"),
        q("createdAt>2020-01-01T00:00:00Z|none"),
        q("none"),
        EntityQuery::default().with_scopes("/Rome/#").unwrap(),
        EntityQuery::default().with_scopes("/Rome/North").unwrap(),
        EntityQuery::default().with_scopes("(/Rome/+;/Rome/South)|/Paris").unwrap(),
        types("Bus").with_scopes("Rome/South").unwrap(),
        EntityQuery::default().with_id_pattern("1$").unwrap(),
    ];
    for query in &queries {
        let looked: Vec<&str> = all.iter().filter(|one| query.matches(one)).map(|one| &*one.id).collect();
        let page = it.broker.query(query, 0, usize::MAX, true);
        let found: Vec<&str> = page.entities.iter().map(|one| &*one.id).collect();
        assert_eq!(found, looked, "{query:?}");
        assert_eq!(page.total, Some(looked.len()));
        // Pages add up to the whole.
        let first = it.broker.query(query, 0, 7, false).entities;
        let rest = it.broker.query(query, 7, usize::MAX, false).entities;
        assert_eq!(first.len() + rest.len(), looked.len(), "{query:?}");
    }
}

#[tokio::test]
async fn places_are_found_by_the_index_of_locations() {
    let it = start().await;
    fill(&it).await;
    let everything = it.read("/entities?type=*&limit=1000&format=simplified").await;
    let inside = |west: f64, south: f64, east: f64, north: f64| -> Vec<String> {
        let is_in = |one: &&Value| {
            let at = &one["location"]["coordinates"];
            let (x, y) = (at[0].as_f64(), at[1].as_f64());
            x.zip(y).is_some_and(|(x, y)| west < x && x < east && south < y && y < north)
        };
        let found = everything.as_array().unwrap().iter().filter(is_in);
        found.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    for (west, south, east, north) in
        [(12.15, 41.05, 13.05, 41.55), (0.0, 0.0, 1.0, 1.0), (50.0, 50.0, 51.0, 51.0)]
    {
        let ring = json!([[[west, south], [east, south], [east, north], [west, north], [west, south]]]);
        let path = format!("/entities?georel=within&geometry=Polygon&limit=1000&coordinates={ring}");
        assert_eq!(ids(&it.read(&path).await), inside(west, south, east, north));
    }
    // Near is a circle, which the rectangle of the index is only a first guess for.
    let near = it
        .read("/entities?georel=near;maxDistance==12000&geometry=Point&limit=1000&coordinates=[12.1,41.1]")
        .await;
    let far = it
        .read("/entities?georel=near;minDistance==12000&geometry=Point&limit=1000&coordinates=[12.1,41.1]")
        .await;
    assert!(!near.as_array().unwrap().is_empty());
    let located = everything.as_array().unwrap().iter().filter(|one| one.get("location").is_some()).count();
    assert_eq!(near.as_array().unwrap().len() + far.as_array().unwrap().len(), located);
}
