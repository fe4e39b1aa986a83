//! One statement that writes many rows of many tables, under the fence.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use spotter_actors::Epoch;
use spotter_protocol::Shard;
use sqlx::postgres::{PgArguments, PgBindIterExt, PgHasArrayType, PgRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, PgConnection, Postgres, Type};
use uuid::Uuid;

/// The course of the server's history, as the name of what it writes shows it.
pub(super) const TIMELINE: &str = "substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";

/// Under whose name rows are written, and in which course of the server's history it had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Writer {
    pub(super) node: Uuid,
    pub(super) timeline: String,
}

/// A shard under the epoch in which a writer believes to hold it.
pub(super) type Held = (i16, i64);

/// A shard's number and epoch as they are bound.
pub(super) fn held(shard: Shard, epoch: Epoch) -> Held {
    (shard.number().cast_signed(), epoch.0)
}

/// A statement under way. It begins with the fence: the rows of `own` are the shards that are held, locked against a
/// claim until the end (`FOR SHARE` waits for a claim's `UPDATE` and lets it wait; less lets a claim pass by, and what
/// is then written is lost). They are locked in the order of their numbers, as a claim locks them.
pub(super) struct Statement {
    text: String,
    arguments: PgArguments,
    /// Places used.
    places: usize,
    /// The sections whose rows must all go in, and how many those are.
    counted: Vec<&'static str>,
    expected: i64,
}

impl Statement {
    pub(super) fn under(writer: &Writer, shards: &BTreeSet<Held>) -> sqlx::Result<Self> {
        let mut statement = Self {
            text: String::with_capacity(4096),
            arguments: PgArguments::default(),
            places: 0,
            counted: Vec::new(),
            expected: 0,
        };
        let (numbers, epochs): (Vec<i16>, Vec<i64>) = shards.iter().copied().unzip();
        let count = i64::try_from(shards.len()).unwrap_or(i64::MAX);
        statement.bind(numbers)?;
        statement.bind(epochs)?;
        statement.bind(writer.node)?;
        statement.bind(writer.timeline.as_str())?;
        statement.bind(count)?;
        statement.write(format_args!(
            "WITH own AS MATERIALIZED (
                 SELECT shards.shard, shards.epoch FROM shards
                 JOIN unnest($1, $2) AS claimed (shard, epoch)
                     ON claimed.shard = shards.shard AND claimed.epoch = shards.epoch
                 WHERE shards.node = $3 AND (SELECT {TIMELINE}) = $4
                 ORDER BY shards.shard FOR SHARE OF shards),
             held AS MATERIALIZED (SELECT 1 WHERE (SELECT count(*) FROM own) = $5)",
        ))?;
        Ok(statement)
    }

    fn write(&mut self, text: fmt::Arguments<'_>) -> sqlx::Result<()> {
        self.text.write_fmt(text).map_err(|error| sqlx::Error::Encode(error.into()))
    }

    /// Puts a value into the next place, and names the place.
    fn bind<T>(&mut self, value: T) -> sqlx::Result<usize>
    where
        T: for<'q> Encode<'q, Postgres> + Type<Postgres>,
    {
        self.arguments.add(value).map_err(sqlx::Error::Encode)?;
        self.places += 1;
        Ok(self.places)
    }

    /// Adds what is done with `rows`; nothing when there are none. When they are `counted`, the section must answer as
    /// many rows, or nothing of the statement is written: so it is with what may find nothing to change. An insert needs
    /// no counting (which costs a third of it): all goes in, or a key refuses the statement. In `text`, `{rows}` stands
    /// for them as a table `given` with the columns that `columns` names.
    pub(super) fn section<T>(
        &mut self,
        name: &'static str,
        rows: &[T],
        counted: bool,
        text: &str,
        columns: impl FnOnce(&mut Columns<'_, T>) -> sqlx::Result<()>,
    ) -> sqlx::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let (before, after) = text.split_once("{rows}").unwrap_or((text, ""));
        self.text.extend([", ", name, " AS (", before]);
        // In a list of results, arrays are taken apart row by row; in `FROM` the server makes a table of them first.
        self.text.push_str("(SELECT ");
        columns(&mut Columns { statement: self, rows, is_first: true })?;
        self.text.extend([") AS given", after, ")"]);
        if counted {
            self.counted.push(name);
            self.expected += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        }
        Ok(())
    }

    /// Runs the statement to its end, answered by `answer`, a list of columns.
    pub(super) async fn run(
        mut self,
        connection: &mut PgConnection,
        answer: &str,
    ) -> sqlx::Result<Vec<PgRow>> {
        self.text.push_str(" SELECT ");
        self.text.push_str(answer);
        sqlx::query_with(AssertSqlSafe(self.text), self.arguments).fetch_all(connection).await
    }

    /// Runs the statement: nothing is written unless every shard is held and every counted row goes in. Answers the
    /// shards that are held.
    ///
    /// # Errors
    /// Also with the code `SP001`, when the shards are held and a counted row did not go in.
    pub(super) async fn run_whole(mut self, connection: &mut PgConnection) -> sqlx::Result<BTreeSet<Held>> {
        use sqlx::Row;
        let place = self.bind(self.expected)?;
        let mut answer = "ARRAY(SELECT shard FROM own) AS shards, ARRAY(SELECT epoch FROM own) AS epochs,
             spotter_whole(NOT EXISTS (SELECT FROM held) OR 0"
            .to_owned();
        for name in &self.counted {
            answer.extend([" + (SELECT count(*) FROM ", name, ")"]);
        }
        answer.push_str(&format!(" = ${place})"));
        let rows = self.run(connection, &answer).await?;
        let Some(row) = rows.first() else { return Err(sqlx::Error::RowNotFound) };
        let (shards, epochs): (Vec<i16>, Vec<i64>) = (row.try_get("shards")?, row.try_get("epochs")?);
        Ok(shards.into_iter().zip(epochs).collect())
    }
}

/// The columns of a section's rows.
pub(super) struct Columns<'a, T> {
    statement: &'a mut Statement,
    rows: &'a [T],
    is_first: bool,
}

impl<'a, T> Columns<'a, T> {
    /// The next column: of each row its `value`.
    pub(super) fn add<V>(&mut self, name: &'static str, value: impl Fn(&'a T) -> V) -> sqlx::Result<()>
    where
        V: PgHasArrayType + for<'q> Encode<'q, Postgres> + Type<Postgres>,
    {
        let place = self.statement.bind(self.rows.iter().map(value).bind_iter())?;
        let comma = if std::mem::replace(&mut self.is_first, false) { "" } else { ", " };
        self.statement.write(format_args!("{comma}unnest(${place}) AS {name}"))
    }
}
