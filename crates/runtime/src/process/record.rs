use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Child;

use morgana_model::WorkloadName;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use super::proc;
use crate::cgroup::Group;
use crate::{Error, Launch};

/// What the next agent must know to end a workload that this one has left running.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    workload: WorkloadName,
    pid: u32,
    start_ticks: Option<u64>,
    /// Process ids and start times are only good until the machine starts anew.
    boot_id: String,
    mark: OsString,
    cgroups: Vec<PathBuf>,
}

impl Record {
    pub(super) fn of(launch: &Launch, mark: &OsStr, child: &Child, group: &Group) -> Self {
        Self {
            workload: launch.name.clone(),
            pid: child.id(),
            start_ticks: proc::start_ticks(Pid::from_child(child)),
            boot_id: boot_id(),
            mark: mark.to_owned(),
            cgroups: group.folders().to_vec(),
        }
    }

    /// Writes it to a file. Without it the workload runs all the same: the cgroup and the
    /// parent-death signal still find it, so this is not worth failing a start for.
    pub(super) fn write(&self, path: &Path) {
        let write = || -> io::Result<()> {
            let text = serde_json::to_vec(self)?;
            let options =
                fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path);
            options?.write_all(&text)
        };
        if let Err(error) = write() {
            tracing::warn!(workload = %self.workload, %error, "could not record what runs");
        }
    }

    async fn end(&self) {
        let group = Group::left_over(self.cgroups.clone());
        group.kill();
        let leader = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(leader) = leader.filter(|leader| proc::start_ticks(*leader) == self.start_ticks) {
            let _ = kill_process_group(leader, Signal::KILL);
        }
        proc::end_marked(&self.mark).await;
        group.end().await;
    }
}

/// Ends the workloads of all records in a folder, and tells their names.
pub(super) async fn end_all(folder: &Path) -> Result<Vec<WorkloadName>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file("read the folder", folder))? {
        let path = entry.map_err(Error::file("read the folder", folder))?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let Some(text) = unless_gone(fs::read(&path)).map_err(Error::file("read", &path))? else { continue };
        match serde_json::from_slice::<Record>(&text) {
            Ok(record) if record.boot_id == boot_id() => {
                record.end().await;
                tracing::info!(workload = %record.workload, pid = record.pid, "ended what an agent had left running");
                names.push(record.workload);
            }
            Ok(_) => {}
            // The agent was killed while it wrote: its cgroup is still looked at.
            Err(error) => tracing::warn!(path = %path.display(), %error, "a record of what ran is broken"),
        }
        unless_gone(fs::remove_file(&path)).map_err(Error::file("remove", &path))?;
    }
    Ok(names)
}

/// A workload that ends just now takes its record along.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}
