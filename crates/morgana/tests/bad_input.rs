//! Bad input is refused in words that help, and nothing that was accepted before is lost by it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accepted;

use accepted::Accepted;
use jiff::{SignedDuration, Timestamp};
use morgana_access::{SigningKey, TokenOptions, issue_token};
use morgana_model::{ErrorCode, Role, Secret, WorkloadName};
use morgana_testbed::{Http, PATIENCE, add_silo, add_thing_visor};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

#[tokio::test]
async fn unknown_and_duplicate_names_are_refused_with_the_name() {
    let accepted = Accepted::before().await;
    let Accepted { platform, admin, alice, context, .. } = &accepted;
    let (admins, alices) = (platform.client(admin), platform.client(alice));
    let (nowhere, room) = (&"alice_nowhere".parse().unwrap(), &"relay/room".parse().unwrap());
    let refusals = [
        (add_silo(&alices, alice, "other", "lora").await.err(), ErrorCode::NotFound, "lora"),
        (add_silo(&alices, alice, "context", "mqtt").await.err(), ErrorCode::AlreadyExists, "context"),
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
            add_thing_visor(&admins, "torch", "builtin:torch", Value::Null).await.err(),
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
    let again = json!({ "id": "alice", "password": "another password", "role": "user" });
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
    // The session of a login; without one even a token that is signed right is no good.
    let session = session_of(admin.token.expose());
    let issue = |key: &SigningKey, at: Timestamp| {
        issue_token(
            key,
            &TokenOptions { life_seconds: 60 },
            &admin.id,
            Role::Administrator,
            at,
            Uuid::new_v4(),
            session,
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
            // VirIoT's library answers what is no token of ours with 422.
            let is_refused = answer.status == 401 || (answer.status == 422 && !path.starts_with("/v1/"));
            assert!(is_refused, "{path} with {}", token.chars().take(40).collect::<String>());
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
    // The paths at the root answer as VirIoT does.
    for (path, expected) in
        [("/v1/login", 400), ("/v1/users", 400), ("/login", 500), ("/siloCreate", 409), ("/addVThing", 401)]
    {
        let status = http.request(Method::POST, path).body(broken).send().await.unwrap().status();
        assert_eq!(status, expected, "{path}");
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

/// The session that a token says it belongs to.
fn session_of(token: &str) -> Uuid {
    use base64::Engine;
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["sid"].as_str().unwrap().parse().unwrap()
}
