//! The names of workloads.

use std::fmt;
use std::str::FromStr;

use crate::{ThingVisorId, VSiloId};

/// What a workload is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkloadKind {
    /// It runs a ThingVisor.
    ThingVisor,
    /// It runs a vSilo.
    VSilo,
}

/// The name of a workload: `thingvisor/<id>` or `vsilo/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkloadName {
    /// The workload of a ThingVisor.
    ThingVisor(ThingVisorId),
    /// The workload of a vSilo.
    VSilo(VSiloId),
}

impl WorkloadName {
    /// What it is for.
    pub fn kind(&self) -> WorkloadKind {
        match self {
            Self::ThingVisor(_) => WorkloadKind::ThingVisor,
            Self::VSilo(_) => WorkloadKind::VSilo,
        }
    }

    /// The id of what it runs.
    pub fn id(&self) -> &str {
        match self {
            Self::ThingVisor(id) => id.as_str(),
            Self::VSilo(id) => id.as_str(),
        }
    }
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThingVisor(id) => write!(f, "thingvisor/{id}"),
            Self::VSilo(id) => write!(f, "vsilo/{id}"),
        }
    }
}

impl FromStr for WorkloadName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some(("thingvisor", id)) => {
                id.parse().map(Self::ThingVisor).map_err(|error: crate::InvalidId| error.to_string())
            }
            Some(("vsilo", id)) => {
                id.parse().map(Self::VSilo).map_err(|error: crate::InvalidId| error.to_string())
            }
            _ => Err(format!("workload '{text}' is not thingvisor/<id> or vsilo/<id>")),
        }
    }
}

impl serde::Serialize for WorkloadName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for WorkloadName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
