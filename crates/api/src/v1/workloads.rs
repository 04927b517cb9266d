//! `/v1/workloads`: what they use, and their logs.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use morgana_controller::Controller;
use morgana_model::{Failure, LogLines, Page, WorkloadName, WorkloadUsage};
use serde::Deserialize;

use crate::extract::{Asked, Authenticated, Leased, id};
use crate::problem::Answer;

/// The most lines that one request gives.
const MAX_LINES: usize = 10_000;

/// Which part of a log.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// How many of the last lines; 100 when not given.
    #[param(maximum = 10000)]
    lines: Option<usize>,
    /// Go on with every line as it comes, as server-sent events.
    #[serde(default)]
    follow: bool,
}

/// What the caller's workloads use now: a tenant's silos, or for an administrator everything that runs.
#[utoipa::path(get, path = "/v1/workloads", tag = "workloads", responses((status = 200, body = Page<WorkloadUsage>)))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
) -> Answer<Json<Page<WorkloadUsage>>> {
    Ok(Json(Page { items: controller.list_workloads(&caller).await?, next: None }))
}

/// Read the log of a workload.
#[utoipa::path(
    get,
    path = "/v1/workloads/{kind}/{workload}/logs",
    tag = "workloads",
    params(("kind" = String, Path, description = "thingvisor or vsilo"), ("workload" = String, Path), LogQuery),
    responses((
        status = 200,
        description = "The lines; followed, an event for each",
        content((LogLines = "application/json"), (String = "text/event-stream"))
    ))
)]
pub(super) async fn logs(
    State(controller): State<Controller>,
    Leased(lease): Leased,
    Path((kind, workload)): Path<(String, String)>,
    Asked(query): Asked<LogQuery>,
) -> Answer<Response> {
    let name: WorkloadName = id(&format!("{kind}/{workload}"))?;
    let lines = query.lines.unwrap_or(100);
    if lines > MAX_LINES {
        return Err(Failure::invalid(format!("lines is {lines}: it must be {MAX_LINES} at most")).into());
    }
    if !query.follow {
        return Ok(Json(controller.logs(lease.caller(), &name, lines).await?).into_response());
    }
    let lines = controller.follow_logs(lease, &name, lines).await?;
    // An event's data may hold no line break of its own; a log line has none but maybe a lone CR.
    let events = lines.map(|line| Ok::<_, Infallible>(Event::default().data(line.replace('\r', " "))));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}
