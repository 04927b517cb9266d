//! What is kept of the past and how it is shown: deletions (NGSI-LD 4.8), scopes (4.18, C.5.16), parts (6.3.10),
//! aggregation in a body (5.2.44), and entity maps (5.7.3.4).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{TestBroker, car, expect, expect_error, ids, options, serve_in};
use morgana_ngsi_ld::{Broker, HttpOptions, Options};
use serde_json::{Value, json};

/// A broker with a past, and answers of at most `temporal_max` instances.
async fn start(temporal_max: usize) -> TestBroker {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::open(Options { history_instances: 100, ..options(dir.path()) }).unwrap();
    serve_in(broker, HttpOptions { temporal_max, ..HttpOptions::default() }, dir).await
}

fn at(value: Value, time: &str) -> Value {
    json!({"type": "Property", "value": value, "observedAt": format!("2026-01-01T{time}Z")})
}

#[tokio::test]
async fn a_deletion_is_an_instance_of_the_past() {
    let it = start(1000).await;
    it.create(json!({"id": "urn:e:1", "type": "Car", "speed": 1, "name": {"languageMap": {"en": "x"}}}))
        .await;
    expect(it.delete("/entities/urn:e:1/attrs/speed"), 204).await;
    let path = "/temporal/entities/urn:e:1?timeproperty=deletedAt";
    let deleted = it.read(path).await;
    let instance = &deleted["speed"][0];
    assert_eq!((&instance["type"], &instance["value"]), (&json!("Property"), &json!("urn:ngsi-ld:null")));
    assert!(instance["deletedAt"].is_string() && instance["instanceId"].is_string(), "{instance}");
    assert_eq!(deleted.get("name"), None, "what is there was not deleted");
    let values = it.read(&format!("{path}&options=temporalValues")).await;
    assert_eq!(values["speed"]["values"][0], json!(["urn:ngsi-ld:null", instance["deletedAt"]]));
    // With the entity, all that is left goes.
    expect(it.delete("/entities/urn:e:1"), 204).await;
    let deleted = it.read(path).await;
    assert_eq!(deleted["name"][0]["languageMap"], json!({"@none": "urn:ngsi-ld:null"}));
    assert_eq!(deleted["speed"].as_array().unwrap().len(), 1, "it was deleted before, and once");
    // A deletion is no value: not in a series, not in a sum, not for a query.
    let all = it.read("/temporal/entities/urn:e:1?options=temporalValues").await;
    assert_eq!(all["speed"]["values"].as_array().unwrap().len(), 1);
    let found = it.read("/temporal/entities?type=Car&q=speed==%22urn:ngsi-ld:null%22").await;
    assert_eq!(found, json!([]));
    let window = "timerel=after&timeAt=2020-01-01T00:00:00Z&timeproperty=deletedAt";
    let found = it.read(&format!("/temporal/entities?type=Car&{window}")).await;
    assert_eq!(ids(&found), ["urn:e:1"]);
}

#[tokio::test]
async fn an_entity_that_was_deleted_says_when() {
    let it = start(1000).await;
    let path = "/temporal/entities/urn:ngsi-ld:Car:1";
    let shown = async |more: &str| it.read(&format!("{path}?options=sysAttrs{more}")).await;
    it.create(car(1, 1)).await;
    assert_eq!(shown("").await.get("deletedAt"), None);
    expect(it.delete("/entities/urn:ngsi-ld:Car:1"), 204).await;
    let past = shown("").await;
    let end = past["deletedAt"].as_str().unwrap().to_owned();
    // At the same time as all it had; told on demand, as other system attributes are (6.3.11).
    assert_eq!(past["speed"].as_array().unwrap().last().unwrap()["deletedAt"], end);
    assert_eq!(it.read(path).await.get("deletedAt"), None);
    for more in [
        ",temporalValues",
        "&lastN=1",
        "&attrs=brand",
        "&timerel=after&timeAt=2020-01-01T00:00:00Z&timeproperty=modifiedAt",
    ] {
        assert_eq!(shown(more).await["deletedAt"], end, "{more}");
    }
    let query = "/temporal/entities?type=Car&options=sysAttrs&timeproperty=deletedAt&timerel=after&timeAt=2020-01-01T00:00:00Z";
    assert_eq!(it.read(query).await[0]["deletedAt"], end);
    // One without attributes leaves that it was there.
    it.create(json!({"id": "urn:ngsi-ld:Car:2", "type": "Car"})).await;
    expect(it.delete("/entities/urn:ngsi-ld:Car:2"), 204).await;
    let bare = it.read("/temporal/entities/urn:ngsi-ld:Car:2?options=sysAttrs").await;
    assert!(bare["deletedAt"].is_string() && bare["type"] == "Car", "{bare}");
    // Who is there again has not ended.
    it.create(car(1, 2)).await;
    assert_eq!(shown("").await.get("deletedAt"), None);
    let before = format!("&timerel=before&timeAt={end}&timeproperty=modifiedAt");
    assert_eq!(shown(&before).await.get("deletedAt"), None);
}

#[tokio::test]
async fn an_attribute_that_only_the_past_knows_ends_once() {
    let it = start(1000).await;
    let car = json!({"id": "urn:e:1", "type": "Car", "scope": ["/A"], "speed": [at(json!(1), "10:00:00")]});
    expect(it.post("/temporal/entities", &car), 201).await;
    for attribute in ["speed", "scope"] {
        let path = format!("/entities/urn:e:1/attrs/{attribute}");
        expect(it.delete(&path), 204).await;
        expect_error(it.delete(&path), 404, "ResourceNotFound", "urn:e:1").await;
    }
    expect(it.delete("/entities/urn:e:1/attrs/wings"), 404).await;
    let deleted = it.read("/temporal/entities/urn:e:1?timeproperty=deletedAt").await;
    let scope = deleted["scope"][0].as_object().unwrap();
    assert_eq!((&scope["type"], &scope["value"]), (&json!("Property"), &json!([])));
    assert_eq!(scope.keys().collect::<Vec<_>>(), ["type", "value", "deletedAt"]);
    assert_eq!(deleted["speed"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn deletions_are_part_of_an_evolution_that_is_told() {
    let it = start(1000).await;
    let null = json!({"id": "urn:e:1", "type": "Car", "speed": "urn:ngsi-ld:null"});
    expect_error(it.post("/temporal/entities", &null), 400, "BadRequestData", "speed").await;
    let gone = at(json!("urn:ngsi-ld:null"), "11:00:00");
    let car = json!({"id": "urn:e:1", "type": "Car", "speed": [at(json!(1), "10:00:00"), gone]});
    expect(it.post("/temporal/entities", &car), 201).await;
    let past = it.read("/temporal/entities/urn:e:1").await;
    assert_eq!(past["speed"][1]["deletedAt"], "2026-01-01T11:00:00Z");
    // Told again, it is not twice as long; another value for a time takes its place.
    let car = json!({"id": "urn:e:1", "type": ["Car", "Van"], "speed": [at(json!(2), "10:00:00")]});
    expect(it.post("/temporal/entities", &car), 204).await;
    let past = it.read("/temporal/entities/urn:e:1?options=temporalValues").await;
    assert_eq!(past["speed"]["values"], json!([[2, "2026-01-01T10:00:00Z"]]));
    assert_eq!(past["type"], json!(["Car", "Van"]));
}

#[tokio::test]
async fn scopes_hold_from_when_they_were_set() {
    let it = start(1000).await;
    let scope = |scope: &str, time| at(json!(scope), time);
    for (id, scopes) in [
        ("before", vec![scope("/A", "09:00:00")]),
        ("within", vec![scope("/A", "10:30:00")]),
        ("replaced", vec![scope("/A", "09:00:00"), scope("/B", "10:30:00")]),
        ("after", vec![scope("/A", "12:00:00")]),
    ] {
        let speeds = [at(json!(1), "10:15:00"), at(json!(2), "10:45:00")];
        let car = json!({"id": format!("urn:e:{id}"), "type": "Car", "scope": scopes, "speed": speeds});
        expect(it.post("/temporal/entities", &car), 201).await;
    }
    let window = "timerel=between&timeAt=2026-01-01T10:00:00Z&endTimeAt=2026-01-01T11:00:00Z";
    let found = it.read(&format!("/temporal/entities?type=Car&scopeQ=/A&{window}")).await;
    assert_eq!(ids(&found), ["urn:e:before", "urn:e:replaced", "urn:e:within"]);
    let values = |at: usize| -> Vec<&Value> {
        found[at]["speed"].as_array().unwrap().iter().map(|one| &one["value"]).collect()
    };
    assert_eq!((values(0).len(), values(1), values(2)), (2, vec![&json!(1)], vec![&json!(2)]));
    assert_eq!(found[0]["scope"][0]["value"], "/A", "what held when the window began is shown");
    assert_eq!(it.read(&format!("/temporal/entities?type=Car&scopeQ=/Z&{window}")).await, json!([]));
}

#[tokio::test]
async fn a_change_of_scopes_in_the_present_is_kept() {
    let it = start(1000).await;
    it.create(json!({"id": "urn:e:1", "type": "Car", "scope": "/Old", "speed": 1})).await;
    expect(it.patch("/entities/urn:e:1", &json!({"type": "Car", "scope": "/New"})), 204).await;
    expect(it.patch("/entities/urn:e:1/attrs", &json!({"speed": 2})), 204).await;
    let past = it.read("/temporal/entities/urn:e:1?options=sysAttrs").await;
    let scopes = past["scope"].as_array().unwrap();
    assert_eq!(scopes.len(), 2, "only a change is a change");
    assert_eq!((&scopes[0]["value"], &scopes[1]["value"]), (&json!("/Old"), &json!("/New")));
    assert_eq!(scopes[1]["observedAt"], scopes[1]["modifiedAt"], "{}", scopes[1]);
    assert_eq!(scopes[1].get("instanceId"), None);
}

#[tokio::test]
async fn what_expires_goes_with_its_past() {
    let it = start(1000).await;
    let soon = jiff::Timestamp::now() + jiff::Span::new().milliseconds(300);
    let flash = json!({"type": "Property", "value": 1, "expiresAt": soon.to_string()});
    it.create(json!({"id": "urn:e:1", "type": "Car", "flash": flash, "speed": 1})).await;
    loop {
        let past = it.read("/temporal/entities/urn:e:1").await;
        assert!(past.get("speed").is_some());
        if past.get("flash").is_none() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn speeds(minutes: impl Iterator<Item = u32>) -> Value {
    minutes.map(|minute| at(json!(minute), &format!("10:{minute:02}:00"))).collect()
}

#[tokio::test]
async fn an_answer_that_is_too_long_comes_in_parts_that_have_everything() {
    let it = start(4).await;
    let car =
        |id: &str, minutes: std::ops::Range<u32>| json!({"id": id, "type": "Car", "speed": speeds(minutes)});
    expect(it.post("/temporal/entities", &car("urn:e:1", 0..4)), 201).await;
    let whole = expect(it.get("/temporal/entities/urn:e:1"), 200).await;
    assert!(!whole.headers().contains_key("content-range"), "what fits is no part");
    expect(it.post("/temporal/entities", &car("urn:e:2", 2..12)), 201).await;
    // A client that goes on where a part ended has everything in the end, and nothing twice.
    let mut seen = Vec::new();
    let mut from = "2026-01-01T00:00:00Z".to_owned();
    loop {
        let path = format!("/temporal/entities?type=Car&timerel=after&timeAt={from}");
        let response = it.get(&path).send().await.unwrap();
        let range = response.headers().get("content-range").map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let found: Value = response.json().await.unwrap();
        for entity in found.as_array().unwrap() {
            for one in entity["speed"].as_array().unwrap() {
                seen.push(format!(
                    "{} {}",
                    entity["id"].as_str().unwrap(),
                    one["observedAt"].as_str().unwrap()
                ));
            }
        }
        let Some(range) = range else {
            assert_eq!(status, 200);
            break;
        };
        assert_eq!(status, 206);
        let (start, end) = range.strip_prefix("date-time ").unwrap().split_at(from.len());
        assert_eq!(start, from);
        let end = end.strip_prefix('-').unwrap().strip_suffix("/*").unwrap();
        let next: jiff::Timestamp = end.parse().unwrap();
        from = (next + jiff::Span::new().microseconds(1)).to_string();
    }
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (14, 14), "{seen:?}");
}

#[tokio::test]
async fn a_part_is_the_newest_with_last_n_and_shows_what_has_nothing_in_it() {
    let it = start(3).await;
    let car = json!({"id": "urn:e:1", "type": "Car", "speed": speeds(0..5), "fuel": speeds(30..35)});
    expect(it.post("/temporal/entities", &car), 201).await;
    let path = "/temporal/entities/urn:e:1?lastN=5&timerel=before&timeAt=2026-02-01T00:00:00Z";
    let response = expect(it.get(path), 206).await;
    let range = "date-time 2026-02-01T00:00:00Z-2026-01-01T10:32:00Z/5";
    assert_eq!(response.headers()["content-range"], range);
    let found: Value = response.json().await.unwrap();
    assert_eq!((&found["speed"], found["fuel"].as_array().unwrap().len()), (&json!([]), 3));
    let response = expect(it.get("/temporal/entities/urn:e:1?options=temporalValues"), 206).await;
    let found: Value = response.json().await.unwrap();
    assert_eq!(found["fuel"], json!({"type": "Property", "values": []}));
    assert_eq!(found["speed"]["values"].as_array().unwrap().len(), 3);
    // Values over periods are as many as were asked for.
    let sums = "/temporal/entities/urn:e:1?options=aggregatedValues&aggrMethods=totalCount";
    assert_eq!(it.read(sums).await["speed"]["totalCount"][0][0], 5);
}

#[tokio::test]
async fn a_body_says_how_values_are_put_together() {
    let it = start(1000).await;
    let car = json!({"id": "urn:e:1", "type": "Car", "speed": speeds(0..4)});
    expect(it.post("/temporal/entities", &car), 201).await;
    let query = |aggregation: Value| {
        let time = json!({"timerel": "after", "timeAt": "2026-01-01T00:00:00Z"});
        let body = json!({"type": "Query", "entities": [{"type": "Car"}], "temporalQ": time, "aggrParams": aggregation});
        it.post("/temporal/entityOperations/query", &body)
    };
    let response = expect(query(json!({"aggrMethods": ["avg"], "aggrPeriodDuration": "P1D"})), 200).await;
    let found: Value = response.json().await.unwrap();
    assert_eq!(found[0]["speed"]["avg"][0][0], 1.5, "{found}");
    expect_error(query(json!({"aggrMethods": ["mode"]})), 400, "BadRequestData", "aggrMethods").await;
    let bad = query(json!({"aggrMethods": ["avg"], "aggrPeriodDuration": "a day"}));
    expect_error(bad, 400, "BadRequestData", "aggrPeriodDuration").await;
    // A format says more than options (6.3.12), and only instances that are asked for make an entity part of the answer.
    let path = "/temporal/entities?type=Car&format=temporalValues&options=aggregatedValues&aggrMethods=sum";
    assert_eq!(it.read(path).await[0]["speed"]["values"].as_array().unwrap().len(), 4);
    assert_eq!(it.read("/temporal/entities?type=Car&attrs=speed&datasetId=urn:d:1").await, json!([]));
}

#[tokio::test]
async fn a_retrieval_can_make_an_entity_map_and_one_that_is_gone_is_made_again() {
    let it = start(1000).await;
    it.create(json!({"id": "urn:e:1", "type": "Car", "speed": 1})).await;
    for path in ["/entities/urn:e:1", "/temporal/entities/urn:e:1"] {
        let response = expect(it.get(&format!("{path}?entityMap=true")), 200).await;
        let place = response.headers()["ngsild-entitymap"].to_str().unwrap().to_owned();
        let map = it.read(place.strip_prefix("/ngsi-ld/v1").unwrap()).await;
        assert_eq!(map["entityMap"], json!({"urn:e:1": ["@none"]}));
        let again = expect(it.get(path).header("NGSILD-EntityMap", &place), 200).await;
        assert_eq!(again.headers()["ngsild-entitymap"], *place);
        let gone = expect(it.get(path).header("NGSILD-EntityMap", "urn:ngsi-ld:EntityMap:gone"), 200).await;
        assert!(!gone.headers()["ngsild-entitymap"].to_str().unwrap().contains("gone"));
    }
    for path in ["/entities?type=Car", "/temporal/entities?type=Car"] {
        let gone = it.get(path).header("NGSILD-EntityMap", "urn:ngsi-ld:EntityMap:gone");
        assert!(expect(gone, 201).await.headers().contains_key("ngsild-entitymap"));
    }
}

#[tokio::test]
async fn what_is_too_old_is_forgotten_and_stays_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let young = Options { history_instances: 100, history_max_age_s: 1, ..options(dir.path()) };
    {
        let it = common::start_options(young.clone()).await;
        // When it was observed does not matter: what is told late would be gone at once.
        let car = json!({"id": "urn:e:1", "type": "Car", "speed": [at(json!(1), "10:00:00")]});
        expect(it.post("/temporal/entities", &car), 201).await;
        assert!(it.read("/temporal/entities/urn:e:1").await["speed"].is_array());
        it.create(json!({"id": "urn:e:2", "type": "Car", "speed": 1})).await;
        while it.get("/temporal/entities/urn:e:1").send().await.unwrap().status() != 404 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        while it.read("/temporal/entities?type=Car").await != json!([]) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        expect(it.get("/entities/urn:e:2"), 200).await;
        // What is written again has a past again.
        expect(it.patch("/entities/urn:e:2/attrs", &json!({"speed": 2})), 204).await;
        it.read("/temporal/entities/urn:e:2").await;
        // It is on the disk a quarter of its time longer.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let broker = common::reopen_with(Options { history_max_age_s: 0, ..young }).await;
    let it = common::serve_broker(broker).await;
    expect(it.get("/temporal/entities/urn:e:1"), 404).await;
}

#[tokio::test]
async fn a_snapshot_of_the_past_stays_as_it_was() {
    let it = start(1000).await;
    let car =
        |id: &str, minutes: std::ops::Range<u32>| json!({"id": id, "type": "Car", "speed": speeds(minutes)});
    expect(it.post("/temporal/entities", &car("urn:e:1", 0..4)), 201).await;
    expect(it.post("/temporal/entities", &car("urn:e:2", 30..34)), 201).await;
    it.create(json!({"id": "urn:e:3", "type": "Van", "speed": 1})).await;
    let time = json!({"timerel": "before", "timeAt": "2026-01-01T10:02:00Z"});
    let past = json!({"type": "Query", "entities": [{"type": "Car"}], "temporalQ": time});
    let present = json!({"type": "Query", "entities": [{"type": "Van"}]});
    let snapshot = json!({"id": "urn:s:1", "type": "Snapshot", "snapshotQueries": [present], "snapshotTemporalQueries": [past]});
    expect(it.post("/snapshots", &snapshot), 201).await;
    while it.read("/snapshots/urn:s:1").await["snapshotStatus"] != "success" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    expect(it.delete("/temporal/entities/urn:e:1"), 204).await;
    let inside = async |path: &str, status: u16| -> Value {
        let response = expect(it.get(path).header("NGSILD-Snapshot", "urn:s:1"), status).await;
        response.json().await.unwrap()
    };
    let kept = inside("/temporal/entities/urn:e:1?options=temporalValues", 200).await;
    assert_eq!(kept["speed"]["values"], json!([[0, "2026-01-01T10:00:00Z"], [1, "2026-01-01T10:01:00Z"]]));
    inside("/temporal/entities/urn:e:2", 404).await;
    inside("/entities/urn:e:3", 200).await;
    inside("/temporal/entities/urn:e:3", 404).await;
    let bad = json!({"type": "Snapshot", "snapshotTemporalQueries": [{"type": "Query", "entities": [{"type": "Car"}]}]});
    expect_error(it.post("/snapshots", &bad), 400, "BadRequestData", "temporalQ").await;
    expect_error(it.post("/snapshots", &json!({"type": "Snapshot"})), 400, "BadRequestData", "Queries").await;
}
