use std::{io, path::PathBuf, sync::Arc};

use thiserror::Error;

/// Why a journal could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or another part of this one, has the folder open.
    #[error("the journal in {} is in use by another process; stop it or choose another data folder", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// The disk refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A file is damaged where it was once known to be whole. Nothing is cut; restore the file or remove it knowingly.
    #[error("{} is corrupt at offset {offset}: {what}", file.display())]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Bytes from its start to the damage.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A log segment between the snapshot and the newest segment is gone.
    #[error("log segment {} is missing", file.display())]
    MissingSegment {
        /// The file that should be there.
        file: PathBuf,
    },
    /// The owner could not take a record that the journal read intact.
    #[error("{} holds a record at offset {offset} that its owner cannot read", file.display())]
    Record {
        /// The file that holds the record.
        file: PathBuf,
        /// Bytes from its start to the group of records that holds it.
        offset: u64,
        /// The owner's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// Why a record was not, or may not have been, made durable.
#[derive(Debug, Clone, Error)]
pub enum AppendError {
    /// The disk refused a write, so the journal takes nothing more until it is opened again. Everything acknowledged
    /// before is safe.
    #[error("cannot write {}; the journal is read-only until it is opened again", file.display())]
    ReadOnly {
        /// The file that could not be written.
        file: PathBuf,
        /// What the operating system said, for example "no space left on device".
        #[source]
        source: Arc<io::Error>,
    },
    /// The record is larger than the options allow.
    #[error("a record of {size} bytes is larger than the {max} bytes a journal record may have")]
    TooLarge {
        /// The record, in bytes.
        size: usize,
        /// `record_max_bytes` of the options.
        max: usize,
    },
    /// The journal is being closed.
    #[error("the journal is closed")]
    Closed,
}

/// Why a snapshot was not taken. The log keeps everything, so nothing is lost.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// Another snapshot is being written.
    #[error("a snapshot is already being written")]
    Busy,
    /// The log could not be brought to the point where the snapshot begins.
    #[error("cannot start a new log segment for a snapshot")]
    Log(#[from] AppendError),
    /// The disk refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl SnapshotError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// Why a table could not be written or read.
#[derive(Debug, Error)]
pub enum TableError {
    /// The disk refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A file is damaged. Restore it from a copy, or remove it knowingly.
    #[error("{} is corrupt at offset {offset}: {what}", file.display())]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Bytes from its start to the damaged block.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A key came that is smaller than the one before it.
    #[error("records for {} do not come in the order of their keys", file.display())]
    Order {
        /// The table that was being written.
        file: PathBuf,
    },
}

impl TableError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
