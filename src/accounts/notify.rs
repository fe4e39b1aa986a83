//! Notifications of what changed in the accounts: letters to inboxes, written in the transaction of the change.

use spotter_protocol::{CommandId, GymId, InboxCommand, Notice, Notify, Timestamp, UserId, Vocabulary};
use sqlx::SqliteConnection;

use crate::clock::new_id;

/// Writes a letter to `to` in the name of `author`. The inbox takes it when a node next looks for letters.
///
/// # Errors
/// When the database does not take it: the change must not be made either.
pub(super) async fn notify(
    transaction: &mut SqliteConnection,
    gym: GymId,
    to: UserId,
    author: UserId,
    notice: Notice,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let command = InboxCommand::from(Notify { notice });
    let body = command.body_to_msgpack().map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(
        "INSERT INTO letters (recipient, gym, author, command, at, kind, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&to.0.as_bytes()[..])
    .bind(&gym.0.as_bytes()[..])
    .bind(&author.0.as_bytes()[..])
    .bind(&CommandId(new_id(now)).0.as_bytes()[..])
    .bind(now.0)
    .bind(InboxCommand::name(command.kind()))
    .bind(body)
    .execute(transaction)
    .await?;
    Ok(())
}
