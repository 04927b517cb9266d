//! The file with the tokens of logins, one for each controller.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use morgana_model::{Role, Secret, Session, TenantId};
use serde::{Deserialize, Serialize};

/// Who is logged in at a controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Login {
    #[serde(rename = "userID")]
    pub(crate) user_id: TenantId,
    pub(crate) role: Role,
    pub(crate) access_token: Secret,
    pub(crate) expires_at: Timestamp,
    pub(crate) refresh_token: Secret,
    pub(crate) session_expires_at: Timestamp,
}

impl Login {
    pub(crate) fn new(user_id: TenantId, session: Session) -> Self {
        Self {
            user_id,
            role: session.role,
            access_token: session.access_token,
            expires_at: session.expires_at,
            refresh_token: session.refresh_token,
            session_expires_at: session.session_expires_at,
        }
    }
}

/// The token file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("there is no folder for tokens: set HOME or XDG_CONFIG_HOME, or give the token in MORGANA_TOKEN")]
    NoHome,
    #[error("cannot read the token file {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the token file {} is damaged; remove it and log in again", .path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error("cannot write the token file {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// The tokens by the URL of their controller.
#[derive(Debug)]
pub(crate) struct TokenFile {
    path: PathBuf,
}

type Logins = BTreeMap<String, Login>;

impl TokenFile {
    pub(crate) fn new(path: Option<&Path>) -> Result<Self, TokenError> {
        path.map(|path| Self { path: path.to_owned() }).ok_or(TokenError::NoHome)
    }

    /// The login at a controller.
    pub(crate) fn get(&self, controller: &str) -> Result<Option<Login>, TokenError> {
        Ok(self.read()?.remove(controller))
    }

    /// Keeps a login; one that was there for the same controller is replaced.
    pub(crate) fn put(&self, controller: &str, login: Login) -> Result<(), TokenError> {
        self.change(|logins| {
            logins.insert(controller.to_owned(), login);
        })
    }

    /// Forgets the login at a controller.
    pub(crate) fn remove(&self, controller: &str) -> Result<(), TokenError> {
        self.change(|logins| {
            logins.remove(controller);
        })
    }

    fn read(&self) -> Result<Logins, TokenError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Logins::new()),
            Err(source) => return Err(TokenError::Read { path: self.path.clone(), source }),
        };
        serde_json::from_slice(&text)
            .map_err(|source| TokenError::Damaged { path: self.path.clone(), source })
    }

    fn change(&self, change: impl FnOnce(&mut Logins)) -> Result<(), TokenError> {
        let _lock = self.lock()?;
        self.change_locked(change)
    }

    /// Two that change the file at the same time would each write what they read, and one would be lost;
    /// two that use the same refresh token would end the session. The lock ends when it is dropped.
    pub(crate) fn lock(&self) -> Result<File, TokenError> {
        let failed = |source| TokenError::Write { path: self.path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(self.folder()).map_err(failed)?;
        let lock = File::create(self.path.with_extension("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(lock)
    }

    /// Keeps a login while the lock is held.
    pub(crate) fn put_locked(&self, _lock: &File, controller: &str, login: Login) -> Result<(), TokenError> {
        self.change_locked(|logins| {
            logins.insert(controller.to_owned(), login);
        })
    }

    fn change_locked(&self, change: impl FnOnce(&mut Logins)) -> Result<(), TokenError> {
        let mut logins = self.read()?;
        change(&mut logins);
        let replaced = self.replace(self.folder(), &logins);
        replaced.map_err(|source| TokenError::Write { path: self.path.clone(), source })
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Writes a new file beside the old one and puts it in its place: whoever reads sees the old
    /// tokens or the new ones, and never somebody else's (a temporary file has mode 0600).
    fn replace(&self, folder: &Path, logins: &Logins) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, logins)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use super::*;

    fn login(user: &str) -> Login {
        Login {
            user_id: user.parse().unwrap(),
            role: Role::Tenant,
            access_token: Secret::new(format!("token of {user}")),
            expires_at: "2099-01-01T00:00:00Z".parse().unwrap(),
            refresh_token: Secret::new(format!("refresh token of {user}")),
            session_expires_at: "2099-02-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn file(folder: &tempfile::TempDir) -> TokenFile {
        TokenFile::new(Some(&folder.path().join("new/morgana/tokens.json"))).unwrap()
    }

    #[test]
    fn a_login_is_kept_for_its_controller_alone_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = file(&folder);
        assert_eq!(tokens.get("http://a").unwrap(), None);
        tokens.put("http://a", login("tenant1")).unwrap();
        tokens.put("http://b", login("tenant2")).unwrap();
        assert_eq!(tokens.get("http://a").unwrap(), Some(login("tenant1")));
        tokens.remove("http://a").unwrap();
        assert_eq!(tokens.get("http://a").unwrap(), None);
        assert_eq!(tokens.get("http://b").unwrap(), Some(login("tenant2")));
    }

    #[test]
    fn only_the_user_may_read_the_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = file(&folder);
        tokens.put("http://a", login("tenant1")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&tokens.path), 0o600);
        assert_eq!(mode(tokens.path.parent().unwrap()), 0o700);
    }

    #[test]
    fn logins_at_the_same_time_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = file(&folder);
        thread::scope(|scope| {
            for number in 0..16 {
                let tokens = &tokens;
                scope.spawn(move || tokens.put(&format!("http://{number}"), login("t")).unwrap());
            }
        });
        assert_eq!(tokens.read().unwrap().len(), 16);
    }

    #[test]
    fn a_damaged_file_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        fs::write(&path, "{oops").unwrap();
        let tokens = TokenFile::new(Some(&path)).unwrap();
        let error = tokens.put("http://a", login("t")).unwrap_err().to_string();
        assert!(error.contains("tokens.json is damaged"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{oops");
    }
}
