//! One request to the router, without a socket.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use morgana_api::{Options, router};
use morgana_controller::TestPlatform;
use serde_json::Value;
use tower::ServiceExt;

/// The API of a test platform.
pub(crate) fn api(platform: &TestPlatform) -> Router {
    router(
        platform.controller.clone(),
        Arc::new(|| "metrics_of_the_test 1\n".to_owned()),
        &Options::default(),
    )
}

/// Asks; the status, the content type and the body, which is `Null` where it is no JSON.
pub(crate) async fn ask(
    api: &Router,
    method: &str,
    path: &str,
    authorization: Option<&str>,
    body: impl Into<Body>,
) -> (StatusCode, String, Value) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let response = api.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let status = response.status();
    let content_type =
        response.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, content_type.unwrap_or_default(), serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}
