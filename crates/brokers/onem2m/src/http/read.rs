//! From an HTTP request to a request primitive (TS-0009 6.2, 6.4).

use http::{HeaderMap, header, request::Parts};
use serde_json::Value;

use super::{address, operation};
use crate::{
    primitive::Request,
    status::{Failure, Status},
};

/// Reads the request.
pub(super) fn request(parts: &Parts, body: &[u8]) -> Result<Request, Failure> {
    let headers = &parts.headers;
    let (media, ty) = content_type(headers)?;
    let operation = operation(&parts.method, ty)
        .ok_or_else(|| Failure::not_allowed(format!("{}: it stands for no operation", parts.method)))?;
    let path = decode(parts.uri.path(), false)?;
    let mut request = Request::new(operation, address(&path), "");
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    request.from = text("x-m2m-origin").filter(|origin| !origin.is_empty());
    request.id = text("x-m2m-ri").map_or(Value::Null, Value::from);
    request.release = text("x-m2m-rvi");
    request.vendor = text("x-m2m-vsi").map(Value::from);
    request.request_expires = text("x-m2m-ret");
    request.result_expires = text("x-m2m-rst");
    request.operation_time = text("x-m2m-oet");
    request.originated = text("x-m2m-ot");
    request.event_category = text("x-m2m-ec").and_then(|category| category.parse().ok());
    request.notify =
        text("x-m2m-rtu").map(|list| list.split('&').map(str::to_owned).collect()).unwrap_or_default();
    request.ty = ty;
    for pair in parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        request.set_parameter(&decode(name, true)?, &decode(value, true)?)?;
    }
    request.filter.complete()?;
    if !body.is_empty() {
        request.content = Some(content(media, body)?);
    }
    Ok(request)
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Json,
    Cbor,
    Unknown,
}

/// The media type and the resource type of Content-Type: `application/json;ty=3`.
fn content_type(headers: &HeaderMap) -> Result<(Media, Option<u32>), Failure> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok((Media::Json, None)) };
    let value = value.to_str().map_err(|_| Failure::bad("Content-Type: it is not ASCII"))?;
    let mut parts = value.split(';').map(str::trim);
    let media = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "application/json"
        | "application/vnd.onem2m-res+json"
        | "application/vnd.onem2m-ntfy+json"
        | "application/vnd.onem2m-preq+json"
        | "" => Media::Json,
        "application/cbor" | "application/vnd.onem2m-res+cbor" | "application/vnd.onem2m-ntfy+cbor" => {
            Media::Cbor
        }
        _ => Media::Unknown,
    };
    for part in parts {
        if let Some(number) = part.strip_prefix("ty=") {
            let wrong = |_| Failure::bad(format!("ty={number}: it is not a resource type"));
            return Ok((media, Some(number.trim().parse().map_err(wrong)?)));
        }
    }
    Ok((media, None))
}

fn content(media: Media, body: &[u8]) -> Result<Value, Failure> {
    match media {
        Media::Json => serde_json::from_slice(body)
            .map_err(|error| Failure::bad(format!("pc: the body is not JSON: {error}"))),
        Media::Cbor => crate::cbor::decode(body).ok_or_else(|| Failure::bad("pc: the body is not CBOR")),
        Media::Unknown => {
            let debug = "Content-Type: this CSE reads application/json and application/cbor";
            Err(Failure::new(Status::UnsupportedMediaType, debug))
        }
    }
}

/// Undoes percent-encoding; in a query a plus is a space.
pub(crate) fn decode(text: &str, query: bool) -> Result<String, Failure> {
    if !text.contains(['%', '+']) {
        return Ok(text.to_owned());
    }
    let wrong = || Failure::bad(format!("{text:?} is not a percent-encoded text"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let (high, low) = (rest.next().ok_or_else(wrong)?, rest.next().ok_or_else(wrong)?);
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(high).zip(digit(low)).map(|(high, low)| high * 16 + low);
                bytes.push(value.and_then(|value| u8::try_from(value).ok()).ok_or_else(wrong)?);
            }
            b'+' if query => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}
