//! Counters of a silo. Their labels are closed sets.

use metrics::{counter, gauge};
use morgana_engine::Lagged;

use crate::controller::Rejection;

/// Messages of the fabric that were taken.
pub(crate) const MESSAGES: &str = "morgana_silo_messages_total";
/// Messages of the fabric that were dropped, by `reason`.
pub(crate) const MESSAGES_DROPPED: &str = "morgana_silo_messages_dropped_total";
/// Entities that the broker did not take, by `reason`.
pub(crate) const ENTITIES_REFUSED: &str = "morgana_silo_entities_refused_total";
/// vThings connected now.
pub(crate) const V_THINGS: &str = "morgana_silo_vthings";

/// Commands of the tenant that were sent to vThings.
pub(crate) const COMMANDS: &str = "morgana_silo_commands_total";
/// Commands of the tenant that the silo refused itself.
pub(crate) const COMMANDS_REFUSED: &str = "morgana_silo_commands_refused_total";

/// Commands of the tenant that came faster than the silo took them.
pub(crate) const COMMANDS_MISSED: &str = "morgana_silo_commands_missed_total";

pub(crate) fn commands_missed(lagged: &Lagged) {
    counter!(COMMANDS_MISSED).increment(lagged.0);
    tracing::error!(%lagged, "commands of the tenant were missed: they came faster than they can be sent");
}

pub(crate) fn command() {
    counter!(COMMANDS).increment(1);
}

pub(crate) fn command_refused() {
    counter!(COMMANDS_REFUSED).increment(1);
}

pub(crate) fn message() {
    counter!(MESSAGES).increment(1);
}

pub(crate) fn dropped(rejection: &Rejection) {
    counter!(MESSAGES_DROPPED, "reason" => rejection.label()).increment(1);
}

/// Counts an entity that the broker did not take; `reason` is one of a flavour's few constants.
pub(crate) fn refused(reason: &'static str) {
    counter!(ENTITIES_REFUSED, "reason" => reason).increment(1);
}

pub(crate) fn v_things(count: usize) {
    gauge!(V_THINGS).set(count as f64);
}
