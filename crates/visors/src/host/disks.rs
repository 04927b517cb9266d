//! How full the disks are: `/proc/mounts` (proc_pid_mounts(5)) and statvfs(3).

use std::collections::BTreeMap;

use morgana_thingvisor::Entity;
use nix::sys::statvfs::statvfs;
use procfs::MountEntry;

use super::machine::Machine;
use super::reading::{Reading, percent, unit};

/// File systems that are always full.
const IMAGES: [&str; 4] = ["squashfs", "iso9660", "erofs", "cramfs"];

pub(super) fn read(machine: &Machine, reading: &Reading) -> Result<Vec<Entity>, String> {
    let mounts: Vec<MountEntry> = machine.proc("mounts")?;
    // A disk may be mounted at several places; its first one is told.
    let mut disks: BTreeMap<String, String> = BTreeMap::new();
    for mount in mounts {
        if mount.fs_spec.starts_with("/dev/") && !IMAGES.contains(&mount.fs_vfstype.as_str()) {
            disks.entry(mount.fs_spec).or_insert(mount.fs_file);
        }
    }
    let mut entities = Vec::new();
    for (device, mount_point) in disks {
        // A mount of another name space, or one we may not see, is none of ours.
        let Ok(disk) = statvfs(mount_point.as_str()) else { continue };
        let bytes = |blocks: u64| blocks.saturating_mul(disk.fragment_size());
        let (size, used) = (bytes(disk.blocks()), bytes(disk.blocks().saturating_sub(disk.blocks_free())));
        let entity = reading
            .entity("Disk", device.strip_prefix("/dev/"))
            .fixed("device", device.as_str())
            .fixed("mountPoint", mount_point)
            .measured("size", size, unit::BYTE)
            .measured("used", used, unit::BYTE)
            .measured("available", bytes(disk.blocks_available()), unit::BYTE)
            .measured("usedPercent", percent(used, size), unit::PERCENT)
            .build()?;
        entities.push(entity);
    }
    Ok(entities)
}
