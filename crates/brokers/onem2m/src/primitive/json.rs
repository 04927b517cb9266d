//! Primitives as JSON (TS-0004 8.4), as the MQTT and WebSocket bindings carry them.

use serde_json::{Map, Value, json};

use super::{Operation, Request, Response, ResponseType, ResultContent};
use crate::status::{Failure, Status};

/// Reads a request primitive, with or without the `m2m:rqp` around it. What is missing and what is unknown is left
/// to the CSE to judge, except for what makes it a request at all.
///
/// # Errors
/// The failure to answer with, and the request identifier where there is one.
pub fn request_from_json(mut json: Value) -> Result<Request, (Failure, Value)> {
    if let Some(inner) = json.get_mut("m2m:rqp") {
        json = inner.take();
    }
    let id = json.get("rqi").cloned().unwrap_or(Value::Null);
    match json {
        Value::Object(members) => read(members).map_err(|failure| (failure, id)),
        _ => Err((Failure::bad("a request primitive is a JSON object"), Value::Null)),
    }
}

fn read(members: Map<String, Value>) -> Result<Request, Failure> {
    let operation = members.get("op").and_then(Value::as_u64).and_then(Operation::from_code);
    let operation = operation.ok_or_else(|| Failure::bad("op: it must be a number from 1 to 5"))?;
    let mut request = Request::new(operation, "", "");
    request.from = None;
    for (name, value) in members {
        let wrong = |what: &str| Failure::bad(format!("{name}: it must be {what}"));
        let text = |value: Value| match value {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(wrong("a string")),
        };
        match name.as_str() {
            // Who has no name yet sends null for it.
            "fr" if value.is_null() => {}
            "op" | "ma" | "da" | "gid" | "lcrq" | "sqi" | "tkns" | "tids" | "ltids" | "tqi" | "rids" => {}
            "to" => request.to = value.as_str().ok_or_else(|| wrong("a string"))?.to_owned(),
            "fr" => request.from = Some(value.as_str().ok_or_else(|| wrong("a string"))?.to_owned()),
            "rqi" => request.id = value,
            "ty" => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                request.ty = Some(number.ok_or_else(|| wrong("a resource type"))?);
            }
            "pc" => request.content = Some(value),
            "rvi" => request.release = Some(text(value)?),
            "vsi" => request.vendor = Some(value),
            "rqet" => request.request_expires = Some(text(value)?),
            "rset" => request.result_expires = Some(text(value)?),
            "oet" => request.operation_time = Some(text(value)?),
            "rp" => request.result_persistence = Some(text(value)?),
            "ot" => request.originated = Some(text(value)?),
            "ec" => request.event_category = value.as_u64(),
            "rcn" => {
                let content = value.as_u64().and_then(ResultContent::from_code);
                request.result_content = Some(content.ok_or_else(|| wrong("a number from 0 to 12"))?);
            }
            "drt" => request.set_parameter("drt", &text(value)?)?,
            "rt" => {
                if let Some(kind) = value.get("rtv") {
                    let kind = kind.as_u64().and_then(ResponseType::from_code);
                    request.response_type =
                        kind.ok_or_else(|| wrong("a response type with rtv from 1 to 5"))?;
                }
                let notify = value.get("nu").and_then(Value::as_array).into_iter().flatten();
                request.notify = notify.filter_map(|entry| entry.as_str().map(str::to_owned)).collect();
            }
            "fc" => {
                let criteria = value.as_object().ok_or_else(|| wrong("an object"))?;
                for (key, wanted) in criteria {
                    request.filter.add_json(key, wanted)?;
                    keep(&mut request.criteria, key, wanted);
                }
            }
            _ => return Err(Failure::bad(format!("{name} is not a member of a request primitive"))),
        }
    }
    // In JSON the attributes wanted stand in the content (TS-0004 7.2.2.1).
    if matches!(operation, Operation::Retrieve | Operation::Delete)
        && let Some(list) = request.content.as_ref().and_then(|content| content.get("m2m:atrl"))
    {
        let list = list.as_array().ok_or_else(|| Failure::bad("m2m:atrl: it must be a list"))?;
        request.attributes = list.iter().filter_map(|entry| entry.as_str().map(str::to_owned)).collect();
    }
    request.filter.complete()?;
    Ok(request)
}

/// Keeps a criterion as a query would have it.
fn keep(criteria: &mut Vec<(String, String)>, name: &str, wanted: &Value) {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match wanted {
        Value::Object(members) if name == "gq" => {
            members.iter().for_each(|(name, wanted)| keep(criteria, name, wanted));
        }
        Value::Array(_) if name == "geom" => criteria.push((name.to_owned(), wanted.to_string())),
        Value::Array(values) => values.iter().for_each(|value| keep(criteria, name, value)),
        Value::Object(pair) => {
            let member = |key: &str| pair.get(key).map(text).unwrap_or_default();
            criteria.push((name.to_owned(), format!("{},{}", member("nm"), member("val"))));
        }
        value => criteria.push((name.to_owned(), text(value))),
    }
}

/// Writes a response primitive, with the `m2m:rsp` around it when asked.
pub(crate) fn response_to_json(response: &Response, to: Option<&str>, from: &str, wrapped: bool) -> Value {
    let mut members = Map::new();
    members.insert("rsc".to_owned(), json!(response.status.code()));
    members.insert("rqi".to_owned(), response.id.clone());
    if let Some(to) = to {
        members.insert("to".to_owned(), json!(to));
    }
    members.insert("fr".to_owned(), json!(from));
    let mut text = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), json!(value));
        }
    };
    text("rvi", &response.release);
    text("rset", &response.result_expires);
    text("ot", &response.originated);
    if let Some(vendor) = &response.vendor {
        members.insert("vsi".to_owned(), vendor.clone());
    }
    if let Some(content) = &response.content {
        members.insert("pc".to_owned(), content.clone());
    }
    if wrapped { json!({ "m2m:rsp": members }) } else { Value::Object(members) }
}

/// Reads a response primitive, with or without the `m2m:rsp` around it.
pub fn response_from_json(mut json: Value) -> Option<Response> {
    if let Some(inner) = json.get_mut("m2m:rsp") {
        json = inner.take();
    }
    let code = json.get("rsc").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok())?;
    Some(Response {
        status: Status::from_code(code).unwrap_or(Status::InternalServerError),
        id: json.get("rqi").cloned().unwrap_or(Value::Null),
        content: json.get("pc").cloned(),
        shown: None,
        release: None,
        vendor: None,
        result_expires: None,
        originated: None,
        silent: false,
    })
}
