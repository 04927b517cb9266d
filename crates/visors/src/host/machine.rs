//! Where the kernel tells of the machine.

use std::fs;
use std::path::{Path, PathBuf};

use procfs::FromRead;

/// A machine, by the files in which its kernel speaks.
pub(super) struct Machine {
    root: PathBuf,
    name: String,
}

impl Machine {
    /// The machine this runs on.
    pub(super) fn this() -> Self {
        Self::at(Path::new("/"))
    }

    /// A machine whose `/proc` and `/sys` are under `root`.
    pub(super) fn at(root: &Path) -> Self {
        let name = fs::read_to_string(root.join("proc/sys/kernel/hostname")).unwrap_or_default();
        let name = match name.trim() {
            "" => "unknown".to_owned(),
            name => name.to_owned(),
        };
        Self { root: root.to_owned(), name }
    }

    /// Its host name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A path of the machine, without its first slash.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A file of `/proc`.
    ///
    /// # Errors
    /// When it is not there, or not as the kernel writes it.
    pub(super) fn proc<T: FromRead>(&self, file: &str) -> Result<T, String> {
        let path = self.path("proc").join(file);
        T::from_file(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    }

    /// A small file of `/sys` as text; nothing where it cannot be read.
    pub(super) fn sys(path: &Path) -> Option<String> {
        Some(fs::read_to_string(path).ok()?.trim().to_owned())
    }

    /// The entries of a folder, by name; none where there is no such folder.
    pub(super) fn folder(&self, path: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    }
}
