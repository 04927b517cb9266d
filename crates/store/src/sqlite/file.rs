//! The database file as the operating system sees it: its folder, its mode, its lock.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Error;

/// Only the platform's own user reads a file with password hashes in it.
const MODE: u32 = 0o600;

/// Keeps a second process away from the database for as long as it lives.
///
/// The lock is on a file of its own: closing any handle on the database file would drop the locks
/// that SQLite holds on it.
#[derive(Debug)]
pub(super) struct Guard {
    _lock: File,
}

/// Makes sure that the folder and the file are there, for us alone.
pub(super) fn prepare(file: &Path) -> Result<Guard, Error> {
    let refused = |source: io::Error| Error::ReadOnly { file: file.to_owned(), source: Arc::new(source) };

    let folder = folder_of(file);
    fs::create_dir_all(folder).map_err(refused)?;
    let lock = open(&beside(file, ".lock"), OpenOptions::new().create(true)).map_err(refused)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::InUse { file: file.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(refused(source)),
    }
    // SQLite gives its -wal and -shm files the mode that it finds on the database file.
    let database = open(file, OpenOptions::new().create(true)).map_err(refused)?;
    database.set_permissions(Permissions::from_mode(MODE)).map_err(refused)?;
    sync_folder(folder).map_err(refused)?;
    Ok(Guard { _lock: lock })
}

/// Creates an empty file that must not be there yet, for us alone.
pub(super) fn create_new(file: &Path) -> io::Result<()> {
    open(file, OpenOptions::new().create_new(true)).map(drop)
}

/// Puts a finished file in its place, so that it survives a power cut.
pub(super) fn publish(partial: &Path, file: &Path) -> io::Result<()> {
    File::open(partial)?.sync_all()?;
    fs::rename(partial, file)?;
    sync_folder(folder_of(file))
}

/// The path of `file` with `suffix` behind its name.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn open(file: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.read(true).write(true).mode(MODE).open(file)
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
