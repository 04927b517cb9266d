//! What a notification looks like on the wire.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::{
    AttrsFormat, Custom, Payload, Subscription, Target,
    matching::Change,
    template::{Macros, decode},
};
use crate::{
    model::{Attribute, Entity, Json, default_type, write_text},
    render::{Event, Format, Projection, write_entity},
};

/// The request that led to a notification.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) service: Box<str>,
    pub(crate) correlator: Box<str>,
    /// The `X-Auth-Token` of the request, which is handed on.
    pub(crate) token: Option<HeaderValue>,
    /// Which of the request's notifications this is, from 1.
    pub(crate) number: u32,
}

/// A message to deliver.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) route: Route,
    pub(crate) body: Bytes,
}

/// How a message is delivered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Route {
    Http { method: Method, uri: Uri, headers: HeaderMap },
    Mqtt { url: Box<str>, topic: Box<str>, qos: u8, retain: bool, user: Option<(Box<str>, Box<str>)> },
}

/// Who sends: users filter by Orion's name.
const USER_AGENT: HeaderValue = HeaderValue::from_static("orion/4.7.0 (morgana)");

/// The message that tells of a change.
///
/// # Errors
/// When macros make something of the URL that is none.
pub(crate) fn render(
    subscription: &Subscription,
    change: &Change,
    origin: &Origin,
) -> Result<Delivery, String> {
    let entity = &*change.entity;
    let token = origin.token.as_ref().and_then(|token| token.to_str().ok()).unwrap_or_default();
    let macros = Macros { entity, service: &origin.service, token };
    let custom = subscription.endpoint.custom.as_ref();
    let (body, content_type, format) = match custom.map_or(&Payload::Default, |custom| &custom.payload) {
        Payload::Default => (
            standard(subscription, change, entity),
            Some("application/json; charset=utf-8"),
            subscription.format.name(),
        ),
        Payload::None => (Vec::new(), None, "custom"),
        Payload::Text(text) => {
            (decode(&macros.text(text)).into_bytes(), Some("text/plain; charset=utf-8"), "custom")
        }
        Payload::Json(json) => {
            (macros.json(json).to_text().into_bytes(), Some("application/json; charset=utf-8"), "custom")
        }
        Payload::Ngsi(patch) => {
            let patched = patched(entity, patch, &macros);
            let body = standard(subscription, change, &patched);
            (body, Some("application/json; charset=utf-8"), subscription.format.name())
        }
    };
    let route = match &subscription.endpoint.target {
        Target::Mqtt { topic, qos, retain, user } => Route::Mqtt {
            url: subscription.endpoint.url.clone(),
            topic: if custom.is_some() { macros.text(topic).into() } else { topic.clone() },
            qos: *qos,
            retain: *retain,
            user: user.clone(),
        },
        Target::Http { .. } => {
            let mut headers = HeaderMap::with_capacity(10);
            let text = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
            headers.insert("fiware-servicepath", text(&entity.path));
            if !origin.service.is_empty() {
                headers.insert("fiware-service", text(&origin.service));
            }
            if let Some(token) = &origin.token {
                headers.insert("x-auth-token", token.clone());
            }
            headers.insert(header::USER_AGENT, USER_AGENT);
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            if let Some(content_type) = content_type {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            }
            if let Some(custom) = custom {
                add_headers(&mut headers, custom, &macros);
            }
            headers.insert(
                "fiware-correlator",
                text(&format!("{}; cbnotif={}", origin.correlator, origin.number)),
            );
            headers.insert("ngsiv2-attrsformat", HeaderValue::from_static(format));
            let method = custom.and_then(|custom| custom.method.clone()).unwrap_or(Method::POST);
            let url = match custom {
                None => subscription.endpoint.url.to_string(),
                Some(custom) => url(&subscription.endpoint.url, custom, &macros),
            };
            let uri = url.parse().map_err(|_| format!("{url} is not a URL"))?;
            Route::Http { method, uri, headers }
        }
    };
    Ok(Delivery { route, body: body.into() })
}

/// The message in the subscription's format.
fn standard(subscription: &Subscription, change: &Change, entity: &Entity) -> Vec<u8> {
    let alteration = change.alteration().name();
    let projection = Projection {
        attrs: subscription.attrs.as_ref(),
        except: subscription.except.as_ref(),
        metadata: subscription.metadata.as_ref(),
        covered: subscription.covered,
        only_changed: subscription.only_changed,
        event: Some(Event { alteration, previous: change.previous.as_deref(), effects: &change.effects }),
    };
    let (format, is_bare) = match subscription.format {
        AttrsFormat::Normalized => (Format::Normalized, false),
        AttrsFormat::SimplifiedNormalized => (Format::Normalized, true),
        AttrsFormat::KeyValues => (Format::KeyValues, false),
        AttrsFormat::SimplifiedKeyValues => (Format::KeyValues, true),
        AttrsFormat::Values => (Format::Values, false),
    };
    let mut out = Vec::with_capacity(256);
    if is_bare {
        write_entity(entity, &projection, format, &mut out);
        return out;
    }
    out.extend_from_slice(b"{\"subscriptionId\":");
    write_text(&subscription.id, &mut out);
    out.extend_from_slice(b",\"data\":[");
    write_entity(entity, &projection, format, &mut out);
    out.extend_from_slice(b"]}");
    out
}

/// The entity with a patch laid over it ("NGSI payload patching").
fn patched(entity: &Entity, patch: &Json, macros: &Macros<'_>) -> Entity {
    let mut patched = entity.clone();
    for (name, content) in patch.as_object().unwrap_or_default() {
        match &**name {
            // An id or type that comes to nothing stays what it was.
            "id" | "type" => {
                let text = content.as_str().unwrap_or_default();
                if !macros.is_nothing(text) {
                    let place = if &**name == "id" { &mut patched.id } else { &mut patched.kind };
                    *place = macros.text(text).into();
                }
            }
            name => {
                let value = macros.json(content.get("value").unwrap_or(&Json::Null));
                let kind: Box<str> =
                    content.get("type").and_then(Json::as_str).unwrap_or_else(|| default_type(&value)).into();
                match patched.attribute_mut(name) {
                    Some(attribute) => (attribute.kind, attribute.value) = (kind, value),
                    None => patched.attributes.push(Attribute {
                        name: name.into(),
                        kind,
                        value,
                        metadata: Box::default(),
                        created: entity.created,
                        modified: entity.modified,
                    }),
                }
            }
        }
    }
    patched
}

fn add_headers(headers: &mut HeaderMap, custom: &Custom, macros: &Macros<'_>) {
    for (name, value) in &custom.headers {
        if macros.is_nothing(value) {
            continue;
        }
        let name = HeaderName::from_bytes(decode(&macros.text(name)).to_ascii_lowercase().as_bytes());
        let value = decode(&macros.text(value));
        match name {
            Ok(name) if value.is_empty() => {
                headers.remove(name);
            }
            Ok(name) => {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    headers.insert(name, value);
                }
            }
            Err(_) => {}
        }
    }
}

fn url(template: &str, custom: &Custom, macros: &Macros<'_>) -> String {
    let mut url = encode(&macros.text(template));
    // In the order of their names, as Orion sends them.
    let mut qs: Vec<_> = custom.qs.iter().filter(|(_, value)| !macros.is_nothing(value)).collect();
    qs.sort();
    for (index, (name, value)) in qs.into_iter().enumerate() {
        url.push(if index == 0 && !url.contains('?') { '?' } else { '&' });
        url.push_str(&encode(&macros.text(name)));
        url.push('=');
        url.push_str(&encode(&macros.text(value)));
    }
    url
}

/// A text with the characters encoded that no URL has.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
        {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
