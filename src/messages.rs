//! The history of messages, written by the inboxes and read in pages.

use spotter_protocol::{GymId, MessageId, MessageText, MessageView, Timestamp, UserId, Version};

use crate::db::{self, Db, Row};

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
    let rows = db::query(
        "SELECT version, message, mine, text, about, at FROM messages
         WHERE owner = $1 AND peer = $2 AND gym = $3 AND version < $4 ORDER BY version DESC LIMIT $5",
    )
    .bind(owner.0)
    .bind(with.0)
    .bind(gym.0)
    .bind(before)
    .bind(limit.min(PAGE_MAX))
    .fetch_all(&db.reader)
    .await?;
    rows.iter().map(message).collect()
}

fn message(row: &Row) -> Result<MessageView, sqlx::Error> {
    let about: Option<String> = row.get("about")?;
    let about = about.map(|about| about.parse().map_err(|error| db::unreadable("about", error)));
    Ok(MessageView {
        v: Version(row.get::<i64>("version")?.cast_unsigned()),
        id: MessageId(row.get("message")?),
        mine: row.get("mine")?,
        text: MessageText::clipped(&row.get::<String>("text")?),
        about: about.transpose()?,
        at: Timestamp(row.get("at")?),
    })
}
