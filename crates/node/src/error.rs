use std::io;
use std::path::PathBuf;

use morgana_model::WorkloadName;

/// What a node agent could not do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is being shut down and takes no work.
    #[error("the node agent is being shut down")]
    ShuttingDown,
    /// It has no such workload.
    #[error("workload {0} does not run on this node")]
    Unknown(WorkloadName),
    /// A file or folder of a workload could not be used.
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
    /// The runtime could not be set up.
    #[error("could not set up the runtime")]
    Runtime(#[from] morgana_runtime::Error),
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}
