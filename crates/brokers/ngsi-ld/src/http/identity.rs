//! `/info/sourceIdentity`: who this broker is among others (NGSI-LD 5.15.1, 5.2.40, 6.33).

use axum::{
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;
use serde::Serialize;

use super::{Route, Shared, reply, request::Asked};
use crate::{
    Broker, Context,
    model::{Json, Timestamp},
};

pub(super) fn routes() -> Vec<Route> {
    vec![("/info/sourceIdentity", get(retrieve))]
}

/// NGSI-LD 5.2.40.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContextSourceIdentity<'a> {
    id: String,
    r#type: &'static str,
    context_source_alias: &'a str,
    context_source_uptime: String,
    context_source_time_at: Timestamp,
    context_source_extras: Extras,
    #[serde(rename = "@context", skip_serializing_if = "Option::is_none")]
    context: Option<Json>,
}

#[derive(Serialize)]
struct Extras {
    product: &'static str,
    version: &'static str,
}

impl<'a> ContextSourceIdentity<'a> {
    fn new(broker: &Broker, alias: &'a str, context: Option<Json>) -> Self {
        Self {
            id: format!("urn:ngsi-ld:ContextSourceIdentity:{alias}"),
            r#type: "ContextSourceIdentity",
            context_source_alias: alias,
            context_source_uptime: format!("PT{}S", broker.uptime().as_secs()),
            context_source_time_at: Timestamp::now(),
            context_source_extras: Extras { product: "Morgana", version: env!("CARGO_PKG_VERSION") },
            context,
        }
    }
}

async fn retrieve(State(door): Shared, asked: Asked) -> Response {
    let context = asked.accepted.has_context().then(|| asked.context.shown());
    let identity = ContextSourceIdentity::new(&door.broker, door.broker.alias(), context);
    reply::body(StatusCode::OK, &identity, &asked.context, asked.accepted)
}

/// The identity that a tenant which is not there yet would have.
pub(super) fn answer(broker: &Broker, alias: &str) -> Response {
    let identity = ContextSourceIdentity::new(broker, alias, None);
    reply::body(StatusCode::OK, &identity, &Context::core(), super::request::Accepted::Json).into_response()
}
