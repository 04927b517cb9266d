//! Where a workload keeps what it has.

use std::fs;
use std::io;
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
    pub(crate) fn create(&self, born: Timestamp) -> Result<(), Error> {
        let mark = self.root.join("born");
        let born = born.to_string();
        if self.root.exists() && !fs::read_to_string(&mark).is_ok_and(|found| found == born) {
            tracing::warn!(folder = %self.root.display(), "deleting what another workload of this name left");
            fs::remove_dir_all(&self.root).map_err(Error::file("delete the folder", &self.root))?;
        }
        create(&self.data())?;
        fs::write(&mark, born).map_err(Error::file("write", mark.clone()))
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

/// Creates a folder that only its owner can look into, and those above it.
pub(crate) fn create(path: &Path) -> Result<(), Error> {
    let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    created.map_err(Error::file("create the folder", path))
}
