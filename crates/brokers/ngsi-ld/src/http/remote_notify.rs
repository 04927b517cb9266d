//! Where context sources notify this broker (NGSI-LD 5.8.1.4, 5.8.6). The path is this broker's own; a source knows it
//! from the copy of a subscription.
//!
//! Who notifies is let in before anything of the request is read: where the broker asks for a token, by that token or by
//! what the copy told its source to show ([`CREDENTIAL`]), which is good for this copy of this tenant alone. A broker that
//! anyone may use takes the id of the copy for it, which no one can guess; what is shown has to be right there too. All
//! who are not let in get the same answer, so that it tells nothing of tenants and copies.

use axum::{
    extract::{Request, State},
    response::Response,
    routing::post,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use morgana_engine::Problem;

use super::{
    Door, Route, Shared, distributed,
    request::{Sent, filled},
    tenants::TENANT,
};
use crate::{
    Broker, Error, ErrorKind,
    broker::Notified,
    model::{Json, check_uri},
    sources::{CALLBACK, CREDENTIAL},
};

/// The answer, 401, to who shows neither the token of the broker nor, as a context source that notifies, what it was
/// given to show.
pub(super) fn refusal(door: &Door, request: &Request) -> Option<Response> {
    let (access, broker, headers) = (&door.options.access, &door.broker, request.headers());
    if request.uri().path() != CALLBACK || request.method() != Method::POST {
        return access.refusal(headers);
    }
    let may = match headers.get(CREDENTIAL) {
        Some(shown) => copy_shown(broker, headers, shown).is_some(),
        None => access.allows(headers),
    };
    if may {
        return None;
    }
    let detail = format!(
        "who notifies shows what the copy of the subscription says in receiverInfo, as the header {CREDENTIAL}"
    );
    Some(Problem::unauthorized(detail))
}

/// The copy that `shown` is good for, in the tenant that the headers name.
fn copy_shown(broker: &Broker, headers: &HeaderMap, shown: &HeaderValue) -> Option<Box<str>> {
    let shown = shown.to_str().ok()?;
    match filled(headers, &TENANT) {
        Some(tenant) => broker.tenant(tenant.to_str().ok()?).ok()?.copy_of(shown),
        None => broker.copy_of(shown),
    }
}

pub(super) fn route() -> Route {
    (CALLBACK, post(take))
}

async fn take(State(door): Shared, headers: HeaderMap, sent: Sent) -> Result<StatusCode, Error> {
    let text = |member: &str| sent.body.get(member).and_then(Json::as_str).unwrap_or_default();
    if text("type") != "Notification" {
        return Err(Error::bad("type must be \"Notification\""));
    }
    let id = check_uri(text("subscriptionId"), "subscriptionId")?;
    if let Some(shown) = headers.get(CREDENTIAL) {
        let copy = shown.to_str().ok().and_then(|shown| door.broker.copy_of(shown));
        if copy.as_deref() != Some(id) {
            let detail = format!("subscriptionId must be the copy that {CREDENTIAL} is for, not {id}");
            return Err(Error::new(ErrorKind::BadRequestData, detail));
        }
    }
    let context = sent.context(&door.broker).await?;
    let data = sent.body.get("data").and_then(Json::as_array);
    // What is in parts is looked at as a whole, which other sources have parts of too (5.8.6).
    let split = door.broker.source_of_split(id);
    let mut notified = Vec::new();
    for entity in data.ok_or_else(|| Error::bad("data must be an array of entities"))? {
        let own = match entity.get("@context") {
            Some(source) => Some(door.broker.context(Some(source)).await?),
            None => None,
        };
        let context = own.as_ref().unwrap_or(&context);
        let read = Notified::read(entity, context)?;
        let rest = match (&split, read.living()) {
            (Some(source), Some(id)) => distributed::others(&door, id, context, source).await?,
            _ => Vec::new(),
        };
        notified.push((read, rest));
    }
    door.broker.pass_on(id, notified)?;
    Ok(StatusCode::OK)
}
