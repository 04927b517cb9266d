use std::io;
use std::path::PathBuf;

use morgana_model::{ImageName, WorkloadName};

/// What the operating system says when the program, its interpreter or its variables are wrong.
const HOPELESS: [io::ErrorKind; 3] =
    [io::ErrorKind::InvalidInput, io::ErrorKind::ArgumentListTooLong, io::ErrorKind::NotFound];

/// Why a workload could not be started, or a runtime not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No runtime for this kind of image is built yet.
    #[error("image '{0}' cannot run here yet: what runs today is builtin:<kind> and exec:<path>")]
    NotYet(ImageName),
    /// The program of an `exec:` image is not there.
    #[error("image 'exec:{}' cannot run: {reason}", path.display())]
    NotAProgram {
        /// The path that was given.
        path: PathBuf,
        /// What is wrong with it, and how to mend it.
        reason: &'static str,
    },
    /// The operating system refused to start the process.
    #[error("could not start {name} with image '{image}'")]
    Start {
        /// The workload.
        name: WorkloadName,
        /// What it was to run.
        image: ImageName,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A file or folder of the runtime itself could not be used.
    #[error("could not {doing} {}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The runtime is being shut down.
    #[error("could not start {0}: the runtime has been shut down")]
    ShutDown(WorkloadName),
}

impl Error {
    /// Whether trying the same again cannot help.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::NotYet(_) | Self::NotAProgram { .. } => true,
            Self::Start { source, .. } => HOPELESS.contains(&source.kind()),
            Self::File { .. } | Self::ShutDown(_) => false,
        }
    }

    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}
