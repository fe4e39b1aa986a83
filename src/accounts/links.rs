//! Who coaches whom.

use spotter_protocol::{LinkId, Notice, Role, Timestamp};

use super::notify::notify;
use super::{AccountError, Accounts, Email, Gym, Permissions};
use crate::clock::new_id;
use crate::db;

/// A link as it shall be.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// Who coaches.
    pub coach: Email,
    /// Who is coached.
    pub athlete: Email,
    /// What the coach may.
    pub permissions: Permissions,
}

impl Accounts {
    /// Makes links active with the given permissions, new ones and ended ones alike: all or, on an error, none.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`], [`AccountError::NotACoach`] or [`AccountError::OnePerson`] for the first
    /// link that cannot be.
    pub async fn add_links(&self, gym: &Gym, links: &[NewLink], now: Timestamp) -> Result<(), AccountError> {
        let mut ready = Vec::with_capacity(links.len());
        for link in links {
            let coach = self.user_by_email(gym, &link.coach).await?;
            let athlete = self.user_by_email(gym, &link.athlete).await?;
            match coach.role {
                Role::Coach | Role::GymOwner => {}
                Role::Athlete | Role::Admin => return Err(AccountError::NotACoach(coach.email)),
            }
            if coach.id == athlete.id {
                return Err(AccountError::OnePerson(coach.email));
            }
            ready.push((coach.id, athlete.id, link.permissions.to_string()));
        }
        let mut tx = self.db.write().await?;
        for (coach, athlete, permissions) in ready {
            db::query(
                "INSERT INTO links (id, gym, coach, athlete, state, permissions, created_at)
                 VALUES ($1, $2, $3, $4, 'active', $5, $6)
                 ON CONFLICT (coach, athlete) DO UPDATE SET state = 'active', permissions = excluded.permissions",
            )
            .bind(LinkId(new_id(now)).0)
            .bind(gym.id.0)
            .bind(coach.0)
            .bind(athlete.0)
            .bind(permissions)
            .bind(now.0)
            .execute(&mut tx)
            .await?;
            for (to, with) in [(coach, athlete), (athlete, coach)] {
                notify(&mut tx, gym.id, to, with, Notice::linked(with), now).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    /// Changes what an active link allows.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`], or [`AccountError::NotLinked`] when no active link joins the two.
    pub async fn set_permissions(
        &self,
        gym: &Gym,
        coach: &Email,
        athlete: &Email,
        permissions: &Permissions,
    ) -> Result<(), AccountError> {
        self.change_link(gym, coach, athlete, "active", Some(permissions)).await
    }

    /// Ends an active link: what it allowed is over within a second, on sockets that are open too.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`], or [`AccountError::NotLinked`] when no active link joins the two.
    pub async fn end_link(&self, gym: &Gym, coach: &Email, athlete: &Email) -> Result<(), AccountError> {
        self.change_link(gym, coach, athlete, "ended", None).await
    }

    async fn change_link(
        &self,
        gym: &Gym,
        coach: &Email,
        athlete: &Email,
        state: &str,
        permissions: Option<&Permissions>,
    ) -> Result<(), AccountError> {
        let (by, of) = (self.user_by_email(gym, coach).await?, self.user_by_email(gym, athlete).await?);
        let mut tx = self.db.write().await?;
        let changed = db::query(
            "UPDATE links SET state = $1, permissions = coalesce($2, permissions)
             WHERE coach = $3 AND athlete = $4 AND gym = $5 AND state = 'active'",
        )
        .bind(state)
        .bind(permissions.map(ToString::to_string))
        .bind(by.id.0)
        .bind(of.id.0)
        .bind(gym.id.0)
        .execute(&mut tx)
        .await?;
        tx.commit().await?;
        match changed {
            0 => Err(AccountError::NotLinked(coach.clone(), athlete.clone())),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::accounts::tests::{NOW, a_gym, a_user};
    use crate::db::both::on_both;
    use crate::db::{self, Db};

    use super::*;

    async fn a_coach_and_an_athlete(db: &Db) -> (Accounts, Gym) {
        let accounts = Accounts::new(db.clone());
        let gym = a_gym(&accounts, "north").await;
        a_user(&accounts, &gym, "cleo", Role::Coach).await;
        a_user(&accounts, &gym, "ada", Role::Athlete).await;
        (accounts, gym)
    }

    fn link(coach: &str, athlete: &str, permissions: &str) -> NewLink {
        let email = |name: &str| format!("{name}@example.com").parse().unwrap();
        NewLink { coach: email(coach), athlete: email(athlete), permissions: permissions.parse().unwrap() }
    }

    on_both! {
        linking_again_replaces_the_permissions
        an_ended_link_can_neither_change_nor_end_again_and_can_be_made_anew
        an_athlete_cannot_coach_and_nobody_coaches_themselves
        a_link_never_crosses_gyms
    }

    async fn linking_again_replaces_the_permissions(db: Db) {
        let (accounts, gym) = a_coach_and_an_athlete(&db).await;

        accounts.add_links(&gym, &[link("cleo", "ada", "message")], NOW).await.unwrap();
        accounts.add_links(&gym, &[link("cleo", "ada", "view_sessions")], NOW).await.unwrap();

        let rows = db::query("SELECT permissions FROM links").fetch_all(&db.reader).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].get::<String>("permissions").unwrap(), "view_sessions");
    }

    async fn an_ended_link_can_neither_change_nor_end_again_and_can_be_made_anew(db: Db) {
        let (accounts, gym) = a_coach_and_an_athlete(&db).await;
        let (cleo, ada) = ("cleo@example.com".parse().unwrap(), "ada@example.com".parse().unwrap());
        accounts.add_links(&gym, &[link("cleo", "ada", "message")], NOW).await.unwrap();

        accounts.set_permissions(&gym, &cleo, &ada, &"log_sets".parse().unwrap()).await.unwrap();
        accounts.end_link(&gym, &cleo, &ada).await.unwrap();

        let ended = accounts.end_link(&gym, &cleo, &ada).await;
        assert!(matches!(ended, Err(AccountError::NotLinked(..))));
        let changed = accounts.set_permissions(&gym, &cleo, &ada, &Permissions::default()).await;
        assert!(matches!(changed, Err(AccountError::NotLinked(..))));
        let row = db::query("SELECT state, permissions FROM links").fetch_one(&db.reader).await.unwrap();
        let is = |column| row.get::<String>(column).unwrap();
        assert_eq!([is("state"), is("permissions")], ["ended", "log_sets"]);
        accounts.add_links(&gym, &[link("cleo", "ada", "message")], NOW).await.unwrap();
        accounts.end_link(&gym, &cleo, &ada).await.unwrap();
    }

    async fn an_athlete_cannot_coach_and_nobody_coaches_themselves(db: Db) {
        let (accounts, gym) = a_coach_and_an_athlete(&db).await;

        let swapped = accounts.add_links(&gym, &[link("ada", "cleo", "message")], NOW).await;
        let alone = accounts.add_links(&gym, &[link("cleo", "cleo", "message")], NOW).await;

        assert!(matches!(swapped, Err(AccountError::NotACoach(_))));
        assert!(matches!(alone, Err(AccountError::OnePerson(_))));
    }

    async fn a_link_never_crosses_gyms(db: Db) {
        let (accounts, gym) = a_coach_and_an_athlete(&db).await;
        let other = a_gym(&accounts, "south").await;
        a_user(&accounts, &other, "zoe", Role::Athlete).await;

        let crossed = accounts.add_links(&gym, &[link("cleo", "zoe", "message")], NOW).await;

        assert!(matches!(crossed, Err(AccountError::UnknownUser(_))));
    }
}
