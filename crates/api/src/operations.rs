//! What those who operate the platform ask: is it alive, is it ready, what does it count.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use morgana_controller::Controller;
use morgana_model::{ErrorCode, Failure, Role, WorkloadName};

use crate::MetricsAccess;
use crate::extract::{address, authorization};
use crate::handed_on::HANDED_ON;
use crate::problem::Answer;
use crate::routes::Routes;

/// Renders the metrics of the process in the text format of Prometheus; the binary brings it.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What is asked without a login; `/metrics` only where [`MetricsAccess`] says so.
pub(crate) fn routes() -> Routes<Shared> {
    Routes::new().add("GET", "/healthz", get(healthz)).add("GET", "/readyz", get(readyz)).add(
        "GET",
        "/metrics",
        get(metrics),
    )
}

/// Resident memory of each workload, in bytes, by `workload`.
const WORKLOAD_MEMORY: &str = "morgana_workload_resident_memory_bytes";
/// Processor time that each workload used since its start, in seconds, by `workload`.
const WORKLOAD_CPU: &str = "morgana_workload_cpu_seconds_total";

/// What proxies add to a request (RFC 7239, and what was there before it).
const PROXIED: [HeaderName; 4] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

/// What the handlers of the router share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) controller: Controller,
    pub(crate) metrics: Metrics,
    pub(crate) metrics_access: MetricsAccess,
}

impl FromRef<Shared> for Controller {
    fn from_ref(shared: &Shared) -> Self {
        shared.controller.clone()
    }
}

/// The process answers.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The System DB answers, too.
async fn readyz(State(shared): State<Shared>) -> Answer<&'static str> {
    shared.controller.check_ready().await?;
    Ok("ready\n")
}

/// Everything that is counted.
async fn metrics(State(shared): State<Shared>, parts: Parts) -> Answer<Response> {
    // What a standby or a proxy on this machine hands on may come from anywhere.
    let is_handed_on = PROXIED.iter().chain([&HANDED_ON]).any(|name| parts.headers.contains_key(name));
    let is_local = address(&parts).is_some_and(|address| address.is_loopback()) && !is_handed_on;
    let free = match shared.metrics_access {
        MetricsAccess::Open => true,
        MetricsAccess::Loopback => is_local,
        MetricsAccess::Administrators => false,
    };
    if !free {
        let caller = shared.controller.authenticate(authorization(&parts.headers)).await?;
        if caller.role != Role::Administrator {
            return Err(Failure::new(ErrorCode::PermissionDenied, "operation not allowed").into());
        }
    }
    let mut text = (shared.metrics)();
    let usage = shared.controller.usage().await;
    let memory = usage.iter().map(|(name, usage)| (name, usage.rss_bytes as f64));
    family(&mut text, WORKLOAD_MEMORY, "gauge", memory);
    let cpu = usage.iter().map(|(name, usage)| (name, usage.cpu_seconds));
    family(&mut text, WORKLOAD_CPU, "counter", cpu);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// One value for each workload that there is now. The recorder of the process would remember those
/// that are gone, for ever. Names of workloads need no escaping.
fn family<'a>(
    text: &mut String,
    name: &str,
    kind: &str,
    values: impl Iterator<Item = (&'a WorkloadName, f64)>,
) {
    let _ = writeln!(text, "# TYPE {name} {kind}");
    for (workload, value) in values {
        let _ = writeln!(text, "{name}{{workload=\"{workload}\"}} {value}");
    }
}
