//! Door ports that no other testbed on this machine uses.

use std::fs::{self, File};
use std::ops::RangeInclusive;

/// Ports below the kernel's ephemeral range, so that no outgoing connection takes one.
const FIRST: u16 = 20_000;
/// How many ports a platform has for its doors.
const PORTS_EACH: u16 = 100;
/// How many platforms may run at the same time.
const RANGES: u16 = 100;

/// A range of ports that is ours until this is dropped, or until the process is gone. Without it
/// two platforms would take each other's ports while one of them is being restarted.
#[derive(Debug)]
pub(crate) struct DoorPorts {
    range: RangeInclusive<u16>,
    _lock: File,
}

impl DoorPorts {
    pub(crate) fn lease() -> Self {
        let folder = std::env::temp_dir().join("morgana-testbed");
        fs::create_dir_all(&folder).expect("a folder for locks can be made in the temporary folder");
        // Beginning anywhere keeps those who start together from trying each other's one by one.
        let start = (std::process::id() % u32::from(RANGES)) as u16;
        for number in (0..RANGES).map(|number| (start + number) % RANGES) {
            let lock =
                File::create(folder.join(format!("doors-{number}.lock"))).expect("a lock file can be made");
            if lock.try_lock().is_ok() {
                let first = FIRST + number * PORTS_EACH;
                return Self { range: first..=first + PORTS_EACH - 1, _lock: lock };
            }
        }
        panic!("{RANGES} platforms of tests run on this machine already")
    }

    pub(crate) fn variables(&self) -> [(String, String); 2] {
        let name = |end| format!("MORGANA_NODE__DOOR_PORTS__{end}");
        [(name("START"), self.range.start().to_string()), (name("END"), self.range.end().to_string())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_leases_never_meet() {
        let leases = [DoorPorts::lease(), DoorPorts::lease(), DoorPorts::lease()];
        for (place, lease) in leases.iter().enumerate() {
            let others = leases[..place].iter();
            assert!(
                others.clone().all(|other| other.range.end() < lease.range.start()
                    || lease.range.end() < other.range.start())
            );
        }
    }
}
