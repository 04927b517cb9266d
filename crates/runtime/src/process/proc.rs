//! What `/proc` says about processes.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use procfs::process::{Process, Stat};
use rustix::process::{Pid, Signal, kill_process};

use super::command::MARK;
use crate::Usage;

/// How often marked processes are looked for and killed, and the time between.
const ROUNDS: usize = 500;
const ROUND: Duration = Duration::from_millis(2);

/// When a process was started, in clock ticks since the machine was: with the process id it names
/// one process for good, as ids come back.
pub(super) fn start_ticks(pid: Pid) -> Option<u64> {
    Some(stat(pid)?.starttime)
}

fn stat(pid: Pid) -> Option<Stat> {
    Process::new(pid.as_raw_nonzero().get()).ok()?.stat().ok()
}

/// What these processes use together.
pub(super) fn usage(processes: &[Pid]) -> Usage {
    let mut usage = Usage::default();
    for pid in processes {
        let Some(stat) = stat(*pid) else { continue };
        // Children that have ended count with their parent.
        let ended = u64::try_from(stat.cutime + stat.cstime).unwrap_or(0);
        let ticks = stat.utime + stat.stime + ended;
        usage.rss_bytes += stat.rss * procfs::page_size();
        usage.cpu_seconds += ticks as f64 / procfs::ticks_per_second() as f64;
        usage.processes += 1;
    }
    usage
}

/// Kills every process that has the mark of the workload in its environment, wherever it hides,
/// until there is none. For machines without cgroups, and for what an earlier agent has left.
pub(super) async fn end_marked(mark: &OsStr) {
    let mut killed = HashSet::new();
    let mut quiet = 0;
    for _ in 0..ROUNDS {
        let found = marked(mark);
        // The environment is out of sight for a moment while a process becomes another program
        // (hence the second look), and while it ends (hence the wait for those killed).
        quiet = if found.is_empty() { quiet + 1 } else { 0 };
        killed.retain(|pid| is_alive(*pid));
        if quiet >= 2 && killed.is_empty() {
            return;
        }
        for pid in found {
            let _ = kill_process(pid, Signal::KILL);
            killed.insert(pid);
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// Whether a process is there, and more than an exit status that nobody has asked for.
fn is_alive(pid: Pid) -> bool {
    stat(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// One round of the same, for where nothing may wait.
pub(super) fn kill_marked(mark: &OsStr) {
    for pid in marked(mark) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn marked(mark: &OsStr) -> Vec<Pid> {
    let line = [MARK.as_bytes(), b"=", mark.as_bytes()].concat();
    let has_mark = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == line)
    };
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    all.map(|process| process.pid).filter(has_mark).filter_map(Pid::from_raw).collect()
}
