//! Tenants (NGSI-LD 4.14, 5.5.10): each is a broker of its own, in a folder and with a journal of its own, so that
//! nothing of one can be seen or changed from another. The default tenant is the broker that holds the others.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use morgana_engine::Transport;
use parking_lot::RwLock;
use uuid::Uuid;

use super::{Broker, OpenError, Options};
use crate::{Error, ErrorKind};

/// The longest name of a tenant, in bytes: its folder is named after it.
const NAME_MAX: usize = 64;

/// The tenants of a broker, by name, and what is needed to open more.
#[derive(Debug)]
pub(super) struct Tenants {
    open: RwLock<HashMap<Box<str>, Broker>>,
    /// Held while one is opened, so that no folder is opened twice.
    opening: tokio::sync::Mutex<()>,
    options: Options,
    transport: Arc<dyn Transport>,
    alias: Box<str>,
    /// The name of the tenant whose broker this is; `None` for the default one.
    name: Option<Box<str>>,
}

/// What a broker that is not the default one is called.
pub(super) struct Who {
    /// In `Via` headers.
    pub(super) alias: String,
    /// The tenant it is; `None` for a snapshot.
    pub(super) tenant: Option<Box<str>>,
}

impl Tenants {
    pub(super) fn new(
        options: Options,
        transport: Arc<dyn Transport>,
        alias: &str,
        name: Option<Box<str>>,
    ) -> Self {
        Self {
            open: RwLock::default(),
            opening: tokio::sync::Mutex::default(),
            options,
            transport,
            alias: alias.into(),
            name,
        }
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.transport)
    }

    fn dir(&self) -> PathBuf {
        self.options.dir.join("tenants")
    }

    /// Opens the tenants that the disk has.
    pub(super) fn restore(&self) -> Result<(), OpenError> {
        let entries = match fs::read_dir(self.dir()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(OpenError::Folder(self.dir(), error)),
        };
        for entry in entries.flatten() {
            let folder = entry.file_name();
            let Some(name) = folder.to_str().and_then(name_of) else { continue };
            let broker = self.open_one(&name)?;
            self.open.write().insert(name, broker);
        }
        Ok(())
    }

    fn open_one(&self, name: &str) -> Result<Broker, OpenError> {
        let dir = self.dir().join(folder_of(name));
        // A tenant has no tenants; where contexts, sources and notifications may go is the same for all.
        let options = Options { dir, tenants_max: 0, ..self.options.clone() };
        let alias = format!("{}.{}", self.alias, folder_of(name));
        Broker::open_as(options, Arc::clone(&self.transport), Some(Who { alias, tenant: Some(name.into()) }))
    }

    pub(super) fn all(&self) -> Vec<Broker> {
        self.open.read().values().cloned().collect()
    }
}

impl Broker {
    /// The tenant with this name.
    ///
    /// # Errors
    /// When there is none, when the name cannot be one, or when this broker has no tenants at all.
    pub fn tenant(&self, name: &str) -> Result<Self, Error> {
        self.check_tenant(name)?;
        let found = self.inner.tenants.open.read().get(name).cloned();
        found.ok_or_else(|| {
            let detail = format!("there is no tenant {name}; creating something in it brings it into being");
            Error::new(ErrorKind::NonexistentTenant, detail)
        })
    }

    /// The tenant with this name, new if there is none yet (NGSI-LD 5.5.10).
    ///
    /// # Errors
    /// When the name cannot be one, when there are too many, or when the disk refuses.
    pub async fn tenant_or_new(&self, name: &str) -> Result<Self, Error> {
        if let Ok(known) = self.tenant(name) {
            return Ok(known);
        }
        self.check_tenant(name)?;
        let tenants = &self.inner.tenants;
        let _opening = tenants.opening.lock().await;
        if let Ok(known) = self.tenant(name) {
            return Ok(known);
        }
        let (count, max) = (tenants.open.read().len(), tenants.options.tenants_max);
        if count >= max {
            let detail = format!("this broker has {count} tenants and may have {max}; no more can be made");
            return Err(Error::new(ErrorKind::TooManyResults, detail));
        }
        let (inner, wanted) = (Arc::clone(&self.inner), Box::<str>::from(name));
        let opened = tokio::task::spawn_blocking(move || {
            let broker = inner.tenants.open_one(&wanted)?;
            let dir = inner.tenants.dir();
            let synced = File::open(&dir).and_then(|dir| dir.sync_all());
            synced.map_err(|error| OpenError::Folder(dir, error))?;
            Ok::<_, OpenError>(broker)
        });
        let broker = match opened.await {
            Ok(Ok(broker)) => broker,
            Ok(Err(error)) => return Err(unavailable(name, &error)),
            Err(error) => return Err(unavailable(name, &error)),
        };
        tenants.open.write().insert(name.into(), broker.clone());
        Ok(broker)
    }

    /// The names of all tenants but the default one.
    pub fn tenants(&self) -> Vec<Box<str>> {
        let mut names: Vec<_> = self.inner.tenants.open.read().keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// The brokers of all tenants but the default one.
    pub(super) fn all_tenants(&self) -> Vec<Self> {
        self.inner.tenants.all()
    }

    /// What this broker, and this tenant of it, is called in `Via` headers (NGSI-LD 5.2.40, contextSourceAlias).
    pub fn alias(&self) -> &str {
        &self.inner.alias
    }

    /// The name of this tenant; `None` for the default one.
    pub(super) fn tenant_name(&self) -> Option<&str> {
        self.inner.tenants.name.as_deref()
    }

    /// The alias that a tenant has, or would have.
    pub(crate) fn alias_of(&self, tenant: &str) -> String {
        format!("{}.{}", self.inner.alias, folder_of(tenant))
    }

    pub(crate) fn check_tenant(&self, name: &str) -> Result<(), Error> {
        if self.inner.tenants.options.tenants_max == 0 {
            let detail = "this broker has one tenant only; leave out the NGSILD-Tenant header";
            return Err(Error::new(ErrorKind::NoMultiTenantSupport, detail));
        }
        if name.len() > NAME_MAX || name.chars().any(char::is_control) {
            let detail = format!(
                "the name of a tenant has at most {NAME_MAX} bytes and no control characters; this one has {}",
                name.len()
            );
            return Err(Error::bad(detail));
        }
        Ok(())
    }
}

fn unavailable(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unavailable, format!("cannot open tenant {name}: {error}"))
}

/// The alias of the broker whose state is in `dir`: made up once, then the same for ever.
pub(super) fn alias(dir: &Path) -> Result<Box<str>, OpenError> {
    let path = dir.join("alias");
    let refused = |error| OpenError::Folder(path.clone(), error);
    match fs::read_to_string(&path) {
        Ok(known) if !known.trim().is_empty() => return Ok(known.trim().into()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refused(error)),
    }
    let alias = format!("morgana-{}", Uuid::new_v4().simple());
    let unfinished = dir.join("alias.new");
    fs::create_dir_all(dir).map_err(refused)?;
    fs::write(&unfinished, &alias).map_err(refused)?;
    fs::rename(&unfinished, &path).map_err(refused)?;
    Ok(alias.into())
}

/// A folder name for every name of a tenant, also where the file system does not tell upper case from lower.
fn folder_of(name: &str) -> String {
    let mut folder = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => folder.push(char::from(byte)),
            other => folder.push_str(&format!("%{other:02x}")),
        }
    }
    folder
}

/// The name that [`folder_of`] made this folder of.
fn name_of(folder: &str) -> Option<Box<str>> {
    let mut bytes = Vec::with_capacity(folder.len());
    let mut rest = folder;
    while let Some(first) = rest.chars().next() {
        if first == '%' {
            bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            rest = rest.get(3..)?;
        } else {
            bytes.push(u8::try_from(first).ok()?);
            rest = rest.get(first.len_utf8()..)?;
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (folder_of(&name) == folder).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_folder_of_its_own_and_comes_back() {
        for name in ["a", "A", "urn:x", "../../etc", "ä b", "%41", "a.b", ""] {
            let folder = folder_of(name);
            assert!(!folder.contains(['/', '.', '\\']), "{folder}");
            assert_eq!(name_of(&folder).as_deref(), Some(name));
        }
        assert_ne!(folder_of("a"), folder_of("A"));
        assert_eq!(name_of("not%4"), None);
    }
}
