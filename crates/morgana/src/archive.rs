//! What a backup is: a tar file with what it says of itself, the System DB, the signing key and the
//! folders of the workloads.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the backup says of itself, first in the file.
pub(crate) const MANIFEST: &str = "morgana-backup.json";
/// The folders of the workloads, in the backup and in the data folder.
pub(crate) const WORKLOADS: &str = "workloads";
/// The form of backups that this program writes and reads.
pub(crate) const FORMAT: u32 = 1;

/// A file is read in pieces of so many bytes.
const PIECE: u64 = 64 * 1024;
/// How often a folder is read again because files came and went meanwhile.
const ATTEMPTS: usize = 100;

/// What a backup says of itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    /// Its form.
    pub(crate) format: u32,
    /// The program that wrote it.
    pub(crate) version: String,
    /// When it was begun.
    pub(crate) created_at: Timestamp,
    /// Whether the System DB is in it.
    pub(crate) system_db: bool,
}

/// Files as they were read, by their path below the folder.
pub(crate) type Files = BTreeMap<PathBuf, File>;

/// Reads a folder of a workload that may be writing to it, as a `kill -9` of the workload would have
/// left it: of a file that grows, the copy is a beginning; files that came or went meanwhile make it
/// begin again.
pub(crate) fn read_folder(folder: &Path, spool: &Path) -> io::Result<Files> {
    for _ in 0..ATTEMPTS {
        let before = list(folder)?;
        let mut files = Files::new();
        let mut whole = true;
        for path in before.keys() {
            match read_growing(&folder.join(path), spool) {
                Ok(copy) => drop(files.insert(path.clone(), copy)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => whole = false,
                Err(error) => return Err(error),
            }
        }
        if whole && list(folder)? == before {
            return Ok(files);
        }
    }
    Err(io::Error::other("its files come and go too fast"))
}

/// The files below a folder with their inodes; sockets and links are passed over.
fn list(folder: &Path) -> io::Result<BTreeMap<PathBuf, u64>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let entries = match fs::read_dir(folder.join(&below)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = below.join(entry.file_name());
            match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
                Ok(metadata) if metadata.is_dir() => folders.push(path),
                Ok(metadata) if metadata.is_file() => drop(found.insert(path, metadata.ino())),
                Ok(_) => {}
            }
        }
    }
    Ok(found)
}

/// Copies a file to which something may be appended meanwhile, from its end to its beginning: so
/// nothing in the copy is newer than what stands before it, and the copy is a beginning of the file with
/// perhaps the last record cut off. A piece counts when it reads the same twice.
fn read_growing(file: &Path, spool: &Path) -> io::Result<File> {
    let file = File::open(file)?;
    let copy = tempfile::tempfile_in(spool)?;
    let length = file.metadata()?.len();
    copy.set_len(length)?;
    let mut end = length;
    while end > 0 {
        let start = (end - 1) / PIECE * PIECE;
        let mut piece = read_piece(&file, start, end)?;
        loop {
            let again = read_piece(&file, start, end)?;
            if again == piece {
                break;
            }
            piece = again;
        }
        copy.write_all_at(&piece, start)?;
        end = start;
    }
    Ok(copy)
}

/// What is between two places; nothing stands for what was cut off meanwhile.
fn read_piece(file: &File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; usize::try_from(end - start).unwrap_or(usize::MAX)];
    let mut filled = 0;
    while filled < piece.len() {
        match file.read_at(&mut piece[filled..], start + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn text(mut file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_folder_is_read_with_all_that_is_below_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("data/deep")).unwrap();
        fs::write(folder.path().join("data/deep/a"), vec![7; 200_000]).unwrap();
        fs::write(folder.path().join("empty"), "").unwrap();
        let files = read_folder(folder.path(), folder.path().parent().unwrap()).unwrap();
        let read: Vec<_> = files.iter().map(|(path, file)| (path.to_str().unwrap(), text(file))).collect();
        assert_eq!(read, [("data/deep/a", vec![7; 200_000]), ("empty", Vec::new())]);
    }

    #[test]
    fn the_copy_of_a_file_that_grows_is_a_beginning_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        // Grown ahead, as journals do, so that its length says nothing.
        let length = 4_000_000_usize;
        File::create(&path).unwrap().set_len(length as u64).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut file = File::options().write(true).open(&path).unwrap();
                for record in 0..u32::try_from(length / 8).unwrap() {
                    file.write_all(&(u64::from(record) + 1).to_be_bytes()).unwrap();
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                let copy = text(&read_growing(&path, folder.path()).unwrap());
                let records: Vec<u64> =
                    copy.chunks(8).map(|bytes| u64::from_be_bytes(bytes.try_into().unwrap())).collect();
                let written = records.iter().take_while(|record| **record != 0).count();
                assert!(records[..written].iter().zip(1..).all(|(record, expected)| *record == expected));
                assert!(records[written..].iter().all(|record| *record == 0), "nothing stands behind a hole");
            }
        });
    }
}
