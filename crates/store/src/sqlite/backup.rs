//! A copy of a database in use.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool};

use super::failure::failure;
use super::file;
use crate::Error;

pub(super) async fn backup(readers: &SqlitePool, to: &Path) -> Result<(), Error> {
    // A connection of its own: the others are busy, and those that read may not write.
    let options = (*readers.connect_options()).clone().pragma("query_only", "OFF");
    copy(&options, to, to).await
}

/// Writes the copy under another name first, so that `copy` is whole if it is there. `named` is the file
/// that is at fault when the database cannot be read or the copy cannot be written.
pub(super) async fn copy(options: &SqliteConnectOptions, named: &Path, copy: &Path) -> Result<(), Error> {
    let refused = |source: io::Error| Error::ReadOnly { file: copy.to_owned(), source: Arc::new(source) };
    if copy.exists() {
        return Err(refused(io::ErrorKind::AlreadyExists.into()));
    }
    let partial = file::beside(copy, ".partial");
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
        _ => file::create_new(&partial).map_err(refused)?,
    }

    let copied = copy_into(options, &partial).await;
    if let Err(source) = copied {
        let _ = fs::remove_file(&partial);
        return Err(failure(named, "copying it", Arc::new(source)));
    }
    file::publish(&partial, copy).map_err(refused)
}

async fn copy_into(options: &SqliteConnectOptions, partial: &Path) -> sqlx::Result<()> {
    let mut connection = SqliteConnection::connect_with(options).await?;
    let vacuum = sqlx::query("VACUUM INTO ?1").bind(partial.to_string_lossy().into_owned());
    let copied = vacuum.execute(&mut connection).await;
    connection.close().await?;
    copied.map(drop)
}
