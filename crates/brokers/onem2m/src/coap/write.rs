//! From a response primitive to a CoAP response, and from a request primitive of the CSE to a CoAP request (TS-0008 6.2).

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType};
use http::Uri;
use serde_json::Value;

use super::options::{Name, Row, put, uint_value};
use crate::{
    primitive::{Operation, Response},
    status::Status,
    wire::Form,
};

/// The CoAP response code of a status (TS-0008 table 6.2.4-1), as `class << 5 | detail`.
pub(super) fn code(status: Status, operation: Option<Operation>) -> u8 {
    let (class, detail) = match status {
        Status::Ok if operation == Some(Operation::Notify) => (2, 4),
        Status::Ok => (2, 5),
        Status::Accepted | Status::AcceptedNonBlockingSync | Status::AcceptedNonBlockingAsync => (2, 1),
        Status::Created => (2, 1),
        Status::Deleted => (2, 2),
        Status::Updated => (2, 4),
        // The codes of HTTP and CoAP agree, but for these (TS-0008 table 6.2.4-1).
        Status::Conflict => (4, 3),
        Status::GroupRequestIdentifierExists | Status::AlreadyExists | Status::UnableToRecallRequest => {
            (4, 0)
        }
        other => {
            let http = other.http().as_u16();
            ((http / 100).min(7) as u8, (http % 100).min(31) as u8)
        }
    };
    (class << 5) | detail
}

fn format(form: Form) -> u64 {
    match form {
        Form::Json => 50,
        Form::Cbor => 60,
    }
}

/// Writes a response. The endpoint adds token, type and message ID.
pub(super) fn response(response: &Response, operation: Option<Operation>, row: Row, form: Form) -> Packet {
    let mut packet = Packet::new();
    packet.header.code = MessageClass::from(code(response.status, operation));
    put(&mut packet, row, Name::StatusCode, uint_value(u64::from(response.status.code())));
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if !response.id.is_null() {
        put(&mut packet, row, Name::RequestId, text(&response.id));
    }
    put(&mut packet, row, Name::Release, response.release.as_deref().unwrap_or(crate::cse::DEFAULT_RELEASE));
    for (name, value) in
        [(Name::ResultExpires, &response.result_expires), (Name::Originated, &response.originated)]
    {
        if let Some(value) = value {
            put(&mut packet, row, name, value.as_str());
        }
    }
    if let Some(vendor) = &response.vendor {
        put(&mut packet, row, Name::Vendor, text(vendor));
    }
    let content = response.content.as_ref();
    let uri =
        content.and_then(|content| content.get("m2m:uri").or_else(|| content.get("m2m:rce")?.get("uri")));
    for part in uri.and_then(Value::as_str).into_iter().flat_map(|uri| uri.split('/')) {
        packet.add_option(CoapOption::LocationPath, part.into());
    }
    // Nothing that a cache could answer in the CSE's place (TS-0008 6.4).
    packet.add_option(CoapOption::MaxAge, uint_value(0));
    if let Some(content) = content {
        packet.add_option(CoapOption::ContentFormat, uint_value(format(form)));
        packet.payload = form.write(content);
    }
    packet
}

/// Writes a NOTIFY request to a `coap` URI.
pub(super) fn request(primitive: &Value, uri: &Uri, form: Form) -> Packet {
    let mut packet = Packet::new();
    packet.header.code = MessageClass::Request(RequestType::Post);
    packet.header.set_type(MessageType::Confirmable);
    for part in uri.path().split('/').filter(|part| !part.is_empty()) {
        packet.add_option(CoapOption::UriPath, part.into());
    }
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        packet.add_option(CoapOption::UriQuery, pair.into());
    }
    let member = |name: &str| primitive.get(name).and_then(Value::as_str);
    let row = Row::Second;
    for (name, value) in
        [(Name::From, member("fr")), (Name::RequestId, member("rqi")), (Name::Release, member("rvi"))]
    {
        if let Some(value) = value {
            put(&mut packet, row, name, value);
        }
    }
    put(&mut packet, row, Name::Originated, crate::time::Time::now().to_string());
    if let Some(category) = primitive.get("ec").and_then(Value::as_u64) {
        put(&mut packet, row, Name::EventCategory, uint_value(category));
    }
    packet.add_option(CoapOption::ContentFormat, uint_value(format(form)));
    if let Some(content) = primitive.get("pc") {
        packet.payload = form.write(content);
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_the_codes_of_the_table() {
        let dotted = |status, operation| {
            let code = code(status, operation);
            format!("{}.{:02}", code >> 5, code & 31)
        };
        for (status, expected) in [
            (Status::Created, "2.01"),
            (Status::Deleted, "2.02"),
            (Status::Updated, "2.04"),
            (Status::AcceptedNonBlockingSync, "2.01"),
            (Status::BadRequest, "4.00"),
            (Status::ReleaseVersionNotSupported, "5.01"),
            (Status::NotFound, "4.04"),
            (Status::OperationNotAllowed, "4.05"),
            (Status::RequestTimeout, "5.04"),
            (Status::UnsupportedMediaType, "4.15"),
            (Status::ContentsUnacceptable, "4.00"),
            (Status::OriginatorHasNoPrivilege, "4.03"),
            (Status::Conflict, "4.03"),
            (Status::AlreadyExists, "4.00"),
            (Status::TargetNotReachable, "4.04"),
            (Status::NotAcceptable, "4.06"),
            (Status::UnableToRecallRequest, "4.00"),
            (Status::MaxNumberOfMemberExceeded, "4.00"),
            (Status::InternalServerError, "5.00"),
        ] {
            assert_eq!(dotted(status, None), expected, "{status:?}");
        }
        assert_eq!(dotted(Status::Ok, Some(Operation::Retrieve)), "2.05");
        assert_eq!(dotted(Status::Ok, Some(Operation::Notify)), "2.04");
    }
}
