//! Letters between entities, and reminders: written and deleted with the events they belong to.

use std::sync::LazyLock;

use spotter_actors::{Append, LetterId, LetterRow, Remind, Reminder};
use spotter_protocol::{Address, CommandId, GymId, Timestamp, UserId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::columns::{self, blob};
use super::insert::{Binding, FencedInsert};

static LETTERS: LazyLock<FencedInsert> = LazyLock::new(|| {
    FencedInsert::new(
        "INSERT INTO letters (recipient, gym, author, command, at, kind, body)
         SELECT column3, column4, column5, column6, column7, column8, column9
         FROM (VALUES {rows}) CROSS JOIN shards ON shards.shard = column1 AND shards.epoch = column2
         WHERE shards.node = ?",
        9,
    )
});

static REMINDERS: LazyLock<FencedInsert> = LazyLock::new(|| {
    FencedInsert::new(
        "INSERT INTO reminders (owner, kind, id, gym, at)
         SELECT column3, column4, column5, column6, column7
         FROM (VALUES {rows}) CROSS JOIN shards ON shards.shard = column1 AND shards.epoch = column2
         WHERE shards.node = ?
         ON CONFLICT (owner, kind, id) DO UPDATE SET at = excluded.at",
        7,
    )
});

/// Writes what `appends` have to say besides their events and rows. False as soon as one part did not go in.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    node: Uuid,
    appends: &[&Append],
) -> sqlx::Result<bool> {
    let letters: Vec<(&Append, &LetterRow)> = appends
        .iter()
        .flat_map(|append| append.letters.iter().map(move |letter| (*append, letter)))
        .collect();
    if LETTERS.write(connection, node, &letters, bind_letter).await? != letters.len() as u64 {
        return Ok(false);
    }
    let moved: Vec<(&Append, Timestamp)> = appends
        .iter()
        .filter_map(|append| match append.reminder {
            Remind::At(at) => Some((*append, at)),
            Remind::Keep | Remind::Never => None,
        })
        .collect();
    if REMINDERS.write(connection, node, &moved, bind_reminder).await? != moved.len() as u64 {
        return Ok(false);
    }
    for append in appends {
        for id in &append.carried {
            if !carry(connection, node, append, *id).await? {
                return Ok(false);
            }
        }
        if append.reminder == Remind::Never {
            forget(connection, node, append).await?;
        }
    }
    Ok(true)
}

/// Deletes a letter to the owner; false when there is none, or the fence holds.
async fn carry(
    connection: &mut SqliteConnection,
    node: Uuid,
    append: &Append,
    letter: LetterId,
) -> sqlx::Result<bool> {
    let deleted = sqlx::query(
        "DELETE FROM letters WHERE id = ? AND recipient = ? AND gym = ?
             AND EXISTS (SELECT 1 FROM shards WHERE shard = ? AND epoch = ? AND node = ?)",
    )
    .bind(letter.0)
    .bind(blob(append.address.owner.0))
    .bind(blob(append.gym.0))
    .bind(append.address.shard().number())
    .bind(append.epoch.0)
    .bind(blob(node))
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected() == 1)
}

async fn forget(connection: &mut SqliteConnection, node: Uuid, append: &Append) -> sqlx::Result<()> {
    sqlx::query(
        "DELETE FROM reminders WHERE owner = ? AND kind = ? AND id = ?
             AND EXISTS (SELECT 1 FROM shards WHERE shard = ? AND epoch = ? AND node = ?)",
    )
    .bind(blob(append.address.owner.0))
    .bind(append.address.kind.as_str())
    .bind(blob(append.address.id))
    .bind(append.address.shard().number())
    .bind(append.epoch.0)
    .bind(blob(node))
    .execute(connection)
    .await?;
    Ok(())
}

/// Letters to a user, in the order in which they are to be carried.
pub(super) async fn to(
    reader: &SqlitePool,
    gym: GymId,
    recipient: UserId,
    limit: u32,
) -> sqlx::Result<Vec<(LetterId, LetterRow)>> {
    let rows = sqlx::query(
        "SELECT id, author, command, at, kind, body FROM letters WHERE recipient = ? AND gym = ?
         ORDER BY id LIMIT ?",
    );
    let rows = rows.bind(blob(recipient.0)).bind(blob(gym.0)).bind(limit).fetch_all(reader).await?;
    let letter = |row: &SqliteRow| {
        let letter = LetterRow {
            to: recipient,
            author: UserId(columns::uuid(row.try_get("author")?)?),
            command: CommandId(columns::uuid(row.try_get("command")?)?),
            at: Timestamp(row.try_get("at")?),
            kind: row.try_get("kind")?,
            body: row.try_get("body")?,
        };
        Ok((LetterId(row.try_get("id")?), letter))
    };
    rows.iter().map(letter).collect()
}

/// Users above `after` with letters under way. A letter's gym is its recipient's, so any of them names it.
pub(super) async fn recipients(
    reader: &SqlitePool,
    after: UserId,
    limit: u32,
) -> sqlx::Result<Vec<(GymId, UserId)>> {
    let rows = sqlx::query(
        "SELECT recipient, gym FROM letters WHERE recipient > ? GROUP BY recipient ORDER BY recipient LIMIT ?",
    );
    let rows = rows.bind(blob(after.0)).bind(limit).fetch_all(reader).await?;
    let pair = |row: &SqliteRow| {
        let gym = GymId(columns::uuid(row.try_get("gym")?)?);
        Ok((gym, UserId(columns::uuid(row.try_get("recipient")?)?)))
    };
    rows.iter().map(pair).collect()
}

/// Reminders at `until` or before.
pub(super) async fn reminders(
    reader: &SqlitePool,
    until: Timestamp,
    limit: u32,
) -> sqlx::Result<Vec<Reminder>> {
    let rows = sqlx::query(
        "SELECT owner, kind, id, gym, at FROM reminders WHERE at <= ? ORDER BY at, owner, kind, id LIMIT ?",
    );
    let rows = rows.bind(until.0).bind(limit).fetch_all(reader).await?;
    let reminder = |row: &SqliteRow| {
        let kind: &str = row.try_get("kind")?;
        let kind = kind.parse().map_err(|error: &'static str| sqlx::Error::Decode(error.into()))?;
        let owner = UserId(columns::uuid(row.try_get("owner")?)?);
        let address = Address { kind, owner, id: columns::uuid(row.try_get("id")?)? };
        let gym = GymId(columns::uuid(row.try_get("gym")?)?);
        Ok(Reminder { at: Timestamp(row.try_get("at")?), gym, address })
    };
    rows.iter().map(reminder).collect()
}

fn bind_letter(binding: Binding, (append, letter): &(&Append, &LetterRow)) -> Binding {
    binding
        .bind(append.address.shard().number())
        .bind(append.epoch.0)
        .bind(blob(letter.to.0))
        .bind(blob(append.gym.0))
        .bind(blob(letter.author.0))
        .bind(blob(letter.command.0))
        .bind(letter.at.0)
        .bind(letter.kind.clone())
        .bind(letter.body.clone())
}

fn bind_reminder(binding: Binding, (append, at): &(&Append, Timestamp)) -> Binding {
    binding
        .bind(append.address.shard().number())
        .bind(append.epoch.0)
        .bind(blob(append.address.owner.0))
        .bind(append.address.kind.as_str())
        .bind(blob(append.address.id))
        .bind(blob(append.gym.0))
        .bind(at.0)
}
