//! What the network interfaces carried since they came up: `/proc/net/dev` (proc_pid_net(5)).

use morgana_thingvisor::Entity;
use procfs::net::InterfaceDeviceStatus;

use super::machine::Machine;
use super::reading::{Reading, unit};

/// It carries nothing from anywhere else.
const LOOPBACK: &str = "lo";

pub(super) fn read(machine: &Machine, reading: &Reading) -> Result<Vec<Entity>, String> {
    let interfaces: InterfaceDeviceStatus = machine.proc("net/dev")?;
    let mut interfaces: Vec<_> = interfaces.0.into_values().filter(|one| one.name != LOOPBACK).collect();
    interfaces.sort_by(|a, b| a.name.cmp(&b.name));
    let entity = |one: procfs::net::DeviceStatus| {
        reading
            .entity("NetworkInterface", Some(&one.name))
            .fixed("name", one.name.as_str())
            .measured("receivedBytes", one.recv_bytes, unit::BYTE)
            .measured("sentBytes", one.sent_bytes, unit::BYTE)
            .measured("receivedPackets", one.recv_packets, unit::PIECE)
            .measured("sentPackets", one.sent_packets, unit::PIECE)
            .measured("receiveErrors", one.recv_errs, unit::PIECE)
            .measured("sendErrors", one.sent_errs, unit::PIECE)
            .measured("receiveDrops", one.recv_drop, unit::PIECE)
            .measured("sendDrops", one.sent_drop, unit::PIECE)
            .build()
    };
    interfaces.into_iter().map(entity).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;

    use super::*;

    #[test]
    fn interfaces_come_by_name_without_the_loopback() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("proc/net")).unwrap();
        let table = "Inter-| Receive | Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  wlan0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n  eth0.7: 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        fs::write(folder.path().join("proc/net/dev"), table).unwrap();
        let machine = Machine::at(folder.path());
        let read = read(&machine, &Reading::new(&"host", "h", Timestamp::UNIX_EPOCH)).unwrap();
        let ids: Vec<&str> = read.iter().map(Entity::id).collect();
        assert_eq!(
            ids,
            ["urn:ngsi-ld:NetworkInterface:host:eth0.7", "urn:ngsi-ld:NetworkInterface:host:wlan0"]
        );
        let value = |name: &str| read[1].get(name).unwrap()["value"].as_u64().unwrap();
        assert_eq!((value("receivedBytes"), value("sentBytes"), value("sendDrops")), (1, 5, 8));
        assert_eq!(read[0].get("receivedBytes").unwrap()["value"].as_u64(), Some(u64::MAX));
    }
}
