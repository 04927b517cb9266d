//! The figures of a node agent.

/// Counter: starts of workloads, by `kind`: `thingvisor`, `vsilo`.
pub(crate) const STARTS_TOTAL: &str = "morgana_node_starts_total";

/// Counter: ends of workloads that nobody asked for, by `kind`.
pub(crate) const ENDS_TOTAL: &str = "morgana_node_ends_total";

/// Histogram: seconds from the start of a workload until it was ready, by `kind`.
pub(crate) const READY_SECONDS: &str = "morgana_node_ready_seconds";
