use std::fmt;

use serde::{Deserialize, Serialize};

/// What a workload may use of its node; more than that it does not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Memory in MiB. A workload that asks for more is killed by the kernel.
    pub memory_mib: u64,
    /// Processor time in percent of one core: 200 is two cores.
    pub cpu_percent: u32,
    /// Processes and threads together, which is how Linux counts them.
    pub processes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_mib: 256, cpu_percent: 100, processes: 128 }
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory_mib, cpu_percent, processes } = self;
        write!(f, "memory {memory_mib} MiB, cpu {cpu_percent} %, {processes} processes")
    }
}
