//! The signing key of controllers that share a System DB: it is in there, so that a token and a
//! workload's credential from one of them hold with the next.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use morgana_access::SigningKey;
use morgana_model::Secret;
use morgana_store::{Document, Kind, Store, Table};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The key as the System DB has it.
#[derive(Serialize, Deserialize)]
struct SharedKey {
    /// Its bytes in base64.
    key: Secret,
}

const NAME: &str = "signing-key";

impl Document for SharedKey {
    const KIND: Kind = Kind::Secret;

    fn key(&self) -> String {
        NAME.to_owned()
    }
}

/// The key of the System DB; none where no controller has put one there yet.
pub(crate) async fn find(store: &Arc<dyn Store>) -> Result<Option<SigningKey>, Failure> {
    let keys = Table::<SharedKey>::new(Arc::clone(store));
    match keys.get(NAME).await.map_err(failed)? {
        Some(shared) => bytes_of(&shared.value).map(|bytes| SigningKey::from_bytes(&bytes)),
        None => Ok(None),
    }
}

/// The key of the System DB, put in `file` too; where the System DB has none yet, that of `file`, which
/// is made if there is none. A file with another key is kept under another name.
pub(crate) async fn load(store: &Arc<dyn Store>, file: &Path) -> Result<SigningKey, Failure> {
    let keys = Table::<SharedKey>::new(Arc::clone(store));
    let mut shared = keys.get(NAME).await.map_err(failed)?;
    if shared.is_none() {
        own(file)?;
        let bytes = fs::read(file).map_err(|error| unusable(file, error))?;
        match keys.insert(&SharedKey { key: Secret::new(STANDARD.encode(bytes)) }).await {
            Ok(_) => return own(file),
            Err(error) if error.is_conflict() => shared = keys.get(NAME).await.map_err(failed)?,
            Err(error) => return Err(failed(error)),
        }
    }
    let Some(shared) = shared else {
        return Err(Failure::plain("the signing key in the system database went away; start again"));
    };
    let bytes = bytes_of(&shared.value)?;
    match fs::read(file) {
        Ok(found) if found == bytes => {}
        Ok(_) => {
            let kept = file.with_extension("key.replaced");
            tracing::warn!(kept = %kept.display(), "the system database has another signing key, which holds");
            fs::rename(file, &kept).map_err(|error| unusable(file, error))?;
            write(file, &bytes)?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => write(file, &bytes)?,
        Err(error) => return Err(unusable(file, error)),
    }
    own(file)
}

fn bytes_of(shared: &SharedKey) -> Result<Vec<u8>, Failure> {
    let decoded = STANDARD.decode(shared.key.expose());
    decoded.map_err(|error| Failure::new("the signing key in the system database is damaged", error))
}

fn failed(error: morgana_store::Error) -> Failure {
    Failure::new("cannot use the signing key in the system database", error)
}

fn own(file: &Path) -> Result<SigningKey, Failure> {
    SigningKey::load_or_generate(file, &mut rand::rng())
        .map_err(|error| Failure::new("cannot use the signing key", error))
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    written.and_then(|mut file| file.write_all(bytes)).map_err(|error| unusable(file, error))
}

fn unusable(file: &Path, error: std::io::Error) -> Failure {
    Failure::new(format_args!("cannot use the signing key {}", file.display()), error)
}
