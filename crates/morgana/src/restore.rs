//! `morgana restore`: the state of a backup in the place of what a data folder has.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use morgana_store::{SqliteOptions, SqliteStore, Store};

use crate::archive::{FORMAT, MANIFEST, Manifest, WORKLOADS};
use crate::arguments::BackupArguments;
use crate::configuration::Configuration;
use crate::failure::Failure;
use crate::system_db;
use crate::up::SIGNING_KEY;

/// Where a backup is unpacked before it takes the place of anything.
const UNPACKED: &str = "restoring";
/// What belongs to the state of a platform, in its data folder.
const STATE: [&str; 5] = ["system.db", "system.db-wal", "system.db-shm", SIGNING_KEY, WORKLOADS];

/// Unpacks and checks the whole backup first; only then is anything moved, and nothing is deleted.
pub(crate) fn run(arguments: &BackupArguments) -> Result<(), Failure> {
    let configuration = Configuration::read(&arguments.platform)?;
    if configuration.node.workloads_dir.is_some() {
        return Err(Failure::plain(
            "with 'node.workloads_dir' set, restore without it, and move the folder 'workloads' to its place",
        ));
    }
    let (file, data) = (&arguments.file, &configuration.data);
    let opened = File::open(file).map_err(|error| unreadable(file, error))?;
    let failed = |error| Failure::new(format_args!("cannot restore to {}", data.display()), error);
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(failed)?;
    let _lock = system_db::lock(data)?;
    let there: Vec<&str> = STATE.into_iter().filter(|name| data.join(name).exists()).collect();
    if !there.is_empty() && !arguments.force {
        return Err(Failure::plain(format!(
            "{} holds a platform already ({}); restore to another folder, or move that away with --force",
            data.display(),
            there.join(", ")
        )));
    }

    let unpacked = data.join(UNPACKED);
    clear(&unpacked).map_err(failed)?;
    let checked = unpack(opened, file, &unpacked).and_then(|manifest| check(&unpacked, &manifest));
    if let Err(failure) = checked {
        clear(&unpacked).ok();
        return Err(failure);
    }

    if !there.is_empty() {
        let kept = data.join(format!("before-restore-{}", Timestamp::now().strftime("%Y%m%dT%H%M%S%.6fZ")));
        DirBuilder::new().mode(0o700).create(&kept).map_err(failed)?;
        for name in there {
            fs::rename(data.join(name), kept.join(name)).map_err(failed)?;
        }
        println!("what was there is in {}", kept.display());
    }
    for name in STATE {
        let from = unpacked.join(name);
        if from.exists() {
            fs::rename(from, data.join(name)).map_err(failed)?;
        }
    }
    clear(&unpacked).map_err(failed)?;
    File::open(data).and_then(|folder| folder.sync_all()).map_err(failed)?;
    println!("{} is restored; start it with `morgana up --data {0}`", data.display());
    Ok(())
}

fn unpack(opened: File, file: &Path, into: &Path) -> Result<Manifest, Failure> {
    let broken = |error| Failure::new(format_args!("{} is not a whole backup", file.display()), error);
    DirBuilder::new().mode(0o700).create(into).map_err(|error| unreadable(into, error))?;
    let mut archive = tar::Archive::new(opened);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        // Never outside of the folder, whatever the file says.
        if !entry.header().entry_type().is_file() || !entry.unpack_in(into).map_err(broken)? {
            return Err(Failure::plain(format!(
                "{} is not a backup: it holds {}",
                file.display(),
                path.display()
            )));
        }
        protect(into, &path).map_err(broken)?;
    }
    let manifest = fs::read(into.join(MANIFEST)).map_err(broken)?;
    let manifest: Manifest = serde_json::from_slice(&manifest)
        .map_err(|error| Failure::new(format_args!("{} is not a backup", file.display()), error))?;
    if manifest.format > FORMAT {
        return Err(Failure::plain(format!(
            "{} was written by morgana {}; restore it with a version as new as that",
            file.display(),
            manifest.version
        )));
    }
    Ok(manifest)
}

/// The folders on the way to a file are ours alone.
fn protect(into: &Path, path: &Path) -> io::Result<()> {
    let mut below: PathBuf = into.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        below.push(part);
        fs::set_permissions(&below, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn check(unpacked: &Path, manifest: &Manifest) -> Result<(), Failure> {
    if !unpacked.join(SIGNING_KEY).exists() {
        return Err(Failure::plain("the backup is not whole: the signing key is missing"));
    }
    if !manifest.system_db {
        println!("the System DB is on a server and not in this backup");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new("cannot start", error))?;
    let file = unpacked.join(system_db::FILE);
    if !file.exists() {
        return Err(Failure::plain("the backup is not whole: the system database is missing"));
    }
    runtime.block_on(async {
        let opened = SqliteStore::open(&file, SqliteOptions::default()).await;
        let store =
            opened.map_err(|error| Failure::new("the system database of the backup is of no use", error))?;
        store.close().await;
        Ok(())
    })
}

fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn unreadable(file: &Path, error: io::Error) -> Failure {
    Failure::new(format_args!("cannot read {}", file.display()), error)
}
