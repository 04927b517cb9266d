use std::ffi::OsString;
use std::fs;
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{output, proc};
use crate::cgroup::Group;
use crate::{Exit, Instance, Launch, Limits, Usage};

/// How long the rest of the output may take after all processes have ended.
const LAST_OUTPUT: Duration = Duration::from_secs(1);
/// The status of a shell whose program was killed with SIGKILL (POSIX 2.8.2).
const SHELL_SAW_SIGKILL: i32 = 128 + Signal::KILL.as_raw();

/// A workload that runs as processes: the handle to the task that watches over them.
#[derive(Debug)]
pub(super) struct ProcessInstance {
    pid: Pid,
    group: Arc<Group>,
    stop: watch::Sender<Option<Instant>>,
    exit: watch::Receiver<Option<Exit>>,
}

impl ProcessInstance {
    pub(super) fn watch(
        child: Child,
        output: PipeReader,
        group: Group,
        launch: &Launch,
        mark: OsString,
        record: PathBuf,
    ) -> io::Result<Self> {
        let pid = Pid::from_child(&child);
        let group = Arc::new(group);
        let mut processes =
            Processes { child, pid, group: Arc::clone(&group), mark, limits: launch.limits, ended: false };
        let pidfd = end_of(pid)?;
        let (stop, mut stop_wanted) = watch::channel(None);
        let (exited, exit) = watch::channel(None);
        let mut copy = tokio::spawn(output::copy(output, Arc::clone(&launch.log)));
        tokio::spawn(async move {
            processes.wait(pidfd, &mut stop_wanted).await;
            let exit = processes.end().await;
            let _ = fs::remove_file(record);
            if tokio::time::timeout(LAST_OUTPUT, &mut copy).await.is_err() {
                copy.abort();
            }
            let _ = exited.send(Some(exit));
        });
        Ok(Self { pid, group, stop, exit })
    }
}

#[async_trait]
impl Instance for ProcessInstance {
    fn pid(&self) -> Option<u32> {
        u32::try_from(self.pid.as_raw_nonzero().get()).ok()
    }

    fn limits(&self) -> &str {
        &self.group.limits
    }

    async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await;
        ended.ok().and_then(|exit| *exit).unwrap_or(Exit::Unknown)
    }

    async fn terminate(&self, grace: Duration) -> Exit {
        self.stop.send_replace(Some(Instant::now() + grace));
        self.wait().await
    }

    fn usage(&self) -> Option<Usage> {
        if self.exit.borrow().is_some() {
            return None;
        }
        let mut processes = self.group.processes();
        if processes.is_empty() {
            processes.push(self.pid);
        }
        Some(proc::usage(&processes))
    }
}

/// The processes themselves. When this is dropped, they are killed.
struct Processes {
    child: Child,
    pid: Pid,
    group: Arc<Group>,
    mark: OsString,
    limits: Limits,
    ended: bool,
}

impl Processes {
    /// Waits until the first process has ended. Asks it to, and then kills it, when that is
    /// wanted, or when nobody holds the instance any more.
    async fn wait(&mut self, pidfd: AsyncFd<OwnedFd>, stop: &mut watch::Receiver<Option<Instant>>) {
        let mut kill_at: Option<Instant> = None;
        let mut held = true;
        loop {
            let kill = async {
                match kill_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = pidfd.readable() => return,
                changed = stop.changed(), if held => {
                    held = changed.is_ok();
                    if held {
                        self.signal(Signal::TERM);
                        kill_at = *stop.borrow_and_update();
                    } else if kill_at.is_none() {
                        self.kill();
                    }
                }
                () = kill => {
                    self.kill();
                    kill_at = None;
                }
            }
        }
    }

    /// After the first process has ended: ends what it has left behind, and tells how it ended.
    async fn end(&mut self) -> Exit {
        let over_memory = self.group.was_over_memory();
        // Until it is waited for, its id cannot come back as that of another process group.
        self.kill();
        let status = self.child.wait();
        self.ended = true;
        self.group.end().await;
        if !self.group.exists() {
            proc::end_marked(&self.mark).await;
        }
        status.map_or(Exit::Unknown, |status| exit(status, over_memory, &self.limits))
    }

    /// Signals the process group of the workload. Its leader has not been waited for, so the
    /// group is the workload's own.
    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.pid, signal);
    }

    fn kill(&self) {
        self.signal(Signal::KILL);
        if self.group.exists() {
            self.group.kill();
        } else {
            proc::kill_marked(&self.mark);
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        if !self.ended {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

/// A descriptor that becomes readable when the process has ended (pidfd_open(2)). It does not
/// reap the process: until we do, the id of the process and of its group stays taken.
#[allow(unsafe_code)]
fn end_of(pid: Pid) -> io::Result<AsyncFd<OwnedFd>> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    // SAFETY: an `OwnedFd` is the same open descriptor until it is dropped, and the `AsyncFd`
    // owns it from here on.
    Ok(unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?)
}

fn exit(status: ExitStatus, over_memory: bool, limits: &Limits) -> Exit {
    match (status.code(), status.signal()) {
        (Some(SHELL_SAW_SIGKILL), _) | (None, Some(9)) if over_memory => {
            Exit::OverMemory { limit_mib: limits.memory_mib }
        }
        (Some(code), _) => u8::try_from(code).map_or(Exit::Unknown, Exit::Status),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kill_can_be_a_kill_for_memory() {
        let limits = Limits { memory_mib: 7, ..Limits::default() };
        let raw = |raw, over| exit(ExitStatus::from_raw(raw), over, &limits);
        assert_eq!(raw(9, true), Exit::OverMemory { limit_mib: 7 });
        assert_eq!(raw(137 << 8, true), Exit::OverMemory { limit_mib: 7 });
        assert_eq!(raw(9, false), Exit::Signal(9));
        assert_eq!(raw(1 << 8, true), Exit::Status(1));
    }
}
