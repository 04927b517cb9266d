//! `/v1/events`: the stream of changes.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt};
use morgana_controller::{Controller, Events};
use serde::Deserialize;

use crate::extract::{Asked, Leased};
use crate::problem::Answer;

/// Where the stream begins.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// Send every resource as it is now, before the changes.
    #[serde(default)]
    snapshot: bool,
}

/// Stream the changes of what the caller may see, as server-sent events. A reader that comes back
/// with `Last-Event-ID` gets every resource as it is now first, for it missed changes.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(EventQuery), responses(
    (status = 200, description = "Events, each with the revision as its id", body = morgana_model::Event, content_type = "text/event-stream")))]
pub(super) async fn events(
    State(controller): State<Controller>,
    Leased(lease): Leased,
    Asked(query): Asked<EventQuery>,
    headers: HeaderMap,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>> {
    let from = if query.snapshot || headers.contains_key("last-event-id") {
        Events::WithSnapshot
    } else {
        Events::FromNow
    };
    let events = controller.events(lease, from).await?;
    let events = events.filter_map(|event| async move {
        let data = serde_json::to_string(&event).ok()?;
        Some(Ok(Event::default().id(event.revision.to_string()).data(data)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
