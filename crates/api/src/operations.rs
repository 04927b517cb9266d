//! What those who operate the platform ask: is it alive, is it ready, what does it count.

use axum::extract::{FromRef, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use morgana_controller::Controller;
use std::sync::Arc;

use crate::problem::Answer;

/// Renders the metrics of the process in the text format of Prometheus; the binary brings it.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// The paths that need no login.
pub const OPERATIONAL: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Resident memory of each workload, in bytes, by `workload`.
const WORKLOAD_MEMORY: &str = "morgana_workload_resident_memory_bytes";
/// Processor time that each workload used since its start, in seconds, by `workload`.
const WORKLOAD_CPU: &str = "morgana_workload_cpu_seconds_total";

/// What the handlers of the router share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) controller: Controller,
    pub(crate) metrics: Metrics,
}

impl FromRef<Shared> for Controller {
    fn from_ref(shared: &Shared) -> Self {
        shared.controller.clone()
    }
}

/// The process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// The System DB answers, too.
pub(crate) async fn readyz(State(shared): State<Shared>) -> Answer<&'static str> {
    shared.controller.check_ready().await?;
    Ok("ready\n")
}

/// Everything that is counted.
pub(crate) async fn metrics(State(shared): State<Shared>) -> Response {
    for (name, usage) in shared.controller.usage().await {
        let workload = name.to_string();
        metrics::gauge!(WORKLOAD_MEMORY, "workload" => workload.clone()).set(usage.rss_bytes as f64);
        metrics::gauge!(WORKLOAD_CPU, "workload" => workload).set(usage.cpu_seconds);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (shared.metrics)()).into_response()
}
