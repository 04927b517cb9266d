//! Changing what is there, creating once, filtering: what REST v1 has beside plain reading and writing.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use axum::http::StatusCode;
use morgana_controller::TestPlatform;
use serde_json::{Value, json};
use support::{api, ask, ask_with};

async fn flavour(api: &axum::Router, admin: &str, id: &str) -> StatusCode {
    let body = json!({ "id": id, "spec": { "imageName": "builtin:mqtt" } }).to_string();
    ask(api, "POST", "/v1/flavours", Some(admin), body).await.0
}

#[tokio::test]
async fn a_change_that_names_an_old_revision_is_refused_and_loses_nothing() {
    let platform = TestPlatform::start().await;
    let api = api(&platform);
    let admin = platform.authorization("admin").await;
    flavour(&api, &admin, "f").await;
    let (status, headers, _) = ask_with(&api, "GET", "/v1/flavours/f", &admin, &[], "").await;
    assert_eq!(status, StatusCode::OK);
    let tag = headers["etag"].to_str().unwrap().to_owned();
    let patch = |text: &str| json!({ "description": text }).to_string();
    let with = [("if-match", tag.as_str())];
    let (status, headers, _) = ask_with(&api, "PATCH", "/v1/flavours/f", &admin, &with, patch("one")).await;
    assert_eq!(status, StatusCode::OK);
    let newer = headers["etag"].to_str().unwrap().to_owned();
    assert_ne!(newer, tag);
    let (status, _, problem) = ask_with(&api, "PATCH", "/v1/flavours/f", &admin, &with, patch("two")).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{problem}");
    for unfit in ["W/\"r1\"", "\"x\"", "r1"] {
        let with = [("if-match", unfit)];
        let (status, ..) = ask_with(&api, "PATCH", "/v1/flavours/f", &admin, &with, patch("x")).await;
        assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{unfit}");
    }
    let several = format!("{tag}, {newer}");
    for fit in [several.as_str(), "*"] {
        let with = [("if-match", fit)];
        let (status, ..) = ask_with(&api, "PATCH", "/v1/flavours/f", &admin, &with, patch("one")).await;
        assert_eq!(status, StatusCode::OK, "{fit}");
    }
    let known = [("if-none-match", newer.as_str())];
    let (status, _, nothing) = ask_with(&api, "GET", "/v1/flavours/f", &admin, &known, "").await;
    assert_eq!((status, nothing), (StatusCode::NOT_MODIFIED, Value::Null));
    let (_, _, found) = ask(&api, "GET", "/v1/flavours/f", Some(&admin), "").await;
    assert_eq!((&found["spec"]["description"], &found["metadata"]["generation"]), (&json!("one"), &json!(2)));
}

#[tokio::test]
async fn of_many_changes_at_once_with_the_same_revision_one_wins() {
    let platform = TestPlatform::start().await;
    let api = api(&platform);
    let admin = platform.authorization("admin").await;
    flavour(&api, &admin, "f").await;
    let (_, headers, _) = ask_with(&api, "GET", "/v1/flavours/f", &admin, &[], "").await;
    let tag = headers["etag"].to_str().unwrap().to_owned();
    let changes = (0..8).map(|n| {
        let (api, admin, tag) = (api.clone(), admin.clone(), tag.clone());
        tokio::spawn(async move {
            let body = json!({ "description": format!("change {n}") }).to_string();
            ask_with(&api, "PATCH", "/v1/flavours/f", &admin, &[("if-match", &tag)], body).await.0
        })
    });
    let mut statuses = Vec::new();
    for change in changes.collect::<Vec<_>>() {
        statuses.push(change.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::OK).count(), 1, "{statuses:?}");
}

#[tokio::test]
async fn a_creation_with_an_idempotency_key_happens_once_and_is_answered_the_same_after_a_restart() {
    let platform = TestPlatform::start().await;
    platform.tenant("tenant1").await;
    let owner = platform.authorization("tenant1").await;
    let body = json!({ "spec": { "tenant": "tenant1", "name": "home", "flavour": "mqtt" } }).to_string();
    let key = [("idempotency-key", "5c1c8a2e")];
    let first = ask_with(&api(&platform), "POST", "/v1/vsilos", &owner, &key, body.clone()).await;
    assert_eq!(first.0, StatusCode::ACCEPTED);
    let again = ask_with(&api(&platform), "POST", "/v1/vsilos", &owner, &key, body.clone()).await;
    assert_eq!((again.0, &again.2), (first.0, &first.2));

    let platform = platform.restart().await;
    let api = api(&platform);
    let later = ask_with(&api, "POST", "/v1/vsilos", &owner, &key, body.clone()).await;
    assert_eq!((later.0, &later.2), (first.0, &first.2));
    let (status, ..) = ask(&api, "POST", "/v1/vsilos", Some(&owner), body.clone()).await;
    assert_eq!(status, StatusCode::CONFLICT, "without a key it is another creation");
    let other = body.replace("home", "other");
    let (status, _, problem) = ask_with(&api, "POST", "/v1/vsilos", &owner, &key, other).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(problem["detail"].as_str().unwrap().contains("idempotency key"), "{problem}");
    let silos =
        platform.controller.list_v_silos(&platform.administrator(), &Default::default()).await.unwrap();
    assert_eq!(silos.items.len(), 1);

    platform.tenant("tenant2").await;
    let foreign = platform.authorization("tenant2").await;
    let own = body.replace("tenant1", "tenant2");
    let (status, _, silo) = ask_with(&api, "POST", "/v1/vsilos", &foreign, &key, own).await;
    assert_eq!(
        (status, &silo["id"]),
        (StatusCode::ACCEPTED, &json!("tenant2_home")),
        "a key is its user's own"
    );
    for wrong in ["", " ", &"x".repeat(256)] {
        let with = [("idempotency-key", wrong)];
        let (status, ..) = ask_with(&api, "POST", "/v1/vsilos", &owner, &with, body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_restart_with_an_idempotency_key_happens_once_and_is_in_the_audit_log() {
    let platform = TestPlatform::start().await;
    platform.tenant("tenant1").await;
    let (api, owner) = (api(&platform), platform.authorization("tenant1").await);
    let silo = r#"{"spec": {"tenant": "tenant1", "name": "home", "flavour": "mqtt"}}"#;
    assert_eq!(ask(&api, "POST", "/v1/vsilos", Some(&owner), silo).await.0, StatusCode::ACCEPTED);
    let again = "/v1/vsilos/tenant1_home/restart";
    let mut answers = Vec::new();
    for key in ["one", "one", "two"] {
        let with = [("idempotency-key", key)];
        let (status, _, answer) = ask_with(&api, "POST", again, &owner, &with, "").await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        answers.push((answer["metadata"]["generation"].as_u64(), answer["token"].is_string()));
    }
    assert_eq!(answers, [(Some(2), true), (Some(2), true), (Some(3), true)]);
    let admin = platform.authorization("admin").await;
    let (_, _, log) = ask(&api, "GET", "/v1/audit?action=siloRestart", Some(&admin), "").await;
    let lines = log["items"].as_array().unwrap();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines.iter().all(|line| line["who"] == "tenant1" && line["target"] == "tenant1_home"), "{log}");
}

#[tokio::test]
async fn of_many_creations_at_once_with_one_key_all_are_answered_the_same() {
    let platform = TestPlatform::start().await;
    let api = api(&platform);
    let admin = platform.authorization("admin").await;
    let body = json!({ "id": "once", "spec": { "imageName": "builtin:host" } }).to_string();
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let (api, admin, body) = (api.clone(), admin.clone(), body.clone());
            tokio::spawn(async move {
                let key = [("idempotency-key", "k")];
                let (status, _, answer) = ask_with(&api, "POST", "/v1/thingvisors", &admin, &key, body).await;
                (status, answer)
            })
        })
        .collect();
    let mut answers = Vec::new();
    for one in asked {
        answers.push(one.await.unwrap());
    }
    assert!(answers.iter().all(|(status, _)| *status == StatusCode::ACCEPTED), "{answers:?}");
    assert!(answers.iter().all(|(_, answer)| *answer == answers[0].1), "{answers:?}");
}

#[tokio::test]
async fn a_list_is_filtered_and_still_comes_in_pages() {
    let platform = TestPlatform::start().await;
    let api = api(&platform);
    let admin = platform.authorization("admin").await;
    for (tenant, silos) in [("tenant1", 3), ("tenant2", 2)] {
        platform.tenant(tenant).await;
        for n in 0..silos {
            let spec = json!({ "tenant": tenant, "name": format!("s{n}"), "flavour": "mqtt" });
            ask(&api, "POST", "/v1/vsilos", Some(&admin), json!({ "spec": spec }).to_string()).await;
        }
    }
    let ids = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let (_, _, page) = ask(&api, "GET", "/v1/vsilos?tenant=tenant1&limit=2", Some(&admin), "").await;
    assert_eq!(ids(&page), ["tenant1_s0", "tenant1_s1"]);
    let next = format!("/v1/vsilos?tenant=tenant1&limit=2&cursor={}", page["next"].as_str().unwrap());
    let (_, _, page) = ask(&api, "GET", &next, Some(&admin), "").await;
    assert_eq!((ids(&page), page.get("next")), (vec!["tenant1_s2".to_owned()], None));
    let (_, _, none) = ask(&api, "GET", "/v1/vsilos?flavour=ngsi-ld", Some(&admin), "").await;
    assert_eq!(ids(&none), Vec::<String>::new());
    let (_, _, users) = ask(&api, "GET", "/v1/users?role=admin", Some(&admin), "").await;
    assert_eq!(ids(&users), ["admin"]);
    let (_, _, tenants) = ask(&api, "GET", "/v1/tenants", Some(&admin), "").await;
    assert_eq!(ids(&tenants), ["tenant1", "tenant2"]);
    let (status, _, problem) = ask(&api, "GET", "/v1/vsilos?colour=red", Some(&admin), "").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(problem["detail"].as_str().unwrap().contains("colour"), "{problem}");
}

#[tokio::test]
async fn every_change_is_in_the_audit_log_with_who_what_and_from_where() {
    let platform = TestPlatform::start().await;
    let api = api(&platform);
    let admin = platform.authorization("admin").await;
    let user = json!({ "id": "tenant1", "password": "a good password", "role": "user" }).to_string();
    assert_eq!(ask(&api, "POST", "/v1/users", Some(&admin), user).await.0, StatusCode::CREATED);
    flavour(&api, &admin, "f").await;
    ask(&api, "PATCH", "/v1/flavours/f", Some(&admin), r#"{"description": "x"}"#).await;
    ask(&api, "DELETE", "/v1/flavours/f", Some(&admin), "").await;
    ask(&api, "DELETE", "/v1/users/tenant1", Some(&admin), "").await;
    let platform = platform.restart().await;
    let (_, _, log) = ask(&self::api(&platform), "GET", "/v1/audit?who=admin", Some(&admin), "").await;
    let lines: Vec<_> = log["items"].as_array().unwrap().iter().collect();
    let said: Vec<_> = lines
        .iter()
        .map(|line| (line["action"].as_str().unwrap(), line["target"].as_str().unwrap()))
        .collect();
    assert_eq!(
        said,
        [
            ("login", "admin"),
            ("register", "tenant1"),
            ("addFlavour", "f"),
            ("updateFlavour", "f"),
            ("deleteFlavour", "f"),
            ("unregister", "tenant1"),
        ]
    );
    for line in &lines[1..] {
        assert_eq!((&line["from"], &line["outcome"]), (&json!("127.0.0.1"), &json!("ok")), "{line}");
    }
    assert!(!log.to_string().contains("a good password"));
}

#[tokio::test]
async fn a_refusal_for_too_much_says_when_to_try_again() {
    let platform = TestPlatform::start().await;
    let api = api(&platform);
    let guess = json!({ "userID": "admin", "password": "wrong" }).to_string();
    let mut last = (StatusCode::OK, Default::default(), Value::Null);
    for _ in 0..6 {
        last = ask_with(&api, "POST", "/v1/login", "", &[], guess.clone()).await;
    }
    let (status, headers, problem): (_, axum::http::HeaderMap, _) = last;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{problem}");
    let wait: u32 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    let (status, headers, _) = ask_with(&api, "POST", "/login", "", &[], guess).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(headers.contains_key("retry-after"));
}

#[tokio::test]
async fn no_web_page_may_call_the_api_unless_the_operator_says_so() {
    let platform = TestPlatform::start().await;
    let origin = [("origin", "https://console.example")];
    let allowed = |headers: &axum::http::HeaderMap| {
        headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
    };
    let (_, headers, _) = ask_with(&api(&platform), "GET", "/healthz", "", &origin, "").await;
    assert_eq!(allowed(&headers), None);
    let options = morgana_api::Options {
        cors_origins: vec!["https://console.example".to_owned()],
        ..morgana_api::Options::default()
    };
    let open = support::api_with(&platform, &options);
    let (_, headers, _) = ask_with(&open, "GET", "/healthz", "", &origin, "").await;
    assert_eq!(allowed(&headers).as_deref(), Some("https://console.example"));
    let (_, headers, _) =
        ask_with(&open, "GET", "/healthz", "", &[("origin", "https://evil.example")], "").await;
    assert_eq!(allowed(&headers), None);
}

#[tokio::test]
async fn metrics_are_for_this_machine_and_for_administrators() {
    let platform = TestPlatform::start().await;
    platform.tenant("tenant1").await;
    let api = api(&platform);
    let (admin, tenant) = (platform.authorization("admin").await, platform.authorization("tenant1").await);
    for (from, token, expected) in [
        ("127.0.0.1:1", None, 200),
        ("[::1]:1", None, 200),
        ("[::ffff:127.0.0.1]:1", None, 200),
        ("10.0.0.7:1", None, 401),
        ("10.0.0.7:1", Some(&tenant), 403),
        ("10.0.0.7:1", Some(&admin), 200),
    ] {
        let status =
            support::ask_from(&api, from.parse().unwrap(), "/metrics", token.map(String::as_str)).await;
        assert_eq!(status.as_u16(), expected, "{from} {token:?}");
    }
    // A proxy or a standby controller on this machine hands on what may come from anywhere.
    for name in ["forwarded", "x-forwarded-for", "x-real-ip", "via", "morgana-handed-on"] {
        let (status, ..) = ask_with(&api, "GET", "/metrics", "", &[(name, "127.0.0.1")], "").await;
        assert_eq!(status.as_u16(), 401, "{name}");
    }
}
