//! Where a workload keeps what it has.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use morgana_model::{WorkloadKind, WorkloadName};

use crate::Error;

/// The folders of one workload: `<data_dir>/workloads/<thingvisor|vsilo>/<id>/{data/,log,log.1}`.
/// Ids are safe as path segments by their types.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    root: PathBuf,
}

impl Folders {
    pub(crate) fn of(data_dir: &Path, name: &WorkloadName) -> Self {
        let kind = match name.kind() {
            WorkloadKind::ThingVisor => "thingvisor",
            WorkloadKind::VSilo => "vsilo",
        };
        Self { root: data_dir.join("workloads").join(kind).join(name.id()) }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Makes the folder for a workload of this birth. What another one of the same name left, because
    /// it could not be deleted or the machine went down first, is deleted now: a silo of a name that
    /// is used again inherits nothing.
    ///
    /// The mark decides over everything that the workload has, so it is there whole and durable before there is
    /// anything, and is never written again: no kill and no power cut takes it from data that it speaks for.
    pub(crate) fn create(&self, born: Timestamp) -> Result<(), Error> {
        let mark = self.root.join("born");
        let born = born.to_string();
        if !fs::read_to_string(&mark).is_ok_and(|found| found == born) {
            if self.root.exists() {
                tracing::warn!(folder = %self.root.display(), "deleting what another workload of this name left");
                fs::remove_dir_all(&self.root).map_err(Error::file("delete the folder", &self.root))?;
            }
            create(&self.root)?;
            write_whole(&mark, &born).map_err(Error::file("write", mark.clone()))?;
        }
        create(&self.data())
    }

    /// Deletes all of it. A workload may have many files, so this runs where it may block.
    pub(crate) async fn delete(&self) -> Result<(), Error> {
        let root = self.root.clone();
        let deleted = tokio::task::spawn_blocking(move || fs::remove_dir_all(root)).await;
        match deleted.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::file("delete the folder", &self.root)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Writes a file that is whole and durable, or not there.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    // The name of the file, and that of its folder, which may be new as well.
    for folder in path.ancestors().skip(1).take(2) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Creates a folder that only its owner can look into, and those above it.
pub(crate) fn create(path: &Path) -> Result<(), Error> {
    let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    created.map_err(Error::file("create the folder", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn folders(dir: &Path) -> Folders {
        Folders::of(dir, &WorkloadName::VSilo("alice_context".parse().unwrap()))
    }

    #[test]
    fn a_workload_that_starts_again_finds_what_it_had_and_its_mark_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let folders = folders(dir.path());
        let born = Timestamp::now();
        folders.create(born).unwrap();
        fs::write(folders.data().join("kept"), "so").unwrap();
        // A mark that is written again is empty for a moment, and who is killed then loses all.
        let mark = folders.root.join("born");
        let written = fs::metadata(&mark).unwrap();
        folders.create(born).unwrap();
        let now = fs::metadata(&mark).unwrap();
        assert_eq!((written.ino(), written.ctime_nsec()), (now.ino(), now.ctime_nsec()));
        assert_eq!(fs::read_to_string(folders.data().join("kept")).unwrap(), "so");
    }

    #[test]
    fn another_workload_of_the_name_inherits_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folders = folders(dir.path());
        folders.create(Timestamp::UNIX_EPOCH).unwrap();
        fs::write(folders.data().join("secret"), "of the one before").unwrap();
        folders.create(Timestamp::now()).unwrap();
        assert_eq!(fs::read_dir(folders.data()).unwrap().count(), 0);
    }

    #[test]
    fn one_that_was_killed_before_its_mark_was_whole_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let folders = folders(dir.path());
        create(&folders.root).unwrap();
        fs::write(folders.root.join("born.unfinished"), "2026").unwrap();
        folders.create(Timestamp::UNIX_EPOCH).unwrap();
        folders.create(Timestamp::UNIX_EPOCH).unwrap();
        assert!(folders.data().is_dir());
        assert!(!folders.root.join("born.unfinished").exists());
    }
}
