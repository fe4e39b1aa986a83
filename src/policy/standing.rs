//! Whether what a token says of its user is still so, and which gyms' rights have changed.

use spotter_protocol::GymId;

use super::{Denied, Policy, unavailable};
use crate::accounts::role_named;
use crate::auth::Caller;
use crate::db::{self, Db};

/// Gyms named by one look; the others are named by the next.
const CHANGED_MAX: i64 = 1_000;

/// What became of the account a token speaks for since it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is as the token says.
    Good,
    /// It has another role: the next token says which.
    OtherRole,
    /// It has another password, or is gone, with its gym or without: only a new sign-in makes a token that is good.
    SignedOut,
}

impl Policy {
    /// How the caller's account stands now.
    ///
    /// # Errors
    /// [`Denied::Unavailable`] when the database does not answer.
    pub async fn standing(&self, caller: &Caller) -> Result<Standing, Denied> {
        let row = db::query(
            "SELECT u.role, u.generation FROM users u JOIN gyms g ON g.id = u.gym AND g.closed_at IS NULL
             WHERE u.id = $1 AND u.gym = $2",
        )
        .bind(caller.user.0)
        .bind(caller.gym.0)
        .fetch_optional(&self.db.reader)
        .await
        .map_err(unavailable)?;
        let Some(row) = row else { return Ok(Standing::SignedOut) };
        let generation: u32 = row.get("generation").map_err(unavailable)?;
        let role = role_named(&row.get::<String>("role").map_err(unavailable)?);
        Ok(if generation != caller.generation {
            Standing::SignedOut
        } else if role != Some(caller.role) {
            Standing::OtherRole
        } else {
            Standing::Good
        })
    }
}

/// Tells which gyms' rights have changed, by whatever process.
#[derive(Debug)]
pub struct Changes {
    db: Db,
    /// The highest policy version that was told of.
    seen: i64,
}

impl Changes {
    /// Tells of changes from now on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn from_now(db: Db) -> Result<Self, sqlx::Error> {
        let newest = db::query("SELECT coalesce(max(policy_version), 0) AS newest FROM gyms")
            .fetch_one(&db.reader)
            .await?;
        Ok(Self { db, seen: newest.get("newest")? })
    }

    /// The gyms in which a role, a link, a permission or a password has changed since the last call.
    ///
    /// # Errors
    /// When the database does not answer: the next call tells of the same changes.
    pub async fn since_last(&mut self) -> Result<Vec<GymId>, sqlx::Error> {
        let rows = db::query(
            "SELECT id, policy_version FROM gyms WHERE policy_version > $1 ORDER BY policy_version LIMIT $2",
        )
        .bind(self.seen)
        .bind(CHANGED_MAX)
        .fetch_all(&self.db.reader)
        .await?;
        let mut seen = self.seen;
        let mut changed = Vec::with_capacity(rows.len());
        for row in &rows {
            changed.push(GymId(row.get("id")?));
            seen = row.get("policy_version")?;
        }
        self.seen = seen;
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use spotter_protocol::Role;

    use crate::accounts::tests::{NOW, a_gym, a_user};
    use crate::accounts::{Accounts, Gym, NewLink, User};
    use crate::db::both::on_both;

    use super::*;

    async fn a_coach_and_an_athlete(db: &Db) -> (Accounts, Gym, User) {
        let accounts = Accounts::new(db.clone());
        let gym = a_gym(&accounts, "north").await;
        let coach = a_user(&accounts, &gym, "cleo", Role::Coach).await;
        a_user(&accounts, &gym, "ada", Role::Athlete).await;
        (accounts, gym, coach)
    }

    fn caller(user: &User) -> Caller {
        let User { id, role, generation, .. } = *user;
        Caller { user: id, gym: user.gym.id, role, generation, expires_at: NOW }
    }

    on_both! {
        every_change_of_rights_is_told_once_and_of_its_own_gym
        a_gym_that_is_gone_leaves_no_number_to_be_used_again
        a_token_stands_until_the_role_or_the_password_changes
    }

    async fn every_change_of_rights_is_told_once_and_of_its_own_gym(db: Db) {
        let (accounts, gym, coach) = a_coach_and_an_athlete(&db).await;
        let other = a_gym(&accounts, "south").await;
        let stranger = a_user(&accounts, &other, "zoe", Role::Athlete).await;
        let (cleo, ada) = (coach.email.clone(), "ada@example.com".parse().unwrap());
        let link = |permissions: &str| NewLink {
            coach: cleo.clone(),
            athlete: "ada@example.com".parse().unwrap(),
            permissions: permissions.parse().unwrap(),
        };
        let mut changes = Changes::from_now(db).await.unwrap();
        assert_eq!(changes.since_last().await.unwrap(), []);

        accounts.add_links(&gym, &[link("message")], NOW).await.unwrap();
        assert_eq!(changes.since_last().await.unwrap(), [gym.id], "a link");
        accounts.add_links(&gym, &[link("message")], NOW).await.unwrap();
        assert_eq!(changes.since_last().await.unwrap(), [], "the same link again");
        accounts.set_permissions(&gym, &cleo, &ada, &"log_sets".parse().unwrap()).await.unwrap();
        assert_eq!(changes.since_last().await.unwrap(), [gym.id], "permissions");
        accounts.end_link(&gym, &cleo, &ada).await.unwrap();
        assert_eq!(changes.since_last().await.unwrap(), [gym.id], "the end of a link");
        accounts.set_role(&coach, Role::Athlete).await.unwrap();
        assert_eq!(changes.since_last().await.unwrap(), [gym.id], "a role");
        accounts.set_password(&stranger, "hash").await.unwrap();
        assert_eq!(changes.since_last().await.unwrap(), [other.id], "a password");
        assert_eq!(changes.since_last().await.unwrap(), []);
    }

    async fn a_gym_that_is_gone_leaves_no_number_to_be_used_again(db: Db) {
        let (accounts, gym, _) = a_coach_and_an_athlete(&db).await;
        let gone = a_gym(&accounts, "gone").await;
        let mut changes = Changes::from_now(db.clone()).await.unwrap();
        for _ in 0..3 {
            let user = a_user(&accounts, &gone, "zoe", Role::Athlete).await;
            db::query("DELETE FROM users WHERE id = $1").bind(user.id.0).execute(&db.writer).await.unwrap();
        }
        accounts.close_gym(&gone.slug, NOW).await.unwrap();
        assert_eq!(changes.since_last().await.unwrap(), [gone.id], "closing is a change");

        db::query("DELETE FROM gyms WHERE id = $1").bind(gone.id.0).execute(&db.writer).await.unwrap();

        let zoe = a_user(&accounts, &gym, "zoe", Role::Athlete).await;
        accounts.set_role(&zoe, Role::Coach).await.unwrap();
        assert_eq!(changes.since_last().await.unwrap(), [gym.id], "its number is above all that were seen");
    }

    async fn a_token_stands_until_the_role_or_the_password_changes(db: Db) {
        let (accounts, _, coach) = a_coach_and_an_athlete(&db).await;
        let policy = Policy::new(db);
        let before = caller(&coach);
        assert_eq!(policy.standing(&before).await, Ok(Standing::Good));

        accounts.set_role(&coach, Role::GymOwner).await.unwrap();
        assert_eq!(policy.standing(&before).await, Ok(Standing::OtherRole));

        accounts.set_password(&coach, "hash").await.unwrap();
        assert_eq!(policy.standing(&before).await, Ok(Standing::SignedOut));
        let after = accounts.user(coach.id).await.unwrap().unwrap();
        assert_eq!(policy.standing(&caller(&after)).await, Ok(Standing::Good));

        accounts.close_gym(&coach.gym.slug, NOW).await.unwrap();
        assert_eq!(policy.standing(&caller(&after)).await, Ok(Standing::SignedOut));
    }
}
