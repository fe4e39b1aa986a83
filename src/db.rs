//! The database as accounts, links, workouts and sign-ins see it: one connection that writes, some that read.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Row, SqlStr, Sqlite, Transaction};
use uuid::Uuid;

/// How long a connection waits for another process's write before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Reads that run at once; more wait for a connection.
const READERS_MAX: u32 = 8;

/// The two pools. The writing one has a single connection, so transactions follow one another.
#[derive(Clone, Debug)]
pub struct Db {
    /// Writes; every commit is on the disk when it returns.
    pub writer: SqlitePool,
    /// Reads.
    pub reader: SqlitePool,
}

impl Db {
    /// Opens the file, making it and bringing its tables up to this build where needed.
    ///
    /// # Errors
    /// When the file cannot be opened, or was written by a newer build.
    pub async fn open(file: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        migrations().run(&writer).await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_with(options.create_if_missing(false).read_only(true))
            .await?;
        Ok(Self { writer, reader })
    }

    /// Begins a transaction that holds the write lock from its start, so that it never fails for having read first.
    ///
    /// # Errors
    /// When the lock is not had in time.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }
}

fn migrations() -> Migrator {
    const ACCOUNTS: &str = include_str!("../migrations/sqlite/0002_accounts.sql");
    let accounts =
        Migration::new(2, "accounts".into(), MigrationType::Simple, SqlStr::from_static(ACCOUNTS), false);
    Migrator::with_migrations(vec![accounts])
}

/// Reads a column of 16 bytes.
///
/// # Errors
/// When the column is absent or holds anything else.
pub(crate) fn uuid(row: &SqliteRow, column: &str) -> Result<Uuid, sqlx::Error> {
    Uuid::from_slice(row.try_get(column)?).map_err(|error| unreadable(column, error))
}

/// Reads a column of text that has a form of its own.
///
/// # Errors
/// When the column is absent or its text has not that form.
pub(crate) fn parsed<T>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error: T::Err| unreadable(column, error))
}

/// What is stored cannot be read by this build.
pub(crate) fn unreadable(column: &str, error: impl std::fmt::Display) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: error.to_string().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_writing_connection_waits_for_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("spotter.db")).await.unwrap();

        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&db.writer).await.unwrap();

        assert_eq!(synchronous, 2, "FULL");
    }

    #[tokio::test]
    async fn the_reading_connections_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("spotter.db")).await.unwrap();

        assert!(sqlx::query("DELETE FROM gyms").execute(&db.reader).await.is_err());
    }
}
