//! `morgana backup`: a copy of all state in one file, also while the platform runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use morgana_store::SqliteStore;
use tar::{Builder, Header};

use crate::archive::{FORMAT, MANIFEST, Manifest, WORKLOADS, read_folder};
use crate::arguments::BackupArguments;
use crate::configuration::Configuration;
use crate::failure::Failure;
use crate::system_db::{self, is_embedded};
use crate::up::SIGNING_KEY;

/// Writes the backup under another name first, so that it is whole when it is there.
pub(crate) fn run(arguments: &BackupArguments) -> Result<(), Failure> {
    let configuration = Configuration::read(&arguments.platform)?;
    let file = &arguments.file;
    if file.exists() && !arguments.force {
        return Err(Failure::plain(format!(
            "{} exists already; choose another name, or overwrite it with --force",
            file.display()
        )));
    }
    let mut partial = file.clone().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let outcome = write(&configuration, &partial).and_then(|workloads| {
        publish(&partial, file).map_err(|error| cannot_write(file, error))?;
        Ok(workloads)
    });
    match outcome {
        Ok(workloads) => {
            let length = fs::metadata(file).map_or(0, |metadata| metadata.len());
            println!("{}: {workloads} workloads, {length} bytes", file.display());
            if !is_embedded(&configuration) {
                println!("the System DB is on a server and not in it: use pg_dump for that");
            }
            Ok(())
        }
        Err(failure) => {
            fs::remove_file(&partial).ok();
            Err(failure)
        }
    }
}

fn write(configuration: &Configuration, partial: &Path) -> Result<usize, Failure> {
    let data = &configuration.data;
    let embedded = is_embedded(configuration);
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: Timestamp::now(),
        system_db: embedded,
    };
    let written = |error| cannot_write(partial, error);
    let output = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(partial);
    let mut archive = Builder::new(output.map_err(written)?);
    let manifest = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| Failure::new("cannot write what the backup is", error))?;
    append(&mut archive, Path::new(MANIFEST), manifest.len() as u64, &manifest[..]).map_err(written)?;

    // First the System DB, then the workloads: each is there with what it had then or later.
    let spool = folder_of(partial);
    if embedded {
        let copy = tempfile::tempdir_in(spool).map_err(written)?;
        let copy = copy.path().join(system_db::FILE);
        copy_system_db(&data.join(system_db::FILE), &copy)?;
        append_file(&mut archive, Path::new(system_db::FILE), File::open(&copy).map_err(written)?)
            .map_err(written)?;
    }
    let key = data.join(SIGNING_KEY);
    let opened = File::open(&key).map_err(|error| cannot_read(&key, error))?;
    append_file(&mut archive, Path::new(SIGNING_KEY), opened).map_err(written)?;

    let mut workloads = 0;
    let root = configuration.node.workloads_dir.as_ref().unwrap_or(data).join(WORKLOADS);
    for kind in ["thingvisor", "vsilo"] {
        for folder in folders_in(&root.join(kind)).map_err(|error| cannot_read(&root, error))? {
            let name = Path::new(WORKLOADS).join(kind).join(folder.file_name().unwrap_or_default());
            let files = read_folder(&folder, spool).map_err(|error| cannot_read(&folder, error))?;
            for (path, content) in files {
                append_file(&mut archive, &name.join(path), content).map_err(written)?;
            }
            workloads += 1;
        }
    }
    archive.into_inner().and_then(|file| file.sync_all()).map_err(written)?;
    Ok(workloads)
}

fn copy_system_db(file: &Path, copy: &Path) -> Result<(), Failure> {
    if !file.exists() {
        return Err(Failure::plain(format!(
            "{} is not there; name the data folder of the platform with --data",
            file.display()
        )));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new("cannot start", error))?;
    runtime
        .block_on(SqliteStore::copy(file, copy))
        .map_err(|error| Failure::new("cannot copy the system database", error))
}

fn folders_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

fn append_file(archive: &mut Builder<File>, name: &Path, mut content: File) -> io::Result<()> {
    content.rewind()?;
    let length = content.metadata()?.len();
    append(archive, name, length, content)
}

fn append(archive: &mut Builder<File>, name: &Path, length: u64, content: impl io::Read) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(length);
    header.set_mode(0o600);
    archive.append_data(&mut header, name, content)
}

fn publish(partial: &Path, file: &Path) -> io::Result<()> {
    fs::rename(partial, file)?;
    File::open(folder_of(file))?.sync_all()
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn cannot_write(file: &Path, error: io::Error) -> Failure {
    Failure::new(format_args!("cannot write {}", file.display()), error)
}

fn cannot_read(what: &Path, error: io::Error) -> Failure {
    Failure::new(format_args!("cannot read {}", what.display()), error)
}
