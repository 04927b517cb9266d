//! Every endpoint is walked with no, a wrong and a foreign right; the list of endpoints is the
//! router's own, so none can be forgotten.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use axum::http::StatusCode;
use morgana_api::endpoints;
use morgana_controller::TestPlatform;
use morgana_model::{NewVSilo, VSiloSpec};
use support::{api, ask};

/// The only endpoints that need no login.
const OPEN: [(&str, &str); 2] = [("POST", "/v1/login"), ("POST", "/login")];

/// The path with the ids of a silo of `victim` in its places.
fn filled(path: &str) -> String {
    path.replace("{user}", "victim")
        .replace("{vsilo}", "victim_home")
        .replace("{flavour}", "mqtt")
        .replace("{thingvisor}", "tv")
        .replace("{kind}", "vsilo")
        .replace("{workload}", "victim_home")
        .replace("{*name}", "a")
        .replace("{name}", "a")
}

/// A body that every endpoint can read, about things of `victim`.
fn body() -> String {
    serde_json::json!({
        "userID": "victim", "tenantID": "victim", "vSiloID": "victim_home", "vSiloName": "home",
        "vThingID": "tv/a", "thingVisorID": "tv", "flavourID": "mqtt", "imageName": "builtin:host",
        "password": "x", "role": "user",
    })
    .to_string()
}

/// The body of a v1 endpoint, which takes no member it does not know.
fn v1_body(method: &str, path: &str) -> String {
    let body = match (method, path) {
        ("POST", "/v1/users") => serde_json::json!({ "id": "x", "password": "xxxxxxxx", "role": "user" }),
        ("POST", "/v1/flavours") => serde_json::json!({ "id": "x", "spec": { "imageName": "builtin:mqtt" } }),
        ("POST", "/v1/thingvisors") => {
            serde_json::json!({ "id": "x", "spec": { "imageName": "builtin:host" } })
        }
        ("POST", "/v1/vsilos") => {
            serde_json::json!({ "spec": { "tenant": "victim", "name": "new", "flavour": "mqtt" } })
        }
        ("POST", "/v1/vsilos/{vsilo}/connections") => serde_json::json!({ "vThing": "tv/a" }),
        _ => return String::new(),
    };
    body.to_string()
}

async fn with_a_silo_of_the_victim() -> TestPlatform {
    let platform = TestPlatform::start().await;
    let victim = platform.tenant("victim").await;
    let spec = VSiloSpec {
        tenant: victim.user.clone(),
        name: "home".parse().unwrap(),
        flavour: "mqtt".parse().unwrap(),
        zone: None,
    };
    platform.controller.create_v_silo(&victim, NewVSilo { spec }).await.unwrap();
    platform
}

#[tokio::test]
async fn no_endpoint_answers_without_a_valid_token() {
    let platform = with_a_silo_of_the_victim().await;
    let api = api(&platform);
    let endpoints = endpoints();
    assert!(endpoints.len() > 35, "the list of endpoints is the whole list: {}", endpoints.len());
    let foreign =
        "Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.5s3nQ0xJ3uKOTnSHnqDnAXMK8sPwFbQOQKhSJ5rZyyI";
    for (method, path) in endpoints.iter().filter(|(method, path)| !OPEN.contains(&(method, path))) {
        for authorization in [None, Some("Bearer x"), Some("Basic YWRtaW46YWRtaW4="), Some(foreign)] {
            let (status, _, _) = ask(&api, method, &filled(path), authorization, body()).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} with {authorization:?}");
        }
    }
}

#[tokio::test]
async fn no_endpoint_lets_a_tenant_touch_what_is_anothers() {
    let platform = with_a_silo_of_the_victim().await;
    platform.tenant("thief").await;
    let authorization = platform.authorization("thief").await;
    let api = api(&platform);
    // Lists, streams and one's own session are for all; what they show is tested with tenants.
    let for_all = [
        "/v1/flavours",
        "/v1/vthings",
        "/v1/vsilos",
        "/v1/events",
        "/v1/logout",
        "/listFlavours",
        "/listVThings",
        "/listVirtualSilos",
        "/logout",
    ];
    for (method, path) in endpoints() {
        let own = for_all.contains(&path.as_str()) && (method != "POST" || path.ends_with("logout"));
        if own
            || OPEN.contains(&(&method, &path))
            || path == "/v1/vthings/{thingvisor}/{*name}"
            || path == "/v1/vthings/{thingvisor}/{name}"
            || (method == "GET" && path == "/v1/flavours/{flavour}")
        {
            continue;
        }
        let v1 = path.starts_with("/v1/");
        let body = if v1 { v1_body(&method, &path) } else { body() };
        let (status, _, answer) = ask(&api, &method, &filled(&path), Some(&authorization), body).await;
        let denied = if v1 { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
        assert_eq!(status, denied, "{method} {path}: {answer}");
    }
    let silos =
        platform.controller.list_v_silos(&platform.administrator(), &Default::default()).await.unwrap();
    assert_eq!(silos.items.len(), 1, "nothing was made or destroyed");
    assert!(!silos.items[0].metadata.is_ending());
}

#[tokio::test]
async fn lists_show_a_tenant_only_its_own_and_no_secret_of_a_flavour() {
    let platform = with_a_silo_of_the_victim().await;
    platform.tenant("vic").await;
    let thief = platform.authorization("vic").await;
    let api = api(&platform);
    for path in ["/v1/vsilos", "/listVirtualSilos"] {
        let (status, _, answer) = ask(&api, "GET", path, Some(&thief), "").await;
        assert_eq!(status, StatusCode::OK);
        assert!(!answer.to_string().contains("victim"), "{path}: {answer}");
    }
    let admin = platform.authorization("admin").await;
    let flavour = r#"{"id": "f", "spec": {"imageName": "builtin:mqtt", "params": {"password": "hidden"}}}"#;
    assert_eq!(ask(&api, "POST", "/v1/flavours", Some(&admin), flavour).await.0, StatusCode::CREATED);
    for path in ["/v1/flavours", "/listFlavours"] {
        let (_, _, answer) = ask(&api, "GET", path, Some(&thief), "").await;
        assert!(
            answer.to_string().contains("\"f\"") && !answer.to_string().contains("hidden"),
            "{path}: {answer}"
        );
    }
}

#[tokio::test]
async fn the_administrator_does_not_see_a_tenants_token() {
    let platform = with_a_silo_of_the_victim().await;
    let api = api(&platform);
    let (owner, admin) = (platform.authorization("victim").await, platform.authorization("admin").await);
    let inspect = r#"{"vSiloID": "victim_home"}"#;
    let (_, _, seen) = ask(&api, "POST", "/inspectVirtualSilo", Some(&owner), inspect).await;
    let token = seen["vSilo"]["token"].as_str().unwrap().to_owned();
    for (method, path, body) in [
        ("POST", "/inspectVirtualSilo", inspect),
        ("GET", "/v1/vsilos/victim_home", ""),
        ("GET", "/v1/vsilos", ""),
        ("GET", "/listVirtualSilos", ""),
        ("DELETE", "/v1/vsilos/victim_home", ""),
    ] {
        let (status, _, answer) = ask(&api, method, path, Some(&admin), body).await;
        assert!(status.is_success());
        assert!(!answer.to_string().contains(&token), "{method} {path}");
    }
}

#[tokio::test]
async fn a_token_ends_with_its_logout_and_with_its_user() {
    let platform = TestPlatform::start().await;
    platform.tenant("tenant1").await;
    let api = api(&platform);
    let (first, second) = (platform.authorization("tenant1").await, platform.authorization("tenant1").await);
    assert_eq!(ask(&api, "POST", "/v1/logout", Some(&first), "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(ask(&api, "GET", "/v1/vsilos", Some(&first), "").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&api, "GET", "/v1/vsilos", Some(&second), "").await.0, StatusCode::OK);
    let admin = platform.authorization("admin").await;
    assert_eq!(ask(&api, "DELETE", "/v1/users/tenant1", Some(&admin), "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(ask(&api, "GET", "/v1/vsilos", Some(&second), "").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let platform = TestPlatform::start().await;
    let admin = platform.authorization("admin").await;
    let (status, _, answer) = ask(&api(&platform), "DELETE", "/v1/users/admin", Some(&admin), "").await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
}
