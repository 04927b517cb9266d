//! Bad input gets a clear error: what, where, how to mend it.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use axum::http::StatusCode;
use morgana_controller::TestPlatform;
use support::{api, ask};

#[tokio::test]
async fn each_wrong_request_names_what_is_wrong() {
    let platform = TestPlatform::start().await;
    platform.tenant("tenant1").await;
    let api = api(&platform);
    let admin = platform.authorization("admin").await;
    let long = format!(r#"{{"id": "{}", "spec": {{"imageName": "builtin:host"}}}}"#, "x".repeat(10_000));
    let silo =
        |name: &str| format!(r#"{{"spec": {{"tenant": "tenant1", "name": "{name}", "flavour": "mqtt"}}}}"#);
    let cases = [
        (
            "POST",
            "/v1/thingvisors",
            r#"{"id": "a b", "spec": {"imageName": "builtin:host"}}"#.to_owned(),
            400,
            "'a b'",
        ),
        (
            "POST",
            "/v1/thingvisors",
            r#"{"id": "a/b", "spec": {"imageName": "builtin:host"}}"#.to_owned(),
            400,
            "'a/b'",
        ),
        (
            "POST",
            "/v1/thingvisors",
            r#"{"id": "ü", "spec": {"imageName": "builtin:host"}}"#.to_owned(),
            400,
            "'ü'",
        ),
        ("POST", "/v1/thingvisors", long, 400, "63 characters"),
        (
            "POST",
            "/v1/thingvisors",
            r#"{"id": "a", "spec": {"imageName": "builtin:nothing"}}"#.to_owned(),
            400,
            "builtin:host",
        ),
        (
            "POST",
            "/v1/thingvisors",
            r#"{"id": "a", "spec": {"imageName": "oci:x"}}"#.to_owned(),
            422,
            "exec:",
        ),
        ("POST", "/v1/thingvisors", r#"{"id": "a", "spec": {"image": "x"}}"#.to_owned(), 400, "imageName"),
        ("POST", "/v1/thingvisors", r#"{"id": "a", "spec": "#.to_owned(), 400, "column"),
        ("POST", "/v1/thingvisors", String::new(), 400, "empty"),
        (
            "POST",
            "/v1/thingvisors",
            r#"{"id": "a", "spec": {"imageName": "builtin:host", "zone": "mars"}}"#.to_owned(),
            400,
            "mars",
        ),
        ("POST", "/v1/users", r#"{"id": "a", "password": "", "role": "user"}"#.to_owned(), 400, "password"),
        ("POST", "/v1/users", r#"{"id": "a", "password": "x", "role": "king"}"#.to_owned(), 400, "king"),
        (
            "POST",
            "/v1/users",
            r#"{"id": "a_b", "password": "a good password", "role": "user"}"#.to_owned(),
            400,
            "a_b",
        ),
        ("POST", "/v1/vsilos", silo("my silo"), 400, "my silo"),
        ("POST", "/v1/vsilos", silo("x").replace("mqtt", "nothing"), 404, "nothing"),
        ("POST", "/v1/vsilos", silo("x").replace("mqtt", "onem2m"), 422, "not yet"),
        ("POST", "/v1/vsilos", silo("x").replace("tenant1", "nobody"), 404, "nobody"),
        ("GET", "/v1/vsilos/tenant1_nothing", String::new(), 404, "tenant1_nothing"),
        (
            "POST",
            "/v1/vsilos/tenant1_nothing/connections",
            r#"{"vThing": "a/b"}"#.to_owned(),
            404,
            "tenant1_nothing",
        ),
        ("DELETE", "/v1/vsilos/tenant1_nothing/connections/a/b", String::new(), 404, "not connected"),
        ("GET", "/v1/thingvisors?limit=0", String::new(), 400, "1 to 1000"),
        ("GET", "/v1/thingvisors?limit=many", String::new(), 400, "limit"),
        ("GET", "/v1/thingvisors?lim=1", String::new(), 400, "lim"),
        ("GET", "/v1/nothing", String::new(), 404, "/v1/openapi.json"),
        ("PUT", "/v1/thingvisors", String::new(), 405, "PUT"),
        ("DELETE", "/v1/flavours/nothing", String::new(), 404, "nothing"),
    ];
    for (method, path, body, expected, word) in cases {
        let (status, content_type, problem) = ask(&api, method, path, Some(&admin), body.clone()).await;
        assert_eq!(status.as_u16(), expected, "{method} {path} {body}: {problem}");
        assert_eq!(content_type, "application/problem+json", "{method} {path}");
        assert_eq!(problem["status"], expected);
        assert!(problem["detail"].as_str().unwrap().contains(word), "{method} {path}: {problem}");
    }
}

#[tokio::test]
async fn the_same_name_twice_is_a_conflict() {
    let platform = TestPlatform::start().await;
    platform.tenant("tenant1").await;
    let api = api(&platform);
    let admin = platform.authorization("admin").await;
    for (path, body) in [
        ("/v1/thingvisors", r#"{"id": "a", "spec": {"imageName": "builtin:host"}}"#),
        ("/v1/flavours", r#"{"id": "a", "spec": {"imageName": "builtin:mqtt"}}"#),
        ("/v1/users", r#"{"id": "a", "password": "a good password", "role": "user"}"#),
        ("/v1/vsilos", r#"{"spec": {"tenant": "tenant1", "name": "x", "flavour": "mqtt"}}"#),
    ] {
        assert!(ask(&api, "POST", path, Some(&admin), body).await.0.is_success(), "{path}");
        let (status, _, problem) = ask(&api, "POST", path, Some(&admin), body).await;
        assert_eq!(status, StatusCode::CONFLICT, "{path}");
        assert!(problem["detail"].as_str().unwrap().contains("already"), "{problem}");
    }
}

#[tokio::test]
async fn a_flavour_in_use_cannot_be_deleted() {
    let platform = TestPlatform::start().await;
    platform.tenant("tenant1").await;
    let api = api(&platform);
    let admin = platform.authorization("admin").await;
    let body = r#"{"spec": {"tenant": "tenant1", "name": "x", "flavour": "mqtt"}}"#;
    ask(&api, "POST", "/v1/vsilos", Some(&admin), body).await;
    let (status, _, problem) = ask(&api, "DELETE", "/v1/flavours/mqtt", Some(&admin), "").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(problem["detail"].as_str().unwrap().contains("tenant1_x"), "{problem}");
}

#[tokio::test]
async fn a_long_body_is_refused() {
    let platform = TestPlatform::start().await;
    let admin = platform.authorization("admin").await;
    for path in ["/v1/users", "/register", "/v1/login", "/login"] {
        let (status, content_type, _) =
            ask(&api(&platform), "POST", path, Some(&admin), vec![b' '; 2 << 20]).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert!(content_type.contains("json"), "{path}: {content_type}");
    }
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let platform = TestPlatform::start().await;
    let api = api(&platform);
    let admin = platform.authorization("admin").await;
    for id in ["a", "b", "c"] {
        let body = format!(r#"{{"id": "{id}", "spec": {{"imageName": "builtin:host"}}}}"#);
        assert_eq!(ask(&api, "POST", "/v1/thingvisors", Some(&admin), body).await.0, StatusCode::ACCEPTED);
    }
    let (_, _, first) = ask(&api, "GET", "/v1/thingvisors?limit=2", Some(&admin), "").await;
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let next = first["next"].as_str().unwrap();
    let (_, _, second) =
        ask(&api, "GET", &format!("/v1/thingvisors?limit=2&cursor={next}"), Some(&admin), "").await;
    assert_eq!((second["items"][0]["id"].as_str(), second.get("next")), (Some("c"), None));
}
