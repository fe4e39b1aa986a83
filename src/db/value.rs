//! What is put into the places of a text.

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Postgres, Sqlite};
use uuid::Uuid;

/// A value, or the absence of one of its kind.
#[derive(Clone, Debug)]
pub enum Value {
    /// An id.
    Id(Option<Uuid>),
    /// A whole number.
    Int(Option<i64>),
    /// Words.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
    /// Yes or no.
    Bool(bool),
}

impl Value {
    pub(super) fn bind_sqlite(
        self,
        query: Query<'static, Sqlite, SqliteArguments>,
    ) -> Query<'static, Sqlite, SqliteArguments> {
        match self {
            Self::Id(id) => query.bind(id.map(|id| id.as_bytes().to_vec())),
            Self::Int(number) => query.bind(number),
            Self::Text(text) => query.bind(text),
            Self::Bytes(bytes) => query.bind(bytes),
            Self::Bool(bool) => query.bind(bool),
        }
    }

    pub(super) fn bind_postgres(
        self,
        query: Query<'static, Postgres, PgArguments>,
    ) -> Query<'static, Postgres, PgArguments> {
        match self {
            Self::Id(id) => query.bind(id),
            Self::Int(number) => query.bind(number),
            Self::Text(text) => query.bind(text),
            Self::Bytes(bytes) => query.bind(bytes),
            Self::Bool(bool) => query.bind(bool),
        }
    }
}

/// Makes a kind of value of what Rust has for it.
macro_rules! values {
    ($($from:ty => $with:expr;)*) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                $with(value)
            }
        }
    )*};
}

values! {
    Uuid => |id| Self::Id(Some(id));
    Option<Uuid> => Self::Id;
    i64 => |number| Self::Int(Some(number));
    Option<i64> => Self::Int;
    u32 => |number: u32| Self::Int(Some(number.into()));
    Option<u32> => |number: Option<u32>| Self::Int(number.map(Into::into));
    u16 => |number: u16| Self::Int(Some(number.into()));
    &str => |text: &str| Self::Text(Some(text.to_owned()));
    Option<&str> => |text: Option<&str>| Self::Text(text.map(ToOwned::to_owned));
    String => |text| Self::Text(Some(text));
    Option<String> => Self::Text;
    Vec<u8> => |bytes| Self::Bytes(Some(bytes));
    &[u8] => |bytes: &[u8]| Self::Bytes(Some(bytes.to_vec()));
    bool => Self::Bool;
}
