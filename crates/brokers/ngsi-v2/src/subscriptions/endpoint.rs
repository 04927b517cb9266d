//! Where notifications go and what they carry, as requests say it.

use std::time::Duration;

use http::Method;

use super::{Custom, Endpoint, Pairs, Payload, Target, check_url};
use crate::{
    Error, ErrorKind,
    input::parse_attribute,
    model::{Json, has_forbidden, has_forbidden_json},
};

/// The longest that an endpoint may be waited for, in milliseconds.
const TIMEOUT_MAX_MS: f64 = 1_800_000.0;

/// Reads the endpoint of a notification; `kind` is the member it is in.
///
/// # Errors
/// When it is not one.
pub(super) fn parse_endpoint(kind: &str, body: &Json) -> Result<Endpoint, Error> {
    if body.as_object().is_none() {
        return Err(Error::bad(format!("{kind} notification is not an object")));
    }
    if kind.starts_with("kafka") {
        return Err(Error::new(
            ErrorKind::NotImplemented,
            format!("{kind} notifications are not supported; use http or mqtt"),
        ));
    }
    let text = |name: &str| match body.get(name) {
        None => Ok(None),
        Some(content) => content
            .as_str()
            .map(Some)
            .ok_or_else(|| Error::bad(format!("{name} {kind} notification is not a string"))),
    };
    let url = text("url")?.ok_or_else(|| Error::bad(format!("url {kind} notification is missing")))?;
    let is_custom = kind.ends_with("Custom");
    if is_custom && url.is_empty() {
        return Err(Error::bad("invalid custom /url/"));
    }
    if has_forbidden(url) {
        return Err(Error::bad(match is_custom {
            true => "forbidden characters in custom /url/".to_owned(),
            false => format!("forbidden characters in {kind} field /url/"),
        }));
    }
    let is_mqtt = kind.starts_with("mqtt");
    // A macro may stand for any part of it.
    if !(is_custom && url.contains("${")) || is_mqtt {
        check_url(url)?;
    }
    if url.starts_with("mqtt://") != is_mqtt {
        return Err(Error::bad("Invalid URL parsing notification url"));
    }
    let target =
        if is_mqtt { parse_mqtt(kind, body)? } else { Target::Http { timeout: parse_timeout(body)? } };
    let custom = if is_custom { Some(parse_custom(kind, body)?) } else { None };
    Ok(Endpoint { url: url.into(), target, custom })
}

fn parse_timeout(body: &Json) -> Result<Option<Duration>, Error> {
    match body.get("timeout") {
        None => Ok(None),
        Some(Json::Number(millis)) if millis.fract() == 0.0 => {
            if !(0.0..=TIMEOUT_MAX_MS).contains(millis) {
                return Err(Error::bad("timeout field must be an integer between 0 and 1800000"));
            }
            Ok(Some(Duration::from_millis(*millis as u64)).filter(|timeout| !timeout.is_zero()))
        }
        Some(_) => Err(Error::bad("timeout is not an int")),
    }
}

fn parse_mqtt(kind: &str, body: &Json) -> Result<Target, Error> {
    let text = |name: &str| match body.get(name) {
        None => Ok(None),
        Some(content) => content
            .as_str()
            .map(Some)
            .ok_or_else(|| Error::bad(format!("{name} {kind} notification is not a string"))),
    };
    let topic = text("topic")?.ok_or_else(|| Error::bad(format!("topic {kind} notification is missing")))?;
    if topic.is_empty() {
        return Err(Error::bad("empty mqtt topic"));
    }
    let qos = match body.get("qos") {
        None => 0,
        Some(Json::Number(qos)) if [0.0, 1.0, 2.0].contains(qos) => *qos as u8,
        Some(Json::Number(_)) => {
            return Err(Error::bad("mqtt qos field must be an integer number 0, 1 or 2"));
        }
        Some(_) => return Err(Error::bad("mqtt qos is not an integer")),
    };
    let retain = match body.get("retain") {
        None => false,
        Some(retain) => retain.as_bool().ok_or_else(|| Error::bad("mqtt retain is not a bool"))?,
    };
    let user = match (text("user")?, text("passwd")?) {
        (Some(user), Some(password)) => Some((user.into(), password.into())),
        (None, None) => None,
        _ => return Err(Error::bad("user and passwd fields must be used together in mqtt notifications")),
    };
    Ok(Target::Mqtt { topic: topic.into(), qos, retain, user })
}

fn parse_custom(kind: &str, body: &Json) -> Result<Custom, Error> {
    let given = ["payload", "json", "ngsi"].into_iter().filter(|name| body.get(name).is_some()).count();
    if given > 1 {
        return Err(Error::bad(
            "only one of payload, json or ngsi fields accepted at the same time in httpCustom, mqttCustom or \
             kafkaCustom",
        ));
    }
    let method = match body.get("method").map(Json::as_str) {
        None => None,
        Some(None) => return Err(Error::bad(format!("method {kind} notification is not a string"))),
        Some(Some(name)) => Some(
            parse_method(name).ok_or_else(|| Error::bad(format!("unknown method {kind} notification")))?,
        ),
    };
    let payload = parse_payload(kind, body)?;
    let pairs = |name: &str, quotes: bool| -> Result<Pairs, Error> {
        let Some(content) = body.get(name) else { return Ok(Vec::new()) };
        let members = content
            .as_object()
            .ok_or_else(|| Error::bad(format!("{name} {kind} notification is not an object")))?;
        if members.is_empty() {
            return Err(Error::bad(format!("notification {kind} {name} is empty")));
        }
        let pair = |(key, value): &(Box<str>, Json)| {
            let value = value
                .as_str()
                .ok_or_else(|| Error::bad(format!("custom {name} {kind} notification is not a string")))?;
            let checked = if quotes { value.replace(['\'', '"'], "") } else { value.to_owned() };
            if has_forbidden(key) || has_forbidden(&checked) {
                return Err(Error::bad(format!("forbidden characters in custom notification {kind} {name}")));
            }
            Ok((key.clone(), value.into()))
        };
        members.iter().map(pair).collect()
    };
    Ok(Custom { payload, headers: pairs("headers", true)?, qs: pairs("qs", false)?, method })
}

fn parse_method(name: &str) -> Option<Method> {
    const METHODS: [Method; 9] = [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::DELETE,
        Method::PATCH,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    METHODS.into_iter().find(|method| method.as_str() == name)
}

fn parse_payload(kind: &str, body: &Json) -> Result<Payload, Error> {
    if let Some(content) = body.get("payload") {
        return match content {
            Json::Null => Ok(Payload::None),
            Json::String(text) if text.is_empty() => Ok(Payload::Default),
            Json::String(text) if has_forbidden(text) => {
                Err(Error::bad("forbidden characters in custom /payload/"))
            }
            Json::String(text) => Ok(Payload::Text(text.clone())),
            _ => Err(Error::bad(format!("payload {kind} notification is not a string"))),
        };
    }
    if let Some(content) = body.get("json") {
        if !content.is_compound() {
            return Err(Error::bad(format!("json fields in {kind} notification must be an array or object")));
        }
        if has_forbidden_json(content) {
            return Err(Error::bad("forbidden characters in custom /json/"));
        }
        return Ok(Payload::Json(content.clone()));
    }
    match body.get("ngsi") {
        None => Ok(Payload::Default),
        Some(content) => {
            check_ngsi(content)?;
            Ok(Payload::Ngsi(content.clone()))
        }
    }
}

fn check_ngsi(content: &Json) -> Result<(), Error> {
    let members = content.as_object().ok_or_else(|| Error::bad("ngsi field must be an object"))?;
    for (name, value) in members {
        match &**name {
            "id" | "type" if value.as_str().is_some() => {}
            "id" | "type" => return Err(Error::bad(format!("Invalid JSON type for entity {name}"))),
            name => {
                let only_priority = value
                    .get("metadata")
                    .and_then(Json::as_object)
                    .is_none_or(|metadata| metadata.iter().all(|(name, _)| &**name == "evalPriority"));
                if !only_priority {
                    return Err(Error::bad(
                        "only evalPriority metadata is allowed in ngsi field in custom notifications",
                    ));
                }
                // Macros may have any character: only the rest is checked.
                let shape = value.as_object().map(|members| {
                    Json::object(members.iter().filter(|(name, _)| &**name != "value").cloned())
                });
                parse_attribute(name, shape.as_ref().unwrap_or(value))?;
            }
        }
    }
    Ok(())
}
