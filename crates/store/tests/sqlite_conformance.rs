//! The embedded database passes the suite of the System DB.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use morgana_store::conformance::Fixture;
use morgana_store::{SqliteOptions, SqliteStore, Store};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait::async_trait]
impl Fixture for Folder {
    async fn open(&self, watch_queue: usize) -> Arc<dyn Store> {
        let options = SqliteOptions { watch_queue, ..SqliteOptions::default() };
        Arc::new(SqliteStore::open(self.0.path().join("system.db"), options).await.unwrap())
    }
}

morgana_store::conformance_suite!(Folder::new());
