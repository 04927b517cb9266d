use std::ffi::{CStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::process::setsid;

use crate::{ProcessOptions, ProcessRuntime, Runtime};

/// The keeper's name, as `ps -o comm` shows it; its command line is that of the agent.
const NAME: &CStr = c"morgana-keeper";
/// The file that only one keeper of a folder holds locked at a time.
const LOCK: &str = "keeper.lock";
/// How often the lock is asked for.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// What the agent says when it ends as it should: there is nothing to do.
const DISMISSED: u8 = b'.';
/// What the keeper says when it watches.
const READY: u8 = b'!';
/// What ends the folder that the agent names.
const END: u8 = 0;

/// A process that ends what an agent leaves running when it is killed.
///
/// The kernel kills the first process of each workload with its agent; what those have started lives on. The keeper is
/// a copy of the agent's process from before it did anything, which waits in one `read` for the agent's end of a line
/// to close, whatever closes it. Then it does what the next agent would have done at its start, and ends itself. It
/// shares its memory with the agent, but for what either writes to.
#[derive(Debug)]
pub struct Keeper {
    line: UnixStream,
}

impl Keeper {
    /// Makes the keeper of this process. `before_work` is run in it, when the agent was killed and before it sets to
    /// work: it may start a log.
    ///
    /// # Errors
    /// When this process has more than one thread already (then a copy of it is not whole), or cannot be copied.
    #[allow(unsafe_code)]
    pub fn make(before_work: impl FnOnce()) -> io::Result<Self> {
        if fs::read_dir("/proc/self/task")?.count() != 1 {
            return Err(io::Error::other("this process has more than one thread"));
        }
        let (agents, keepers) = UnixStream::pair()?;
        // SAFETY: this process has one thread, as was just seen, and no other can have come since: so nothing in the
        // copy is held by a thread that is not there. The copy never returns from here.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop(agents);
                // Nothing may bring the copy back into what its agent was about to do.
                let _ = catch_unwind(AssertUnwindSafe(|| keep(keepers, before_work)));
                // SAFETY: it ends this process, and runs nothing that the agent wanted run at its own end.
                unsafe { libc::_exit(0) }
            }
            _ => Ok(Self { line: agents }),
        }
    }

    /// Has the keeper watch over what runs by the records in a folder. Returns when no keeper of an agent before is at
    /// work there any more. Blocks.
    ///
    /// # Errors
    /// When that takes longer than `patience`, or the keeper is gone.
    pub fn watch_over(&self, state_dir: &Path, patience: Duration) -> io::Result<()> {
        let folder = std::path::absolute(state_dir)?;
        let said = [folder.as_os_str().as_bytes(), &[END]].concat();
        (&self.line).write_all(&said)?;
        self.line.set_read_timeout(Some(patience))?;
        (&self.line).read_exact(&mut [0]).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "the process 'morgana-keeper' with the id in {} still ends what an earlier run has left",
                    folder.join(LOCK).display()
                ),
            ),
            _ => error,
        })
    }

    /// Sends the keeper away: nothing is left running. Blocks until it is gone, or for `patience`.
    pub fn dismiss(self, patience: Duration) {
        let mut line = self.line;
        if line.write_all(&[DISMISSED]).is_ok() && line.set_read_timeout(Some(patience)).is_ok() {
            // The end of the line is the end of the keeper.
            let _ = line.read(&mut [0]);
        }
    }
}

/// The whole life of a keeper.
fn keep(mut line: UnixStream, before_work: impl FnOnce()) -> io::Result<()> {
    // What is typed at the agent's terminal, or said to its process group, is not for the keeper.
    setsid()?;
    std::env::set_current_dir("/")?;
    rustix::thread::set_name(NAME)?;
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    drop(nothing);
    let Some(folder) = folder(&mut line)? else { return Ok(()) };
    let Some(_lock) = lock(&folder, &mut line)? else { return Ok(()) };
    line.write_all(&[READY])?;
    if line.read(&mut [0]).is_ok_and(|count| count > 0) {
        return Ok(());
    }
    before_work();
    end(folder)
}

/// What the agent names; nothing when it ends before.
fn folder(line: &mut UnixStream) -> io::Result<Option<PathBuf>> {
    let mut named = Vec::new();
    // The agent says nothing more before it is answered, so nothing of it is left in the reader.
    BufReader::new(line).read_until(END, &mut named)?;
    let whole = named.pop() == Some(END);
    Ok(whole.then(|| PathBuf::from(OsString::from_vec(named))))
}

/// The lock of a folder, once no other keeper has it; nothing when the agent ends before.
fn lock(folder: &Path, line: &mut UnixStream) -> io::Result<Option<File>> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(LOCK))?;
    line.set_read_timeout(Some(ASK_EVERY))?;
    loop {
        let asked = Instant::now();
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        match line.read(&mut [0]) {
            // It ended, in one way or the other, and has started nothing.
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => std::thread::sleep(ASK_EVERY.saturating_sub(asked.elapsed())),
        }
    }
    line.set_read_timeout(None)?;
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(Some(file))
}

/// Ends what the agent has left running, as the next agent would.
fn end(state_dir: PathBuf) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let options = ProcessOptions { state_dir, ..ProcessOptions::default() };
        let processes = ProcessRuntime::new(options).map_err(io::Error::other)?;
        processes.end_leftovers().await.map_err(io::Error::other)?;
        processes.tidy();
        Ok(())
    })
}
