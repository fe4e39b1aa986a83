//! Letters under way and reminders, as the post office and the timers read them.

use spotter_actors::{LetterId, LetterRow, Reminder};
use spotter_protocol::{Address, CommandId, GymId, Timestamp, UserId};

use crate::db::{Pool, Row, parsed, query, query_each};

/// Letters to a user, in the order in which they are to be carried.
pub(super) async fn to(
    reader: &Pool,
    gym: GymId,
    recipient: UserId,
    limit: u32,
) -> sqlx::Result<Vec<(LetterId, LetterRow)>> {
    let rows = query(
        "SELECT id, author, command, at, kind, body FROM letters WHERE recipient = $1 AND gym = $2
         ORDER BY id LIMIT $3",
    );
    let rows = rows.bind(recipient.0).bind(gym.0).bind(limit).fetch_all(reader).await?;
    let letter = |row: &Row| {
        let letter = LetterRow {
            to: recipient,
            author: UserId(row.get("author")?),
            command: CommandId(row.get("command")?),
            at: Timestamp(row.get("at")?),
            kind: row.get("kind")?,
            body: row.get("body")?,
        };
        Ok((LetterId(row.get("id")?), letter))
    };
    rows.iter().map(letter).collect()
}

/// Users above `after` with letters under way. A letter's gym is its recipient's, so any of them names it.
pub(super) async fn recipients(
    reader: &Pool,
    after: UserId,
    limit: u32,
) -> sqlx::Result<Vec<(GymId, UserId)>> {
    let rows = query_each(
        "SELECT recipient, gym FROM letters WHERE recipient > $1 GROUP BY recipient ORDER BY recipient LIMIT $2",
        "SELECT DISTINCT ON (recipient) recipient, gym FROM letters WHERE recipient > $1
         ORDER BY recipient LIMIT $2",
    );
    let rows = rows.bind(after.0).bind(limit).fetch_all(reader).await?;
    rows.iter().map(|row| Ok((GymId(row.get("gym")?), UserId(row.get("recipient")?)))).collect()
}

/// Reminders at `until` or before.
pub(super) async fn reminders(reader: &Pool, until: Timestamp, limit: u32) -> sqlx::Result<Vec<Reminder>> {
    let rows = query(
        "SELECT owner, kind, id, gym, at FROM reminders WHERE at <= $1 ORDER BY at, owner, kind, id LIMIT $2",
    );
    let rows = rows.bind(until.0).bind(limit).fetch_all(reader).await?;
    let reminder = |row: &Row| {
        let (kind, owner) = (parsed(row, "kind")?, UserId(row.get("owner")?));
        let address = Address { kind, owner, id: row.get("id")? };
        Ok(Reminder { at: Timestamp(row.get("at")?), gym: GymId(row.get("gym")?), address })
    };
    rows.iter().map(reminder).collect()
}
