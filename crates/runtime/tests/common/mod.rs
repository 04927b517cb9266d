//! A process runtime in a folder of its own, whose images are shell scripts.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use morgana_model::ImageName;
use morgana_runtime::conformance::Fixture;
use morgana_runtime::{ProcessOptions, ProcessRuntime, Runtime};

pub(crate) struct Programs {
    pub(crate) runtime: ProcessRuntime,
    folder: tempfile::TempDir,
}

impl Programs {
    pub(crate) fn new(cgroups: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = runtime_in(folder.path(), cgroups);
        Self { runtime, folder }
    }
}

pub(crate) fn runtime_in(folder: &Path, cgroups: bool) -> ProcessRuntime {
    let state_dir = folder.join("runtime");
    ProcessRuntime::new(ProcessOptions { state_dir, cgroups, ..ProcessOptions::default() }).unwrap()
}

impl Fixture for Programs {
    fn runtime(&self) -> &dyn Runtime {
        &self.runtime
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn image(&self, script: &str) -> ImageName {
        image(self.folder.path(), script)
    }
}

pub(crate) fn image(folder: &Path, script: &str) -> ImageName {
    let path = folder.join("program.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    ImageName::Exec(path.to_str().unwrap().to_owned())
}
