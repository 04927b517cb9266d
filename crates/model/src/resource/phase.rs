//! Where a workload is in its life.

use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// The phase of a ThingVisor or a vSilo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Phase {
    /// Accepted; its workload is being started, or started again.
    Pending,
    /// Its workload answers.
    Running,
    /// Its end was asked for; its workload is putting its state away.
    Stopping,
    /// It does not run, and the platform does not believe that trying harder helps.
    Failed {
        /// Why, in words for people.
        reason: String,
    },
}

impl Phase {
    /// The name of the phase alone.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Failed { .. } => "failed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { reason } => write!(f, "failed: {reason}"),
            other => f.write_str(other.name()),
        }
    }
}

/// The doors of a workload: `<inner port>/tcp` to the port where it is reached from outside, as
/// VirIoT shows them (viriot-wire.md section 6, `port`).
pub type Endpoints = IndexMap<String, u16>;
