use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use procfs::process::MountInfos;
use procfs::{FromBufRead, FromRead, ProcResult, ProcessCGroups};

/// What a cgroup can limit, as far as we use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Controller {
    Memory,
    Cpu,
    Pids,
}

impl Controller {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::Cpu, Self::Pids];

    /// Its name in the kernel's files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
        }
    }
}

impl fmt::Display for Controller {
    /// What it limits, in words for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "processes",
        })
    }
}

/// The folders of the cgroups that this process is in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnGroups {
    /// In the hierarchies of version 1, by controller; two may share one.
    pub(crate) v1: BTreeMap<Controller, PathBuf>,
    /// In the one of version 2. It may be there without any controller, beside those of version 1.
    pub(crate) v2: Option<PathBuf>,
}

impl OwnGroups {
    /// Reads `/proc/self/mountinfo` (proc_pid_mountinfo(5)) and `/proc/self/cgroup` (cgroups(7)).
    pub(crate) fn read() -> ProcResult<Self> {
        Self::parse(&std::fs::read("/proc/self/mountinfo")?, &std::fs::read("/proc/self/cgroup")?)
    }

    fn parse(mount_info: &[u8], own_groups: &[u8]) -> ProcResult<Self> {
        let mounts = MountInfos::from_buf_read(mount_info)?;
        let memberships = ProcessCGroups::from_read(own_groups)?.0;
        let mut found = Self::default();
        for mount in mounts {
            let folder = |path: &str| below(&mount.mount_point, &mount.root, path);
            if mount.fs_type == "cgroup2" {
                let own = memberships.iter().find(|group| group.hierarchy == 0);
                found.v2 = found.v2.or(own.and_then(|group| folder(&group.pathname)));
            } else if mount.fs_type == "cgroup" {
                for controller in Controller::ALL {
                    let name = controller.name();
                    if !mount.super_options.contains_key(name) {
                        continue;
                    }
                    let own =
                        memberships.iter().find(|group| group.controllers.iter().any(|has| has == name));
                    if let Some(folder) = own.and_then(|group| folder(&group.pathname)) {
                        found.v1.entry(controller).or_insert(folder);
                    }
                }
            }
        }
        Ok(found)
    }
}

/// Where the group `path` is when the group `root` is mounted at `mount_point`; nothing when the
/// mount does not show it.
fn below(mount_point: &Path, root: &str, path: &str) -> Option<PathBuf> {
    let path = Path::new(path).strip_prefix(root).ok()?;
    Some(mount_point.join(path).components().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_groups_are_found_in_the_hierarchies_of_version_1() {
        let mounts = "\
            31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
            38 31 0:35 /docker/ab /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let own = "8:pids:/docker/ab/c\n4:memory:/a/b\n2:cpu,cpuacct:/\n0::/\n";
        let found = OwnGroups::parse(mounts.as_bytes(), own.as_bytes()).unwrap();
        assert_eq!(
            found.v1,
            BTreeMap::from([
                (Controller::Memory, "/sys/fs/cgroup/memory/a/b".into()),
                (Controller::Cpu, "/sys/fs/cgroup/cpu,cpuacct".into()),
                (Controller::Pids, "/sys/fs/cgroup/pids/c".into()),
            ])
        );
        assert_eq!(found.v2.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
    }

    #[test]
    fn own_group_is_found_in_the_hierarchy_of_version_2() {
        let mounts = "29 22 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let own = "0::/system.slice/morgana.service\n";
        let found = OwnGroups::parse(mounts.as_bytes(), own.as_bytes()).unwrap();
        assert_eq!(found.v2, Some("/sys/fs/cgroup/system.slice/morgana.service".into()));
        assert!(found.v1.is_empty());
    }

    #[test]
    fn a_group_that_the_mount_does_not_show_is_not_ours_to_use() {
        let mounts = "29 22 0:26 /docker/ab /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let found = OwnGroups::parse(mounts.as_bytes(), b"0::/../other\n").unwrap();
        assert_eq!(found, OwnGroups::default());
    }
}
