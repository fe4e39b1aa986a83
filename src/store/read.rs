//! What entities and walls read. Every question names the gym, and finds nothing of another's.

use serde_json::json;
use spotter_actors::{EventRow, Resident, SnapshotRow, Stored};
use spotter_protocol::{
    Address, ClientId, CommandId, GymId, SessionId, Stamp, StreamId, Timestamp, UserId, Version,
};

use super::columns;
use crate::db::{Pool, Row, json_list, parsed, query, query_each};

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
    reader: &Pool,
    gym: GymId,
    addresses: &[Address],
) -> sqlx::Result<Vec<(Address, Stored)>> {
    let wanted = addresses.iter().map(|address| {
        json!([address.owner.0.simple().to_string(), address.kind.as_str(), address.id.simple().to_string()])
    });
    let entities = query_each(
        "SELECT wanted.key AS place, entities.stream, entities.first_version,
             snapshots.version, snapshots.schema, snapshots.body, reminders.at
         FROM json_each($1) AS wanted
         CROSS JOIN entities ON entities.owner = unhex(wanted.value ->> 0) AND entities.kind = wanted.value ->> 1
             AND entities.id = unhex(wanted.value ->> 2) AND entities.gym = $2
         LEFT JOIN snapshots ON snapshots.stream = entities.stream
         LEFT JOIN reminders ON reminders.owner = entities.owner AND reminders.kind = entities.kind
             AND reminders.id = entities.id
         ORDER BY wanted.key",
        "SELECT wanted.place - 1 AS place, entities.stream, entities.first_version,
             snapshots.version, snapshots.schema, snapshots.body, reminders.at
         FROM json_array_elements($1::json) WITH ORDINALITY AS wanted (value, place)
         CROSS JOIN LATERAL (SELECT * FROM entities WHERE entities.owner = (wanted.value ->> 0)::uuid
             AND entities.kind = wanted.value ->> 1 AND entities.id = (wanted.value ->> 2)::uuid OFFSET 0) AS entities
         LEFT JOIN snapshots ON snapshots.stream = entities.stream
         LEFT JOIN reminders ON reminders.owner = entities.owner AND reminders.kind = entities.kind
             AND reminders.id = entities.id
         WHERE entities.gym = $2
         ORDER BY wanted.place",
    );
    let entities = entities.bind(json_list(wanted)).bind(gym.0).fetch_all(reader).await?;
    let mut found = Vec::with_capacity(entities.len());
    for row in &entities {
        let Some(address) = addresses.get(place(row)?) else { continue };
        let snapshot = row.get::<Option<i64>>("version")?.map(|_| snapshot_row(row)).transpose()?;
        let stream = StreamId(row.get("stream")?);
        let (first, reminder) = (version(row, "first_version")?, row.get::<Option<i64>>("at")?);
        let reminder = reminder.map(Timestamp);
        found.push((*address, Stored { stream, first, snapshot, tail: Vec::new(), reminder }));
    }

    let since = |stored: &Stored| stored.snapshot.as_ref().map_or(Version(0), |snapshot| snapshot.version);
    let wanted = found
        .iter()
        .map(|(_, stored)| json!([stored.stream.0.simple().to_string(), columns::version(since(stored))]));
    let tails = query_each(
        concat!(
            "SELECT wanted.key AS place, ",
            event_columns!(),
            " FROM json_each($1) AS wanted
             CROSS JOIN journal ON journal.stream = unhex(wanted.value ->> 0)
                 AND journal.version > wanted.value ->> 1
             WHERE journal.kind <> 'moved' ORDER BY wanted.key, journal.version",
        ),
        concat!(
            "SELECT wanted.place - 1 AS place, ",
            event_columns!(),
            " FROM json_array_elements($1::json) WITH ORDINALITY AS wanted (value, place)
             CROSS JOIN LATERAL (SELECT * FROM journal WHERE journal.stream = (wanted.value ->> 0)::uuid
                 AND journal.version > (wanted.value ->> 1)::bigint OFFSET 0) AS journal
             WHERE journal.kind <> 'moved' ORDER BY wanted.place, journal.version",
        ),
    );
    for row in tails.bind(json_list(wanted)).fetch_all(reader).await? {
        if let Some((_, stored)) = found.get_mut(place(&row)?) {
            stored.tail.push(event_row(&row)?);
        }
    }
    Ok(found)
}

/// Reads at most `limit` events of an entity after `since`.
pub(super) async fn events(
    reader: &Pool,
    gym: GymId,
    address: Address,
    since: Version,
    limit: u32,
) -> sqlx::Result<Option<Vec<EventRow>>> {
    let Some(stream) = stream(reader, gym, address).await? else { return Ok(None) };
    let rows = query(concat!(
        "SELECT ",
        event_columns!(),
        " FROM journal WHERE stream = $1 AND version > $2 AND kind <> 'moved' ORDER BY version LIMIT $3",
    ));
    let rows = rows.bind(stream.0).bind(columns::version(since)).bind(limit);
    rows.fetch_all(reader).await?.iter().map(event_row).collect::<sqlx::Result<_>>().map(Some)
}

/// The running sessions of `owners`, newest first, found by their index: an owner may have thousands that have
/// ended. The phases stand in the text as they stand in the index: only so can SQLite use it.
pub(super) async fn running(
    reader: &Pool,
    gym: GymId,
    owners: &[UserId],
) -> sqlx::Result<Vec<(Address, Version)>> {
    let found = query_each(
        "SELECT sessions.owner, sessions.session,
             (SELECT max(version) FROM journal WHERE journal.stream = entities.stream) AS head
         FROM sessions INDEXED BY sessions_running
         CROSS JOIN entities ON entities.owner = sessions.owner AND entities.kind = 'session'
             AND entities.id = sessions.session AND entities.gym = sessions.gym
         WHERE sessions.owner IN (SELECT unhex(value) FROM json_each($1))
             AND sessions.phase IN ('live', 'paused') AND sessions.gym = $2
         ORDER BY sessions.started_at DESC, sessions.owner, sessions.session",
        "SELECT sessions.owner, sessions.session,
             (SELECT max(version) FROM journal WHERE journal.stream = entities.stream) AS head
         FROM (SELECT DISTINCT value FROM json_array_elements_text($1::json) AS given (value)) AS owners
         CROSS JOIN LATERAL (SELECT * FROM sessions WHERE sessions.owner = owners.value::uuid
             AND sessions.phase IN ('live', 'paused') OFFSET 0) AS sessions
         CROSS JOIN LATERAL (SELECT * FROM entities WHERE entities.owner = sessions.owner
             AND entities.kind = 'session' AND entities.id = sessions.session AND entities.gym = sessions.gym
             OFFSET 0) AS entities
         WHERE sessions.gym = $2
         ORDER BY sessions.started_at DESC, sessions.owner, sessions.session",
    );
    let owners = owners.iter().map(|owner| owner.0.simple().to_string().into());
    let found = found.bind(json_list(owners)).bind(gym.0).fetch_all(reader).await?;
    found
        .iter()
        .map(|row| {
            let address = Address::session(UserId(row.get("owner")?), SessionId(row.get("session")?));
            Ok((address, version(row, "head")?))
        })
        .collect()
}

/// Entities in streams between two, in the order of their streams.
pub(super) async fn begun_before(
    reader: &Pool,
    boundary: StreamId,
    after: StreamId,
    limit: u32,
) -> sqlx::Result<Vec<Resident>> {
    let found = query(
        "SELECT gym, owner, kind, id, stream FROM entities WHERE stream > $1 AND stream < $2 ORDER BY stream LIMIT $3",
    );
    let found = found.bind(after.0).bind(boundary.0).bind(limit).fetch_all(reader).await?;
    let resident = |row: &Row| {
        let address =
            Address { kind: parsed(row, "kind")?, owner: UserId(row.get("owner")?), id: row.get("id")? };
        Ok(Resident { gym: GymId(row.get("gym")?), address, stream: StreamId(row.get("stream")?) })
    };
    found.iter().map(resident).collect()
}

/// The newest version that a command wrote in any stream of an entity.
pub(super) async fn version_of(
    reader: &Pool,
    gym: GymId,
    address: Address,
    command: CommandId,
) -> sqlx::Result<Option<Version>> {
    macro_rules! version_of {
        ($stream:literal) => {
            concat!(
                "WITH RECURSIVE streams (stream) AS (
                     SELECT stream FROM entities WHERE owner = $1 AND kind = $2 AND id = $3 AND gym = $4
                     UNION ALL SELECT seal.stream FROM streams
                         JOIN journal AS seal ON seal.kind = 'moved' AND seal.body = ",
                $stream,
                ")
                 SELECT version FROM streams JOIN journal USING (stream)
                 WHERE command = $5 ORDER BY version DESC LIMIT 1",
            )
        };
    }
    let newest = query_each(version_of!("streams.stream"), version_of!("uuid_send(streams.stream)"));
    let newest = newest
        .bind(address.owner.0)
        .bind(address.kind.as_str())
        .bind(address.id)
        .bind(gym.0)
        .bind(command.0)
        .fetch_optional(reader)
        .await?;
    newest.map(|row| version(&row, "version")).transpose()
}

async fn stream(reader: &Pool, gym: GymId, address: Address) -> sqlx::Result<Option<StreamId>> {
    let row = query("SELECT stream FROM entities WHERE owner = $1 AND kind = $2 AND id = $3 AND gym = $4")
        .bind(address.owner.0)
        .bind(address.kind.as_str())
        .bind(address.id)
        .bind(gym.0)
        .fetch_optional(reader)
        .await?;
    row.map(|row| row.get("stream").map(StreamId)).transpose()
}

/// The place in the list that a row was asked for by.
fn place(row: &Row) -> sqlx::Result<usize> {
    Ok(usize::try_from(row.get::<i64>("place")?).unwrap_or(usize::MAX))
}

/// An event of a row that has its columns.
pub(crate) fn event_row(row: &Row) -> sqlx::Result<EventRow> {
    let stamp = Stamp {
        at: Timestamp(row.get("at")?),
        received_at: Timestamp(row.get("received_at")?),
        device_at: Timestamp(row.get("device_at")?),
        offset: row.get("clock_offset")?,
        author: UserId(row.get("author")?),
        command: CommandId(row.get("command")?),
        client: ClientId(row.get("client")?),
        n: row.get::<i64>("n")?.cast_unsigned(),
    };
    Ok(EventRow {
        version: version(row, "version")?,
        stamp,
        kind: row.get("kind")?,
        schema: row.get("schema")?,
        body: row.get("body")?,
    })
}

fn snapshot_row(row: &Row) -> sqlx::Result<SnapshotRow> {
    Ok(SnapshotRow { version: version(row, "version")?, schema: row.get("schema")?, body: row.get("body")? })
}

fn version(row: &Row, column: &str) -> sqlx::Result<Version> {
    Ok(Version(row.get::<i64>(column)?.cast_unsigned()))
}
