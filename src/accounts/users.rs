//! People's accounts.

use serde::Serialize;
use spotter_protocol::{Name, Role, Timestamp, UserId};

use super::{AccountError, Accounts, Email, Gym, gym_of, is_taken, names, names_nobody};
use crate::clock::new_id;
use crate::db::{self, Row};

/// An account. Its JSON is the API's user object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// What the person is called.
    pub name: Name,
    /// What they sign in with, unique in the gym.
    pub email: Email,
    /// What they are in the gym.
    pub role: Role,
    /// Where they train or coach.
    pub gym: Gym,
    /// How often the password was set anew: a token made before the last time is no longer good.
    #[serde(skip)]
    pub generation: u32,
}

/// An account to be added.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// What the person will sign in with.
    pub email: Email,
    /// What they are called.
    pub name: Name,
    /// What they are in the gym.
    pub role: Role,
    /// The hash of their password; without one they cannot sign in until it is set.
    pub password_hash: Option<String>,
}

/// An account as sign-in and the operator's list see it.
#[derive(Clone, Debug)]
pub struct UserRow {
    /// The account.
    pub user: User,
    /// The hash of the password, when one is set.
    pub password_hash: Option<String>,
}

macro_rules! select_users {
    ($condition:literal) => {
        concat!(
            "SELECT u.id, u.name, u.email, u.role, u.password_hash, u.generation, ",
            "g.id AS gym_id, g.slug AS gym_slug, g.name AS gym_name ",
            "FROM users u JOIN gyms g ON g.id = u.gym AND g.closed_at IS NULL WHERE ",
            $condition
        )
    };
}

impl Accounts {
    /// Adds accounts: all of them or, on an error, none.
    ///
    /// # Errors
    /// [`AccountError::DuplicateEmail`] names the first e-mail that is taken; [`AccountError::UnknownGym`] when the gym
    /// was removed meanwhile.
    pub async fn add_users(
        &self,
        gym: &Gym,
        users: Vec<NewUser>,
        now: Timestamp,
    ) -> Result<Vec<User>, AccountError> {
        let mut added = Vec::with_capacity(users.len());
        let mut tx = self.db.write().await?;
        for NewUser { email, name, role, password_hash } in users {
            let (id, gym) = (UserId(new_id(now)), gym.clone());
            let user = User { id, name, email, role, gym, generation: 0 };
            let inserted = db::query(
                "INSERT INTO users (id, gym, email, name, role, password_hash, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(user.id.0)
            .bind(user.gym.id.0)
            .bind(user.email.as_str())
            .bind(user.name.as_str())
            .bind(user.role.as_str())
            .bind(password_hash)
            .bind(now.0)
            .execute(&mut tx)
            .await;
            match inserted {
                Ok(_) => added.push(user),
                Err(error) if is_taken(&error) => return Err(AccountError::DuplicateEmail(user.email)),
                Err(error) if names_nobody(&error) => {
                    return Err(AccountError::UnknownGym(user.gym.slug.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        tx.commit().await?;
        Ok(added)
    }

    /// The accounts of a gym by e-mail, of one role or of all.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn users(&self, gym: &Gym, role: Option<Role>) -> Result<Vec<UserRow>, AccountError> {
        let rows = db::query(select_users!("u.gym = $1 AND ($2 IS NULL OR u.role = $2) ORDER BY u.email"))
            .bind(gym.id.0)
            .bind(role.map(Role::as_str))
            .fetch_all(&self.db.reader)
            .await?;
        Ok(rows.iter().map(user_row).collect::<Result<_, _>>()?)
    }

    /// The account of an e-mail.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`] when the gym has none.
    pub async fn user_by_email(&self, gym: &Gym, email: &Email) -> Result<User, AccountError> {
        let row = self.sign_in_row(gym.slug.as_str(), email.as_str()).await?;
        row.map(|row| row.user).ok_or_else(|| AccountError::UnknownUser(email.clone()))
    }

    /// The account of an id, while it exists.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, AccountError> {
        let row = db::query(select_users!("u.id = $1")).bind(id.0).fetch_optional(&self.db.reader).await?;
        Ok(row.map(|row| user_row(&row)).transpose()?.map(|row| row.user))
    }

    /// What sign-in needs of a gym's slug and an e-mail, both as someone typed them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sign_in_row(&self, gym: &str, email: &str) -> Result<Option<UserRow>, AccountError> {
        let row = db::query(select_users!("g.slug = $1 AND u.email = $2"))
            .bind(gym)
            .bind(email.to_lowercase())
            .fetch_optional(&self.db.reader)
            .await?;
        Ok(row.map(|row| user_row(&row)).transpose()?)
    }

    /// Makes the account's user something else in the gym. Tokens that say otherwise are no longer good.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_role(&self, user: &User, role: Role) -> Result<(), AccountError> {
        let mut tx = self.db.write().await?;
        db::query("UPDATE users SET role = $1 WHERE id = $2")
            .bind(role.as_str())
            .bind(user.id.0)
            .execute(&mut tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Sets a password and ends every sign-in of the account: no token made before is good any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_password(&self, user: &User, password_hash: &str) -> Result<(), AccountError> {
        let mut tx = self.db.write().await?;
        db::query("UPDATE users SET password_hash = $1 WHERE id = $2")
            .bind(password_hash)
            .bind(user.id.0)
            .execute(&mut tx)
            .await?;
        db::query("DELETE FROM refresh_tokens WHERE \"user\" = $1").bind(user.id.0).execute(&mut tx).await?;
        Ok(tx.commit().await?)
    }
}

fn user_row(row: &Row) -> Result<UserRow, sqlx::Error> {
    let user = User {
        id: UserId(row.get("id")?),
        name: db::parsed(row, "name")?,
        email: db::parsed(row, "email")?,
        role: names::role_of(row, "role")?,
        gym: gym_of(row)?,
        generation: row.get("generation")?,
    };
    Ok(UserRow { user, password_hash: row.get("password_hash")? })
}

#[cfg(test)]
mod tests {
    use crate::accounts::tests::{NOW, a_gym, a_user};
    use crate::db::Db;
    use crate::db::both::on_both;

    use super::*;

    fn new(email: &str) -> NewUser {
        let (email, name) = (email.parse().unwrap(), Name::clipped(email));
        NewUser { email, name, role: Role::Athlete, password_hash: None }
    }

    on_both! {
        one_email_may_have_an_account_in_each_of_two_gyms
        a_taken_email_undoes_the_whole_file
        accounts_are_listed_by_role
    }

    async fn one_email_may_have_an_account_in_each_of_two_gyms(db: Db) {
        let accounts = Accounts::new(db);
        let (north, south) = (a_gym(&accounts, "north").await, a_gym(&accounts, "south").await);

        let in_north = a_user(&accounts, &north, "ada", Role::Athlete).await;
        let in_south = a_user(&accounts, &south, "ada", Role::Coach).await;

        assert_eq!(accounts.user_by_email(&north, &in_north.email).await.unwrap(), in_north);
        assert_eq!(accounts.user(in_south.id).await.unwrap(), Some(in_south));
    }

    async fn a_taken_email_undoes_the_whole_file(db: Db) {
        let accounts = Accounts::new(db);
        let gym = a_gym(&accounts, "north").await;

        let added =
            accounts.add_users(&gym, vec![new("a@b.c"), new("d@e.f"), new("A@B.c")], NOW).await.unwrap_err();

        assert!(matches!(added, AccountError::DuplicateEmail(email) if email.as_str() == "a@b.c"));
        assert!(accounts.users(&gym, None).await.unwrap().is_empty());
    }

    async fn accounts_are_listed_by_role(db: Db) {
        let accounts = Accounts::new(db);
        let gym = a_gym(&accounts, "north").await;
        a_user(&accounts, &gym, "ada", Role::Athlete).await;
        let coach = a_user(&accounts, &gym, "cleo", Role::Coach).await;

        let coaches = accounts.users(&gym, Some(Role::Coach)).await.unwrap();

        assert_eq!(coaches.len(), 1);
        assert_eq!(coaches[0].user, coach);
    }
}
