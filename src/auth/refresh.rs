//! Refresh tokens: opaque, stored as hashes, good once. Each exchange makes the next of its family; a second
//! use of one means that two hold it, and ends the family for both.

use spotter_protocol::{Millis, Timestamp, UserId};
use uuid::Uuid;

use crate::accounts::User;
use crate::db::{self, Db, Transaction};
use crate::digest::{hex, sha256};

/// Tokens kept for one account, used ones included: the oldest go first. At one exchange every fifteen minutes
/// from four devices, ten days.
const KEPT_PER_USER: i64 = 4096;

/// The refresh tokens of all accounts.
#[derive(Clone, Debug)]
pub struct RefreshTokens {
    db: Db,
    ttl: i64,
}

impl RefreshTokens {
    /// Tokens in `db` that are good for `ttl_s` seconds each.
    pub fn new(db: Db, ttl_s: u32) -> Self {
        Self { db, ttl: i64::from(ttl_s) * Millis(1000).micros() }
    }

    /// Makes the first token of a new family; `None` when the user's password was changed, or their gym
    /// closed, since they were read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn issue(&self, user: &User, now: Timestamp) -> Result<Option<String>, sqlx::Error> {
        let mut tx = self.db.write().await?;
        let stands = db::query(
            "SELECT 1 FROM users u JOIN gyms g ON g.id = u.gym AND g.closed_at IS NULL
             WHERE u.id = $1 AND u.generation = $2",
        )
        .bind(user.id.0)
        .bind(user.generation)
        .fetch_optional(&mut tx)
        .await?;
        if stands.is_none() {
            return Ok(None);
        }
        let token = self.insert(&mut tx, Uuid::new_v4(), user.id, now).await?;
        tx.commit().await?;
        Ok(Some(token))
    }

    /// Exchanges a token for the next of its family; `None` when it is unknown, expired or was used before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rotate(&self, token: &str, now: Timestamp) -> Result<Option<(UserId, String)>, sqlx::Error> {
        let hash = sha256(token.as_bytes());
        // Who guesses does not hold up those who write.
        let known = db::query("SELECT 1 FROM refresh_tokens WHERE hash = $1")
            .bind(&hash[..])
            .fetch_optional(&self.db.reader)
            .await?;
        if known.is_none() {
            return Ok(None);
        }
        let mut tx = self.db.write().await?;
        let row =
            db::query("SELECT family, \"user\", expires_at, used_at FROM refresh_tokens WHERE hash = $1")
                .bind(&hash[..])
                .fetch_optional(&mut tx)
                .await?;
        let Some(row) = row else { return Ok(None) };
        let (family, user): (Uuid, _) = (row.get("family")?, UserId(row.get("user")?));
        if row.get::<Option<i64>>("used_at")?.is_some() {
            db::query("DELETE FROM refresh_tokens WHERE family = $1").bind(family).execute(&mut tx).await?;
            tx.commit().await?;
            tracing::warn!(%user, "a refresh token was used twice: its family is ended");
            return Ok(None);
        }
        if row.get::<i64>("expires_at")? <= now.0 {
            return Ok(None);
        }
        db::query("UPDATE refresh_tokens SET used_at = $1 WHERE hash = $2")
            .bind(now.0)
            .bind(&hash[..])
            .execute(&mut tx)
            .await?;
        let next = self.insert(&mut tx, family, user, now).await?;
        tx.commit().await?;
        Ok(Some((user, next)))
    }

    async fn insert(
        &self,
        tx: &mut Transaction,
        family: Uuid,
        user: UserId,
        now: Timestamp,
    ) -> Result<String, sqlx::Error> {
        let token = hex(&rand::random::<[u8; 32]>());
        db::query("INSERT INTO refresh_tokens (hash, family, \"user\", expires_at) VALUES ($1, $2, $3, $4)")
            .bind(&sha256(token.as_bytes())[..])
            .bind(family)
            .bind(user.0)
            .bind(now.shifted(self.ttl).0)
            .execute(&mut *tx)
            .await?;
        db::query(
            "DELETE FROM refresh_tokens WHERE \"user\" = $1 AND (expires_at <= $2 OR hash IN (
                 SELECT hash FROM refresh_tokens WHERE \"user\" = $1 ORDER BY expires_at DESC
                 LIMIT 9223372036854775807 OFFSET $3))",
        )
        .bind(user.0)
        .bind(now.0)
        .bind(KEPT_PER_USER)
        .execute(&mut *tx)
        .await?;
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use spotter_protocol::Role;

    use crate::accounts::Accounts;
    use crate::accounts::tests::{NOW, a_gym, a_user};
    use crate::db::both::on_both;

    use super::*;

    async fn some_tokens(db: Db) -> (RefreshTokens, User) {
        let accounts = Accounts::new(db.clone());
        let gym = a_gym(&accounts, "north").await;
        let user = a_user(&accounts, &gym, "ada", Role::Athlete).await;
        (RefreshTokens::new(db, 3600), user)
    }

    on_both! {
        a_token_is_exchanged_once_for_the_next
        a_password_changed_while_it_was_compared_signs_nobody_in
        using_a_token_twice_ends_its_family_and_no_other
        two_exchanges_at_once_have_one_winner_at_most
        an_expired_token_is_not_exchanged_and_goes_with_the_next_sign_in
    }

    async fn a_token_is_exchanged_once_for_the_next(db: Db) {
        let (tokens, user) = some_tokens(db).await;
        let first = tokens.issue(&user, NOW).await.unwrap().unwrap();

        let (whose, second) = tokens.rotate(&first, NOW).await.unwrap().unwrap();

        assert_eq!(whose, user.id);
        assert_eq!(second.len(), 64);
        assert!(tokens.rotate(&second, NOW).await.unwrap().is_some());
    }

    async fn a_password_changed_while_it_was_compared_signs_nobody_in(db: Db) {
        let (tokens, user) = some_tokens(db).await;

        Accounts::new(tokens.db.clone()).set_password(&user, "hash").await.unwrap();

        assert_eq!(tokens.issue(&user, NOW).await.unwrap(), None);
    }

    async fn using_a_token_twice_ends_its_family_and_no_other(db: Db) {
        let (tokens, user) = some_tokens(db).await;
        let other = tokens.issue(&user, NOW).await.unwrap().unwrap();
        let first = tokens.issue(&user, NOW).await.unwrap().unwrap();
        let (_, second) = tokens.rotate(&first, NOW).await.unwrap().unwrap();

        assert_eq!(tokens.rotate(&first, NOW).await.unwrap(), None);

        assert_eq!(tokens.rotate(&second, NOW).await.unwrap(), None);
        assert!(tokens.rotate(&other, NOW).await.unwrap().is_some());
    }

    async fn two_exchanges_at_once_have_one_winner_at_most(db: Db) {
        let (tokens, user) = some_tokens(db).await;
        let token = tokens.issue(&user, NOW).await.unwrap().unwrap();

        let (one, two) = tokio::join!(tokens.rotate(&token, NOW), tokens.rotate(&token, NOW));

        assert!(one.unwrap().is_some() != two.unwrap().is_some());
    }

    async fn an_expired_token_is_not_exchanged_and_goes_with_the_next_sign_in(db: Db) {
        let (tokens, user) = some_tokens(db).await;
        let token = tokens.issue(&user, NOW).await.unwrap().unwrap();
        let later = NOW.shifted(3_600_000_000);

        assert_eq!(tokens.rotate(&token, later).await.unwrap(), None);
        tokens.issue(&user, later).await.unwrap().unwrap();

        let kept = db::query("SELECT count(*) AS kept FROM refresh_tokens")
            .fetch_one(&tokens.db.reader)
            .await
            .unwrap();
        assert_eq!(kept.get::<i64>("kept").unwrap(), 1);
    }
}
