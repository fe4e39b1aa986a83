//! What entities and walls read. Every question names the gym, and finds nothing of another's.

use serde_json::{Value, json};
use spotter_actors::{EventRow, SnapshotRow, Stored};
use spotter_protocol::{
    Address, ClientId, CommandId, GymId, SessionId, Stamp, StreamId, Timestamp, UserId, Version,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::columns::{self, blob};

/// What a read shows of each event. The seal of a stream that was left is not among them: only who found the stream just
/// before it was left can meet it.
macro_rules! event_columns {
    () => {
        "journal.version, journal.kind, journal.schema, journal.at, received_at, device_at, clock_offset, author, \
         command, client, n, journal.body"
    };
}

/// Reads entities: of each its newest snapshot and the events after it.
pub(super) async fn load_all(
    reader: &SqlitePool,
    gym: GymId,
    addresses: &[Address],
) -> sqlx::Result<Vec<(Address, Stored)>> {
    let mut connection = reader.acquire().await?;
    let entities = sqlx::query(
        "SELECT wanted.key, entities.stream, entities.first_version,
             snapshots.version, snapshots.schema, snapshots.body, reminders.at
         FROM json_each(?) AS wanted
         CROSS JOIN entities ON entities.owner = unhex(wanted.value ->> 0) AND entities.kind = wanted.value ->> 1
             AND entities.id = unhex(wanted.value ->> 2) AND entities.gym = ?
         LEFT JOIN snapshots ON snapshots.stream = entities.stream
         LEFT JOIN reminders ON reminders.owner = entities.owner AND reminders.kind = entities.kind
             AND reminders.id = entities.id
         ORDER BY wanted.key",
    );
    let wanted = addresses.iter().map(|address| {
        json!([address.owner.0.simple().to_string(), address.kind.as_str(), address.id.simple().to_string()])
    });
    let wanted = json_list(wanted);
    let entities = entities.bind(wanted).bind(blob(gym.0)).fetch_all(&mut *connection).await?;
    let mut found = Vec::with_capacity(entities.len());
    for row in &entities {
        let Some(address) = addresses.get(place(row)?) else { continue };
        let snapshot = row.try_get::<Option<i64>, _>("version")?.map(|_| snapshot_row(row)).transpose()?;
        let stream = StreamId(uuid(row, "stream")?);
        let (first, reminder) = (version(row, "first_version")?, row.try_get::<Option<i64>, _>("at")?);
        let reminder = reminder.map(Timestamp);
        found.push((*address, Stored { stream, first, snapshot, tail: Vec::new(), reminder }));
    }

    let tails = sqlx::query(concat!(
        "SELECT wanted.key, ",
        event_columns!(),
        " FROM json_each(?) AS wanted
         CROSS JOIN journal ON journal.stream = unhex(wanted.value ->> 0) AND journal.version > wanted.value ->> 1
         WHERE journal.kind <> 'moved' ORDER BY wanted.key, journal.version",
    ));
    let since = |stored: &Stored| stored.snapshot.as_ref().map_or(Version(0), |snapshot| snapshot.version);
    let wanted = found
        .iter()
        .map(|(_, stored)| json!([stored.stream.0.simple().to_string(), columns::version(since(stored))]));
    let wanted = json_list(wanted);
    for row in tails.bind(wanted).fetch_all(&mut *connection).await? {
        if let Some((_, stored)) = found.get_mut(place(&row)?) {
            stored.tail.push(event_row(&row)?);
        }
    }
    Ok(found)
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
    let Some(stream) = stream(&mut connection, gym, address).await? else { return Ok(None) };
    let rows = sqlx::query(concat!(
        "SELECT ",
        event_columns!(),
        " FROM journal WHERE stream = ? AND version > ? AND kind <> 'moved' ORDER BY version LIMIT ?",
    ));
    let rows = rows.bind(blob(stream.0)).bind(columns::version(since)).bind(limit);
    rows.fetch_all(&mut *connection).await?.iter().map(event_row).collect::<sqlx::Result<_>>().map(Some)
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
    let owners = owners.iter().map(|owner| owner.0.simple().to_string().into());
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

/// A list for `json_each` to take apart: one statement serves any number of entries.
pub(super) fn json_list(entries: impl Iterator<Item = Value>) -> String {
    Value::Array(entries.collect()).to_string()
}

async fn stream(
    connection: &mut SqliteConnection,
    gym: GymId,
    address: Address,
) -> sqlx::Result<Option<StreamId>> {
    let row = sqlx::query("SELECT stream FROM entities WHERE owner = ? AND kind = ? AND id = ? AND gym = ?")
        .bind(blob(address.owner.0))
        .bind(address.kind.as_str())
        .bind(blob(address.id))
        .bind(blob(gym.0))
        .fetch_optional(connection)
        .await?;
    row.map(|row| uuid(&row, "stream").map(StreamId)).transpose()
}

/// The place in the list that `json_each` took a row from.
fn place(row: &SqliteRow) -> sqlx::Result<usize> {
    Ok(usize::try_from(row.try_get::<i64, _>("key")?).unwrap_or(usize::MAX))
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
