//! Why a database cannot be opened, and what to do.

use std::io;
use std::path::PathBuf;

use sqlx::migrate::MigrateError;

use super::lock::LockError;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made.
    #[error("the data directory {} cannot be made", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process serves from it, or its lock cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Another process serves from it: end that one first.
    #[error(
        "another spotter serves from {server}: it listens on {by} and said so {silent_ms} ms ago; end it, or wait until \
         it has been silent for 3.5 s"
    )]
    Served {
        /// The server.
        server: String,
        /// Where the other one listens.
        by: String,
        /// Milliseconds since it renewed its lease.
        silent_ms: i64,
    },
    /// A newer build has changed its tables: use that build, or a backup from before it.
    #[error("{name} was changed by a newer spotter (migration {migration}), and this build cannot read it")]
    Newer {
        /// The database.
        name: String,
        /// The first migration that this build does not have.
        migration: i64,
    },
    /// Its tables are those of an older build, or there are none yet.
    #[error(
        "the tables of {server} lack {missing} changes of this build: run `spotter migrate`, or `spotter serve --migrate`"
    )]
    Behind {
        /// The server.
        server: String,
        /// How many.
        missing: usize,
    },
    /// There is no file.
    #[error("there is no database at {}", path.display())]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Its tables could not be brought up to date; they are as they were.
    #[error("the tables of {name} cannot be brought up to date")]
    Migration {
        /// The database.
        name: String,
        /// Which migration, and why.
        source: MigrateError,
    },
    /// SQLite refused the file.
    #[error("{} cannot be opened", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: sqlx::Error,
    },
    /// PostgreSQL does not answer, or refuses.
    #[error("{server} cannot be used: is it running, and are user, password and database right?")]
    Server {
        /// The server.
        server: String,
        /// What it said.
        source: sqlx::Error,
    },
    /// The server cannot be trusted as its address asks, or shows nothing to be trusted by.
    #[error("{server} cannot be reached by TLS as sslmode and sslrootcert of its address ask")]
    Tls {
        /// The server.
        server: String,
        /// What is wrong with its certificate.
        source: sqlx::Error,
    },
    /// The server is too old.
    #[error("{server} runs PostgreSQL {version}: spotter needs 15 or newer")]
    TooOld {
        /// The server.
        server: String,
        /// Its version.
        version: String,
    },
    /// The server acknowledges what it has not flushed.
    #[error(
        "{server} has {setting} = off: it may lose what was acknowledged. Turn it on, or set postgres.allow_unsafe if \
         losing sets is acceptable"
    )]
    Unsafe {
        /// The server.
        server: String,
        /// The setting that is off.
        setting: &'static str,
    },
}

impl OpenError {
    pub(super) fn migration(name: String, source: MigrateError) -> Self {
        if let MigrateError::VersionMissing(migration) = source {
            return Self::Newer { name, migration };
        }
        Self::Migration { name, source }
    }
}
