//! How a change to the tables is named, in either database.

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType};

/// A change to the tables.
pub(super) fn migration(number: i64, description: &'static str, text: &'static str) -> Migration {
    Migration::new(number, description.into(), MigrationType::Simple, SqlStr::from_static(text), false)
}
