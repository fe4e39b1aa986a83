//! Gyms, the people in them and who coaches whom. Every read and write names the gym it is about.

mod leaving;
mod links;
mod names;
mod notify;
mod users;

pub use leaving::Census;
pub use links::NewLink;
pub use names::{Email, Permissions, Slug, role_named};
pub use users::{NewUser, User, UserRow};

use serde::Serialize;
use spotter_protocol::{GymId, Name, Timestamp};

use crate::clock::new_id;
use crate::db::{self, Db, Row};

/// Why an account was not found or not changed. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Add the gym, or mind the spelling.
    #[error("there is no gym `{0}`: add it with `spotter gym add --slug {0} --name NAME`")]
    UnknownGym(String),
    /// Choose another slug.
    #[error("there is already a gym `{0}`: choose another slug")]
    DuplicateGym(Slug),
    /// Use the account that is there.
    #[error("`{0}` already has an account in this gym: `spotter user passwd` sets its password")]
    DuplicateEmail(Email),
    /// Add the account, or mind the spelling.
    #[error("nobody in this gym has the e-mail `{0}`: add them with `spotter user add`")]
    UnknownUser(Email),
    /// Swap the two, or link a coach.
    #[error("`{0}` is not a coach: a link needs a coach or gym owner on the coach's side")]
    NotACoach(Email),
    /// Link two people.
    #[error("`{0}` cannot coach themselves: a link needs two people")]
    OnePerson(Email),
    /// Link the two first, or mind who coaches whom.
    #[error("no active link joins coach `{0}` and athlete `{1}`: `spotter link add` makes one")]
    NotLinked(Email, Email),
    /// Try again; if it stays, look at the disk and the file.
    #[error("the database did not answer")]
    Store(#[from] sqlx::Error),
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gym {
    /// Its id.
    pub id: GymId,
    /// How people name it when they sign in.
    pub slug: Slug,
    /// What it is called.
    pub name: Name,
}

/// The accounts of all gyms.
#[derive(Clone, Debug)]
pub struct Accounts {
    db: Db,
}

impl Accounts {
    /// The accounts stored in `db`.
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// Adds a gym.
    ///
    /// # Errors
    /// [`AccountError::DuplicateGym`] when the slug is taken.
    pub async fn add_gym(&self, slug: Slug, name: Name, now: Timestamp) -> Result<Gym, AccountError> {
        let gym = Gym { id: GymId(new_id(now)), slug, name };
        let inserted = db::query("INSERT INTO gyms (id, slug, name, created_at) VALUES ($1, $2, $3, $4)")
            .bind(gym.id.0)
            .bind(gym.slug.as_str())
            .bind(gym.name.as_str())
            .bind(now.0)
            .execute(&self.db.writer)
            .await;
        match inserted {
            Ok(_) => Ok(gym),
            Err(error) if is_taken(&error) => Err(AccountError::DuplicateGym(gym.slug)),
            Err(error) => Err(error.into()),
        }
    }

    /// The gym of that slug.
    ///
    /// # Errors
    /// [`AccountError::UnknownGym`] when there is none, or it is closed.
    pub async fn gym(&self, slug: &str) -> Result<Gym, AccountError> {
        let row = db::query(
            "SELECT id AS gym_id, slug AS gym_slug, name AS gym_name FROM gyms
             WHERE slug = $1 AND closed_at IS NULL",
        )
        .bind(slug)
        .fetch_optional(&self.db.reader)
        .await?;
        let row = row.ok_or_else(|| AccountError::UnknownGym(slug.to_owned()))?;
        Ok(gym_of(&row)?)
    }
}

/// Reads `gym_id`, `gym_slug` and `gym_name`.
fn gym_of(row: &Row) -> Result<Gym, sqlx::Error> {
    Ok(Gym {
        id: GymId(row.get("gym_id")?),
        slug: db::parsed(row, "gym_slug")?,
        name: db::parsed(row, "gym_name")?,
    })
}

/// Whether a row with the same unique columns was there before.
fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Whether a row names another that is not there.
fn names_nobody(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation)
}

#[cfg(test)]
pub(crate) mod tests {
    use spotter_protocol::Role;

    use super::*;
    use crate::db::both::on_both;

    /// A moment well after 1970.
    pub(crate) const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

    /// Adds a gym with nobody in it.
    pub(crate) async fn a_gym(accounts: &Accounts, slug: &str) -> Gym {
        accounts.add_gym(slug.parse().unwrap(), Name::clipped(slug), NOW).await.unwrap()
    }

    /// Adds `NAME@example.com` without a password.
    pub(crate) async fn a_user(accounts: &Accounts, gym: &Gym, name: &str, role: Role) -> User {
        let new = NewUser {
            email: format!("{name}@example.com").parse().unwrap(),
            name: Name::clipped(name),
            role,
            password_hash: None,
        };
        accounts.add_users(gym, vec![new], NOW).await.unwrap().remove(0)
    }

    on_both! {
        a_slug_names_one_gym
        an_unknown_gym_is_answered_with_the_command_that_adds_it
    }

    async fn a_slug_names_one_gym(db: Db) {
        let accounts = Accounts::new(db);
        let gym = a_gym(&accounts, "iron-temple").await;

        let again = accounts.add_gym("iron-temple".parse().unwrap(), Name::clipped("Other"), NOW).await;

        assert!(matches!(again, Err(AccountError::DuplicateGym(slug)) if slug == gym.slug));
        assert_eq!(accounts.gym("iron-temple").await.unwrap(), gym);
    }

    async fn an_unknown_gym_is_answered_with_the_command_that_adds_it(db: Db) {
        let error = Accounts::new(db).gym("nowhere").await.unwrap_err();

        assert!(error.to_string().contains("spotter gym add --slug nowhere"));
    }
}
