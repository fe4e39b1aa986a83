//! One server per data directory: a lock of the operating system, which dies with the process that holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The file that a server holds locked, beside its database.
const LOCK_FILE: &str = "spotter.lock";

/// Why the lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A running server has it.
    #[error("another spotter{} is using this data directory: it holds {}", said(*pid), path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, when it has said so.
        pid: Option<u32>,
    },
    /// The file cannot be made, locked or written.
    #[error("the lock file {} cannot be used", path.display())]
    Unusable {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn said(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// The lock of a data directory, held until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `directory`, or says at once who has it.
    pub(crate) fn take(directory: &Path) -> Result<Self, LockError> {
        let path = directory.join(LOCK_FILE);
        let unusable = |source| LockError::Unusable { path: path.clone(), source };
        // Not truncated: until the lock is ours, the file holds another's process id.
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(unusable)?;
        judge(&path, &mut file, File::try_lock)?;
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(unusable)?;
        Ok(Self { _file: file })
    }

    /// Looks who has the lock of `directory`, and leaves it. (Whoever takes it in that very moment is refused.)
    pub(crate) fn look(directory: &Path) -> Result<(), LockError> {
        let path = directory.join(LOCK_FILE);
        match File::open(&path) {
            Ok(mut file) => judge(&path, &mut file, File::try_lock_shared),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(LockError::Unusable { path, source }),
        }
    }
}

/// Locks the file, or says who has done so before.
fn judge(
    path: &Path,
    file: &mut File,
    lock: impl FnOnce(&File) -> Result<(), TryLockError>,
) -> Result<(), LockError> {
    match lock(file) {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            Err(LockError::Held { path: path.to_owned(), pid })
        }
        Err(TryLockError::Error(source)) => Err(LockError::Unusable { path: path.to_owned(), source }),
    }
}
