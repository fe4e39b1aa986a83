//! Commands that were given up, kept for an operator.

use async_trait::async_trait;
use spotter_actors::{DEAD_LETTERS_MAX, DeadLetter, DeadLetterId, DeadLetters, StoreError};
use spotter_protocol::{CommandId, GymId, Timestamp, UserId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::columns::{self, blob};
use super::{SqliteStore, unavailable};

const LETTER: &str = "SELECT id, gym, address, author, command, kind, clock_offset, received_at, given_up_at, why, frame \
     FROM dead_letters";

#[async_trait]
impl DeadLetters for SqliteStore {
    async fn keep(&self, letter: &DeadLetter) -> Result<bool, StoreError> {
        let kept = sqlx::query(
            "INSERT INTO dead_letters
                 (id, gym, address, author, command, kind, clock_offset, received_at, given_up_at, why, frame)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
             WHERE (SELECT count(*) FROM dead_letters WHERE id <> ?1) < ?12
             ON CONFLICT (id) DO UPDATE SET clock_offset = excluded.clock_offset,
                 received_at = excluded.received_at, given_up_at = excluded.given_up_at, why = excluded.why,
                 frame = excluded.frame",
        )
        .bind(blob(letter.id.0))
        .bind(blob(letter.gym.0))
        .bind(letter.address.to_string())
        .bind(blob(letter.author.0))
        .bind(blob(letter.command.0))
        .bind(letter.kind.as_str())
        .bind(letter.offset)
        .bind(letter.received_at.0)
        .bind(letter.given_up_at.0)
        .bind(letter.why.as_str())
        .bind(letter.frame.as_str())
        .bind(DEAD_LETTERS_MAX)
        .execute(&self.writer)
        .await;
        kept.map(|kept| kept.rows_affected() == 1).map_err(unavailable)
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError> {
        let every = format!("{LETTER} ORDER BY given_up_at DESC, id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(every)).fetch_all(&self.reader).await;
        let letters: sqlx::Result<_> = rows.and_then(|rows| rows.iter().map(letter).collect());
        letters.map_err(unavailable)
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, StoreError> {
        let one = format!("{LETTER} WHERE id = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(one)).bind(blob(id.0)).fetch_optional(&self.reader).await;
        row.and_then(|row| row.as_ref().map(letter).transpose()).map_err(unavailable)
    }

    async fn discard(&self, id: DeadLetterId) -> Result<bool, StoreError> {
        let deleted = sqlx::query("DELETE FROM dead_letters WHERE id = ?").bind(blob(id.0));
        let deleted = deleted.execute(&self.writer).await.map_err(unavailable)?;
        Ok(deleted.rows_affected() == 1)
    }
}

fn letter(row: &SqliteRow) -> sqlx::Result<DeadLetter> {
    let id = |column| row.try_get(column).and_then(columns::uuid);
    let address = row.try_get::<String, _>("address")?;
    Ok(DeadLetter {
        id: DeadLetterId(id("id")?),
        gym: GymId(id("gym")?),
        address: address.parse().map_err(|form: &str| sqlx::Error::Decode(form.into()))?,
        author: UserId(id("author")?),
        command: CommandId(id("command")?),
        kind: row.try_get("kind")?,
        offset: row.try_get("clock_offset")?,
        received_at: Timestamp(row.try_get("received_at")?),
        given_up_at: Timestamp(row.try_get("given_up_at")?),
        why: row.try_get("why")?,
        frame: row.try_get("frame")?,
    })
}
