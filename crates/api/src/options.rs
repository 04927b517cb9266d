//! What can be set about the API.

use serde::{Deserialize, Serialize};

/// Options of the API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Longest request body, in bytes; a longer one is answered 413 before it is read.
    pub max_body_bytes: usize,
    /// How long a request may take, in seconds; streams are exempt.
    pub request_timeout_seconds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_body_bytes: 1024 * 1024, request_timeout_seconds: 30 }
    }
}
