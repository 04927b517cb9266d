//! Bad input is refused in words that help, and nothing that was accepted before is lost by it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{SignedDuration, Timestamp};
use morgana_access::{SigningKey, TokenOptions, issue_token};
use morgana_model::{ErrorCode, Phase, Role, Secret, ThingVisor, ThingVisorId, WorkloadName};
use morgana_testbed::{
    Http, NgsiLd, Options, PATIENCE, Platform, Series, SimulatedThing, User, add_silo, add_thing_visor,
    eventually,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// A platform that has something to lose: a relay whose vThing is in a tenant's silo.
struct Accepted {
    platform: Platform,
    admin: User,
    alice: User,
    relay: ThingVisor,
    context: morgana_model::VSilo,
}

impl Accepted {
    async fn before() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let platform = Platform::start_with(MORGANA, options).await;
        let admin = platform.admin().await;
        let relay = platform.relay(&admin, "relay", "room", "Room").await;
        let alice = platform.tenant(&admin, "alice").await;
        let context = platform.silo(&alice, "context", "ngsi-ld").await;
        platform.plug(&alice, &context, "relay/room").await;
        let accepted = Self { platform, admin, alice, relay, context };
        accepted.is_not_lost().await;
        accepted
    }

    /// Checks that all of it still works.
    async fn is_not_lost(&self) {
        let Self { platform, admin, alice, relay, context } = self;
        let client = platform.client(alice);
        assert_eq!(client.vsilo(&context.id).await.unwrap(), *context);
        let connections = client.connections(&context.id).all().await.unwrap();
        assert!(connections.iter().any(|connection| connection.spec.v_thing.thing_visor() == relay.id));
        assert_eq!(platform.client(admin).thing_visor(&relay.id).await.unwrap(), *relay);
        let reading = json!(Uuid::new_v4());
        let broker = NgsiLd::at(context);
        eventually("data flows as before", async || {
            SimulatedThing::of(relay).send(&reading).await;
            let room = broker.entity("urn:ngsi-ld:relay:room").await.unwrap_or_default();
            if room["msg"]["value"] == reading { Ok(()) } else { Err(room) }
        })
        .await;
    }
}

#[tokio::test]
async fn unknown_and_duplicate_names_are_refused_with_the_name() {
    let accepted = Accepted::before().await;
    let Accepted { platform, admin, alice, context, .. } = &accepted;
    let (admins, alices) = (platform.client(admin), platform.client(alice));
    let (nowhere, room) = (&"alice_nowhere".parse().unwrap(), &"relay/room".parse().unwrap());
    let refusals = [
        (add_silo(&alices, alice, "other", "lora").await.err(), ErrorCode::NotFound, "lora"),
        (add_silo(&alices, alice, "context", "mqtt").await.err(), ErrorCode::AlreadyExists, "context"),
        (add_silo(&alices, alice, "later", "onem2m").await.err(), ErrorCode::NotYet, "onem2m"),
        (alices.vsilo(nowhere).await.err(), ErrorCode::NotFound, "alice_nowhere"),
        (alices.delete_vsilo(nowhere, true).await.err(), ErrorCode::NotFound, "alice_nowhere"),
        (alices.connect(nowhere, room).await.err(), ErrorCode::NotFound, "alice_nowhere"),
        (
            alices.connect(&context.id, &"relay/attic".parse().unwrap()).await.err(),
            ErrorCode::NotFound,
            "relay/attic",
        ),
        (alices.connect(&context.id, room).await.err(), ErrorCode::AlreadyExists, "relay/room"),
        (
            alices.disconnect(&context.id, &"relay/attic".parse().unwrap()).await.err(),
            ErrorCode::NotFound,
            "relay/attic",
        ),
        (admins.thing_visor(&"lamp".parse().unwrap()).await.err(), ErrorCode::NotFound, "lamp"),
        (admins.delete_thing_visor(&"lamp".parse().unwrap(), false).await.err(), ErrorCode::NotFound, "lamp"),
        (
            add_thing_visor(&admins, "relay", "builtin:relay", Value::Null).await.err(),
            ErrorCode::AlreadyExists,
            "relay",
        ),
        (
            add_thing_visor(&admins, "lamp", "builtin:lamp", Value::Null).await.err(),
            ErrorCode::InvalidInput,
            "host",
        ),
        (admins.delete_user(&"nobody".parse().unwrap()).await.err(), ErrorCode::NotFound, "nobody"),
        (admins.delete_user(&alice.id).await.err(), ErrorCode::Conflict, "alice_context"),
        (admins.delete_flavour(&"lora".parse().unwrap()).await.err(), ErrorCode::NotFound, "lora"),
        (
            alices.logs(&WorkloadName::VSilo(nowhere.clone()), None).await.err(),
            ErrorCode::NotFound,
            "alice_nowhere",
        ),
    ];
    for (number, (refusal, code, name)) in refusals.into_iter().enumerate() {
        let refusal = refusal.unwrap_or_else(|| panic!("attempt {number} with {name} is accepted"));
        assert_eq!(refusal.code(), Some(code), "attempt {number} with {name}: {refusal}");
        assert!(refusal.to_string().contains(name), "'{name}' is not in: {refusal}");
    }
    let again = json!({ "id": "alice", "password": "another", "role": "user" });
    platform.http_as(admin).post("/v1/users", &again).await.expect(409);
    platform.log_in("alice", &alice.password).await;
    accepted.is_not_lost().await;
}

#[tokio::test]
async fn names_that_are_none_are_refused_wherever_a_name_is_given() {
    let accepted = Accepted::before().await;
    let http = accepted.platform.http_as(&accepted.admin);
    let long = "x".repeat(10 * 1024);
    let wrong = ["", "a b", "a//b", "../etc", "a+", "#", "größe", "🦄", "a\u{0}b", "a\nb", "-a", &long];
    for name in wrong {
        let shown: String = name.chars().take(8).collect();
        let spec = json!({ "imageName": "builtin:host" });
        let silo = json!({ "tenant": "alice", "name": name, "flavour": "mqtt" });
        let bodies = [
            ("/v1/users", json!({ "id": name, "password": "a good password", "role": "user" })),
            ("/v1/thingvisors", json!({ "id": name, "spec": spec })),
            ("/v1/flavours", json!({ "id": name, "spec": spec })),
            ("/v1/vsilos", json!({ "spec": silo })),
            ("/v1/vsilos/alice_context/connections", json!({ "vThing": name })),
        ];
        for (path, body) in bodies {
            let answer = http.post(path, &body).await;
            let problem = answer.body.to_string();
            assert_eq!(answer.status, 400, "{path} with {shown:?}: {problem}");
            assert_eq!(answer.content_type, "application/problem+json");
            assert!(
                problem.contains("not valid") && problem.len() < 1000,
                "{path} with {shown:?}: {problem}"
            );
        }
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for path in ["/v1/vsilos/", "/v1/thingvisors/", "/v1/flavours/", "/v1/users/"] {
            let status = http.get(&format!("{path}{encoded}")).await.status.as_u16();
            assert!([400, 404, 414].contains(&status), "{path} with {shown:?}: {status}");
        }
        let plug = json!({ "tenantID": "alice", "vSiloName": "context", "vThingID": name });
        let status = http.post("/addVThing", &plug).await.status.as_u16();
        assert!((400..500).contains(&status), "/addVThing with {shown:?}: {status}");
    }
    let users = accepted.platform.client(&accepted.admin).users().all().await.unwrap();
    assert_eq!(users.len(), 2, "{users:?}");
    accepted.is_not_lost().await;
}

#[tokio::test]
async fn no_wrong_password_lets_anybody_in_and_each_is_answered_alike() {
    let accepted = Accepted::before().await;
    let http = accepted.platform.http();
    let mut answers = Vec::new();
    for (user, password) in
        [("alice", "wrong"), ("alice", ""), ("nobody", "wrong"), ("", ""), ("a b/ü", "wrong")]
    {
        let answer = http.post("/v1/login", &json!({ "userID": user, "password": password })).await;
        assert_eq!(answer.status, 401, "{user}");
        answers.push(answer.body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "the answers tell who exists: {answers:?}");
    accepted.is_not_lost().await;
}

#[tokio::test]
async fn no_token_but_a_good_one_opens_anything() {
    let accepted = Accepted::before().await;
    let Accepted { platform, admin, .. } = &accepted;
    let now = Timestamp::now();
    let key = SigningKey::load_or_generate(&platform.data().join("signing.key"), &mut rand::rng()).unwrap();
    let issue = |key: &SigningKey, at: Timestamp| {
        issue_token(
            key,
            &TokenOptions { life_seconds: 60 },
            &admin.id,
            Role::Administrator,
            at,
            Uuid::new_v4(),
        )
        .0
    };
    let good = issue(&key, now).expose().to_owned();
    let expired = issue(&key, now - SignedDuration::from_hours(2)).expose().to_owned();
    let early = issue(&key, now + SignedDuration::from_hours(2)).expose().to_owned();
    let foreign = issue(&SigningKey::generate(&mut rand::rng()), now).expose().to_owned();
    let [header, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("a JWT has three parts")
    };
    let other = issue(&key, now - SignedDuration::from_secs(1)).expose().to_owned();
    let swapped = format!("{header}.{}.{signature}", other.split('.').nth(1).unwrap());
    // {"typ":"JWT","alg":"none"}
    let unsigned = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.{claims}.");
    let cut = good[..good.len() - 2].to_owned();
    let silos = accepted.context.token.as_ref().unwrap().expose().to_owned();
    let long = "x".repeat(10_000);
    Http::new(platform.rest_url(), Some(&good)).get("/v1/users").await.expect(200);
    for token in [&expired, &early, &foreign, &swapped, &unsigned, &cut, &silos, &long, "", "a.b.c", "null"] {
        for path in ["/v1/users", "/v1/vsilos", "/v1/events", "/listVirtualSilos"] {
            let answer = Http::new(platform.rest_url(), Some(token)).get(path).await;
            assert_eq!(answer.status, 401, "{path} with {}", token.chars().take(40).collect::<String>());
        }
    }
    for header in [None, Some("Basic YWRtaW46YWRtaW4="), Some("bearer"), Some("Bearer  "), Some(&*good)] {
        let request = platform.http().request(Method::GET, "/v1/users");
        let request =
            header.into_iter().fold(request, |request, header| request.header("authorization", header));
        assert_eq!(request.send().await.unwrap().status(), 401, "{header:?}");
    }
    accepted.is_not_lost().await;
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_with_its_place() {
    let accepted = Accepted::before().await;
    let http = accepted.platform.http_as(&accepted.admin);
    let deep = format!("{{\"id\": \"x\", \"spec\": {{\"params\": {}", "[".repeat(100_000));
    for (body, words) in [
        ("", "empty"),
        ("{", "line 1"),
        ("{\"id\": \"x\",\n \"spec\": }", "line 2"),
        ("[]", "expected"),
        ("\"text\"", "expected"),
        ("{\"id\": 5}", "expected"),
        ("{\"id\": \"x\", \"spec\": {\"imageName\": \"builtin:host\"}, \"colour\": 1}", "colour"),
        (&deep, "recursion"),
    ] {
        let request = http.request(Method::POST, "/v1/thingvisors").body(body.to_owned());
        let response = request.header("content-type", "application/json").send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 400, "{text}");
        assert!(text.contains(words), "'{words}' is not in: {text}");
    }
    let broken: &[u8] = b"{\"userID\": \"\xff\xfe\"}";
    for path in ["/v1/login", "/login", "/v1/users", "/siloCreate", "/addVThing"] {
        let status = http.request(Method::POST, path).body(broken).send().await.unwrap().status();
        assert_eq!(status, 400, "{path}");
    }
    accepted.is_not_lost().await;
}

#[tokio::test]
async fn a_body_of_100_mb_is_refused_before_it_is_read() {
    const TOTAL: usize = 100 * 1024 * 1024;
    const PIECE: usize = 64 * 1024;
    let accepted = Accepted::before().await;
    let Accepted { platform, admin, .. } = &accepted;
    let address = platform.rest_url().strip_prefix("http://").unwrap();
    let before = platform.process().resident_bytes();
    let mut most = before;
    for path in ["/v1/login", "/v1/vsilos", "/login", "/siloCreate"] {
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n", admin.token.expose());
        let mut told = TcpStream::connect(address).await.unwrap();
        told.write_all(format!("{head}content-length: {TOTAL}\r\n\r\n").as_bytes()).await.unwrap();
        // Not one byte of the body was sent.
        assert_eq!(status_line(&mut told).await, "HTTP/1.1 413 Payload Too Large", "{path}");

        let mut untold = TcpStream::connect(address).await.unwrap();
        untold.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
        let chunk = [format!("{PIECE:x}\r\n").as_bytes(), &[b' '; PIECE], b"\r\n"].concat();
        let mut sent = 0;
        while sent < TOTAL && untold.write_all(&chunk).await.is_ok() {
            sent += PIECE;
            most = most.max(platform.process().resident_bytes());
        }
        assert!(sent < TOTAL / 2, "{path} reads {sent} bytes of a body that is too long");
    }
    assert!(most - before < 20 * 1024 * 1024, "the platform has grown by {} bytes", most - before);
    accepted.is_not_lost().await;
}

/// The first line of an HTTP response.
async fn status_line(stream: &mut TcpStream) -> String {
    let mut line = String::new();
    let read = timeout(PATIENCE, BufReader::new(stream).read_line(&mut line)).await;
    read.expect("a request that is refused is answered").unwrap();
    line.trim_end().to_owned()
}

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

#[tokio::test]
async fn a_secret_is_never_in_the_log() {
    let accepted = Accepted::before().await;
    let Accepted { platform, admin, alice, context, .. } = &accepted;
    let log = platform.stderr() + &platform.stdout();
    let secrets: [&Secret; 5] =
        [&admin.password, &alice.password, &admin.token, &alice.token, context.token.as_ref().unwrap()];
    for (number, secret) in secrets.iter().enumerate() {
        assert!(!log.contains(secret.expose()), "secret {number} is in the log: {log}");
    }
}
