//! Things, ThingVisors and files that are not as they should be: the reason is told, the rest goes on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accepted;

use accepted::Accepted;
use morgana_model::{Phase, ThingVisor, ThingVisorId};
use morgana_testbed::{Http, NgsiLd, Options, Platform, Series, User, add_thing_visor, eventually};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_broken_row_is_named_with_its_column_and_the_other_rows_go_on() {
    let accepted = Accepted::before().await;
    let Accepted { platform, admin, alice, context, .. } = &accepted;
    let rows = [
        "7,120,2019-01-01T10:00:00Z",
        "8,many,2019-01-01T10:00:00Z",
        "9,80,2019-01-01T10:00:00Z",
        "10,5,yesterday",
        "11,6",
        "12,90,2019-01-01T11:00:00Z",
    ];
    let series = Series::write(platform.folder(), "counters.csv", &rows);
    platform.thing_visor(admin, "melbourne", "builtin:replay", series.replay("counters", json!("max"))).await;
    platform.v_thing(admin, "melbourne/counters").await;
    platform.plug(alice, context, "melbourne/counters").await;
    let broker = NgsiLd::at(context);
    eventually("the good rows are played", async || {
        let ids: Vec<_> =
            broker.entities("PersonCounter").await.iter().map(|entity| entity["id"].to_string()).collect();
        let there =
            ["7", "9", "12"].iter().all(|id| ids.contains(&format!("\"urn:ngsi-ld:PersonCounter:{id}\"")));
        if there && ids.len() == 3 { Ok(()) } else { Err(format!("{ids:?}")) }
    })
    .await;
    let cli = platform.cli();
    cli.ok(&["login", "-u", "admin", "-p", admin.password.expose()]).await;
    let log = eventually("the broken rows are in the log", async || {
        let log = cli.ok(&["logs", "thingvisor/melbourne"]).await;
        if log.matches("row skipped").count() == 3 { Ok(log) } else { Err(log) }
    })
    .await;
    // The header is row 1.
    for (row, column) in [("row=3", "column 'count'"), ("row=5", "column 'at'"), ("row=6", "")] {
        let line = log.lines().find(|line| line.contains(row));
        let line = line.unwrap_or_else(|| panic!("{row} is not in the log: {log}"));
        assert!(line.contains(column), "'{column}' is not in: {line}");
    }
    accepted.is_not_lost().await;
}

/// Waits until a ThingVisor has failed; the reason.
async fn reason(platform: &Platform, admin: &User, id: &ThingVisorId) -> String {
    let client = platform.client(admin);
    eventually(&format!("ThingVisor {id} has failed"), async || match client.thing_visor(id).await {
        Ok(ThingVisor { status, .. }) => match status.phase {
            Phase::Failed { reason } => Ok(reason),
            other => Err(other.to_string()),
        },
        Err(error) => Err(error.to_string()),
    })
    .await
}

#[tokio::test]
async fn a_thing_visor_that_cannot_work_has_failed_with_the_reason() {
    let variables = vec![("MORGANA_NODE__CRASH_LOOP_ENDS".to_owned(), "3".to_owned())];
    let accepted = Accepted::with(Options { variables, ..Options::default() }).await;
    let Accepted { platform, admin, .. } = &accepted;
    let client = platform.client(admin);
    let series = Series::write(platform.folder(), "counters.csv", &["7,120,2019-01-01T10:00:00Z"]);
    let replay = series.replay("counters", json!("max"));
    let with = |name: &str, value: Value| {
        let mut params = replay.clone();
        params[name] = value;
        params
    };
    let room = |name: &str, value: Value| {
        let mut params = json!({ "vThingName": "room", "vThingType": "Room" });
        params[name] = value;
        params
    };
    for (id, image, params, words) in [
        ("ends", "exec:/bin/false", Value::Null, &["1"][..]),
        ("absent", "exec:/no/such/program", Value::Null, &["/no/such/program"]),
        ("stranger", "builtin:relay", room("colour", json!("blue")), &["colour"]),
        ("nameless", "builtin:relay", json!({ "vThingType": "Room" }), &["vThingName"]),
        ("misnamed", "builtin:relay", room("vThingName", json!("a room")), &["a room"]),
        ("fileless", "builtin:replay", with("file", json!("/no/such/file.csv")), &["/no/such/file.csv"]),
        ("columnless", "builtin:replay", with("observedAt", json!("when")), &["when"]),
        ("endless", "builtin:replay", with("speed", json!(-1)), &["speed", "-1"]),
        ("numberless", "builtin:host", json!({ "intervalSeconds": "often" }), &["intervalSeconds", "often"]),
        ("textual", "builtin:host", json!("often"), &["no JSON"]),
    ] {
        let visor = add_thing_visor(&client, id, image, params).await.unwrap();
        let reason = reason(platform, admin, &visor.id).await;
        for word in words {
            assert!(reason.contains(word), "'{word}' is not in the reason of {id}: {reason}");
        }
    }
    accepted.is_not_lost().await;
}

#[tokio::test]
async fn what_is_posted_to_a_relay_and_is_no_json_is_refused_by_it() {
    let accepted = Accepted::before().await;
    let port = accepted.relay.status.endpoints["8089/tcp"];
    let relay = Http::new(format!("http://127.0.0.1:{port}"), None);
    for (method, path, body, status) in [
        (Method::POST, "/notify", "{", 400),
        (Method::POST, "/notify", "", 400),
        (Method::GET, "/notify", "", 405),
        (Method::POST, "/elsewhere", "{}", 404),
    ] {
        let answer = relay.request(method, path).body(body).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path} with {body:?}");
    }
    let long = relay.request(Method::POST, "/notify").body(vec![b' '; 8 * 1024 * 1024]).send().await;
    if let Ok(response) = long {
        assert_eq!(response.status(), 413);
    }
    accepted.is_not_lost().await;
}
