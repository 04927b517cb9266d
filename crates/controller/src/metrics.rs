//! What the controller counts.

use std::time::Duration;

/// Counter: operations asked for, by `operation` and `outcome` (`ok` or an error code).
pub(crate) const OPERATIONS: &str = "morgana_controller_operations_total";
/// Histogram, seconds: how long a pass of a reconciler took, by `reconciler` and `outcome`.
pub(crate) const RECONCILE_SECONDS: &str = "morgana_controller_reconcile_seconds";
/// Counter: control messages that came from the fabric, by `command`; `invalid` where unreadable.
pub(crate) const CONTROL_MESSAGES: &str = "morgana_controller_control_messages_total";

/// Counter: refused attempts that were not written to the audit log because too many came at once.
pub(crate) const AUDIT_DROPPED: &str = "morgana_controller_audit_dropped_total";

pub(crate) fn audit_dropped() {
    metrics::counter!(AUDIT_DROPPED).increment(1);
}

pub(crate) fn reconciled(reconciler: &'static str, ok: bool, took: Duration) {
    let outcome = if ok { "ok" } else { "failed" };
    metrics::histogram!(RECONCILE_SECONDS, "reconciler" => reconciler, "outcome" => outcome)
        .record(took.as_secs_f64());
}

pub(crate) fn operation(name: &'static str, outcome: &'static str) {
    metrics::counter!(OPERATIONS, "operation" => name, "outcome" => outcome).increment(1);
}

pub(crate) fn control_message(command: &'static str) {
    metrics::counter!(CONTROL_MESSAGES, "command" => command).increment(1);
}
