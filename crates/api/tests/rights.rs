//! Every endpoint is walked with no, a wrong and a foreign right; the list of endpoints is the
//! router's own, so none can be forgotten.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use axum::http::StatusCode;
use morgana_api::endpoints;
use morgana_controller::TestPlatform;
use morgana_model::{NewVSilo, VSiloSpec};
use support::{api, ask_at};

/// Who may use an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Everybody, without a login.
    Open,
    /// Every user; what it is shown is its own, or for all.
    User,
    /// The tenant that owns what is named, and administrators.
    Owner,
    /// Administrators.
    Admin,
}
use Who::{Admin, Open, Owner, User};

/// Every endpoint with who may use it. The router's own list is compared with this one.
const TABLE: &[(&str, &str, Who)] = &[
    ("GET", "/healthz", Open),
    ("GET", "/readyz", Open),
    // From this machine everybody, unless `api.metrics` says otherwise.
    ("GET", "/metrics", Admin),
    ("GET", "/v1/openapi.json", Open),
    ("POST", "/v1/login", Open),
    ("POST", "/v1/refresh", Open),
    ("POST", "/v1/logout", User),
    ("GET", "/v1/users", Admin),
    ("POST", "/v1/users", Admin),
    ("GET", "/v1/users/{user}", Owner),
    ("PATCH", "/v1/users/{user}", Owner),
    ("DELETE", "/v1/users/{user}", Admin),
    ("GET", "/v1/tenants", Admin),
    ("GET", "/v1/tenants/{tenant}", Owner),
    ("GET", "/v1/flavours", User),
    ("POST", "/v1/flavours", Admin),
    ("GET", "/v1/flavours/{flavour}", User),
    ("PATCH", "/v1/flavours/{flavour}", Admin),
    ("DELETE", "/v1/flavours/{flavour}", Admin),
    ("GET", "/v1/thingvisors", Admin),
    ("POST", "/v1/thingvisors", Admin),
    ("GET", "/v1/thingvisors/{thingvisor}", Admin),
    ("PATCH", "/v1/thingvisors/{thingvisor}", Admin),
    ("DELETE", "/v1/thingvisors/{thingvisor}", Admin),
    ("POST", "/v1/thingvisors/{thingvisor}/restart", Admin),
    ("GET", "/v1/vthings", User),
    ("GET", "/v1/vthings/{thingvisor}/{*name}", User),
    ("PATCH", "/v1/vthings/{thingvisor}/{*name}", Admin),
    ("GET", "/v1/vsilos", User),
    ("POST", "/v1/vsilos", Owner),
    ("GET", "/v1/vsilos/{vsilo}", Owner),
    ("POST", "/v1/vsilos/{vsilo}/restart", Owner),
    ("DELETE", "/v1/vsilos/{vsilo}", Owner),
    ("GET", "/v1/vsilos/{vsilo}/connections", Owner),
    ("POST", "/v1/vsilos/{vsilo}/connections", Owner),
    ("GET", "/v1/vsilos/{vsilo}/connections/{thingvisor}/{*name}", Owner),
    ("DELETE", "/v1/vsilos/{vsilo}/connections/{thingvisor}/{*name}", Owner),
    ("GET", "/v1/zones", User),
    ("GET", "/v1/nodes", Admin),
    ("GET", "/v1/nodes/{node}", Admin),
    ("GET", "/v1/reconcilers", Admin),
    ("GET", "/v1/workloads", User),
    ("GET", "/v1/workloads/{kind}/{workload}/logs", Owner),
    ("GET", "/v1/events", User),
    ("GET", "/v1/audit", Admin),
    ("POST", "/login", Open),
    ("DELETE", "/logout", User),
    ("POST", "/register", Admin),
    ("POST", "/unregister", Admin),
    ("GET", "/listUsers", Admin),
    ("POST", "/addFlavour", Admin),
    ("POST", "/deleteFlavour", Admin),
    ("GET", "/listFlavours", User),
    ("POST", "/inspectFlavour", Admin),
    ("POST", "/addThingVisor", Admin),
    ("POST", "/updateThingVisor", Admin),
    ("POST", "/deleteThingVisor", Admin),
    ("GET", "/listThingVisors", Admin),
    ("POST", "/inspectThingVisor", Admin),
    ("GET", "/listVThings", User),
    ("POST", "/setVThingEndpoint", Admin),
    ("POST", "/delVThingEndpoint", Admin),
    ("POST", "/siloCreate", Owner),
    ("POST", "/siloDestroy", Owner),
    ("GET", "/listVirtualSilos", User),
    ("POST", "/inspectVirtualSilo", Owner),
    ("POST", "/inspectTenant", Owner),
    ("POST", "/addVThing", Owner),
    ("POST", "/deleteVThing", Owner),
];

/// The path with the ids of a silo of `victim` in its places.
fn filled(path: &str) -> String {
    path.replace("{user}", "victim")
        .replace("{tenant}", "victim")
        .replace("{vsilo}", "victim_home")
        .replace("{flavour}", "mqtt")
        .replace("{thingvisor}", "tv")
        .replace("{node}", "test")
        .replace("{kind}", "vsilo")
        .replace("{workload}", "victim_home")
        .replace("{*name}", "a")
}

/// A body that the endpoint can read, about things of `victim`.
fn body(method: &str, path: &str) -> String {
    let body = match (method, path) {
        ("POST", "/v1/login") => serde_json::json!({ "userID": "victim", "password": "wrong" }),
        ("POST", "/v1/refresh") => serde_json::json!({ "refreshToken": "x" }),
        ("POST", "/v1/users") => serde_json::json!({ "id": "x", "password": "xxxxxxxx", "role": "user" }),
        ("POST", "/v1/flavours") => serde_json::json!({ "id": "x", "spec": { "imageName": "builtin:mqtt" } }),
        ("POST", "/v1/thingvisors") => {
            serde_json::json!({ "id": "x", "spec": { "imageName": "builtin:host" } })
        }
        ("POST", "/v1/vsilos") => {
            serde_json::json!({ "spec": { "tenant": "victim", "name": "new", "flavour": "mqtt" } })
        }
        ("POST", "/v1/vsilos/{vsilo}/connections") => serde_json::json!({ "vThing": "tv/a" }),
        ("PATCH", "/v1/vthings/{thingvisor}/{*name}") => serde_json::json!({ "endpoint": null }),
        ("PATCH", _) => serde_json::json!({}),
        (_, path) if path.starts_with("/v1/") => return String::new(),
        _ => serde_json::json!({
            "userID": "victim", "tenantID": "victim", "vSiloID": "victim_home", "vSiloName": "home",
            "vThingID": "tv/a", "thingVisorID": "tv", "flavourID": "mqtt", "imageName": "builtin:host",
            "endpoint": "http://127.0.0.1:9", "password": "x", "role": "user",
        }),
    };
    body.to_string()
}

fn is_viriots(path: &str) -> bool {
    !path.starts_with("/v1/") && path != "/metrics"
}

/// Asks as somebody does who is not at this machine.
async fn ask(
    api: &axum::Router,
    method: &str,
    path: &str,
    authorization: Option<&str>,
    body: impl Into<axum::body::Body>,
) -> (StatusCode, axum::http::HeaderMap, serde_json::Value) {
    let elsewhere = [192, 0, 2, 7].into();
    ask_at(api, elsewhere, (method, path), authorization.unwrap_or_default(), &[], body).await
}

/// What a request without the right to is answered: VirIoT knows no 403.
fn denied(path: &str) -> StatusCode {
    if is_viriots(path) { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN }
}

async fn with_a_silo_of_the_victim() -> TestPlatform {
    let platform = TestPlatform::start().await;
    let victim = platform.tenant("victim").await;
    let spec = VSiloSpec {
        tenant: victim.user.clone(),
        name: "home".parse().unwrap(),
        flavour: "mqtt".parse().unwrap(),
        zone: None,
        debug_mode: false,
    };
    platform.controller.create_v_silo(&victim, NewVSilo { spec }).await.unwrap();
    platform
}

#[test]
fn every_endpoint_of_the_router_has_a_row_and_every_row_an_endpoint() {
    let mut rows: Vec<_> = TABLE.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let mut endpoints: Vec<_> = endpoints().iter().map(|(method, path)| format!("{method} {path}")).collect();
    rows.sort();
    endpoints.sort();
    assert_eq!(rows, endpoints, "say in TABLE who may use a new endpoint");
}

#[tokio::test]
async fn what_is_open_to_everybody_tells_nothing_of_anybody() {
    let platform = with_a_silo_of_the_victim().await;
    let api = api(&platform);
    for (method, path, _) in TABLE.iter().filter(|(.., who)| *who == Open) {
        let (status, _, answer) = ask(&api, method, path, None, body(method, path)).await;
        let expected = if *method == "GET" { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(status, expected, "{method} {path}: {answer}");
        assert!(!answer.to_string().contains("victim"), "{method} {path}: {answer}");
    }
}

#[tokio::test]
async fn no_endpoint_answers_without_a_valid_token() {
    let platform = with_a_silo_of_the_victim().await;
    let api = api(&platform);
    let foreign =
        "Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.5s3nQ0xJ3uKOTnSHnqDnAXMK8sPwFbQOQKhSJ5rZyyI";
    for (method, path, _) in TABLE.iter().filter(|(.., who)| *who != Open) {
        let body = body(method, path);
        let (status, ..) = ask(&api, method, &filled(path), None, body.clone()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} without a token");
        for wrong in ["Bearer x", "Basic YWRtaW46YWRtaW4=", foreign] {
            let (status, ..) = ask(&api, method, &filled(path), Some(wrong), body.clone()).await;
            // VirIoT's library answers a token that is none with 422.
            let expected =
                if is_viriots(path) { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::UNAUTHORIZED };
            assert_eq!(status, expected, "{method} {path} with {wrong}");
        }
    }
}

/// The streams have no end; that they open is all there is to ask.
const STREAM: &str = "/v1/events";

async fn walk(who: &str, may: impl Fn(Who) -> bool) {
    let platform = with_a_silo_of_the_victim().await;
    if who == "thief" || who == "vic" {
        platform.tenant(who).await;
    }
    let api = api(&platform);
    let session = platform.authorization(who).await;
    for (method, path, row) in TABLE.iter().filter(|(_, path, who)| *who != Open && *path != STREAM) {
        let own = if path.ends_with("logout") { platform.authorization(who).await } else { session.clone() };
        let (status, _, answer) = ask(&api, method, &filled(path), Some(&own), body(method, path)).await;
        let is_denied = status == denied(path) && answer.to_string().contains("operation not allowed");
        assert_eq!(is_denied, !may(*row), "{who}: {method} {path}: {status} {answer}");
        assert!(!status.is_server_error(), "{who}: {method} {path}: {status} {answer}");
    }
}

#[tokio::test]
async fn a_foreign_tenant_is_denied_whatever_is_anothers_or_the_administrators() {
    walk("thief", |who| who == User).await;
}

#[tokio::test]
async fn a_tenant_whose_name_is_the_beginning_of_anothers_is_a_foreign_tenant() {
    walk("vic", |who| who == User).await;
}

#[tokio::test]
async fn the_owner_may_use_what_is_its_own() {
    walk("victim", |who| who == User || who == Owner).await;
}

#[tokio::test]
async fn an_administrator_may_use_everything() {
    walk("admin", |_| true).await;
}

#[tokio::test]
async fn what_a_foreign_tenant_tries_changes_nothing_and_is_in_the_audit_log() {
    let platform = with_a_silo_of_the_victim().await;
    platform.tenant("thief").await;
    let authorization = platform.authorization("thief").await;
    let api = api(&platform);
    for (method, path, _) in TABLE.iter().filter(|(.., who)| *who == Owner) {
        ask(&api, method, &filled(path), Some(&authorization), body(method, path)).await;
    }
    let silos =
        platform.controller.list_v_silos(&platform.administrator(), &Default::default()).await.unwrap();
    assert_eq!(silos.items.len(), 1, "nothing was made or destroyed");
    assert!(!silos.items[0].metadata.is_ending());
    let admin = platform.authorization("admin").await;
    let destroys = "/v1/audit?who=thief&action=DestroyVSilo&outcome=permission-denied";
    for _ in 0..600 {
        let (_, _, log) = ask(&api, "GET", destroys, Some(&admin), "").await;
        if log["items"].as_array().is_some_and(|lines| lines.len() == 1 && lines[0]["target"] == "victim") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the attempt is not in the audit log");
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
    let (_, _, list) = ask(&api, "GET", "/v1/vsilos", Some(&owner), "").await;
    assert!(list["items"][0].get("token").is_none(), "a list is no place for a secret: {list}");
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
