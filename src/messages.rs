//! The history of messages, written by the inboxes and read in pages.

use spotter_protocol::{GymId, MessageId, MessageText, MessageView, Timestamp, UserId, Version};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::db::{self, Db};

/// Messages of a page; fewer are given when fewer are asked for.
pub const PAGE_MAX: u32 = 100;

/// A page of `owner`'s messages with `with`, newest first: those before `before`, or the newest. At most
/// `limit` and at most [`PAGE_MAX`]. A person without messages, of another gym or absent gives an empty page.
///
/// # Errors
/// When the database does not answer or holds what this build cannot read.
pub async fn page(
    db: &Db,
    gym: GymId,
    owner: UserId,
    with: UserId,
    before: Option<Version>,
    limit: u32,
) -> Result<Vec<MessageView>, sqlx::Error> {
    let before = before.map_or(i64::MAX, |before| i64::try_from(before.0).unwrap_or(i64::MAX));
    let rows = sqlx::query(
        "SELECT version, message, mine, text, about, at FROM messages
         WHERE owner = $1 AND peer = $2 AND gym = $3 AND version < $4 ORDER BY version DESC LIMIT $5",
    )
    .bind(&owner.0.as_bytes()[..])
    .bind(&with.0.as_bytes()[..])
    .bind(&gym.0.as_bytes()[..])
    .bind(before)
    .bind(limit.min(PAGE_MAX))
    .fetch_all(&db.reader)
    .await?;
    rows.iter().map(message).collect()
}

fn message(row: &SqliteRow) -> Result<MessageView, sqlx::Error> {
    let about: Option<&str> = row.try_get("about")?;
    let about = about.map(|about| about.parse().map_err(|error| db::unreadable("about", error)));
    Ok(MessageView {
        v: Version(row.try_get::<i64, _>("version")?.cast_unsigned()),
        id: MessageId(db::uuid(row, "message")?),
        mine: row.try_get("mine")?,
        text: MessageText::clipped(row.try_get("text")?),
        about: about.transpose()?,
        at: Timestamp(row.try_get("at")?),
    })
}
