//! The keys that sign access tokens: one file each, readable by the server's user alone.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use jsonwebtoken::{DecodingKey, EncodingKey};
use spotter_protocol::Timestamp;

use crate::clock::new_id;

/// The label of a PKCS #8 key in a PEM file.
const PEM_LABEL: &str = "PRIVATE KEY";

/// Why the signing keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Take others' access away; if they may have read a key, delete it as well: a new one is made.
    #[error("{path} is open to other users (mode {mode:03o}): run `chmod {wanted:03o} {path}`")]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it must have.
        wanted: u32,
    },
    /// Restore the file from a backup, or move it away: everyone signs in anew.
    #[error("{0} holds no Ed25519 key in PEM: restore it, or move it away and everyone signs in again")]
    Unreadable(PathBuf),
    /// Mind the folder's owner and the disk.
    #[error("cannot read or make the signing key in {path}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The system gives no randomness.
    #[error("no signing key could be made")]
    Generation,
}

/// The keys of this installation. The newest signs, all verify.
pub struct Keys {
    newest: Key,
    older: Vec<Key>,
}

struct Key {
    kid: String,
    signs: EncodingKey,
    verifies: DecodingKey,
}

impl Keys {
    /// Reads the keys in `folder`, making the folder and a first key where there are none.
    ///
    /// # Errors
    /// [`KeyError::Exposed`] when anyone but the owner can read the folder or a key.
    pub fn open(folder: &Path, now: Timestamp) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io { path: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
        refuse_exposed(folder, 0o700)?;
        // Held while this runs: of two programs that start on an empty folder, the second finds the first's key.
        let lock = File::open(folder).map_err(io)?;
        lock.lock().map_err(io)?;
        let mut files = key_files(folder).map_err(io)?;
        let newest = match files.pop() {
            Some(file) => file,
            None => make_key(folder, now)?,
        };
        let older = files.iter().map(|file| read_key(file)).collect::<Result<_, _>>()?;
        Ok(Self { newest: read_key(&newest)?, older })
    }

    /// The name and the secret of the key that signs.
    pub(super) fn newest(&self) -> (String, EncodingKey) {
        (self.newest.kid.clone(), self.newest.signs.clone())
    }

    /// The public keys by name.
    pub(super) fn verifying(&self) -> BTreeMap<String, DecodingKey> {
        let keys = self.older.iter().chain([&self.newest]);
        keys.map(|key| (key.kid.clone(), key.verifies.clone())).collect()
    }
}

/// Files named `<kid>.pem`. The kid is a UUIDv7, so the order of names is the order of age.
fn key_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Writes a new key under another name first: a file named `.pem` is always whole.
fn make_key(folder: &Path, now: Timestamp) -> Result<PathBuf, KeyError> {
    let io = |source| KeyError::Io { path: folder.to_owned(), source };
    let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Generation)?;
    let der = pair.to_pkcs8v1().map_err(|_| KeyError::Generation)?;
    let text = pem::encode(&pem::Pem::new(PEM_LABEL, der.as_ref()));
    let path = folder.join(format!("{}.pem", new_id(now)));
    let unfinished = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)?;
    file.sync_all().map_err(io)?;
    fs::rename(&unfinished, &path).map_err(io)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    Ok(path)
}

fn read_key(path: &Path) -> Result<Key, KeyError> {
    refuse_exposed(path, 0o600)?;
    let text = fs::read(path).map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
    let unreadable = || KeyError::Unreadable(path.to_owned());
    let der = pem::parse(text).map_err(|_| unreadable())?;
    let pair = Ed25519KeyPair::from_pkcs8(der.contents()).map_err(|_| unreadable())?;
    let kid = path.file_stem().and_then(|stem| stem.to_str()).ok_or_else(unreadable)?;
    Ok(Key {
        kid: kid.to_owned(),
        signs: EncodingKey::from_ed_der(der.contents()),
        verifies: DecodingKey::from_ed_der(pair.public_key().as_ref()),
    })
}

fn refuse_exposed(path: &Path, wanted: u32) -> Result<(), KeyError> {
    let metadata = fs::metadata(path).map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode, wanted });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_first_start_makes_a_key_only_its_user_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("data/keys");

        let made = Keys::open(&folder, NOW).unwrap();
        let read = Keys::open(&folder, Timestamp(NOW.0 + 1)).unwrap();

        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(format!("{}.pem", made.newest.kid))), 0o600);
        assert_eq!(made.newest.kid, read.newest.kid);
        assert!(read.older.is_empty());
    }

    #[test]
    fn a_key_that_others_can_read_stops_the_start_and_says_chmod() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        Keys::open(&folder, NOW).unwrap();
        let file = key_files(&folder).unwrap().remove(0);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();

        let error = Keys::open(&folder, NOW).err().unwrap();

        assert!(error.to_string().contains(&format!("chmod 600 {}", file.display())), "{error}");
    }

    #[test]
    fn a_folder_that_others_can_enter_stops_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        Keys::open(&folder, NOW).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();

        assert!(matches!(Keys::open(&folder, NOW), Err(KeyError::Exposed { wanted: 0o700, .. })));
    }

    #[test]
    fn what_is_no_key_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        Keys::open(&folder, NOW).unwrap();
        let file = key_files(&folder).unwrap().remove(0);
        fs::write(&file, "hello").unwrap();

        assert!(matches!(Keys::open(&folder, NOW), Err(KeyError::Unreadable(path)) if path == file));
    }
}
