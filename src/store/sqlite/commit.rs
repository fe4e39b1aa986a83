//! One batch, one transaction. First all of it at once; when a row does not go in, again one append at a time,
//! so that each gets its own answer and a bad one never fails its neighbours.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use spotter_actors::{Append, EventRow, Opening, Outcome, SnapshotWrite};
use spotter_protocol::{StreamId, Version};
use sqlx::pool::PoolConnection;
use sqlx::{Connection, Row, Sqlite, SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::super::columns::{self, count};
use super::super::rows::{Holder, Rows};
use super::blob;
use super::insert::{Binding, FencedInsert};
use super::letters;
use super::rows;

/// SQLite locks for writing at the first write; a transaction that begins by reading may find it too late.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// An event goes in under the fence, when its place is free, and when the event before it is there (`column16`
/// of its stream; null when that is written by the same batch, or when the event begins a stream).
static JOURNAL: LazyLock<FencedInsert> = LazyLock::new(|| {
    FencedInsert::new(
        "INSERT INTO journal (stream, version, epoch, kind, schema, at, received_at, device_at, clock_offset, \
             author, command, client, n, body)
         SELECT column3, column4, column2, column5, column6, column7, column8, column9, column10, \
             column11, column12, column13, column14, column15
         FROM (VALUES {rows}) CROSS JOIN shards ON shards.shard = column1 AND shards.epoch = column2
         WHERE shards.node = ? AND (column16 IS NULL OR EXISTS (
             SELECT 1 FROM journal AS earlier WHERE earlier.stream = column3 AND earlier.version = column16))
         ON CONFLICT DO NOTHING",
        16,
    )
});

static ENTITIES: LazyLock<FencedInsert> = LazyLock::new(|| {
    FencedInsert::new(
        "INSERT INTO entities (owner, kind, id, gym, stream, first_version)
         SELECT column3, column4, column5, column6, column7, column8
         FROM (VALUES {rows}) CROSS JOIN shards ON shards.shard = column1 AND shards.epoch = column2
         WHERE shards.node = ?
         ON CONFLICT DO NOTHING",
        8,
    )
});

/// An entity leaves the stream `column9`, when it is still there.
static ROTATIONS: LazyLock<FencedInsert> = LazyLock::new(|| {
    FencedInsert::new(
        "INSERT INTO entities (owner, kind, id, gym, stream, first_version)
         SELECT column3, column4, column5, column6, column7, column8
         FROM (VALUES {rows}) CROSS JOIN shards ON shards.shard = column1 AND shards.epoch = column2
         WHERE shards.node = ? AND EXISTS (
             SELECT 1 FROM entities AS now WHERE now.owner = column3 AND now.kind = column4
                 AND now.id = column5 AND now.gym = column6 AND now.stream = column9)
         ON CONFLICT (owner, kind, id) DO UPDATE SET stream = excluded.stream, \
             first_version = excluded.first_version",
        9,
    )
});

static SNAPSHOTS: LazyLock<FencedInsert> = LazyLock::new(|| {
    FencedInsert::new(
        "INSERT INTO snapshots (stream, version, schema, body)
         SELECT column3, column4, column5, column6
         FROM (VALUES {rows}) CROSS JOIN shards ON shards.shard = column1 AND shards.epoch = column2
         WHERE shards.node = ? AND EXISTS (SELECT 1 FROM entities WHERE entities.stream = column3)
         ON CONFLICT (stream) DO UPDATE SET version = excluded.version, schema = excluded.schema, \
             body = excluded.body
         WHERE excluded.version >= snapshots.version",
        6,
    )
});

/// Writes a batch and answers each append in order. After an error the outcome of all of it is unknown.
pub(super) async fn commit(writer: &SqlitePool, node: Uuid, batch: &[Append]) -> sqlx::Result<Vec<Outcome>> {
    let mut connection = writer.acquire().await?;
    let answered = commit_on(&mut connection, node, batch).await;
    renew_after(&answered, &mut connection);
    answered
}

async fn commit_on(
    connection: &mut SqliteConnection,
    node: Uuid,
    batch: &[Append],
) -> sqlx::Result<Vec<Outcome>> {
    let all: Vec<&Append> = batch.iter().collect();
    let mut transaction = connection.begin_with(BEGIN).await?;
    match write(&mut transaction, node, &all).await {
        Ok(true) => {
            transaction.commit().await?;
            return Ok(vec![Outcome::Committed; batch.len()]);
        }
        Ok(false) => {}
        Err(error) if refuses_content(&error) => {}
        Err(error) => return Err(error),
    }
    transaction.rollback().await?;

    let mut transaction = connection.begin_with(BEGIN).await?;
    let mut outcomes = Vec::with_capacity(batch.len());
    for append in batch {
        outcomes.push(commit_alone(&mut transaction, node, append).await?);
    }
    transaction.commit().await?;
    Ok(outcomes)
}

/// Writes one append inside the transaction, whole or not at all.
async fn commit_alone(
    transaction: &mut SqliteConnection,
    node: Uuid,
    append: &Append,
) -> sqlx::Result<Outcome> {
    let mut savepoint = transaction.begin().await?;
    let written = write(&mut savepoint, node, &[append]).await;
    if let Ok(true) = written {
        savepoint.commit().await?;
        return Ok(Outcome::Committed);
    }
    savepoint.rollback().await?;
    match written {
        Ok(_) => why_not(transaction, node, append).await,
        Err(error) if refuses_content(&error) => Ok(Outcome::Refused(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Writes appends with all that belongs to them. False as soon as one row did not go in: the transaction, or
/// its savepoint, must then be rolled back.
async fn write(connection: &mut SqliteConnection, node: Uuid, appends: &[&Append]) -> sqlx::Result<bool> {
    let opened: Vec<&Append> =
        appends.iter().copied().filter(|append| append.opening == Opening::Entity).collect();
    if ENTITIES.write(connection, node, &opened, bind_entity).await? != opened.len() as u64 {
        return Ok(false);
    }
    let rotated: Vec<(&Append, StreamId)> =
        appends.iter().filter_map(|append| Some((*append, append.opening.left()?))).collect();
    if ROTATIONS.write(connection, node, &rotated, bind_rotation).await? != rotated.len() as u64 {
        return Ok(false);
    }
    let events = placed(appends);
    if JOURNAL.write(connection, node, &events, bind_event).await? != events.len() as u64 {
        return Ok(false);
    }
    for (_, left) in rotated {
        let dropped = sqlx::query("DELETE FROM snapshots WHERE stream = ?").bind(blob(left.0));
        dropped.execute(&mut *connection).await?;
    }
    let mut rows = Rows::default();
    for append in appends {
        let holder = Holder { gym: append.gym, owner: append.address.owner, epoch: append.epoch };
        rows.add(holder, &append.rows);
    }
    rows::write(rows, connection, node).await?;
    letters::write(connection, node, appends).await
}

/// An event with what its place in the journal depends on.
struct Placed<'a> {
    append: &'a Append,
    stream: StreamId,
    event: Cow<'a, EventRow>,
    /// The version that must be in the stream already.
    earlier: Option<Version>,
}

fn placed<'a>(appends: &[&'a Append]) -> Vec<Placed<'a>> {
    let mut coming: HashSet<(StreamId, Version)> = HashSet::new();
    let mut placed = Vec::new();
    for append in appends {
        // The seal comes after the last event of the stream that is left: it is there when that is the entity's head.
        let seal = append.seal().map(|(left, seal)| (left, Cow::Owned(seal), false));
        let begins = append.opening != Opening::No;
        let events = append.events.iter().enumerate();
        let events = events.map(|(place, event)| (append.stream, Cow::Borrowed(event), begins && place == 0));
        for (stream, event, begins) in seal.into_iter().chain(events) {
            coming.insert((stream, event.version));
            let earlier = Version(event.version.0.saturating_sub(1));
            let known = begins || coming.contains(&(stream, earlier));
            placed.push(Placed { append, stream, event, earlier: (!known).then_some(earlier) });
        }
    }
    placed
}

/// Why nothing of an append went in. The fence is looked at first: who has lost the shard is told so, even
/// when an earlier offer of the same rows was committed.
async fn why_not(connection: &mut SqliteConnection, node: Uuid, append: &Append) -> sqlx::Result<Outcome> {
    let held = sqlx::query("SELECT 1 FROM shards WHERE shard = ? AND epoch = ? AND node = ?")
        .bind(append.address.shard().number())
        .bind(append.epoch.0)
        .bind(blob(node))
        .fetch_optional(&mut *connection)
        .await?;
    if held.is_none() {
        return Ok(Outcome::Fenced);
    }
    if append.opening != Opening::No {
        let stream = sqlx::query_scalar::<_, Vec<u8>>(
            "SELECT stream FROM entities WHERE owner = ? AND kind = ? AND id = ?",
        );
        let stream = stream
            .bind(blob(append.address.owner.0))
            .bind(append.address.kind.as_str())
            .bind(blob(append.address.id))
            .fetch_optional(&mut *connection)
            .await?;
        if stream != Some(blob(append.stream.0)) {
            return Ok(Outcome::Conflict);
        }
    }
    for event in &append.events {
        let writer = sqlx::query("SELECT command FROM journal WHERE stream = ? AND version = ?")
            .bind(blob(append.stream.0))
            .bind(columns::version(event.version))
            .fetch_optional(&mut *connection)
            .await?;
        let writer = writer.map(|row| row.try_get::<Vec<u8>, _>(0)).transpose()?;
        if writer != Some(blob(event.stamp.command.0)) {
            return Ok(Outcome::Conflict);
        }
    }
    Ok(Outcome::Committed)
}

/// Writes snapshots with their rows; those that are fenced, or older than what is stored, leave nothing.
pub(super) async fn save(writer: &SqlitePool, node: Uuid, snapshots: &[SnapshotWrite]) -> sqlx::Result<()> {
    let mut connection = writer.acquire().await?;
    let saved = save_on(&mut connection, node, snapshots).await;
    renew_after(&saved, &mut connection);
    saved
}

async fn save_on(
    connection: &mut SqliteConnection,
    node: Uuid,
    snapshots: &[SnapshotWrite],
) -> sqlx::Result<()> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let mut rows = Rows::default();
    for write in snapshots {
        if SNAPSHOTS.write(&mut transaction, node, std::slice::from_ref(write), bind_snapshot).await? == 1 {
            let holder = Holder { gym: write.gym, owner: write.address.owner, epoch: write.epoch };
            rows.add(holder, &write.rows);
        }
    }
    rows::write(rows, &mut transaction, node).await?;
    transaction.commit().await
}

/// Closes the connection after an error, and with it whatever was left open; the pool opens another. (After
/// some errors, such as a full disk, SQLite ends the transaction by itself and sqlx loses count.)
fn renew_after<T>(result: &sqlx::Result<T>, connection: &mut PoolConnection<Sqlite>) {
    if result.is_err() {
        connection.close_on_drop();
    }
}

/// Whether SQLite refused a row for what it holds: a constraint, a type, or a size.
fn refuses_content(error: &sqlx::Error) -> bool {
    const TOO_BIG: u32 = 18;
    const CONSTRAINT: u32 = 19;
    const MISMATCH: u32 = 20;
    let code = error.as_database_error().and_then(|error| error.code());
    // The low byte of an extended code is the plain one.
    let plain = code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    matches!(plain, Some(TOO_BIG | CONSTRAINT | MISMATCH))
}

fn bind_entity(binding: Binding, append: &&Append) -> Binding {
    binding
        .bind(append.address.shard().number())
        .bind(append.epoch.0)
        .bind(blob(append.address.owner.0))
        .bind(append.address.kind.as_str())
        .bind(blob(append.address.id))
        .bind(blob(append.gym.0))
        .bind(blob(append.stream.0))
        .bind(append.events.first().map(|event| columns::version(event.version)))
}

fn bind_rotation(binding: Binding, (append, left): &(&Append, StreamId)) -> Binding {
    bind_entity(binding, append).bind(blob(left.0))
}

fn bind_event(binding: Binding, placed: &Placed<'_>) -> Binding {
    let Placed { append, stream, event, earlier } = placed;
    let stamp = &event.stamp;
    binding
        .bind(append.address.shard().number())
        .bind(append.epoch.0)
        .bind(blob(stream.0))
        .bind(columns::version(event.version))
        .bind(event.kind.clone())
        .bind(event.schema)
        .bind(stamp.at.0)
        .bind(stamp.received_at.0)
        .bind(stamp.device_at.0)
        .bind(stamp.offset)
        .bind(blob(stamp.author.0))
        .bind(blob(stamp.command.0))
        .bind(blob(stamp.client.0))
        .bind(count(stamp.n))
        .bind(event.body.clone())
        .bind(earlier.map(columns::version))
}

fn bind_snapshot(binding: Binding, write: &SnapshotWrite) -> Binding {
    binding
        .bind(write.address.shard().number())
        .bind(write.epoch.0)
        .bind(blob(write.stream.0))
        .bind(columns::version(write.snapshot.version))
        .bind(write.snapshot.schema)
        .bind(write.snapshot.body.clone())
}
