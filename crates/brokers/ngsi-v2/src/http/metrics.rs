//! `/admin/metrics`, as Orion has it (its "Metrics API"), and `/metrics`, for Prometheus.

use std::{collections::BTreeMap, fmt::Write};

use super::{Reply, request::Call};
use crate::{
    Json,
    broker::{Places, Traffic},
};

/// `GET /admin/metrics`; with `reset=true` they are counted from nothing again.
pub(super) fn show(call: &Call<'_>) -> Reply {
    let places = call.broker().statistics().traffic(call.params.get("reset") == Some("true"));
    Reply::json(tree(&places).to_text().into_bytes())
}

/// `DELETE /admin/metrics`
pub(super) fn forget(call: &Call<'_>) -> Reply {
    call.broker().statistics().traffic(true);
    Reply::done()
}

fn tree(places: &Places) -> Json {
    let mut across: BTreeMap<&str, Traffic> = BTreeMap::new();
    let mut all = Traffic::default();
    let mut services = Vec::new();
    for (service, paths) in places {
        let mut sum = Traffic::default();
        for (path, traffic) in paths {
            sum.add(traffic);
            across.entry(path).or_default().add(traffic);
        }
        all.add(&sum);
        services
            .push((service.clone(), with_sum(paths.iter().map(|(name, traffic)| (&**name, traffic)), &sum)));
    }
    let sum = with_sum(across.iter().map(|(name, traffic)| (*name, traffic)), &all);
    Json::object([("services", Json::object(services)), ("sum", sum)])
}

fn with_sum<'a>(paths: impl Iterator<Item = (&'a str, &'a Traffic)>, sum: &Traffic) -> Json {
    let paths = Json::object(paths.map(|(name, traffic)| (name, members(traffic))));
    Json::object([("subservs", paths), ("sum", members(sum))])
}

/// What is zero is left out, as in Orion.
fn members(traffic: &Traffic) -> Json {
    let counters = [
        ("incomingTransactionErrors", traffic.incoming_errors),
        ("incomingTransactionRequestSize", traffic.incoming_request_bytes),
        ("incomingTransactionResponseSize", traffic.incoming_response_bytes),
        ("incomingTransactions", traffic.incoming),
        ("outgoingTransactionErrors", traffic.outgoing_errors),
        ("outgoingTransactionRequestSize", traffic.outgoing_request_bytes),
        ("outgoingTransactionResponseSize", traffic.outgoing_response_bytes),
        ("outgoingTransactions", traffic.outgoing),
    ];
    let mut shown: Vec<(&str, Json)> = counters
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name, Json::Number(count as f64)))
        .collect();
    if traffic.incoming > 0 {
        // Seconds a request, on average.
        shown.push(("serviceTime", Json::Number(traffic.busy.as_secs_f64() / traffic.incoming as f64)));
    }
    Json::object(shown)
}

/// `GET /metrics`: the same for Prometheus, all services together.
pub(super) fn prometheus(call: &Call<'_>) -> Reply {
    let mut all = Traffic::default();
    call.broker()
        .statistics()
        .traffic(false)
        .values()
        .flat_map(|paths| paths.values())
        .for_each(|one| all.add(one));
    let size = call.broker().size();
    let mut text = String::with_capacity(2048);
    let mut metric = |name: &str, kind: &str, help: &str, value: f64| {
        // Writing to memory does not fail.
        let _ = write!(
            text,
            "# HELP morgana_ngsi_v2_{name} {help}\n# TYPE morgana_ngsi_v2_{name} {kind}\nmorgana_ngsi_v2_{name} {value}\n"
        );
    };
    let whole = |count: u64| count as f64;
    metric("requests_total", "counter", "Requests answered.", whole(all.incoming));
    metric("request_errors_total", "counter", "Requests answered with an error.", whole(all.incoming_errors));
    metric(
        "request_bytes_total",
        "counter",
        "Bytes of bodies of requests.",
        whole(all.incoming_request_bytes),
    );
    metric(
        "response_bytes_total",
        "counter",
        "Bytes of bodies of answers.",
        whole(all.incoming_response_bytes),
    );
    metric("request_seconds_total", "counter", "Time that answers took.", all.busy.as_secs_f64());
    metric("notifications_total", "counter", "Notifications attempted.", whole(all.outgoing));
    metric("notification_errors_total", "counter", "Notifications that failed.", whole(all.outgoing_errors));
    metric(
        "notification_bytes_total",
        "counter",
        "Bytes of notifications.",
        whole(all.outgoing_request_bytes),
    );
    metric(
        "notifications_dropped_total",
        "counter",
        "Notifications that a full queue dropped.",
        whole(size.dropped),
    );
    metric("notifications_waiting", "gauge", "Notifications queued or under way.", whole(size.waiting));
    metric("entities", "gauge", "Entities.", size.entities as f64);
    metric("subscriptions", "gauge", "Subscriptions.", size.subscriptions as f64);
    metric(
        "subscriptions_looked_at_total",
        "counter",
        "Subscriptions that were looked at closely to find those that a change concerns.",
        whole(size.looked_at),
    );
    metric("registrations", "gauge", "Registrations.", size.registrations as f64);
    metric("uptime_seconds", "gauge", "Time since the start.", whole(call.broker().statistics().uptime_s()));
    Reply::text(text.into_bytes())
}
