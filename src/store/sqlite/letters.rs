//! Letters between entities, and reminders: written and deleted with the events they belong to.

use std::sync::LazyLock;

use spotter_actors::{Append, LetterId, LetterRow, Remind};
use spotter_protocol::Timestamp;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::blob;
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
