//! The database as accounts, links, workouts and sign-ins see it: one connection that writes, some that read.

use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, Sqlite, Transaction};
use uuid::Uuid;

/// The pools of an open store. The writing one has a single connection, so transactions follow one another.
#[derive(Clone, Debug)]
pub struct Db {
    /// Writes; every commit is on the disk when it returns.
    pub writer: SqlitePool,
    /// Reads.
    pub reader: SqlitePool,
}

impl Db {
    /// Begins a transaction that holds the write lock from its start, so that it never fails for having read first.
    ///
    /// # Errors
    /// When the lock is not had in time.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }
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
