//! Notifications of what changed in the accounts: letters to inboxes, written in the transaction of the change.

use spotter_protocol::{CommandId, GymId, InboxCommand, Notice, Notify, Timestamp, UserId, Vocabulary};

use crate::clock::new_id;
use crate::db::{self, Transaction};

/// Writes a letter to `to` in the name of `author`. The inbox takes it when a node next looks for letters.
///
/// # Errors
/// When the database does not take it: the change must not be made either.
pub(super) async fn notify(
    transaction: &mut Transaction,
    gym: GymId,
    to: UserId,
    author: UserId,
    notice: Notice,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let command = InboxCommand::from(Notify { notice });
    let body = command.body_to_msgpack().map_err(|error| sqlx::Error::Encode(error.into()))?;
    db::query(
        "INSERT INTO letters (recipient, gym, author, command, at, kind, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(to.0)
    .bind(gym.0)
    .bind(author.0)
    .bind(CommandId(new_id(now)).0)
    .bind(now.0)
    .bind(InboxCommand::name(command.kind()))
    .bind(body)
    .execute(transaction)
    .await?;
    Ok(())
}
