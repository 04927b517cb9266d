//! A request primitive as an HTTP request (TS-0009 6.2).

use bytes::Bytes;
use http::{Method, Request as HttpRequest, Uri, header};
use http_body_util::Full;
use serde_json::Value;

use crate::primitive::{Operation, Request, ResponseType};

/// The URI of an address at a point of access: `/~/` stands for SP-relative, `/_/` for absolute (TS-0009 6.2.2.1).
pub(crate) fn uri_of(point: &str, to: &str) -> Result<Uri, String> {
    let path = match (to.strip_prefix("//"), to.strip_prefix('/')) {
        (Some(absolute), _) => format!("_/{absolute}"),
        (None, Some(relative)) => format!("~/{relative}"),
        (None, None) => to.to_owned(),
    };
    let text = format!("{}/{}", point.trim_end_matches('/'), encode(&path, true));
    text.parse().map_err(|_| format!("{text} is not a URI"))
}

/// The request for a point of access.
pub(crate) fn to_http(point: &str, request: &Request) -> Result<HttpRequest<Full<Bytes>>, String> {
    let mut uri = uri_of(point, &request.to)?.to_string();
    let query = query(request);
    if !query.is_empty() {
        uri = format!("{uri}?{query}");
    }
    let method = match request.operation {
        Operation::Create | Operation::Notify => Method::POST,
        Operation::Retrieve => Method::GET,
        Operation::Update => Method::PUT,
        Operation::Delete => Method::DELETE,
    };
    let mut built = HttpRequest::builder().method(method).uri(uri);
    let id = match &request.id {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    built = built.header("X-M2M-Origin", request.originator()).header("X-M2M-RI", id);
    let optional = [
        ("X-M2M-RVI", &request.release),
        ("X-M2M-RET", &request.request_expires),
        ("X-M2M-RST", &request.result_expires),
        ("X-M2M-OET", &request.operation_time),
        ("X-M2M-OT", &request.originated),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            built = built.header(name, value);
        }
    }
    if let Some(vendor) = request.vendor.as_ref().and_then(Value::as_str) {
        built = built.header("X-M2M-VSI", vendor);
    }
    if let Some(category) = request.event_category {
        built = built.header("X-M2M-EC", category.to_string());
    }
    built = built.header(header::ACCEPT, "application/json");
    let body = match &request.content {
        Some(content) => {
            let kind = match request.ty {
                Some(ty) => format!("application/json;ty={ty}"),
                None => "application/json".to_owned(),
            };
            built = built.header(header::CONTENT_TYPE, kind);
            Bytes::from(content.to_string())
        }
        None => Bytes::new(),
    };
    built.body(Full::new(body)).map_err(|error| error.to_string())
}

/// The parameters of the request as a query. How the answer comes is a matter between two neighbours: the answer to a
/// forwarded request is waited for.
fn query(request: &Request) -> String {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut put = |name: &str, value: String| pairs.push((name.to_owned(), value));
    if let Some(content) = request.result_content {
        put("rcn", (content as u8).to_string());
    }
    if request.response_type == ResponseType::None {
        put("rt", (request.response_type as u8).to_string());
    }
    if request.unstructured {
        put("drt", "2".to_owned());
    }
    if !request.attributes.is_empty() {
        put("atrl", request.attributes.join("+"));
    }
    for (name, value) in &request.criteria {
        put(name, value.clone());
    }
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Percent-encodes everything that is not unreserved (RFC 3986 2.3); of a path its slashes and colons stay.
fn encode(text: &str, path: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || (path && matches!(byte, b'/' | b':'));
        if plain {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_another_cse_has_its_mark_in_the_path() {
        assert_eq!(uri_of("http://h:1/", "/id-mn/a/b").unwrap(), "http://h:1/~/id-mn/a/b");
        assert_eq!(uri_of("http://h:1/x", "//sp/id-mn/-").unwrap(), "http://h:1/x/_/sp/id-mn/-");
    }

    #[test]
    fn a_filter_goes_on_as_it_came() {
        let mut request = Request::new(Operation::Retrieve, "/id-mn/-", "/id-in/Cae");
        for (name, value) in [("fu", "1"), ("lbl", "a b"), ("rcn", "6"), ("drt", "2")] {
            request.set_parameter(name, value).unwrap();
        }
        let sent = to_http("http://h", &request).unwrap();
        assert_eq!(sent.uri(), "http://h/~/id-mn/-?rcn=6&drt=2&fu=1&lbl=a%20b");
        assert_eq!(sent.headers()["x-m2m-origin"], "/id-in/Cae");
    }
}
