use std::fs;
use std::num::NonZero;

/// What a node has to run workloads with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Processor cores that this process may use.
    pub cores: usize,
    /// Main memory in MiB; 0 where the machine does not tell.
    pub memory_mib: u64,
    /// The processor architecture, as Rust names it: `x86_64`, `aarch64`, ….
    pub arch: &'static str,
    /// For people: the limits each workload gets, or why none can be set.
    pub limits: String,
}

impl Inventory {
    /// Reads what this machine has.
    pub(crate) fn of_this_machine(limits: String) -> Self {
        let memory_mib = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_mib(&text));
        Self {
            cores: std::thread::available_parallelism().map_or(1, NonZero::get),
            memory_mib: memory_mib.unwrap_or(0),
            arch: std::env::consts::ARCH,
            limits,
        }
    }
}

/// The `MemTotal` line of `/proc/meminfo` (proc_meminfo(5)), which counts in KiB.
fn total_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn main_memory_is_read_from_meminfo() {
        assert_eq!(total_mib("MemTotal:       24684544 kB\nMemFree: 1 kB\n"), Some(24_106));
        assert_eq!(total_mib("nothing"), None);
    }
}
