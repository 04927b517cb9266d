//! The ThingVisors over a real fabric, as the node starts them.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::path::Path;

use common::{LOCAL, Stage, environment};
use morgana_fabric::Qos;
use morgana_model::Entity;
use morgana_thingvisor::Notifier;
use morgana_visors::{builtins, run, serve};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn host_shows_the_machine_and_follows_a_new_interval() {
    let mut stage = Stage::with("host", |_| json!({ "intervalSeconds": 86_400 })).await;
    stage.hear(|_, message| message["vThing"]["id"] == "tv/load").await;
    // The sensors are read once a day now; only the new interval makes them speak again.
    stage.update(json!({ "intervalSeconds": "often" })).await;
    stage.update(json!({ "intervalSeconds": 0.1 })).await;
    let memory = stage.entity("tv/memory", |entity| entity.get("available").is_some()).await;
    assert_eq!(memory.id(), "urn:ngsi-ld:Memory:tv");
    let available = memory.get("available").unwrap();
    assert_eq!(available["unitCode"], "AD");
    assert!(
        available["value"].as_u64().unwrap() > 0 && available["observedAt"].as_str().unwrap().ends_with('Z')
    );
    stage.stop().await;
}

#[tokio::test]
async fn replay_publishes_a_series_and_then_what_new_parameters_say() {
    let params = |file: &str, id: &str| {
        json!({
            "file": file,
            "vThing": "series-{id}",
            "entity": { "id": id, "type": "Counter" },
            "properties": { "n": { "column": "n", "type": "number" }, "name": { "column": "id", "observed": false } },
            "observedAt": "time",
            "speed": 36_000,
        })
    };
    let mut stage = Stage::with("replay", |data| {
        let rows = "id,time,n\na,2020-01-01T01:00,2\na,2020-01-01T00:00,1\nb,2020-01-01T02:00,3\nb c,2020-01-01T02:00,3\n";
        std::fs::write(data.join("series.csv"), rows).unwrap();
        params("series.csv", "urn:x:{id}")
    })
    .await;
    let n = |entity: &Entity| entity.get("n").unwrap()["value"].as_i64().unwrap();
    let first = stage.entity("tv/series-a", |_| true).await;
    assert_eq!((n(&first), first.id()), (1, "urn:x:a"));
    let second = stage.entity("tv/series-a", |entity| n(entity) == 2).await;
    assert_eq!(second.get("n").unwrap()["observedAt"], "2020-01-01T01:00:00Z");
    assert_eq!(n(&stage.entity("tv/series-b", |_| true).await), 3);
    // The series is over, and its context is still there.
    let request = json!({ "command": "getContextRequest", "vSiloID": "t_s", "vThingID": "tv/series-a" });
    stage.silo.subscribe("vSilo/#", Qos::AtMostOnce).await.unwrap();
    stage.silo.publish("vThing/tv/series-a/c_in", request.to_string(), Qos::AtLeastOnce).await.unwrap();
    let (_, answer) = stage.hear(|topic, _| topic == "vSilo/t_s/c_in").await;
    assert_eq!(answer["data"][0]["n"]["value"], 2);

    stage.update(params("nothing.csv", "urn:x:{id}")).await;
    let mut again = params("series.csv", "urn:x:{id}");
    again["speed"] = json!("max");
    stage.update(again).await;
    // The same vThing goes on: no tenant loses it.
    stage
        .hear(|topic, message| {
            assert_ne!(message["command"], "deleteVThing");
            topic == "vThing/tv/series-a/data_out"
        })
        .await;
    stage.update(params("series.csv", "urn:y:{id}")).await;
    stage
        .hear(|topic, message| topic == "vThing/tv/series-a/c_out" && message["command"] == "deleteVThing")
        .await;
    assert_eq!(stage.entity("tv/series-a", |_| true).await.id(), "urn:y:a");
    stage.stop().await;
}

fn relay(more: Value) -> Value {
    let mut params = json!({ "vThingName": "timestamp", "vThingType": "Clock" });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

#[tokio::test]
async fn relay_publishes_what_is_posted() {
    let mut stage = Stage::with("relay", |_| json!("{'vThingName':'timestamp','vThingType':'Clock'}")).await;
    stage.hear(|_, message| message["vThing"]["id"] == "tv/timestamp").await;
    assert_eq!(stage.notify(r#"{"now":"it's 12"}"#).await, (201, "OK".to_owned()));
    let entity = stage.entity("tv/timestamp", |_| true).await;
    assert_eq!(entity.id(), "urn:ngsi-ld:tv:timestamp");
    assert_eq!(entity.types(), ["Clock"]);
    assert_eq!(entity.get("msg").unwrap()["value"], json!({ "now": "it's 12" }));
    stage.stop().await;
}

#[tokio::test]
async fn relay_refuses_what_it_cannot_take_and_goes_on() {
    let mut stage =
        Stage::with("relay", |_| relay(json!({ "maxBodyBytes": 1000, "maxConnections": 2 }))).await;
    stage.hear(|_, message| message["vThing"]["id"] == "tv/timestamp").await;
    let (status, text) = stage.notify("{\"a\":").await;
    assert!(status == 400 && text.contains("line 1 column 5"), "{status} {text}");
    assert_eq!(stage.notify(&format!("\"{}\"", "x".repeat(2000))).await.0, 413);
    let chunked =
        "POST /notify HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunks = format!("{chunked}{}0\r\n\r\n", format!("1f4\r\n{}\r\n", " ".repeat(500)).repeat(3));
    assert_eq!(stage.http(chunks.as_bytes()).await.0, 413);
    let request =
        |line: &str| format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(stage.http(request("POST /other").as_bytes()).await.0, 404);
    assert_eq!(stage.http(request("GET /notify").as_bytes()).await.0, 405);
    assert_eq!(stage.http(b"nonsense\r\n\r\n").await.0, 400);
    // Connections that say nothing take places only while they are open.
    for _ in 0..4 {
        drop(TcpStream::connect((LOCAL, stage.door)).await.unwrap());
    }
    assert_eq!(stage.notify("1").await.0, 201);
    stage.stop().await;
}

#[tokio::test]
async fn relay_passes_entities_as_they_are_when_it_is_told_to() {
    let mut stage = Stage::with("relay", |_| relay(json!({ "as": "entities" }))).await;
    stage.hear(|_, message| message["vThing"]["id"] == "tv/timestamp").await;
    let entities = json!([{ "id": "urn:a", "type": "A" }, { "id": "urn:b", "type": "B", "p": { "type": "Property", "value": 1 } }]);
    assert_eq!(stage.notify(&entities.to_string()).await.0, 201);
    let (_, message) = stage.hear(|topic, _| topic == "vThing/tv/timestamp/data_out").await;
    assert_eq!(message["data"], entities);
    assert_eq!(stage.notify(r#"{"id":"urn:a"}"#).await.0, 400);
    stage.update(relay(json!({ "vThingName": "other" }))).await;
    stage.hear(|_, message| message["vThing"]["id"] == "tv/other").await;
    stage
        .hear(|topic, message| topic == "vThing/tv/timestamp/c_out" && message["command"] == "deleteVThing")
        .await;
    stage.stop().await;
}

#[tokio::test]
async fn relay_tells_a_port_that_is_taken() {
    let taken = std::net::TcpListener::bind((LOCAL, 0)).unwrap();
    let data = tempfile::tempdir().unwrap();
    let mut environment = environment((LOCAL, 1).into(), data.path(), relay(json!({})));
    environment.doors.insert(8089, taken.local_addr().unwrap().port());
    let stop = CancellationToken::new();
    let error = serve("relay", environment, Notifier::to(None).unwrap(), stop).await.unwrap_err();
    assert!(error.to_string().contains(&taken.local_addr().unwrap().to_string()), "{error}");
    assert_eq!(error.exit_status(), 69);
}

#[test]
fn wrong_parameters_end_a_thingvisor_with_the_status_that_says_so() {
    for (kind, params, word) in [
        ("nothing", json!({}), "host, hue, lamp, relay, replay"),
        ("host", json!({ "intervalSecond": 1 }), "`intervalSeconds`"),
        ("relay", json!({ "vThingName": "x" }), "vThingType"),
        ("relay", json!({ "vThingName": "", "vThingType": "x" }), "vThingName"),
        ("relay", Value::Null, "vThingName"),
        ("replay", json!({}), "`file`"),
        (
            "replay",
            json!({ "file": "none.csv", "entity": { "id": "a", "type": "b" }, "properties": {} }),
            "none.csv",
        ),
    ] {
        let data = tempfile::tempdir().unwrap();
        let error = run(kind, environment((LOCAL, 1).into(), data.path(), params)).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!((error.exit_status(), error.is_configuration()), (78, true));
    }
}

#[test]
fn the_catalogue_has_every_parameter_and_the_documents_too() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/visors");
    for builtin in builtins() {
        // What serde knows is in its words on a parameter that it does not know.
        let data = tempfile::tempdir().unwrap();
        let unknown = json!({ "doesNotExist": 1 });
        let error = run(builtin.kind, environment((LOCAL, 1).into(), data.path(), unknown)).unwrap_err();
        let error = error.to_string();
        let (_, known) = error.split_once("expected ").unwrap();
        let mut known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        let mut listed: Vec<&str> = builtin.params.iter().map(|param| param.name).collect();
        known.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, known, "{}", builtin.kind);
        let page = std::fs::read_to_string(docs.join(format!("{}.md", builtin.kind))).unwrap();
        for name in listed {
            assert!(page.contains(&format!("`{name}`")), "{}.md has no `{name}`", builtin.kind);
        }
    }
}
