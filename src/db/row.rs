//! What a row of an answer holds.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, Row as _, TypeInfo, ValueRef};
use uuid::Uuid;

use super::unreadable;

/// A row of an answer.
#[derive(Debug)]
pub enum Row {
    /// From a file.
    Sqlite(SqliteRow),
    /// From a server.
    Postgres(PgRow),
}

impl Row {
    /// Reads a column.
    ///
    /// # Errors
    /// When there is no such column, or it holds something else.
    pub fn get<T: Column>(&self, column: &str) -> sqlx::Result<T> {
        T::read(self, column)
    }

    fn is_null(&self, column: &str) -> sqlx::Result<bool> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get_raw(column)?.is_null(),
            Self::Postgres(row) => row.try_get_raw(column)?.is_null(),
        })
    }
}

/// What a column can be read as.
pub trait Column: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// See [`Row::get`].
    fn read(row: &Row, column: &str) -> sqlx::Result<Self>;
}

impl<T: Column> Column for Option<T> {
    fn read(row: &Row, column: &str) -> sqlx::Result<Self> {
        if row.is_null(column)? { Ok(None) } else { T::read(row, column).map(Some) }
    }
}

impl Column for Uuid {
    fn read(row: &Row, column: &str) -> sqlx::Result<Self> {
        match row {
            Row::Sqlite(row) => {
                Self::from_slice(row.try_get(column)?).map_err(|error| unreadable(column, error))
            }
            Row::Postgres(row) => row.try_get(column),
        }
    }
}

impl Column for i64 {
    fn read(row: &Row, column: &str) -> sqlx::Result<Self> {
        match row {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => match row.try_column(column)?.type_info().name() {
                "INT2" => row.try_get::<i16, _>(column).map(Into::into),
                "INT4" => row.try_get::<i32, _>(column).map(Into::into),
                _ => row.try_get(column),
            },
        }
    }
}

impl Column for u32 {
    fn read(row: &Row, column: &str) -> sqlx::Result<Self> {
        Self::try_from(i64::read(row, column)?).map_err(|error| unreadable(column, error))
    }
}

impl Column for u16 {
    fn read(row: &Row, column: &str) -> sqlx::Result<Self> {
        Self::try_from(i64::read(row, column)?).map_err(|error| unreadable(column, error))
    }
}

/// Types that both databases give as they are.
macro_rules! plain {
    ($($type:ty)*) => {$(
        impl Column for $type {
            fn read(row: &Row, column: &str) -> sqlx::Result<Self> {
                match row {
                    Row::Sqlite(row) => row.try_get(column),
                    Row::Postgres(row) => row.try_get(column),
                }
            }
        }
    )*};
}

plain! { bool String Vec<u8> }
