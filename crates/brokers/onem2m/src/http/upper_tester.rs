//! What a conformance suite steers the CSE with (TS-0019): `POST /__ut__` with a command in `X-M2M-UTCMD`; the answer's
//! parameters come in `X-M2M-UTRSP`.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::plain;
use crate::Cse;

const COMMAND: &str = "x-m2m-utcmd";
const RESPONSE: &str = "x-m2m-utrsp";

/// Carries a command out.
pub(super) async fn answer(cse: &Cse, headers: &HeaderMap) -> Response {
    let Some(command) = headers.get(COMMAND).and_then(|value| value.to_str().ok()) else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
    let done = |parameters: String| {
        let mut response = plain(StatusCode::OK);
        if let Ok(value) = HeaderValue::from_str(&parameters) {
            response.headers_mut().insert(RESPONSE, value);
        }
        response
    };
    let inner = &cse.inner;
    let usual = &inner.options;
    match name.to_ascii_lowercase().as_str() {
        "status" => done("RUNNING".to_owned()),
        "testcasestart" | "testcaseend" => done(String::new()),
        "enableshortresourceexpiration" => {
            let Ok(seconds) = argument.trim().parse::<f64>() else { return plain(StatusCode::BAD_REQUEST) };
            let before = inner.limits();
            inner.change_limits(|limits| limits.expiration_check_seconds = seconds as u64);
            inner.subscribers.change_limits();
            done(format!("{},{}", before.expiration_check_seconds, before.max_expiration_seconds))
        }
        "disableshortresourceexpiration" => {
            inner.change_limits(|limits| {
                limits.expiration_check_seconds = usual.expiration_check_seconds;
                limits.max_expiration_seconds = usual.max_expiration_seconds;
            });
            inner.subscribers.change_limits();
            done(String::new())
        }
        "enableshortrequestexpiration" => {
            let Ok(seconds) = argument.trim().parse::<f64>() else { return plain(StatusCode::BAD_REQUEST) };
            let before = inner.limits().request_expiration_ms;
            inner.change_limits(|limits| limits.request_expiration_ms = (seconds * 1000.0) as i64);
            done((before / 1000).to_string())
        }
        "disableshortrequestexpiration" => {
            let usual = i64::try_from(usual.request_expiration_seconds * 1000).unwrap_or(i64::MAX);
            inner.change_limits(|limits| limits.request_expiration_ms = usual);
            done(String::new())
        }
        "getconfig" => match argument.trim() {
            "cse.type" => done(usual.cse_type.to_string()),
            "cse.security.enableDynamicAuthorization" => done("False".to_owned()),
            _ => plain(StatusCode::BAD_REQUEST),
        },
        "reset" => match cse.reset().await {
            Ok(()) => done(String::new()),
            Err(failure) => {
                tracing::warn!(%failure, "the upper tester cannot reset the CSE");
                plain(StatusCode::INTERNAL_SERVER_ERROR)
            }
        },
        _ => plain(StatusCode::BAD_REQUEST),
    }
}
