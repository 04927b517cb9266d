//! What can be set about the API.

use serde::{Deserialize, Serialize};

use crate::ServerOptions;

/// Options of the API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Longest request body, in bytes; a longer one is answered 413 before it is read.
    pub max_body_bytes: usize,
    /// How long a request may take, in seconds; streams are exempt.
    pub request_timeout_seconds: u64,
    /// The origins of web pages whose scripts may call the API (CORS), as `https://console.example`; `*` is
    /// any. None by default.
    pub cors_origins: Vec<String>,
    /// Who may read `/metrics`.
    pub metrics: MetricsAccess,
    /// Bounds of the HTTP server.
    pub server: ServerOptions,
}

/// Who may read `/metrics`. An administrator's token always opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricsAccess {
    /// Everybody.
    Open,
    /// Whoever asks from this machine.
    Loopback,
    /// Administrators alone.
    Administrators,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            request_timeout_seconds: 30,
            cors_origins: Vec::new(),
            metrics: MetricsAccess::Loopback,
            server: ServerOptions::default(),
        }
    }
}
