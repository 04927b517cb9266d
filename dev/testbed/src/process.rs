//! The processes of a platform, as `/proc` shows them (proc_pid(5)).

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The name of a platform's keeper.
const KEEPER: &str = "morgana-keeper";

/// A process that belongs to a data folder.
#[derive(Clone)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its parent's id.
    pub parent: i32,
    /// Its command line.
    pub command: String,
    /// Whether it only waits for the platform to be killed, to end what is left then.
    pub is_keeper: bool,
    environment: HashMap<OsString, OsString>,
}

impl Process {
    /// The value of a variable it was started with.
    pub fn variable(&self, name: &str) -> Option<String> {
        Some(self.environment.get(&OsString::from(name))?.to_string_lossy().into_owned())
    }

    /// Kills it with a signal that it cannot catch.
    pub fn kill(&self) {
        // It may have ended by itself in the meantime.
        kill(Pid::from_raw(self.pid), Signal::SIGKILL).ok();
    }

    /// Holds it until it is killed or [`Process::thaw`]ed: it is there, and does nothing.
    pub fn freeze(&self) {
        kill(Pid::from_raw(self.pid), Signal::SIGSTOP).ok();
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        kill(Pid::from_raw(self.pid), Signal::SIGCONT).ok();
    }

    /// The memory it holds now, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let stat = procfs::process::Process::new(self.pid).and_then(|process| process.stat());
        stat.map_or(0, |stat| stat.rss * procfs::page_size())
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the environment: it has credentials.
        write!(f, "{} {}", self.pid, self.command)
    }
}

/// The processes that have to do with a data folder: it is in their command line, in their
/// environment, or they are in it. A dead one that nobody has waited for does not count.
pub fn processes_of(data: &Path) -> Vec<Process> {
    let all = procfs::process::all_processes().expect("/proc can be listed");
    all.flatten().filter_map(|process| belonging(&process, data)).collect()
}

fn belonging(process: &procfs::process::Process, data: &Path) -> Option<Process> {
    // A process that ends while it is read is none.
    let command = process.cmdline().ok()?;
    let environment = process.environ().ok()?;
    let needle = data.as_os_str().as_bytes();
    let names_it = |text: &[u8]| text.windows(needle.len()).any(|window| window == needle);
    let belongs = command.iter().any(|word| names_it(word.as_bytes()))
        || environment.values().any(|value| names_it(value.as_bytes()))
        || process.cwd().is_ok_and(|folder| folder.starts_with(data));
    if !belongs || process.pid == std::process::id() as i32 {
        return None;
    }
    let stat = process.stat().ok()?;
    Some(Process {
        pid: process.pid,
        parent: stat.ppid,
        command: command.join(" "),
        is_keeper: stat.comm == KEEPER,
        environment,
    })
}

/// The ports of a range on which something listens on this machine.
pub fn listening_ports(range: RangeInclusive<u16>) -> BTreeSet<u16> {
    let sockets = procfs::net::tcp().expect("/proc/net/tcp can be read").into_iter();
    let sockets = sockets.chain(procfs::net::tcp6().unwrap_or_default());
    let listening = sockets.filter(|socket| socket.state == procfs::net::TcpState::Listen);
    listening.map(|socket| socket.local_address.port()).filter(|port| range.contains(port)).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_found_by_its_folder_and_its_environment() {
        let folder = tempfile::tempdir().unwrap();
        let sleep = || {
            let mut command = Command::new("sleep");
            command.arg("60");
            command
        };
        let mut inside = sleep().current_dir(folder.path()).spawn().unwrap();
        let mut marked = sleep().env("X", folder.path().join("y")).spawn().unwrap();
        // The system shows the environment of a program a moment after it was started.
        let mut found = Vec::new();
        while found.len() < 2 {
            found = processes_of(folder.path());
        }
        found.sort_by_key(|process| process.pid);
        let mut spawned = [inside.id() as i32, marked.id() as i32];
        spawned.sort_unstable();
        assert_eq!(found.iter().map(|process| process.pid).collect::<Vec<_>>(), spawned);
        found.iter().for_each(Process::kill);
        inside.wait().unwrap();
        marked.wait().unwrap();
        assert!(processes_of(folder.path()).is_empty());
    }
}
