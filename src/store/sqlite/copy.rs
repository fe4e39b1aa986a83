//! Copies of a file, made by SQLite itself: whole as of one moment, whatever is written meanwhile.

use std::path::Path;

use sqlx::{ConnectOptions, Connection};
use uuid::Uuid;

use super::super::OpenError;
use super::super::lock::Lock;
use super::{BUSY_TIMEOUT, File, blob};
use crate::db::{Pool, query};

/// Copies the database at `from` into the empty file `to`, which is not flushed yet.
pub(crate) async fn copy(from: &Path, to: &Path) -> sqlx::Result<()> {
    let options =
        super::SqliteConnectOptions::new().filename(from).read_only(true).busy_timeout(BUSY_TIMEOUT);
    let mut connection = options.disable_statement_logging().connect().await?;
    let to =
        to.to_str().ok_or_else(|| sqlx::Error::Configuration("the name of the copy is not UTF-8".into()))?;
    sqlx::query("VACUUM INTO ?").bind(to).execute(&mut connection).await?;
    connection.close().await
}

/// What SQLite finds wrong with a file; nothing when it is whole.
pub(crate) async fn faults(reader: &Pool) -> sqlx::Result<Vec<String>> {
    let said = query("PRAGMA integrity_check(10)").fetch_all(reader).await?;
    let said = said.iter().map(|row| row.get("integrity_check")).collect::<sqlx::Result<Vec<String>>>()?;
    Ok(said.into_iter().filter(|line| line != "ok").collect())
}

/// The name of the history that a file holds.
pub(crate) async fn incarnation(reader: &Pool) -> sqlx::Result<Uuid> {
    query("SELECT incarnation FROM meta").fetch_one(reader).await?.get("incarnation")
}

impl File {
    /// Opens a copy that is to take the place of the database in `directory`, whose lock is held; its tables are
    /// brought up to date.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(crate) async fn restored(path: &Path, directory: &Path, lock: Lock) -> Result<Self, OpenError> {
        Self::open_in(path, directory, Some(lock)).await
    }

    /// Gives the history another name, so that whoever remembers versions of it asks anew, and forgets who served.
    /// Answers when, as a part of a file's name.
    pub(crate) async fn begin_anew(&self) -> sqlx::Result<String> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let renamed = sqlx::query("UPDATE meta SET incarnation = ?").bind(blob(Uuid::new_v4()));
        renamed.execute(&mut *transaction).await?;
        sqlx::query("DELETE FROM nodes").execute(&mut *transaction).await?;
        let time = sqlx::query_scalar("SELECT strftime('%Y%m%dT%H%M%SZ', 'now')");
        let time = time.fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(time)
    }
}
