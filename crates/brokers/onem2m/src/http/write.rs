//! From a response primitive to an HTTP response (TS-0009 6.3).

use axum::{body::Body, response::Response as HttpResponse};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header, request::Parts};
use serde_json::{Value, json};

use crate::{
    primitive::Response,
    status::{Failure, Status},
};

/// How the content is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Cbor,
}

impl Format {
    /// The first format of Accept that the CSE writes.
    pub(super) fn accepted(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut named = false;
        for value in headers.get_all(header::ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                named = true;
                match range.split(';').next().unwrap_or_default().trim() {
                    "*/*" | "application/*" | "application/json" | "application/vnd.onem2m-res+json" => {
                        return Ok(Self::Json);
                    }
                    "application/cbor" | "application/vnd.onem2m-res+cbor" => return Ok(Self::Cbor),
                    _ => {}
                }
            }
        }
        if named {
            let debug = "Accept: this CSE writes application/json and application/cbor";
            return Err(Failure::new(Status::NotAcceptable, debug));
        }
        Ok(Self::Json)
    }
}

/// Writes the response.
pub(super) fn response(response: &Response, format: Format) -> HttpResponse {
    let mut headers = HeaderMap::with_capacity(8);
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    put("x-m2m-rsc", &response.status.code().to_string());
    if !response.id.is_null() {
        put("x-m2m-ri", &text(&response.id));
    }
    put("x-m2m-rvi", response.release.as_deref().unwrap_or(crate::cse::DEFAULT_RELEASE));
    for (name, value) in [("x-m2m-rst", &response.result_expires), ("x-m2m-ot", &response.originated)] {
        if let Some(value) = value {
            put(name, value);
        }
    }
    if let Some(vendor) = &response.vendor {
        put("x-m2m-vsi", &text(vendor));
    }
    // TS-0009 6.4.4: where a created resource, or the result of a request, is.
    let content = response.content.as_ref();
    let uri =
        content.and_then(|content| content.get("m2m:uri").or_else(|| content.get("m2m:rce")?.get("uri")));
    if let Some(shown) = response.shown.as_ref().filter(|_| response.status == Status::Created) {
        put("content-location", &shown.ri);
    } else if let Some(uri) = uri.and_then(Value::as_str) {
        put("content-location", uri);
    } else if response.status == Status::Created
        && let Some(ri) =
            content.and_then(Value::as_object).and_then(|map| map.values().next()?.get("ri")?.as_str())
    {
        put("content-location", ri);
    }
    put("content-type", if format == Format::Json { "application/json" } else { "application/cbor" });
    let body = match (&response.shown, content, format) {
        (Some(shown), ..) => shown.json.clone(),
        (None, None, _) => Bytes::new(),
        (None, Some(content), Format::Json) => serde_json::to_vec(content).unwrap_or_default().into(),
        (None, Some(content), Format::Cbor) => crate::cbor::encode(content).into(),
    };
    let mut answer = HttpResponse::new(Body::from(body));
    *answer.status_mut() = response.status.http();
    *answer.headers_mut() = headers;
    answer
}

/// The response to a request that could not be read.
pub(super) fn failure(parts: &Parts, failure: &Failure) -> HttpResponse {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let answer = Response {
        status: failure.status,
        id: text("x-m2m-ri").map_or(Value::Null, Value::from),
        content: Some(json!({ "m2m:dbg": failure.debug })),
        shown: None,
        release: text("x-m2m-rvi"),
        vendor: text("x-m2m-vsi").map(Value::from),
        result_expires: None,
        originated: Some(crate::time::Time::now().to_string()),
        silent: false,
    };
    response(&answer, Format::Json)
}
