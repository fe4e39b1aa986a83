//! Writing many rows with few statements, each let through only under its shard's epoch.

use sqlx::SqliteConnection;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use uuid::Uuid;

use super::blob;

/// The numbers of rows that a statement is prepared for, largest first: any number of rows is written with a
/// few statements that are prepared once, instead of one that is prepared for that very number.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// A statement under way, with what is bound so far.
pub(super) type Binding = Query<'static, Sqlite, SqliteArguments>;

/// An INSERT of rows that pass the fence.
pub(super) struct FencedInsert {
    /// The statement for each of [`SIZES`].
    forms: [String; 4],
}

impl FencedInsert {
    /// Makes the forms of `sql`, which takes its rows of `width` values at `{rows}` and then the node:
    /// `column1` is the shard and `column2` the epoch that the writer holds, and the row is joined to the
    /// shard's row. CROSS JOIN keeps SQLite from beginning with the shards.
    pub(super) fn new(sql: &str, width: usize) -> Self {
        let row = format!("({})", vec!["?"; width].join(", "));
        Self { forms: SIZES.map(|size| sql.replace("{rows}", &vec![row.as_str(); size].join(", "))) }
    }

    /// Writes `rows`, binding each one's values by `bind`; answers how many were written.
    pub(super) async fn write<T>(
        &'static self,
        connection: &mut SqliteConnection,
        node: Uuid,
        rows: &[T],
        bind: impl Fn(Binding, &T) -> Binding,
    ) -> sqlx::Result<u64> {
        let mut written = 0;
        let mut rest = rows;
        for (size, form) in SIZES.into_iter().zip(&self.forms) {
            while let Some((chunk, after)) = rest.split_at_checked(size) {
                let statement = chunk.iter().fold(sqlx::query(form.as_str()), &bind);
                written += statement.bind(blob(node)).execute(&mut *connection).await?.rows_affected();
                rest = after;
            }
        }
        Ok(written)
    }
}
