//! The database file: who may read it, and what is said when it cannot be used.
#![allow(clippy::unwrap_used)]

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use morgana_store::{Change, Error, Expect, Kind, ListQuery, SqliteOptions, SqliteStore, Store};
use serde_json::json;
use tempfile::TempDir;

fn database(folder: &TempDir) -> PathBuf {
    folder.path().join("system.db")
}

async fn open(file: &Path) -> Result<SqliteStore, Error> {
    SqliteStore::open(file, SqliteOptions::default()).await
}

fn put(key: &str, bytes: usize) -> Vec<Change> {
    let document = json!("x".repeat(bytes));
    vec![Change::Put { kind: Kind::User, key: key.to_owned(), document, expect: Expect::Any }]
}

async fn fill(file: &Path, records: usize) {
    let store = open(file).await.unwrap();
    for number in 0..records {
        store.commit(put(&format!("user-{number:03}"), 1000)).await.unwrap();
    }
    store.close().await;
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(&folder);
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();

    let store = open(&file).await.unwrap();
    store.commit(put("ada", 10)).await.unwrap();
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 3, "database, log and lock: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_missing_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a/b/system.db");
    open(&file).await.unwrap().close().await;
    assert!(file.exists());
}

#[tokio::test]
async fn a_database_in_use_is_refused_until_it_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(&folder);
    let store = open(&file).await.unwrap();
    let error = open(&file).await.unwrap_err();
    assert!(matches!(&error, Error::InUse { file: named } if *named == file), "{error:?}");

    // Without a close, the writing task ends some time after the last clone is gone.
    drop(store);
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(error) = open(&file).await {
        assert!(matches!(error, Error::InUse { .. }) && Instant::now() < deadline, "{error:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_page_of_zeroes_is_found_when_the_file_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(&folder);
    fill(&file, 100).await;
    let pages = fs::metadata(&file).unwrap().len() / 4096;
    OpenOptions::new().write(true).open(&file).unwrap().write_all_at(&[0; 4096], pages / 2 * 4096).unwrap();

    let error = open(&file).await.unwrap_err();
    assert!(matches!(&error, Error::Damaged { file: named, .. } if *named == file), "{error:?}");
    assert!(error.to_string().contains("backup"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(&folder);
    fs::write(&file, "once upon a time ".repeat(1000)).unwrap();
    let error = open(&file).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    assert!(fs::read_to_string(&file).unwrap().starts_with("once upon"), "it is left as it was");
}

#[tokio::test]
async fn a_truncated_file_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(&folder);
    fill(&file, 100).await;
    let length = fs::metadata(&file).unwrap().len();
    OpenOptions::new().write(true).open(&file).unwrap().set_len(length / 2).unwrap();
    let error = open(&file).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
}

/// The header fields of SQLite's file format: 60 is the user version, 68 the application id.
fn overwrite_header(file: &Path, offset: u64, value: u32) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(&value.to_be_bytes(), offset).unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(&folder);
    fill(&file, 1).await;
    overwrite_header(&file, 60, 999);
    let error = open(&file).await.unwrap_err();
    assert!(matches!(error, Error::Newer { found: 999, known: 1, .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(&folder);
    fill(&file, 1).await;
    overwrite_header(&file, 68, 0x1234);
    let error = open(&file).await.unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error:?}");
}

#[tokio::test]
async fn a_full_database_says_so_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(&folder);
    let options = SqliteOptions { size_limit_mebibytes: Some(1), ..SqliteOptions::default() };
    let store = SqliteStore::open(&file, options).await.unwrap();

    let mut taken = 0;
    let error = loop {
        match store.commit(put(&format!("user-{taken:03}"), 100_000)).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, Error::Full { file: named, .. } if *named == file), "{error:?}");
    assert!(taken > 5, "{taken}");
    assert_eq!(store.list(Kind::User, ListQuery::default()).await.unwrap().len(), taken);

    let delete = Change::Delete { kind: Kind::User, key: "user-000".to_owned(), expect: Expect::Present };
    store.commit(vec![delete]).await.unwrap();
    store.commit(put("small", 10)).await.unwrap();
}

#[tokio::test]
async fn a_backup_is_a_database_of_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&database(&folder)).await.unwrap();
    store.commit(put("before", 1000)).await.unwrap();
    let copy = folder.path().join("backup.db");
    store.backup(&copy).await.unwrap();
    store.commit(put("after", 1000)).await.unwrap();

    assert_eq!(mode(&copy), 0o600);
    assert!(!folder.path().join("backup.db.partial").exists());
    let restored = open(&copy).await.unwrap();
    assert!(restored.get(Kind::User, "before").await.unwrap().is_some());
    assert!(restored.get(Kind::User, "after").await.unwrap().is_none());
    assert_eq!(restored.revision().await.unwrap() + 1, store.revision().await.unwrap());

    let again = store.backup(&copy).await.unwrap_err();
    assert!(matches!(&again, Error::ReadOnly { file, .. } if *file == copy), "{again:?}");
}

/// Runs `check` where even the administrator of the machine has no more rights than anyone else:
/// Linux keeps the identity for file access per thread, and threads started there inherit it.
fn without_privileges(check: impl FnOnce() + Send) {
    let nobody = nix::unistd::Uid::from_raw(65534);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            nix::unistd::setfsuid(nobody);
            check();
        });
    });
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(&folder);
    fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    without_privileges(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(open(&file)).unwrap_err();
        assert!(matches!(&error, Error::ReadOnly { file: named, .. } if *named == file), "{error:?}");
        assert!(error.to_string().contains("write access"), "{error}");
    });
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
}
