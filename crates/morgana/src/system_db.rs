//! Which System DB is in force: the file in the data folder, or a PostgreSQL server that several
//! controllers share.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use morgana_store::{PostgresStore, SqliteStore, Store};

use crate::configuration::Configuration;
use crate::failure::Failure;

/// The embedded System DB in the data folder.
pub(crate) const FILE: &str = "system.db";
/// The value of `store` that means it.
pub(crate) const EMBEDDED: &str = "sqlite";

/// The System DB, open.
pub(crate) enum SystemDb {
    /// One file, one controller.
    Embedded(SqliteStore),
    /// A server; of the controllers on it one leads. The folder is this one's alone.
    Shared {
        /// The server.
        store: PostgresStore,
        /// Held, never read.
        _lock: File,
    },
}

impl SystemDb {
    /// Opens what the configuration names.
    pub(crate) async fn open(configuration: &Configuration) -> Result<Self, Failure> {
        let failed = |error| Failure::new("cannot open the system database", error);
        if is_embedded(configuration) {
            let file = configuration.data.join(FILE);
            let store = SqliteStore::open(file, configuration.sqlite.clone()).await.map_err(failed)?;
            return Ok(Self::Embedded(store));
        }
        let url = configuration.store.expose();
        let store = PostgresStore::open(url, configuration.postgres.clone()).await.map_err(failed)?;
        tracing::info!(database = store.database(), "the system database is on a server");
        Ok(Self::Shared { store, _lock: lock(&configuration.data)? })
    }

    /// The store, whichever it is.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store) => Arc::new(store.clone()),
            Self::Shared { store, .. } => Arc::new(store.clone()),
        }
    }

    /// Comes when this controller must end at once, because another may lead; never where none can.
    pub(crate) async fn lost_lead(&self) {
        match self {
            Self::Embedded(_) => std::future::pending().await,
            Self::Shared { store, .. } => store.lost_lead().await,
        }
    }
}

/// Keeps a second process away from a data folder for as long as it is held; the embedded System DB
/// holds the same lock.
pub(crate) fn lock(data: &Path) -> Result<File, Failure> {
    let file = data.join(FILE).with_extension("db.lock");
    let failed = |error| Failure::new(format_args!("cannot use {}", file.display()), error);
    let lock = File::options().create(true).truncate(false).write(true).open(&file).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Failure::plain(format!(
            "the data folder {} is in use by another process; stop it first",
            data.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Whether the System DB is a file in the data folder.
pub(crate) fn is_embedded(configuration: &Configuration) -> bool {
    configuration.store.expose() == EMBEDDED
}
