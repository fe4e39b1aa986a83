//! What entities and walls read. Every question names the gym, and finds nothing of another's.

use spotter_actors::{EventRow, SnapshotRow, Stored};
use spotter_protocol::{
    Address, ClientId, CommandId, GymId, SessionId, Stamp, StreamId, Timestamp, UserId, Version,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::columns::{self, blob};
use super::letters;

/// More events than any stream holds.
const ALL: u32 = u32::MAX;

/// Reads an entity: its newest snapshot and the events after it.
pub(super) async fn load(reader: &SqlitePool, gym: GymId, address: Address) -> sqlx::Result<Option<Stored>> {
    let mut connection = reader.acquire().await?;
    let Some((stream, first)) = stream(&mut connection, gym, address).await? else { return Ok(None) };
    let snapshot = sqlx::query("SELECT version, schema, body FROM snapshots WHERE stream = ?")
        .bind(blob(stream.0))
        .fetch_optional(&mut *connection)
        .await?;
    let snapshot = snapshot.map(|row| snapshot_row(&row)).transpose()?;
    let since = snapshot.as_ref().map_or(Version(0), |snapshot| snapshot.version);
    let tail = tail(&mut connection, stream, since, ALL).await?;
    let reminder = letters::reminder_of(&mut connection, address).await?;
    Ok(Some(Stored { stream, first, snapshot, tail, reminder }))
}

/// Reads at most `limit` events of an entity after `since`.
pub(super) async fn events(
    reader: &SqlitePool,
    gym: GymId,
    address: Address,
    since: Version,
    limit: u32,
) -> sqlx::Result<Option<Vec<EventRow>>> {
    let mut connection = reader.acquire().await?;
    let Some((stream, _)) = stream(&mut connection, gym, address).await? else { return Ok(None) };
    tail(&mut connection, stream, since, limit).await.map(Some)
}

/// The running sessions of `owners`, newest first, found by their index: an owner may have thousands that have
/// ended. The phases stand in the text as they stand in the index: only so can SQLite use it.
pub(super) async fn running(
    reader: &SqlitePool,
    gym: GymId,
    owners: &[UserId],
) -> sqlx::Result<Vec<(Address, Version)>> {
    let found = sqlx::query(
        "SELECT sessions.owner, sessions.session,
             (SELECT max(version) FROM journal WHERE journal.stream = entities.stream) AS head
         FROM sessions INDEXED BY sessions_running
         CROSS JOIN entities ON entities.owner = sessions.owner AND entities.kind = 'session'
             AND entities.id = sessions.session AND entities.gym = sessions.gym
         WHERE sessions.owner IN (SELECT unhex(value) FROM json_each(?))
             AND sessions.phase IN ('live', 'paused') AND sessions.gym = ?
         ORDER BY sessions.started_at DESC, sessions.owner, sessions.session",
    );
    let owners = owners.iter().map(|owner| owner.0.simple().to_string()).collect();
    let found = found.bind(json_list(owners)).bind(blob(gym.0)).fetch_all(reader).await?;
    found
        .iter()
        .map(|row| {
            let address = Address::session(UserId(uuid(row, "owner")?), SessionId(uuid(row, "session")?));
            Ok((address, version(row, "head")?))
        })
        .collect()
}

/// The newest version that a command wrote in any stream of an entity.
pub(super) async fn version_of(
    reader: &SqlitePool,
    gym: GymId,
    address: Address,
    command: CommandId,
) -> sqlx::Result<Option<Version>> {
    let newest = sqlx::query(
        "WITH RECURSIVE streams (stream) AS (
             SELECT stream FROM entities WHERE owner = ? AND kind = ? AND id = ? AND gym = ?
             UNION ALL SELECT seal.stream FROM streams
                 JOIN journal AS seal ON seal.kind = 'moved' AND seal.body = streams.stream)
         SELECT version FROM streams CROSS JOIN journal USING (stream)
         WHERE command = ? ORDER BY version DESC LIMIT 1",
    );
    let newest = newest
        .bind(blob(address.owner.0))
        .bind(address.kind.as_str())
        .bind(blob(address.id))
        .bind(blob(gym.0))
        .bind(blob(command.0))
        .fetch_optional(reader)
        .await?;
    newest.map(|row| version(&row, "version")).transpose()
}

/// A list of words for `json_each` to take apart: one statement serves any number of them.
pub(super) fn json_list(words: Vec<String>) -> String {
    serde_json::Value::from(words).to_string()
}

async fn stream(
    connection: &mut SqliteConnection,
    gym: GymId,
    address: Address,
) -> sqlx::Result<Option<(StreamId, Version)>> {
    let row = sqlx::query(
        "SELECT stream, first_version FROM entities WHERE owner = ? AND kind = ? AND id = ? AND gym = ?",
    )
    .bind(blob(address.owner.0))
    .bind(address.kind.as_str())
    .bind(blob(address.id))
    .bind(blob(gym.0))
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok((StreamId(uuid(&row, "stream")?), version(&row, "first_version")?))).transpose()
}

async fn tail(
    connection: &mut SqliteConnection,
    stream: StreamId,
    since: Version,
    limit: u32,
) -> sqlx::Result<Vec<EventRow>> {
    let rows = sqlx::query(
        "SELECT version, kind, schema, at, received_at, device_at, clock_offset, author, command, client, n, body
         FROM journal WHERE stream = ? AND version > ? ORDER BY version LIMIT ?",
    );
    let rows = rows.bind(blob(stream.0)).bind(columns::version(since)).bind(limit);
    rows.fetch_all(connection).await?.iter().map(event_row).collect()
}

fn event_row(row: &SqliteRow) -> sqlx::Result<EventRow> {
    let stamp = Stamp {
        at: Timestamp(row.try_get("at")?),
        received_at: Timestamp(row.try_get("received_at")?),
        device_at: Timestamp(row.try_get("device_at")?),
        offset: row.try_get("clock_offset")?,
        author: UserId(uuid(row, "author")?),
        command: CommandId(uuid(row, "command")?),
        client: ClientId(uuid(row, "client")?),
        n: row.try_get::<i64, _>("n")?.cast_unsigned(),
    };
    Ok(EventRow {
        version: version(row, "version")?,
        stamp,
        kind: row.try_get("kind")?,
        schema: row.try_get("schema")?,
        body: row.try_get("body")?,
    })
}

fn snapshot_row(row: &SqliteRow) -> sqlx::Result<SnapshotRow> {
    Ok(SnapshotRow {
        version: version(row, "version")?,
        schema: row.try_get("schema")?,
        body: row.try_get("body")?,
    })
}

fn version(row: &SqliteRow, column: &str) -> sqlx::Result<Version> {
    Ok(Version(row.try_get::<i64, _>(column)?.cast_unsigned()))
}

fn uuid(row: &SqliteRow, column: &str) -> sqlx::Result<Uuid> {
    columns::uuid(row.try_get(column)?)
}
