//! The SQLite store: one file, one writing connection, a few reading ones.
//!
//! The writing connection flushes with every commit (`synchronous = FULL`): in WAL mode anything less may
//! lose what was acknowledged when the power fails.

mod archive;
mod commit;
mod copy;
mod fence;
mod insert;
mod letters;
mod rows;

use std::path::{Path, PathBuf};
use std::time::Duration;

use spotter_actors::{Append, Claim, Epoch, Outcome, SnapshotWrite};
use spotter_protocol::SHARDS;
use sqlx::migrate::{Migrate, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Row, SqlitePool};
use uuid::Uuid;

pub(crate) use copy::{copy, faults, incarnation};
pub(super) use fence::holds;

use super::OpenError;
use super::lock::Lock;
use super::migrations::{compare, migration};
use crate::db::{Db, Pool};

/// How long a statement waits for another process (a tool) that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection; then the store counts as away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that read at the same time.
const READERS_MAX: u32 = 4;
/// Pages of 4 KiB in the write-ahead log before a commit itself moves them into the file: 64 MiB. Long before,
/// [`SqliteStore::checkpoint`] has done so beside the commits.
const LOG_PAGES_MAX: &str = "16384";
/// Memory for pages of the file, of the writing connection: 16 MiB.
const WRITER_CACHE_KIB: &str = "-16384";

/// An open file.
#[derive(Debug)]
pub(crate) struct File {
    writer: SqlitePool,
    reader: SqlitePool,
    checkpointer: SqlitePool,
    pub(super) incarnation: Uuid,
    /// Held by a server, not by a tool.
    _lock: Option<Lock>,
}

impl File {
    /// Opens the file at `path` for a tool, beside a server that may be running: directory and file are made
    /// where they are missing. A tool writes only tables that no entity owns.
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::Lock`] when the tables are out of date and a server is running.
    pub(super) async fn open(path: &Path) -> Result<Self, OpenError> {
        let directory = make_directory(path)?;
        Self::open_in(path, &directory, None).await
    }

    /// Opens the file at `path` to serve from it: takes `spotter.lock` beside it until the store is dropped,
    /// and claims every shard under a new epoch, so that nothing claimed before can still write.
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::Lock`] when another process serves from the directory.
    pub(super) async fn open_serving(path: &Path, address: &str) -> Result<(Self, Claim), OpenError> {
        let directory = make_directory(path)?;
        let lock = Lock::take(&directory)?;
        let store = Self::open_in(path, &directory, Some(lock)).await?;
        let claim = store.claim(address).await.map_err(|source| database(path, source))?;
        Ok((store, claim))
    }

    async fn open_in(path: &Path, directory: &Path, lock: Option<Lock>) -> Result<Self, OpenError> {
        let failed = |source| database(path, source);
        let writer = writer(path).await.map_err(failed)?;
        migrate(&writer, path, directory, lock.is_some()).await?;
        let incarnation = sqlx::query_scalar::<_, Vec<u8>>("SELECT incarnation FROM meta");
        let incarnation = incarnation.fetch_one(&writer).await.and_then(uuid).map_err(failed)?;
        let (reader, checkpointer) = (reader(path), pool(1).connect_lazy_with(writing(path)));
        Ok(Self { writer, reader, checkpointer, incarnation, _lock: lock })
    }

    /// Opens the file at `path` to read it, as it is: nothing is made and nothing brought up to date.
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::Absent`] when there is no file.
    pub(super) async fn reading(path: &Path) -> Result<Pool, OpenError> {
        if !path.is_file() {
            return Err(OpenError::Absent { path: path.to_owned() });
        }
        let pool = Pool::Sqlite(reader(path));
        compare(&pool, &path.display().to_string()).await.map_err(|source| database(path, source))??;
        Ok(pool)
    }

    async fn claim(&self, address: &str) -> sqlx::Result<Claim> {
        let node = Uuid::new_v4();
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM nodes").execute(&mut *transaction).await?;
        let listed = sqlx::query(
            "INSERT INTO nodes (node, address, build, started_at, renewed_at)
             SELECT ?, ?, ?, now, now FROM (SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER) AS now)",
        );
        let listed = listed.bind(blob(node)).bind(address).bind(env!("CARGO_PKG_VERSION"));
        listed.execute(&mut *transaction).await?;
        let claimed = sqlx::query("UPDATE shards SET epoch = epoch + 1, node = ? RETURNING shard, epoch");
        let claimed = claimed.bind(blob(node)).fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        let mut epochs = vec![None; usize::from(SHARDS)];
        for row in claimed {
            let shard = usize::from(row.try_get::<u16, _>("shard")?);
            if let Some(place) = epochs.get_mut(shard) {
                *place = Some(Epoch(row.try_get("epoch")?));
            }
        }
        Ok(Claim { node, epochs })
    }

    /// The connections, for the tables that no entity owns. Whoever takes the writing one keeps the journal
    /// waiting: hold it for one short transaction.
    pub(crate) fn db(&self) -> Db {
        Db { writer: Pool::Sqlite(self.writer.clone()), reader: Pool::Sqlite(self.reader.clone()) }
    }

    /// Writes a batch and answers each append in order.
    pub(super) async fn commit(&self, node: Uuid, batch: &[Append]) -> sqlx::Result<Vec<Outcome>> {
        commit::commit(&self.writer, node, batch).await
    }

    /// Writes snapshots with their rows.
    pub(super) async fn save(&self, node: Uuid, snapshots: &[SnapshotWrite]) -> sqlx::Result<()> {
        commit::save(&self.writer, node, snapshots).await
    }

    /// Moves what is committed from the log into the file, beside the commits that go on. Called often,
    /// it keeps that work off the path of an acknowledgement; missed, it costs speed and nothing else.
    ///
    /// # Errors
    /// When the file does not answer.
    pub(super) async fn checkpoint(&self) -> sqlx::Result<()> {
        let moved = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&self.checkpointer).await;
        moved.map(|_| ())
    }

    /// Waits for what is being written and read, moves the log into the file, and closes it; whoever asks
    /// later is told that the store is away. The lock stays until the store is dropped. A store that is
    /// dropped without this loses nothing: its log is read at the next opening.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.checkpointer.close().await;
        self.writer.close().await;
    }
}

fn database(path: &Path, source: sqlx::Error) -> OpenError {
    OpenError::Database { path: path.to_owned(), source }
}

/// Makes the directory of the file at `path`, and names it.
fn make_directory(path: &Path) -> Result<PathBuf, OpenError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new(".")).to_owned();
    std::fs::create_dir_all(&directory)
        .map_err(|source| OpenError::Directory { path: directory.clone(), source })?;
    Ok(directory)
}

/// The pool of the one writing connection. It stays open: what it has prepared and cached is worth keeping.
async fn writer(path: &Path) -> sqlx::Result<SqlitePool> {
    pool(1).connect_with(writing(path)).await
}

/// How a connection is opened that writes to the file.
pub(crate) fn writing(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // Elsewhere a flush is a flush; on macOS it is one only with these.
        .pragma("fullfsync", "ON")
        .pragma("checkpoint_fullfsync", "ON")
        .pragma("wal_autocheckpoint", LOG_PAGES_MAX)
        .pragma("cache_size", WRITER_CACHE_KIB)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// The pool of reading connections, each opened when it is first needed.
pub(crate) fn reader(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .pragma("query_only", "ON")
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    pool(READERS_MAX).connect_lazy_with(options)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        // A connection to a file does not die between two uses, and asking it costs two thread switches.
        .test_before_acquire(false)
}

/// Every change to the tables, in order. One that has been applied is never edited.
pub(super) fn migrations() -> Migrator {
    Migrator::with_migrations(vec![
        migration(1, "journal", include_str!("../../migrations/sqlite/0001_journal.sql")),
        migration(2, "accounts", include_str!("../../migrations/sqlite/0002_accounts.sql")),
        migration(3, "sets by movement", include_str!("../../migrations/sqlite/0003_sets_by_movement.sql")),
        migration(4, "letters", include_str!("../../migrations/sqlite/0004_letters.sql")),
        migration(5, "dead letters", include_str!("../../migrations/sqlite/0005_dead_letters.sql")),
        migration(6, "policy version", include_str!("../../migrations/sqlite/0006_policy_version.sql")),
        migration(7, "streams", include_str!("../../migrations/sqlite/0007_streams.sql")),
        migration(8, "nodes", include_str!("../../migrations/sqlite/0008_nodes.sql")),
        migration(9, "archive", include_str!("../../migrations/sqlite/0009_archive.sql")),
        migration(10, "snapshots", include_str!("../../migrations/sqlite/0010_snapshots.sql")),
        migration(11, "keys", include_str!("../../migrations/sqlite/0011_keys.sql")),
        migration(12, "gyms that leave", include_str!("../../migrations/sqlite/0012_gyms_that_leave.sql")),
        migration(13, "bests", include_str!("../../migrations/sqlite/0013_bests.sql")),
        migration(14, "cluster", include_str!("../../migrations/sqlite/0014_cluster.sql")),
        migration(15, "samples", include_str!("../../migrations/sqlite/0015_samples.sql")),
    ])
}

/// Brings the tables up to date. A tool that finds them out of date takes the server's lock meanwhile: tables
/// do not change under a running server.
async fn migrate(writer: &SqlitePool, path: &Path, directory: &Path, locked: bool) -> Result<(), OpenError> {
    let failed = |source| OpenError::migration(path.display().to_string(), source);
    let migrations = migrations();
    let mut connection = writer.acquire().await.map_err(|source| database(path, source))?;
    connection.ensure_migrations_table(&migrations.table_name).await.map_err(failed)?;
    let applied = connection.list_applied_migrations(&migrations.table_name).await.map_err(failed)?;
    let behind = applied.len() < migrations.iter().count();
    let _lock = if behind && !locked { Some(Lock::take(directory)?) } else { None };
    migrations.run_direct(None, &mut *connection, false).await.map_err(failed)
}

/// An id as it is bound.
fn blob(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// An id as it is read.
fn uuid(bytes: Vec<u8>) -> sqlx::Result<Uuid> {
    Uuid::from_slice(&bytes).map_err(|error| sqlx::Error::Decode(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_connection_beside_the_commits_flushes_too() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::open(&directory.path().join("spotter.db")).await.unwrap();

        file.checkpoint().await.unwrap();
        let synchronous =
            sqlx::query_scalar::<_, i64>("PRAGMA synchronous").fetch_one(&file.checkpointer).await;

        assert_eq!(synchronous.unwrap(), 2, "FULL");
    }
}
