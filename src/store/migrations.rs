//! How a change to the tables is named, in either database.

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::OpenError;
use crate::db::{Pool, query};

/// A change to the tables.
pub(super) fn migration(number: i64, description: &'static str, text: &'static str) -> Migration {
    Migration::new(number, description.into(), MigrationType::Simple, SqlStr::from_static(text), false)
}

/// The changes that a database has had, read without touching it.
pub(super) async fn applied(reader: &Pool) -> sqlx::Result<Vec<i64>> {
    let applied = query("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version");
    applied.fetch_all(reader).await?.iter().map(|row| row.get("version")).collect()
}

/// Whether they are this build's.
pub(super) fn compare(name: &str, migrations: &Migrator, applied: &[i64]) -> Result<(), OpenError> {
    if let Some(newer) = applied.iter().find(|version| !migrations.version_exists(**version)) {
        return Err(OpenError::Newer { name: name.to_owned(), migration: *newer });
    }
    let missing = migrations.iter().count().saturating_sub(applied.len());
    if missing > 0 {
        return Err(OpenError::Behind { server: name.to_owned(), missing });
    }
    Ok(())
}
