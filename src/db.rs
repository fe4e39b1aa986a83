//! The database behind questions and changes: SQLite or PostgreSQL, by one text wherever both take it.
//!
//! Places in a text are `$1`, `$2` …; columns are read by name. An id is 16 bytes in SQLite and a `uuid` in
//! PostgreSQL; a list is one text of JSON in both.

#[cfg(test)]
pub(crate) mod both;
mod row;
mod value;

pub use row::{Column, Row};
pub use value::Value;

use std::time::Duration;

use sqlx::{PgPool, Postgres, Sqlite, SqlitePool};

/// Changes of what no entity owns follow one another in PostgreSQL too, as they do in SQLite: whoever makes one holds
/// this lock. The triggers that number changed rights take it by themselves.
const ACCOUNTS_LOCK: &str = "SELECT pg_advisory_xact_lock(hashtext('spotter accounts'))";

/// A server that takes longer for an answer is lost: it ends a statement by itself after half of that. Connections fall
/// silent when a network or a machine goes away without a word, and the system notices a quarter of an hour later.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Waits for the answer of a server; what comes too late is an error. The connection it did not come on is closed when it
/// goes back to its pool.
pub(crate) async fn in_time<T>(answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    within(ANSWER_TIMEOUT, answer).await
}

/// Waits for an answer no longer than that.
pub(crate) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    tokio::time::timeout(limit, answer).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Connections of one kind to an open database.
#[derive(Clone, Debug)]
pub enum Pool {
    /// To a file.
    Sqlite(SqlitePool),
    /// To a server.
    Postgres(PgPool),
}

impl Pool {
    /// Begins a transaction that reads the database as it is at one moment, for as long as it takes: whoever reads much
    /// is not ended as a question of somebody who waits would be. It cannot write to a server.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn moment(&self) -> sqlx::Result<Transaction> {
        match self {
            // The moment is that of the first question.
            Self::Sqlite(pool) => pool.begin().await.map(Transaction::Sqlite),
            Self::Postgres(pool) => {
                // What is read is worked on between two questions. One message: the server ends a transaction that
                // waits for its own limits to be lifted as it ends any other.
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; \
                     SET LOCAL idle_in_transaction_session_timeout = '5min'";
                pool.begin_with(begin).await.map(Transaction::Postgres)
            }
        }
    }

    /// Waits for what is under way and ends the connections; whoever asks later is told that the database is away.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// An open database as accounts, links, workouts and sign-ins see it.
#[derive(Clone, Debug)]
pub struct Db {
    /// Writes; every commit is on the disk when it returns.
    pub writer: Pool,
    /// Reads.
    pub reader: Pool,
}

impl Db {
    /// Begins a transaction that has the accounts to itself from its start, so that it never fails for having read
    /// first.
    ///
    /// # Errors
    /// When the lock is not had in time.
    pub async fn write(&self) -> sqlx::Result<Transaction> {
        match &self.writer {
            Pool::Sqlite(pool) => pool.begin_with("BEGIN IMMEDIATE").await.map(Transaction::Sqlite),
            Pool::Postgres(pool) => {
                let begun = in_time(async {
                    let mut transaction = pool.begin().await?;
                    sqlx::query(ACCOUNTS_LOCK).execute(&mut *transaction).await?;
                    Ok(transaction)
                });
                begun.await.map(Transaction::Postgres)
            }
        }
    }
}

/// A transaction; dropped without a commit it changes nothing.
#[derive(Debug)]
pub enum Transaction {
    /// Of a file.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// Of a server.
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    /// Makes its changes durable.
    ///
    /// # Errors
    /// When the database does not answer: whether they are made is unknown.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => in_time(transaction.commit()).await,
        }
    }
}

/// Where a text is run.
#[derive(Debug)]
pub enum On<'a> {
    /// On any connection of a pool.
    Pool(&'a Pool),
    /// In a transaction.
    Transaction(&'a mut Transaction),
}

impl<'a> From<&'a Pool> for On<'a> {
    fn from(pool: &'a Pool) -> Self {
        Self::Pool(pool)
    }
}

impl<'a> From<&'a mut Transaction> for On<'a> {
    fn from(transaction: &'a mut Transaction) -> Self {
        Self::Transaction(transaction)
    }
}

/// A question or a change.
#[derive(Debug)]
pub struct Query {
    sqlite: &'static str,
    postgres: &'static str,
    values: Vec<Value>,
}

/// A text that both databases take.
pub fn query(text: &'static str) -> Query {
    query_each(text, text)
}

/// The same said to each database in its own words.
pub fn query_each(sqlite: &'static str, postgres: &'static str) -> Query {
    Query { sqlite, postgres, values: Vec::new() }
}

/// Runs a query by a method of sqlx, whichever database it is for. Boxed: ten thousand idle connections would each keep
/// the room that the largest of the four needs.
macro_rules! run {
    ($query:ident, $on:ident, $method:ident) => {{
        let on = $on.into();
        Box::pin(async move {
            match on {
                On::Pool(Pool::Sqlite(pool)) => $query.for_sqlite().$method(pool).await.map(Either::Sqlite),
                On::Pool(Pool::Postgres(pool)) => {
                    in_time($query.for_postgres().$method(pool)).await.map(Either::Postgres)
                }
                On::Transaction(Transaction::Sqlite(transaction)) => {
                    $query.for_sqlite().$method(&mut **transaction).await.map(Either::Sqlite)
                }
                On::Transaction(Transaction::Postgres(transaction)) => {
                    in_time($query.for_postgres().$method(&mut **transaction)).await.map(Either::Postgres)
                }
            }
        })
        .await
    }};
}

/// What one of the two databases answered.
enum Either<S, P> {
    Sqlite(S),
    Postgres(P),
}

impl Query {
    /// Puts a value into the next place.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    fn for_sqlite(self) -> sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments> {
        self.values.into_iter().fold(sqlx::query(self.sqlite), |query, value| value.bind_sqlite(query))
    }

    fn for_postgres(self) -> sqlx::query::Query<'static, Postgres, sqlx::postgres::PgArguments> {
        self.values.into_iter().fold(sqlx::query(self.postgres), |query, value| value.bind_postgres(query))
    }

    /// Makes the change; answers how many rows it touched.
    ///
    /// # Errors
    /// When the database refuses it or does not answer.
    pub async fn execute<'a>(self, on: impl Into<On<'a>>) -> sqlx::Result<u64> {
        let done = run!(self, on, execute)?;
        Ok(match done {
            Either::Sqlite(done) => done.rows_affected(),
            Either::Postgres(done) => done.rows_affected(),
        })
    }

    /// All rows of the answer.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn fetch_all<'a>(self, on: impl Into<On<'a>>) -> sqlx::Result<Vec<Row>> {
        let rows = run!(self, on, fetch_all)?;
        Ok(match rows {
            Either::Sqlite(rows) => rows.into_iter().map(Row::Sqlite).collect(),
            Either::Postgres(rows) => rows.into_iter().map(Row::Postgres).collect(),
        })
    }

    /// The first row, when there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn fetch_optional<'a>(self, on: impl Into<On<'a>>) -> sqlx::Result<Option<Row>> {
        let row = run!(self, on, fetch_optional)?;
        Ok(match row {
            Either::Sqlite(row) => row.map(Row::Sqlite),
            Either::Postgres(row) => row.map(Row::Postgres),
        })
    }

    /// The only row.
    ///
    /// # Errors
    /// When there is none, or the database does not answer.
    pub async fn fetch_one<'a>(self, on: impl Into<On<'a>>) -> sqlx::Result<Row> {
        self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }
}

/// A list for `json_each` or `json_array_elements` to take apart: one statement serves any number of entries.
pub fn json_list(entries: impl Iterator<Item = serde_json::Value>) -> String {
    serde_json::Value::Array(entries.collect()).to_string()
}

/// Reads a column of text that has a form of its own.
///
/// # Errors
/// When the column is absent or its text has not that form.
pub fn parsed<T>(row: &Row, column: &str) -> sqlx::Result<T>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    row.get::<String>(column)?.parse().map_err(|error: T::Err| unreadable(column, error))
}

/// What is stored cannot be read by this build.
pub fn unreadable(column: &str, error: impl std::fmt::Display) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: error.to_string().into() }
}
