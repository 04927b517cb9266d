//! One request to the router, without a socket.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use morgana_api::{Options, router};
use morgana_controller::TestPlatform;
use serde_json::Value;
use tower::ServiceExt;

/// The API of a test platform.
pub(crate) fn api(platform: &TestPlatform) -> Router {
    api_with(platform, &Options::default())
}

/// The API of a test platform with other options.
pub(crate) fn api_with(platform: &TestPlatform, options: &Options) -> Router {
    router(platform.controller.clone(), Arc::new(|| "metrics_of_the_test 1\n".to_owned()), options)
}

/// Asks; the status, the content type and the body, which is `Null` where it is no JSON.
#[allow(dead_code, reason = "not every test file asks this way")]
pub(crate) async fn ask(
    api: &Router,
    method: &str,
    path: &str,
    authorization: Option<&str>,
    body: impl Into<Body>,
) -> (StatusCode, String, Value) {
    let (status, headers, body) =
        ask_with(api, method, path, authorization.unwrap_or_default(), &[], body).await;
    let content_type = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
    (status, content_type.unwrap_or_default(), body)
}

/// Asks with further headers from this machine; an empty authorization is none.
#[allow(dead_code, reason = "not every test file asks this way")]
pub(crate) async fn ask_with(
    api: &Router,
    method: &str,
    path: &str,
    authorization: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (StatusCode, HeaderMap, Value) {
    ask_at(api, [127, 0, 0, 1].into(), (method, path), authorization, headers, body).await
}

/// Asks from an address.
pub(crate) async fn ask_at(
    api: &Router,
    from: IpAddr,
    (method, path): (&str, &str),
    authorization: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (StatusCode, HeaderMap, Value) {
    let from = SocketAddr::new(from, 50_000);
    let mut request = Request::builder().method(method).uri(path).extension(ConnectInfo(from));
    if !authorization.is_empty() {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = api.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, headers, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// Gets something from an address; the status.
#[allow(dead_code, reason = "not every test file asks this way")]
pub(crate) async fn ask_from(
    api: &Router,
    from: SocketAddr,
    path: &str,
    authorization: Option<&str>,
) -> StatusCode {
    let mut request = Request::builder().uri(path).extension(ConnectInfo(from));
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
}
