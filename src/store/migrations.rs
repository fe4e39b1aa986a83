//! How a change to the tables is named, in either database.

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType};

use super::{OpenError, postgres, sqlite};
use crate::db::{Pool, query, query_each};

/// A change to the tables.
pub(super) fn migration(number: i64, description: &'static str, text: &'static str) -> Migration {
    Migration::new(number, description.into(), MigrationType::Simple, SqlStr::from_static(text), false)
}

/// Compares the tables with this build's, without touching them; answers how many changes they have had.
pub(crate) async fn compare(reader: &Pool, name: &str) -> sqlx::Result<Result<usize, OpenError>> {
    let known = match reader {
        Pool::Sqlite(_) => sqlite::migrations(),
        Pool::Postgres(_) => postgres::migrations(),
    };
    let begun = query_each(
        "SELECT count(*) AS tables FROM sqlite_schema WHERE name = '_sqlx_migrations'",
        "SELECT count(to_regclass('_sqlx_migrations')) AS tables",
    );
    let mut applied: Vec<i64> = Vec::new();
    if begun.fetch_one(reader).await?.get::<i64>("tables")? > 0 {
        let rows = query("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version");
        for row in rows.fetch_all(reader).await? {
            applied.push(row.get("version")?);
        }
    }
    if let Some(newer) = applied.iter().find(|version| !known.version_exists(**version)) {
        return Ok(Err(OpenError::Newer { name: name.to_owned(), migration: *newer }));
    }
    let missing = known.iter().count().saturating_sub(applied.len());
    if missing > 0 {
        return Ok(Err(OpenError::Behind { server: name.to_owned(), missing }));
    }
    Ok(Ok(applied.len()))
}
