//! What a ThingVisor counts, under constant names.

const PUBLICATIONS: &str = "morgana_thingvisor_publications_total";
const COMMANDS: &str = "morgana_thingvisor_commands_total";

/// A message was handed to the fabric.
pub(crate) fn published() {
    metrics::counter!(PUBLICATIONS).increment(1);
}

/// A command was handed to an actuator.
pub(crate) fn commanded() {
    metrics::counter!(COMMANDS).increment(1);
}
