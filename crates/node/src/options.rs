use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use morgana_runtime::Limits;
use serde::{Deserialize, Serialize};

/// How a node runs its workloads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The program that `builtin:` images run; nothing is the one that runs now.
    pub program: Option<PathBuf>,
    /// Where the folders of the workloads are: `<data_dir>/workloads/<thingvisor|vsilo>/<id>/`.
    pub data_dir: PathBuf,
    /// Where the folders of the workloads are instead of in `data_dir`. Nodes that take over from each
    /// other share it, so that a workload finds what it had.
    pub workloads_dir: Option<PathBuf>,
    /// The address that the doors of workloads listen on.
    pub listen: IpAddr,
    /// The ports that doors are given. The default lies outside the kernel's ephemeral range
    /// (`net.ipv4.ip_local_port_range`), so that no outgoing connection takes one of them.
    pub door_ports: RangeInclusive<u16>,
    /// What each workload may use.
    pub limits: Limits,
    /// Milliseconds before the first restart after an end; each further end in
    /// `crash_loop_seconds` doubles it.
    pub restart_first_ms: u64,
    /// Milliseconds before a restart, at most.
    pub restart_max_ms: u64,
    /// A workload that ended this often within `crash_loop_seconds`, or that did not get ready
    /// this often in a row, has failed: it stays down until it is assigned again.
    pub crash_loop_ends: u32,
    /// The seconds in which `crash_loop_ends` are counted.
    pub crash_loop_seconds: u64,
    /// Milliseconds in which a workload must tell that it is ready; then it is ended and retried.
    pub ready_timeout_ms: u64,
    /// Milliseconds that an `exec:` image must be alive to count as ready when it does not tell.
    pub settle_ms: u64,
    /// Milliseconds between the wish that a workload ends (SIGTERM) and its kill.
    pub stop_grace_ms: u64,
    /// How many workloads may be between start and ready at the same time.
    pub start_concurrency: usize,
    /// Largest log of a workload in MiB; the older half goes first.
    pub log_max_mib: u64,
    /// How many commands may wait for a workload's supervisor.
    pub command_queue: usize,
    /// How many reports a subscriber may be behind before it has to read them all again.
    pub report_queue: usize,
    /// Further environment variables of every workload.
    #[serde(skip)]
    pub further_variables: BTreeMap<String, String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            program: None,
            data_dir: PathBuf::from("morgana-data"),
            workloads_dir: None,
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            door_ports: 20_000..=29_999,
            limits: Limits::default(),
            restart_first_ms: 100,
            restart_max_ms: 30_000,
            crash_loop_ends: 6,
            crash_loop_seconds: 30,
            ready_timeout_ms: 20_000,
            settle_ms: 1_000,
            stop_grace_ms: 5_000,
            start_concurrency: 8,
            log_max_mib: 8,
            command_queue: 16,
            report_queue: 1_024,
            further_variables: BTreeMap::new(),
        }
    }
}

impl Options {
    /// Where the records of what runs are.
    pub fn state_dir(&self) -> PathBuf {
        self.data_dir.join("runtime")
    }

    pub(crate) fn stop_grace(&self) -> Duration {
        Duration::from_millis(self.stop_grace_ms)
    }
}
