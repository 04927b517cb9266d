use std::path::PathBuf;

use morgana_engine::NotifierOptions;
use morgana_journal::{Durability, TableError};
use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

use crate::{ContextOptions, sources::SourceOptions};

/// How a broker keeps its state and talks to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The folder of the broker's state; one broker at a time.
    pub dir: PathBuf,
    /// When a change is acknowledged.
    pub durability: Durability,
    /// Milliseconds between two writes to the disk with `interval`.
    pub sync_interval_ms: u64,
    /// A snapshot is taken once the log is larger than this and than the last snapshot, in bytes.
    pub snapshot_after_bytes: u64,
    /// Where contexts may be fetched from.
    pub contexts: ContextOptions,
    /// How many instances of each attribute's past are kept (NGSI-LD 4.5.6); 0 keeps no past, which saves memory.
    pub history_instances: usize,
    /// For how long the past is kept after it was written, in seconds; 0 for ever.
    pub history_max_age_s: u64,
    /// How notifications are queued and retried.
    pub notifications: NotifierOptions,
    /// Whether notifications go to public addresses only, so that who may subscribe cannot reach into the network of
    /// the broker.
    pub public_endpoints_only: bool,
    /// A file of certificates, in the form PEM, that vouch for `mqtts` servers instead of those of the system.
    pub notification_ca: Option<PathBuf>,
    /// How context sources are asked (NGSI-LD 4.3.6).
    pub sources: SourceOptions,
    /// This broker as its context sources reach it, such as `https://broker.example`, for what they notify (NGSI-LD
    /// 5.8.1.4); as its subscribers reach it when this is not given.
    pub public_url: Option<String>,
    /// How many tenants there may be beside the default one (NGSI-LD 4.14); 0 for a broker of one tenant.
    pub tenants_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        let journal = morgana_journal::Options::default();
        Self {
            dir: PathBuf::from("ngsi-ld"),
            durability: journal.durability,
            sync_interval_ms: journal.sync_interval_ms,
            snapshot_after_bytes: journal.snapshot_after_bytes,
            contexts: ContextOptions::default(),
            history_instances: 0,
            history_max_age_s: 0,
            notifications: NotifierOptions::default(),
            public_endpoints_only: false,
            notification_ca: None,
            sources: SourceOptions::default(),
            public_url: None,
            tenants_max: 1000,
        }
    }
}

/// Why a broker could not be opened.
#[derive(Debug, ThisError)]
pub enum OpenError {
    /// Its state could not be read.
    #[error("cannot open the state of the NGSI-LD broker")]
    Journal(#[from] morgana_journal::OpenError),
    /// There is no tokio runtime for its tasks.
    #[error("an NGSI-LD broker must be opened inside a tokio runtime")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
    /// A folder or file beside the journal cannot be used.
    #[error("cannot use {}", .0.display())]
    Folder(PathBuf, #[source] std::io::Error),
    /// The past is older than the present, and what is missing cannot be added.
    #[error("cannot bring the past of entities up to the present")]
    CatchUp(#[source] crate::Error),
    /// A file of the past cannot be read.
    #[error("cannot open the past of entities")]
    Past(#[from] TableError),
    /// A file of the past is gone.
    #[error("{} is missing, a file of the past; restore it from a copy, or remove its folder to begin a new past", file.display())]
    RunMissing {
        /// The file, or the first of those, that should be there.
        file: PathBuf,
    },
}
