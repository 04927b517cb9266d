//! The files of a journal folder and what their names say.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::OpenError;

/// Holds the folder for this process; letting go of it frees the folder.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl Lock {
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(dir).map_err(OpenError::io("create", dir))?;
        let path = dir.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(OpenError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(OpenError::io("lock", path)(source)),
        }
    }
}

/// The path of log segment `number`: the changes since snapshot `number`.
pub(crate) fn log(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("log-{number:016x}"))
}

/// The path of snapshot `number`: the state when log segment `number` was started.
pub(crate) fn snapshot(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("snapshot-{number:016x}"))
}

/// The path of a snapshot that is not complete yet.
pub(crate) fn unfinished(dir: &Path) -> PathBuf {
    dir.join("snapshot.tmp")
}

/// What a folder holds, each list in rising order.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) logs: Vec<u64>,
    pub(crate) snapshots: Vec<u64>,
}

impl Content {
    pub(crate) fn of(dir: &Path) -> io::Result<Self> {
        let mut content = Self::default();
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            let Some((kind, number)) = name.to_str().and_then(|name| name.split_once('-')) else { continue };
            let Ok(number) = u64::from_str_radix(number, 16) else { continue };
            match kind {
                "log" => content.logs.push(number),
                "snapshot" => content.snapshots.push(number),
                _ => {}
            }
        }
        content.logs.sort_unstable();
        content.snapshots.sort_unstable();
        Ok(content)
    }
}

/// Makes created, renamed and removed names durable.
pub(crate) fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Removes everything that snapshot `number` makes superfluous. A file that is in the way is left: the next open
/// ignores it and the next snapshot tries again.
pub(crate) fn remove_older_than(dir: &Path, number: u64) {
    let Ok(content) = Content::of(dir) else { return };
    let logs = content.logs.into_iter().filter(|log| *log < number).map(|old| log(dir, old));
    let snapshots =
        content.snapshots.into_iter().filter(|snapshot| *snapshot < number).map(|old| snapshot(dir, old));
    for path in logs.chain(snapshots) {
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot remove a superfluous journal file");
        }
    }
}
