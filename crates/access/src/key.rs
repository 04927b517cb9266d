//! The key that signs tokens and fabric passwords: 32 random bytes in a file of their own.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jsonwebtoken::{DecodingKey, EncodingKey};
use rand::CryptoRng;
use zeroize::Zeroizing;

const LENGTH: usize = 32;

/// The platform's own secret: whoever has it can be anyone. It does not print, and its memory is
/// wiped when it is dropped.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<[u8; LENGTH]>);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Others than the owner have rights on the file.
    #[error("the signing key {} has mode {mode:03o}, so others may read or write it; if nobody did, run chmod 600 on it, else delete it", .file.display())]
    Exposed {
        /// The file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold a key.
    #[error("the signing key {} is not a file of {LENGTH} bytes; restore it, or delete it, which ends all sessions", .file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
    },
    /// The file could not be read or written.
    #[error("cannot {doing} the signing key {}", .file.display())]
    File {
        /// "read" or "create".
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl SigningKey {
    /// A new key that is nowhere else.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        let mut key = Self(Zeroizing::new([0; LENGTH]));
        random.fill_bytes(&mut *key.0);
        key
    }

    /// The key that has these bytes; none where they are not as many as a key has.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// Reads the key from `file`; makes a new one there if there is no such file.
    ///
    /// # Errors
    /// As [`SigningKey::load`], or [`KeyError::File`] if the new file cannot be made.
    pub fn load_or_generate(file: &Path, random: &mut impl CryptoRng) -> Result<Self, KeyError> {
        match Self::load(file) {
            Err(KeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let key = Self::generate(random);
        match key.save(file) {
            Ok(()) => Ok(key),
            // Someone else was faster, and that key is in use already.
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Self::load(file),
            Err(source) => Err(KeyError::File { doing: "create", file: file.to_owned(), source }),
        }
    }

    /// Reads the key from `file`.
    ///
    /// # Errors
    /// [`KeyError::Exposed`] if others than the owner have rights on the file,
    /// [`KeyError::Malformed`] if it does not hold a key, or [`KeyError::File`].
    pub fn load(file: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { doing: "read", file: file.to_owned(), source };
        let opened = File::open(file).map_err(failed)?;
        let found = opened.metadata().map_err(failed)?;
        if !found.is_file() || found.len() != LENGTH as u64 {
            return Err(KeyError::Malformed { file: file.to_owned() });
        }
        if found.mode() & 0o077 != 0 {
            return Err(KeyError::Exposed { file: file.to_owned(), mode: found.mode() & 0o777 });
        }
        let mut key = Self(Zeroizing::new([0; LENGTH]));
        (&opened).read_exact(&mut *key.0).map_err(failed)?;
        Ok(key)
    }

    /// Writes the whole key under another name and links it to its own, which never replaces a key
    /// and never shows half of one.
    fn save(&self, file: &Path) -> io::Result<()> {
        let mut partial = file.as_os_str().to_owned();
        partial.push(format!(".{}.partial", std::process::id()));
        let partial = PathBuf::from(partial);
        let written = self.write_new(&partial).and_then(|()| fs::hard_link(&partial, file));
        let removed = fs::remove_file(&partial);
        written.and(removed)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn write_new(&self, file: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        file.write_all(&*self.0)?;
        file.sync_all()
    }

    pub(crate) fn encoding(&self) -> EncodingKey {
        EncodingKey::from_secret(&*self.0)
    }

    pub(crate) fn decoding(&self) -> DecodingKey {
        DecodingKey::from_secret(&*self.0)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn load_or_generate(file: &Path) -> Result<SigningKey, KeyError> {
        SigningKey::load_or_generate(file, &mut rand::rng())
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signing.key");
        let made = load_or_generate(&file).unwrap();
        let found = load_or_generate(&file).unwrap();

        assert_eq!(made.0, found.0);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&file).unwrap().len(), 32);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_key_that_is_there_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signing.key");
        let first = load_or_generate(&file).unwrap();
        let second = SigningKey::generate(&mut rand::rng());
        assert_eq!(second.save(&file).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(SigningKey::load(&file).unwrap().0, first.0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signing.key");
        load_or_generate(&file).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o601] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let error = load_or_generate(&file).unwrap_err();
            assert!(matches!(error, KeyError::Exposed { mode: found, .. } if found == mode), "{error:?}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signing.key");
        for length in [0, 31, 33, 1_000_000] {
            fs::write(&file, vec![7; length]).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            let error = load_or_generate(&file).unwrap_err();
            assert!(matches!(error, KeyError::Malformed { .. }), "{error:?}");
            assert_eq!(fs::metadata(&file).unwrap().len(), length as u64);
        }
        let error = load_or_generate(folder.path()).unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }), "a folder is no key: {error:?}");
    }

    #[test]
    fn a_key_is_made_of_its_bytes_and_of_nothing_shorter_or_longer() {
        assert_eq!(SigningKey::from_bytes(&[7; LENGTH]).unwrap().0, Zeroizing::new([7; LENGTH]));
        for length in [0, LENGTH - 1, LENGTH + 1] {
            assert!(SigningKey::from_bytes(&vec![7; length]).is_none(), "{length}");
        }
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = load_or_generate(Path::new("/nowhere/at/all/signing.key")).unwrap_err();
        assert_eq!(error.to_string(), "cannot create the signing key /nowhere/at/all/signing.key");
    }

    #[test]
    fn a_key_does_not_print() {
        assert_eq!(format!("{:?}", SigningKey(Zeroizing::new([65; LENGTH]))), "…");
    }
}
