//! Where context sources notify this broker (NGSI-LD 5.8.1.4, 5.8.6). The path is this broker's own; a source knows it
//! from the copy of a subscription, whose id, which no one can guess, says for whom it is.

use axum::{extract::State, routing::post};
use http::StatusCode;

use super::{Route, Shared, request::Sent};
use crate::{
    Error,
    broker::Notified,
    model::{Json, check_uri},
    sources::CALLBACK,
};

pub(super) fn route() -> Route {
    (CALLBACK, post(take))
}

async fn take(State(door): Shared, sent: Sent) -> Result<StatusCode, Error> {
    let text = |member: &str| sent.body.get(member).and_then(Json::as_str).unwrap_or_default();
    if text("type") != "Notification" {
        return Err(Error::bad("type must be \"Notification\""));
    }
    let id = check_uri(text("subscriptionId"), "subscriptionId")?;
    let context = sent.context(&door.broker).await?;
    let data = sent.body.get("data").and_then(Json::as_array);
    let mut notified = Vec::new();
    for entity in data.ok_or_else(|| Error::bad("data must be an array of entities"))? {
        let own = match entity.get("@context") {
            Some(source) => Some(door.broker.context(Some(source)).await?),
            None => None,
        };
        notified.push(Notified::read(entity, own.as_ref().unwrap_or(&context))?);
    }
    door.broker.pass_on(id, notified)?;
    Ok(StatusCode::OK)
}
