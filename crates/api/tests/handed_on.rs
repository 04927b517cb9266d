//! Requests that a controller on standby hands on: they come from their client, and nobody else can say so.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::net::IpAddr;

use axum::Router;
use axum::http::StatusCode;
use morgana_controller::TestPlatform;
use serde_json::json;
use support::{api, ask_at};

const LOGIN: (&str, &str) = ("POST", "/v1/login");
const STANDBY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

fn client() -> IpAddr {
    "10.9.9.9".parse().unwrap()
}

/// Tries a wrong password of `user` from the address of the standby, with what it says of the client.
async fn guess(api: &Router, user: &str, said: &str) -> StatusCode {
    let body = json!({ "userID": user, "password": "a wrong one" }).to_string();
    ask_at(api, STANDBY, LOGIN, "", &[("morgana-handed-on", said)], body).await.0
}

/// Where the refused logins of `user` came from, as the audit log has it.
async fn from(platform: &TestPlatform, api: &Router, user: &str) -> Vec<String> {
    let admin = platform.authorization("admin").await;
    let path = format!("/v1/audit?who={user}&action=login&outcome=unauthenticated");
    // Lines of attempts are written a moment later.
    for _ in 0..500 {
        let (_, _, log) = ask_at(api, STANDBY, ("GET", &path), &admin, &[], "").await;
        let lines: Vec<_> =
            log["items"].as_array().unwrap().iter().map(|line| line["from"].clone()).collect();
        if !lines.is_empty() {
            return lines.iter().map(|from| from.as_str().unwrap().to_owned()).collect();
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("no attempt of {user} is in the audit log");
}

#[tokio::test]
async fn what_is_handed_on_comes_from_its_client_in_the_audit_log_and_for_the_throttle() {
    let platform = TestPlatform::start().await;
    let api = api(&platform);
    for user in ["alice", "bob"] {
        platform.tenant(user).await;
    }
    let said = platform.handed_on(LOGIN.0, LOGIN.1, client());
    assert_eq!(guess(&api, "alice", &said).await, StatusCode::UNAUTHORIZED);
    assert_eq!(from(&platform, &api, "alice").await, [client().to_string()]);

    // Who guesses through the standby is throttled, and nobody else who comes through it.
    while guess(&api, "bob", &said).await == StatusCode::UNAUTHORIZED {}
    assert_eq!(guess(&api, "bob", &said).await, StatusCode::TOO_MANY_REQUESTS);
    let other = platform.handed_on(LOGIN.0, LOGIN.1, "10.9.9.10".parse().unwrap());
    assert_eq!(guess(&api, "bob", &other).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_client_that_makes_the_header_up_comes_from_where_it_is() {
    let platform = TestPlatform::start().await;
    let api = api(&platform);
    let elsewhere = TestPlatform::start().await;
    let good = platform.handed_on(LOGIN.0, LOGIN.1, client());
    let forged = [
        "1".to_owned(),
        client().to_string(),
        format!("{} {}", client(), "A".repeat(43)),
        elsewhere.handed_on(LOGIN.0, LOGIN.1, client()),
        good.replacen(&client().to_string(), "10.9.9.10", 1),
        // Heard of another request.
        platform.handed_on("POST", "/login", client()),
        platform.handed_on("GET", LOGIN.1, client()),
    ];
    for (number, said) in forged.iter().enumerate() {
        let user = format!("user{number}");
        platform.tenant(&user).await;
        assert_eq!(guess(&api, &user, said).await, StatusCode::UNAUTHORIZED);
        assert_eq!(from(&platform, &api, &user).await, [STANDBY.to_string()], "{said}");
    }
    // Nor does it help to change the address with each guess.
    platform.tenant("bob").await;
    let mut refused = false;
    for number in 0..=50 {
        let said = elsewhere.handed_on(LOGIN.0, LOGIN.1, [10, 8, 0, number].into());
        refused |= guess(&api, "bob", &said).await == StatusCode::TOO_MANY_REQUESTS;
    }
    assert!(refused, "the guesser is throttled at its own address");
}
