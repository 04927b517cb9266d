//! Facts about whole series, without a fabric.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::params::Params;
use super::plan::Moment;
use super::series::{Said, Series};

/// What a reader said: rows with their lines, and how each pass ended.
#[derive(Debug, Default)]
struct Heard {
    rows: Vec<(u64, Moment)>,
    passes: Vec<(u64, u64)>,
}

fn params(value: Value) -> Result<Params, String> {
    morgana_thingvisor::read_params(&"replay".parse().unwrap(), &value).map_err(|error| error.to_string())
}

fn open(value: Value, folder: &Path) -> Result<Series, String> {
    Series::open(&params(value)?, folder)
}

/// Plays a series until it ends or `passes` are over.
fn play(value: Value, folder: &Path, passes: usize) -> Result<Heard, String> {
    let series = open(value, folder)?;
    let (listener, mut said) = mpsc::channel(1);
    let reader = std::thread::spawn(move || series.tell(&listener));
    let mut heard = Heard::default();
    while let Some(said) = said.blocking_recv() {
        match said {
            Said::Row { moment, line, .. } => heard.rows.push((line, moment)),
            Said::PassEnded { rows, skipped } => heard.passes.push((rows, skipped)),
            Said::Sorting(_) => {}
        }
        if heard.passes.len() == passes {
            break;
        }
    }
    drop(said);
    reader.join().unwrap().map(|()| heard)
}

/// A folder with a file `series.csv`.
fn csv(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("series.csv"), text).unwrap();
    folder
}

fn counters() -> Value {
    json!({
        "file": "series.csv",
        "entity": { "id": "urn:x:{id}", "type": "Counter" },
        "properties": { "count": { "column": "count", "type": "number" } },
        "observedAt": "time",
    })
}

fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

/// The folder of real data; nothing, and a word on it, where it is not there.
fn shared(file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MORGANA_SHARED_DATA").map(PathBuf::from);
    let root = root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let path = root.join(file);
    if path.exists() {
        return path.canonicalize().ok();
    }
    println!("skipped: there is no '{}'; MORGANA_SHARED_DATA says where the data is", path.display());
    None
}

#[test]
fn rows_are_played_in_the_order_of_their_time() {
    let folder = csv("id,time,count\na,2020-01-01T02:00,3\nb,2020-01-01T00:00,1\nc,2020-01-01T01:00,2\n");
    let lines =
        |value| play(value, folder.path(), 1).unwrap().rows.iter().map(|(line, _)| *line).collect::<Vec<_>>();
    assert_eq!(lines(counters()), [3, 4, 2]);
    assert_eq!(lines(with(counters(), "sort", json!(false))), [2, 3, 4]);
}

#[test]
fn a_loop_plays_the_same_again_and_again() {
    let folder = csv("id,time,count\na,2020-01-01T02:00,3\nb,2020-01-01T00:00,1\nbroken\n");
    let heard = play(with(counters(), "loop", json!(true)), folder.path(), 3).unwrap();
    assert_eq!(heard.passes, [(2, 1); 3]);
    assert_eq!(heard.rows[..2], heard.rows[4..]);
}

#[test]
fn a_loop_without_a_good_row_ends() {
    let folder = csv("id,time,count\nbroken\n");
    let heard = play(with(counters(), "loop", json!(true)), folder.path(), usize::MAX).unwrap();
    assert_eq!(heard.passes, [(0, 1)]);
}

/// What is written to the log, for a test to read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_broken_row_is_told_with_row_and_column_and_the_others_go_on() {
    let folder = csv(concat!(
        "id,time,count\n",
        "a,2020-01-01T00:00,1\n",
        "b,2020-01-01T01:00,many\n",
        "c,yesterday,1\n",
        "d,2020-01-01T03:00\n",
        ",2020-01-01T04:00,1\n",
        "e,2020-01-01T05:00,\n",
        "f,2020-01-01T06:00,2\n",
    ));
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let series = open(counters(), folder.path()).unwrap();
    let (listener, mut said) = mpsc::channel(100);
    tracing::subscriber::with_default(subscriber, || series.tell(&listener)).unwrap();
    drop(listener);
    let mut rows = Vec::new();
    let mut passes = Vec::new();
    while let Some(said) = said.blocking_recv() {
        match said {
            Said::Row { line, .. } => rows.push(line),
            Said::PassEnded { rows, skipped } => passes.push((rows, skipped)),
            Said::Sorting(_) => {}
        }
    }
    assert_eq!((rows, passes), (vec![2, 8], vec![(2, 5)]));
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for expected in [
        "row=3 error=column 'count': 'many' is no number",
        "row=4 error=column 'time': 'yesterday' is no time",
        "row=5 error=it has 2 columns, the header has 3",
        "row=6 error=column 'id': it has no value",
        "row=7 error=column 'count': it has no value",
    ] {
        assert_eq!(log.matches(expected).count(), 1, "{expected}\n{log}");
    }
}

#[test]
fn an_optional_property_may_be_missing_and_a_fixed_one_is_everywhere() {
    let folder = csv("id,time,count\na,2020-01-01T00:00,\n");
    let properties = json!({
        "count": { "column": "count", "type": "number", "optional": true },
        "source": { "value": "made up" },
    });
    let heard = play(with(counters(), "properties", properties), folder.path(), 1).unwrap();
    let entity = &heard.rows[0].1.entity;
    assert_eq!(entity.get("count"), None);
    assert_eq!(entity.get("source"), Some(&json!({ "type": "Property", "value": "made up" })));
}

#[test]
fn json_lines_are_played_with_their_types() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "{\"t\":\"2020-01-01T00:00:00Z\",\"v\":{\"x\":1.5},\"s\":[1]}\n\nnot json\n{\"t\":\"2020-01-01T00:00:01Z\",\"v\":{\"x\":true}}\n";
    fs::write(folder.path().join("series.ndjson"), lines).unwrap();
    let value = json!({
        "file": "series.ndjson",
        "entity": { "id": "urn:x", "type": "T" },
        "properties": { "x": "v.x", "s": { "column": "s", "optional": true } },
        "observedAt": "t",
    });
    let heard = play(value, folder.path(), 1).unwrap();
    assert_eq!(heard.passes, [(2, 1)]);
    let value =
        |row: usize, name: &str| heard.rows[row].1.entity.get(name).map(|property| property["value"].clone());
    assert_eq!((value(0, "x"), value(1, "x")), (Some(json!(1.5)), Some(json!(true))));
    assert_eq!((value(0, "s"), value(1, "s")), (Some(json!([1])), None));
}

#[test]
fn a_wrong_parameter_is_told_with_the_way_out() {
    let folder = csv("id,time,count\n");
    let error = |value: Value| open(value, folder.path()).err().expect("it is refused");
    let told = |value: Value, words: &[&str]| {
        let error = error(value);
        for word in words {
            assert!(error.contains(word), "{error}");
        }
    };
    told(with(counters(), "sped", json!(2)), &["`sped`", "`speed`", "`rowsPerSecond`"]);
    told(with(counters(), "speed", json!("fast")), &["speed", "fast", "\"max\""]);
    told(with(counters(), "speed", json!(0)), &["above 0"]);
    told(with(counters(), "rowsPerSecond", json!(-1)), &["rowsPerSecond", "-1"]);
    told(with(with(counters(), "speed", json!(1)), "rowsPerSecond", json!(1)), &["either"]);
    told(with(with(counters(), "speed", json!(1)), "observedAt", Value::Null), &["observedAt"]);
    told(
        with(counters(), "file", json!("none.csv")),
        &[&folder.path().join("none.csv").display().to_string()],
    );
    told(with(counters(), "file", json!("/")), &["format"]);
    told(with(with(counters(), "file", json!("/")), "format", json!("csv")), &["folder"]);
    told(
        with(counters(), "entity", json!({ "id": "{nobody}", "type": "T" })),
        &["'nobody'", "id, time, count"],
    );
    told(with(counters(), "entity", json!({ "id": "{nobody", "type": "T" })), &["entity.id"]);
    told(with(counters(), "properties", json!({ "id": "id" })), &["'id'", "reserves"]);
    told(with(counters(), "properties", json!({ "a": {} })), &["properties.a", "`column` or `value`"]);
    told(
        with(counters(), "properties", json!({ "a": { "column": "count", "type": "int" } })),
        &["properties.a.type", "`number`"],
    );
    told(
        with(counters(), "observedAt", json!({ "column": "time", "timeZone": "Moon/Sea" })),
        &["observedAt", "Moon/Sea"],
    );
    told(with(counters(), "location", json!({ "latitudeColumn": "id" })), &["location", "lookup"]);
    let lookup = json!({ "lookup": { "file": "no.csv", "key": "k", "column": "id", "latitude": "a", "longitude": "o" } });
    told(with(counters(), "location", lookup), &["location", "no.csv"]);
    told(with(counters(), "delimiter", json!("ü")), &["delimiter"]);
    fs::write(folder.path().join("empty.csv"), "\n\n").unwrap();
    told(with(counters(), "file", json!("empty.csv")), &["empty", "header"]);
}

fn melbourne(counts: &Path, places: &Path) -> Value {
    json!({
        "file": counts,
        "vThing": "counters",
        "entity": { "id": "urn:ngsi-ld:PersonCounter:{sensor_id}", "type": "PersonCounter" },
        "properties": {
            "count": { "column": "count", "type": "number", "unitCode": "C62" },
            "name": { "column": "sensor_name", "observed": false },
        },
        "observedAt": { "columns": ["date", "hour"], "format": "%Y-%m-%d %H", "timeZone": "Australia/Melbourne" },
        "location": { "lookup": {
            "file": places, "key": "Sensor ID", "column": "sensor_id", "latitude": "Latitude", "longitude": "Longitude",
        } },
        "speed": "max",
    })
}

#[test]
fn melbournes_november_is_played_whole_in_order_and_in_its_place() {
    let Some(counts) = shared("melbourne-pedestrians/counts-2014-11.csv") else { return };
    let Some(places) = shared("melbourne-pedestrians/sensor-locations.csv") else { return };
    let folder = tempfile::tempdir().unwrap();
    let heard = play(melbourne(&counts, &places), folder.path(), 1).unwrap();
    assert_eq!(heard.passes, [(23_255, 0)]);
    let times: Vec<_> = heard.rows.iter().map(|(_, moment)| moment.at.unwrap()).collect();
    assert!(times.is_sorted());
    assert_eq!(times[0].to_string(), "2014-10-31T13:00:00Z");
    assert_eq!(times[23_254].to_string(), "2014-11-30T12:00:00Z");
    let ids: std::collections::BTreeSet<&str> =
        heard.rows.iter().map(|(_, moment)| moment.entity.id()).collect();
    assert_eq!(ids.len(), 33);
    let (_, first) = heard.rows.iter().find(|(line, _)| *line == 2).unwrap();
    let expected = json!({
        "id": "urn:ngsi-ld:PersonCounter:32",
        "type": "PersonCounter",
        "count": { "type": "Property", "unitCode": "C62", "value": 769, "observedAt": "2014-11-01T11:00:00Z" },
        "name": { "type": "Property", "value": "City Square" },
        "location": { "type": "GeoProperty", "value": { "type": "Point", "coordinates": first.entity.get("location").unwrap()["value"]["coordinates"] } },
    });
    assert_eq!(json!(first.entity), expected);
    for (line, moment) in &heard.rows {
        let place = &moment.entity.get("location").unwrap_or_else(|| panic!("row {line} has a place"))["value"]
            ["coordinates"];
        assert!((144.0..146.0).contains(&place[0].as_f64().unwrap()), "{place}");
        assert!((-38.5..-37.0).contains(&place[1].as_f64().unwrap()), "{place}");
    }
}

#[test]
fn a_machines_temperature_is_played_whole() {
    for (file, rows) in [
        ("machine_temperature_system_failure.csv", 22_695),
        ("ambient_temperature_system_failure.csv", 7_267),
        ("cpu_utilization_asg_misconfiguration.csv", 18_050),
    ] {
        let Some(path) = shared(&format!("nab/{file}")) else { return };
        let folder = tempfile::tempdir().unwrap();
        let value = json!({
            "file": path,
            "entity": { "id": "urn:ngsi-ld:Machine:1", "type": "Machine" },
            "properties": { "value": { "column": "value", "type": "number" } },
            "observedAt": "timestamp",
        });
        let heard = play(value, folder.path(), 1).unwrap();
        assert_eq!(heard.passes, [(rows, 0)], "{file}");
    }
}

#[test]
fn the_example_plays_as_its_parameters_say() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").canonicalize().unwrap();
    let text = fs::read_to_string(examples.join("replay-person-counters.json")).unwrap();
    let text = text.replace("/path/to/morgana/examples", examples.to_str().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let heard = play(serde_json::from_str(&text).unwrap(), folder.path(), 1).unwrap();
    assert_eq!(heard.passes, [(360, 0)]);
}
