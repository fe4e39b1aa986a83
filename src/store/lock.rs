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
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `directory`, or says at once who has it.
    pub(super) fn take(directory: &Path) -> Result<Self, LockError> {
        let path = directory.join(LOCK_FILE);
        let unusable = |source| LockError::Unusable { path: path.clone(), source };
        // Not truncated: until the lock is ours, the file holds another's process id.
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(LockError::Held { path, pid });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}
