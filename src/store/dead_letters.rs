//! Commands that were given up, kept for an operator.

use async_trait::async_trait;
use spotter_actors::{DEAD_LETTERS_MAX, DeadLetter, DeadLetterId, DeadLetters, StoreError};
use spotter_protocol::{CommandId, GymId, Timestamp, UserId};

use super::{Store, failed};
use crate::db::{Row, parsed, query};

macro_rules! select_letters {
    ($condition:literal) => {
        concat!(
            "SELECT id, gym, address, author, command, kind, clock_offset, received_at, given_up_at, why, frame ",
            "FROM dead_letters ",
            $condition
        )
    };
}

#[async_trait]
impl DeadLetters for Store {
    async fn keep(&self, letter: &DeadLetter) -> Result<bool, StoreError> {
        let kept = query(
            "INSERT INTO dead_letters
                 (id, gym, address, author, command, kind, clock_offset, received_at, given_up_at, why, frame)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
             WHERE (SELECT count(*) FROM dead_letters WHERE id <> $1) < $12
             ON CONFLICT (id) DO UPDATE SET clock_offset = excluded.clock_offset,
                 received_at = excluded.received_at, given_up_at = excluded.given_up_at, why = excluded.why,
                 frame = excluded.frame",
        )
        .bind(letter.id.0)
        .bind(letter.gym.0)
        .bind(letter.address.to_string())
        .bind(letter.author.0)
        .bind(letter.command.0)
        .bind(letter.kind.as_str())
        .bind(letter.offset)
        .bind(letter.received_at.0)
        .bind(letter.given_up_at.0)
        .bind(letter.why.as_str())
        .bind(letter.frame.as_str())
        .bind(DEAD_LETTERS_MAX)
        .execute(&self.db.writer)
        .await;
        kept.map(|kept| kept == 1).map_err(failed)
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError> {
        let every = query(select_letters!("ORDER BY given_up_at DESC, id"));
        let rows = every.fetch_all(&self.db.reader).await;
        let letters: sqlx::Result<_> = rows.and_then(|rows| rows.iter().map(letter).collect());
        letters.map_err(failed)
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, StoreError> {
        let one = query(select_letters!("WHERE id = $1")).bind(id.0);
        let row = one.fetch_optional(&self.db.reader).await;
        row.and_then(|row| row.as_ref().map(letter).transpose()).map_err(failed)
    }

    async fn discard(&self, id: DeadLetterId) -> Result<bool, StoreError> {
        let deleted = query("DELETE FROM dead_letters WHERE id = $1").bind(id.0);
        Ok(deleted.execute(&self.db.writer).await.map_err(failed)? == 1)
    }
}

fn letter(row: &Row) -> sqlx::Result<DeadLetter> {
    Ok(DeadLetter {
        id: DeadLetterId(row.get("id")?),
        gym: GymId(row.get("gym")?),
        address: parsed(row, "address")?,
        author: UserId(row.get("author")?),
        command: CommandId(row.get("command")?),
        kind: row.get("kind")?,
        offset: row.get("clock_offset")?,
        received_at: Timestamp(row.get("received_at")?),
        given_up_at: Timestamp(row.get("given_up_at")?),
        why: row.get("why")?,
        frame: row.get("frame")?,
    })
}
