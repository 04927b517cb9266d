//! What those who operate the platform ask.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use axum::http::StatusCode;
use morgana_api::endpoints;
use morgana_controller::TestPlatform;
use support::{api, ask};

#[tokio::test]
async fn health_readiness_and_metrics_need_no_login() {
    let platform = TestPlatform::start().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(ask(&api(&platform), "GET", path, None, "").await.0, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn the_openapi_document_has_every_v1_endpoint_and_its_schemas() {
    let platform = TestPlatform::start().await;
    let (status, _, document) = ask(&api(&platform), "GET", "/v1/openapi.json", None, "").await;
    assert_eq!(status, StatusCode::OK);
    for (method, path) in
        endpoints().iter().filter(|(_, path)| path.starts_with("/v1/") && path != "/v1/openapi.json")
    {
        let template = path.replace("{*", "{");
        assert!(!document["paths"][template][method.to_lowercase()].is_null(), "{method} {path}");
    }
    for schema in ["VSilo", "ThingVisor", "Flavour", "Problem", "NewVSilo", "Phase"] {
        assert!(!document["components"]["schemas"][schema].is_null(), "{schema}");
    }
}
