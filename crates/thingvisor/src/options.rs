//! What a ThingVisor can be told about itself.

use serde::{Deserialize, Serialize};

/// Options of a ThingVisor, beside the parameters its author defines. The defaults work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How often every vThing is announced again, in seconds; a controller that missed one learns
    /// of it then.
    pub announce_interval_seconds: u64,
    /// How often the context is written to the data folder at most, in seconds. The kit waits
    /// longer when writing is slow, so that it takes a fiftieth of the time at most.
    pub save_interval_seconds: u64,
    /// After a lost connection, entities that changed up to so many seconds before the loss was
    /// noticed are published again: nobody can tell which of them still arrived.
    pub resend_window_seconds: u64,
    /// How long a stopping ThingVisor may take to tell the fabric, in seconds.
    pub stop_timeout_seconds: u64,
    /// Requests of the author (publications, new vThings) that wait for the kit; more wait in turn.
    pub request_queue: usize,
    /// Commands that wait for one actuator; a further one is answered `FAIL` at once.
    pub command_queue: usize,
    /// vThings of this ThingVisor.
    pub max_vthings: usize,
    /// Entities of all its vThings together.
    pub max_entities: usize,
    /// Attributes of one entity.
    pub max_entity_attributes: usize,
    /// The longest message, in bytes. Longer lists of entities travel in several messages; it stays
    /// under the fabric's own bound (1 MiB).
    pub max_message_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            announce_interval_seconds: 60,
            save_interval_seconds: 1,
            resend_window_seconds: 30,
            stop_timeout_seconds: 3,
            request_queue: 64,
            command_queue: 64,
            max_vthings: 1_000,
            max_entities: 10_000,
            max_entity_attributes: 256,
            max_message_bytes: 256 * 1024,
        }
    }
}
