//! The temporal evolution of entities (NGSI-LD 5.6.11 to 5.6.16, 5.7.3, 5.7.4).

mod common;

use common::{expect, expect_error, ids, options, start_options};
use serde_json::json;

fn speeds(minutes: &[u32]) -> serde_json::Value {
    let instance = |minute: &u32| json!({"type": "Property", "value": minute, "observedAt": format!("2026-01-01T10:{minute:02}:00Z")});
    minutes.iter().map(instance).collect()
}

#[tokio::test]
async fn the_past_is_written_queried_and_aggregated() {
    let dir = tempfile::tempdir().unwrap();
    let it = start_options(morgana_ngsi_ld::Options { history_instances: 100, ..options(dir.path()) }).await;
    let car = json!({"id": "urn:e:1", "type": "Car", "speed": speeds(&[10, 20])});
    expect(it.post("/temporal/entities", &car), 201).await;
    expect(it.post("/temporal/entities/urn:e:1/attrs", &json!({"speed": speeds(&[30])})), 204).await;
    let values = it
        .read("/temporal/entities/urn:e:1?options=temporalValues&timerel=after&timeAt=2026-01-01T10:20:00Z");
    assert_eq!(
        values.await["speed"]["values"],
        json!([[20, "2026-01-01T10:20:00Z"], [30, "2026-01-01T10:30:00Z"]])
    );
    let sums = it.read(
        "/temporal/entities/urn:e:1?options=aggregatedValues&aggrMethods=sum,max&aggrPeriodDuration=PT15M",
    );
    assert_eq!(
        sums.await["speed"]["sum"],
        json!([
            [30.0, "2026-01-01T10:10:00Z", "2026-01-01T10:25:00Z"],
            [30.0, "2026-01-01T10:25:00Z", "2026-01-01T10:40:00Z"]
        ])
    );
    let found =
        it.read("/temporal/entities?type=Car&q=speed==20&timerel=before&timeAt=2026-01-01T10:20:00Z").await;
    assert_eq!(found, json!([]), "what is outside of the window does not count");
    let found = it.read("/temporal/entities?type=Car&q=speed==20&lastN=1").await;
    assert_eq!(ids(&found), ["urn:e:1"]);
    assert_eq!(found[0]["speed"].as_array().unwrap().len(), 1);
    let instance = found[0]["speed"][0]["instanceId"].as_str().unwrap().to_owned();
    let path = format!("/temporal/entities/urn:e:1/attrs/speed/{instance}");
    expect(it.delete(&path), 204).await;
    expect_error(it.delete(&path), 404, "ResourceNotFound", "instance").await;
    expect(it.delete("/temporal/entities/urn:e:1"), 204).await;
    expect(it.get("/temporal/entities/urn:e:1"), 404).await;
}

#[tokio::test]
async fn changes_of_the_present_become_past_and_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let with_history = morgana_ngsi_ld::Options { history_instances: 2, ..options(dir.path()) };
    {
        let it = start_options(with_history.clone()).await;
        it.create(json!({"id": "urn:e:1", "type": "Car", "speed": 1})).await;
        for speed in 2..=4 {
            expect(it.patch("/entities/urn:e:1/attrs", &json!({"speed": speed})), 204).await;
        }
        expect(it.delete("/entities/urn:e:1"), 204).await;
    }
    let broker = common::reopen_with(with_history).await;
    let it = common::serve_broker(broker).await;
    let past = it.read("/temporal/entities/urn:e:1?options=temporalValues&timeproperty=createdAt").await;
    let values: Vec<_> = past["speed"]["values"].as_array().unwrap().iter().map(|pair| &pair[0]).collect();
    assert_eq!(values, [&json!(3), &json!(4)], "the oldest instances went when there were too many");
}
