use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::plan;
use super::plan::Version;

/// How often to look whether killed processes are gone.
const LOOK: Duration = Duration::from_millis(2);
/// How often to look before giving up: a process in an uninterruptible wait cannot be killed.
const LOOKS: usize = 1_000;

/// The cgroup of one workload: one folder in each hierarchy.
#[derive(Debug, Default)]
pub(crate) struct Group {
    folders: Vec<PathBuf>,
    memory: Option<(Version, PathBuf)>,
    /// The kills for memory that an earlier use of the same folder has counted.
    oom_kills_before: u64,
    /// For people: the limits that hold.
    pub(crate) limits: String,
}

impl Group {
    pub(crate) fn new(folders: Vec<PathBuf>, memory: Option<(Version, PathBuf)>, limits: String) -> Self {
        let mut group = Self { folders, memory, oom_kills_before: 0, limits };
        group.oom_kills_before = group.oom_kills();
        group
    }

    /// A group that an earlier agent made.
    pub(crate) fn left_over(folders: Vec<PathBuf>) -> Self {
        Self { folders, ..Self::default() }
    }

    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Whether there is a cgroup at all that knows the processes of the workload.
    pub(crate) fn exists(&self) -> bool {
        !self.folders.is_empty()
    }

    /// The files into which a process writes `0` to join.
    pub(crate) fn doors(&self) -> io::Result<Vec<File>> {
        let open = |folder: &PathBuf| OpenOptions::new().write(true).open(folder.join("cgroup.procs"));
        self.folders.iter().map(open).collect()
    }

    /// The processes in it.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let mut found: Vec<i32> = self.folders.iter().flat_map(|folder| processes_of(folder)).collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().filter_map(Pid::from_raw).collect()
    }

    /// Whether the kernel killed one of its processes for memory.
    pub(crate) fn was_over_memory(&self) -> bool {
        self.oom_kills() > self.oom_kills_before
    }

    fn oom_kills(&self) -> u64 {
        let Some((version, folder)) = &self.memory else { return 0 };
        fs::read_to_string(folder.join(plan::oom_file(*version))).map_or(0, |text| plan::oom_kills(&text))
    }

    /// Kills every process in it once. No process can be born meanwhile: `cgroup.kill` of
    /// version 2 sees to that (Linux 5.14), or a limit of no processes.
    pub(crate) fn kill(&self) {
        for folder in &self.folders {
            let _ = fs::write(folder.join("cgroup.kill"), "1");
            let _ = fs::write(folder.join("pids.max"), "0");
        }
        for pid in self.processes() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Kills every process in it, waits until they are gone and removes it.
    pub(crate) async fn end(&self) {
        for _ in 0..LOOKS {
            if !self.processes().is_empty() {
                self.kill();
            } else if self.folders.iter().all(|folder| is_removed(folder)) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
        tracing::warn!(folders = ?self.folders, "could not remove a cgroup");
    }
}

fn processes_of(folder: &Path) -> Vec<i32> {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Removes the folder; it stays as long as a process in it has not been waited for.
fn is_removed(folder: &Path) -> bool {
    match fs::remove_dir(folder) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
