//! What a workload prints.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::Error;

/// Longest line that followers get in one piece, in bytes.
const MAX_LINE: usize = 8 * 1024;
/// How many lines a follower may be behind before it misses some.
const FOLLOW_QUEUE: usize = 256;

/// The log of a workload: all that its processes printed, over its restarts.
///
/// It is two files, `log` and the older `log.1`, each half as large as the log may get. When
/// `log` is full it takes the place of `log.1`. So a chatty workload cannot fill the disk, and at
/// least the newest half of what may be kept is there at any time. Both have the mode 0600: what
/// a tenant's silo prints is nobody else's business.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    half_bytes: u64,
    open: Mutex<Open>,
    lines: broadcast::Sender<String>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
    /// The line that has no end yet.
    unfinished: Vec<u8>,
}

impl Log {
    /// Opens the log at `path`, which goes on where it ended. `max_bytes` is for both files.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: impl Into<PathBuf>, max_bytes: u64) -> Result<Self, Error> {
        let path = path.into();
        let (file, size) = open_end(&path).map_err(Error::file("open the log", &path))?;
        let open = Mutex::new(Open { file, size, unfinished: Vec::new() });
        Ok(Self { path, half_bytes: (max_bytes / 2).max(1), open, lines: broadcast::channel(FOLLOW_QUEUE).0 })
    }

    /// Adds what a workload printed.
    ///
    /// # Errors
    /// When the disk does not take it; followers get it all the same.
    pub fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut open = self.open.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            open.unfinished.extend_from_slice(piece);
            if piece.ends_with(b"\n") || open.unfinished.len() >= MAX_LINE {
                if self.lines.receiver_count() > 0 {
                    let _ = self.lines.send(text(&open.unfinished));
                }
                open.unfinished.clear();
            }
        }
        self.write(&mut open, bytes)
    }

    fn write(&self, open: &mut Open, bytes: &[u8]) -> io::Result<()> {
        if open.size > 0 && open.size + bytes.len() as u64 > self.half_bytes {
            fs::rename(&self.path, self.older())?;
            (open.file, open.size) = open_end(&self.path)?;
        }
        open.file.write_all(bytes)?;
        open.size += bytes.len() as u64;
        Ok(())
    }

    /// The last lines, the newest at the end.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn tail(&self, lines: usize) -> io::Result<Vec<String>> {
        let open = self.open.lock();
        self.read_tail(&open, lines)
    }

    /// The last lines that are whole, and the ones that come after them: none is missing between
    /// the two, and none is in both.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn follow(&self, lines: usize) -> io::Result<(Vec<String>, broadcast::Receiver<String>)> {
        let open = self.open.lock();
        let unfinished = usize::from(!open.unfinished.is_empty());
        let mut past = self.read_tail(&open, lines + unfinished)?;
        past.truncate(past.len() - unfinished.min(past.len()));
        Ok((past, self.lines.subscribe()))
    }

    /// Reads from the end backwards, ever larger pieces until they have enough lines.
    fn read_tail(&self, open: &Open, lines: usize) -> io::Result<Vec<String>> {
        if lines == 0 {
            return Ok(Vec::new());
        }
        let older = fs::metadata(self.older()).map_or(0, |found| found.len());
        let mut wanted: u64 = 16 * 1024;
        loop {
            let mut bytes = Vec::new();
            if wanted > open.size && older > 0 {
                read_end(&self.older(), wanted - open.size, &mut bytes)?;
            }
            read_end(&self.path, wanted, &mut bytes)?;
            let whole = wanted >= open.size + older;
            if !whole && bytes.iter().filter(|byte| **byte == b'\n').count() <= lines {
                wanted *= 4;
                continue;
            }
            let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            if bytes.is_empty() {
                return Ok(Vec::new());
            }
            let mut last: Vec<String> = bytes.rsplit(|byte| *byte == b'\n').take(lines).map(text).collect();
            last.reverse();
            return Ok(last);
        }
    }

    fn older(&self) -> PathBuf {
        self.path.with_extension("1")
    }
}

fn open_end(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

fn read_end(path: &Path, length: u64, into: &mut Vec<u8>) -> io::Result<()> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(length)))?;
    file.read_to_end(into).map(drop)
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn log(max_bytes: u64) -> (tempfile::TempDir, Log) {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path().join("log"), max_bytes).unwrap();
        (dir, log)
    }

    #[test]
    fn a_chatty_workload_cannot_make_its_log_larger_than_it_may_be() {
        let (dir, log) = log(10_000);
        for n in 0..5_000 {
            log.append(format!("line {n}\n").as_bytes()).unwrap();
        }
        let size = |name: &str| std::fs::metadata(dir.path().join(name)).map_or(0, |found| found.len());
        assert!(size("log") + size("log.1") <= 10_000);
        let tail = log.tail(500).unwrap();
        assert_eq!((tail.len(), tail[0].as_str(), tail[499].as_str()), (500, "line 4500", "line 4999"));
    }

    #[test]
    fn only_its_owner_can_read_a_log() {
        let (dir, log) = log(100);
        log.append(&[b'x'; 90]).unwrap();
        log.append(&[b'y'; 90]).unwrap();
        for name in ["log", "log.1"] {
            let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_log_goes_on_after_it_was_opened_again() {
        let (dir, first) = log(1_000);
        first.append(b"one\ntwo\n").unwrap();
        drop(first);
        let second = Log::open(dir.path().join("log"), 1_000).unwrap();
        second.append(b"three\nhalf").unwrap();
        assert_eq!(second.tail(3).unwrap(), ["two", "three", "half"]);
        assert_eq!(second.tail(0).unwrap(), [""; 0]);
    }

    #[test]
    fn a_follower_gets_every_line_once() {
        let (_dir, log) = log(1_000);
        log.append(b"one\ntwo\nthr").unwrap();
        let (past, mut coming) = log.follow(10).unwrap();
        assert_eq!(past, ["one", "two"]);
        log.append(b"ee\nfour\n").unwrap();
        assert_eq!(coming.try_recv().unwrap(), "three");
        assert_eq!(coming.try_recv().unwrap(), "four");
        assert!(coming.try_recv().is_err());
    }

    #[test]
    fn an_empty_log_has_no_lines() {
        assert_eq!(log(100).1.tail(5).unwrap(), [""; 0]);
    }
}
