//! From a CoAP request to a request primitive, and from a CoAP response to an answer (TS-0008 6.2).

use coap_lite::{CoapOption, MessageClass, Packet, RequestType};
use serde_json::Value;

use super::options::{self, Name};
use crate::{
    notify::Answer,
    primitive::{Operation, Request},
    status::{Failure, Status},
    wire::Form,
};

/// Numbers of Content-Format and Accept (TS-0008 table 6.2.2.2-1, and those of a later edition).
const JSON: [u64; 7] = [50, 10_001, 10_003, 10_007, 10_009, 10_015, 10_017];
const CBOR: [u64; 5] = [60, 10_010, 10_011, 10_012, 10_013];

/// The form of a number; nothing for one that the CSE does not read.
pub(super) fn form(number: u64) -> Option<Form> {
    if JSON.contains(&number) {
        Some(Form::Json)
    } else if CBOR.contains(&number) {
        Some(Form::Cbor)
    } else {
        None
    }
}

fn number(packet: &Packet, option: CoapOption) -> Option<u64> {
    options::uint(packet.get_first_option(option)?)
}

/// The form that the originator wants its answer in: Accept, or else the form of its own content.
pub(super) fn accepted(packet: &Packet) -> Result<Form, Failure> {
    match number(packet, CoapOption::Accept) {
        Some(wanted) => form(wanted).ok_or_else(|| {
            let debug = format!("Accept {wanted}: this CSE writes JSON (50) and CBOR (60)");
            Failure::new(Status::NotAcceptable, debug)
        }),
        None => Ok(number(packet, CoapOption::ContentFormat).and_then(form).unwrap_or(Form::Json)),
    }
}

/// The request ID, of what may be no request.
pub(super) fn request_id(packet: &Packet) -> Value {
    options::text(packet, Name::RequestId).map_or(Value::Null, Value::from)
}

/// Reads a request.
pub(super) fn request(packet: &Packet) -> Result<Request, Failure> {
    let ty = match options::get(packet, Name::Type) {
        Some(value) => {
            let number = options::uint(value).and_then(|number| u32::try_from(number).ok());
            Some(number.ok_or_else(|| Failure::bad("oneM2M-TY: it is not a resource type"))?)
        }
        None => None,
    };
    let query = list(packet, CoapOption::UriQuery, "Uri-Query")?;
    // A client may put the whole query into one option.
    let pairs: Vec<&str> =
        query.iter().flat_map(|part| part.split('&')).filter(|pair| !pair.is_empty()).collect();
    let operation = operation(packet, ty, &pairs)?;
    let mut request = Request::new(operation, address(&list(packet, CoapOption::UriPath, "Uri-Path")?), "");
    request.from = options::text(packet, Name::From).filter(|from| !from.is_empty());
    request.id = request_id(packet);
    request.release = options::text(packet, Name::Release);
    request.vendor = options::text(packet, Name::Vendor).map(Value::from);
    request.request_expires = options::text(packet, Name::RequestExpires);
    request.result_expires = options::text(packet, Name::ResultExpires);
    request.operation_time = options::text(packet, Name::OperationTime);
    request.originated = options::text(packet, Name::Originated);
    request.event_category = options::get(packet, Name::EventCategory).and_then(options::uint);
    let notify = options::text(packet, Name::NotifyUris);
    request.notify = notify.map(|list| list.split('&').map(str::to_owned).collect()).unwrap_or_default();
    request.ty = ty;
    for pair in pairs {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != "op" {
            request.set_parameter(name, &crate::http::decode(value, true)?)?;
        }
    }
    request.filter.complete()?;
    if !packet.payload.is_empty() {
        request.content = Some(content(packet)?);
    }
    Ok(request)
}

/// The operation (TS-0008 6.2.1): a POST may say it in its query, as non-blocking requests have to.
fn operation(packet: &Packet, ty: Option<u32>, pairs: &[&str]) -> Result<Operation, Failure> {
    let named = pairs.iter().find_map(|pair| pair.strip_prefix("op="));
    Ok(match packet.header.code {
        MessageClass::Request(RequestType::Post) => match (named, ty) {
            (Some(code), _) => {
                let operation = code.parse().ok().and_then(Operation::from_code);
                operation.ok_or_else(|| Failure::bad(format!("op={code}: it is not an operation")))?
            }
            (None, Some(_)) => Operation::Create,
            (None, None) => Operation::Notify,
        },
        MessageClass::Request(RequestType::Get) => Operation::Retrieve,
        MessageClass::Request(RequestType::Put) => Operation::Update,
        MessageClass::Request(RequestType::Delete) => Operation::Delete,
        _ => return Err(Failure::not_allowed(format!("{}: it stands for no operation", packet.header.code))),
    })
}

/// The address in the parts of a path (TS-0008 6.2.2.3): `~` stands for SP-relative, `_` for absolute.
fn address(parts: &[String]) -> String {
    match parts.split_first() {
        Some((first, rest)) if first == "~" => format!("/{}", rest.join("/")),
        Some((first, rest)) if first == "_" => format!("//{}", rest.join("/")),
        _ => parts.join("/"),
    }
}

fn list(packet: &Packet, option: CoapOption, name: &str) -> Result<Vec<String>, Failure> {
    let wrong = |_| Failure::bad(format!("{name}: it is not UTF-8"));
    let values = packet.get_option(option).into_iter().flatten();
    values.map(|value| String::from_utf8(value.clone()).map_err(wrong)).collect()
}

fn content(packet: &Packet) -> Result<Value, Failure> {
    let written = match number(packet, CoapOption::ContentFormat) {
        Some(number) => form(number).ok_or_else(|| {
            let debug = format!("Content-Format {number}: this CSE reads JSON (50) and CBOR (60)");
            Failure::new(Status::UnsupportedMediaType, debug)
        })?,
        None => Form::Json,
    };
    let name = if written == Form::Json { "JSON" } else { "CBOR" };
    written.read(&packet.payload).ok_or_else(|| Failure::bad(format!("pc: the payload is not {name}")))
}

/// Reads the response to a request of the CSE. What has no status of oneM2M has one by its class.
pub(super) fn answer(packet: &Packet) -> Answer {
    let told = options::get(packet, Name::StatusCode)
        .and_then(options::uint)
        .and_then(|code| u16::try_from(code).ok())
        .and_then(Status::from_code);
    let status = told.unwrap_or(match u8::from(packet.header.code) >> 5 {
        2 => Status::Ok,
        4 => Status::BadRequest,
        _ => Status::InternalServerError,
    });
    Answer { status, content: content(packet).ok().filter(|_| !packet.payload.is_empty()) }
}
