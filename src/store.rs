//! Where what happened stays: the journal, what is looked up beside it, and the accounts, in one SQLite file.

mod lock;
mod sqlite;

pub use lock::LockError;
pub use sqlite::{OpenError, SqliteStore};
