//! Gyms that leave. One is closed first: from then on it is unknown to everybody who asks by slug, by account or by
//! token. What it has goes afterwards, in portions.

use spotter_protocol::{GymId, Role, Timestamp};

use super::names::role_of;
use super::{AccountError, Accounts, Slug};
use crate::db;

/// Who is in a gym.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Whether it is closed: then some of what it had may be gone.
    pub is_closed: bool,
    /// Those who train.
    pub athletes: u64,
    /// Those who coach or run the gym.
    pub staff: u64,
}

impl Accounts {
    /// Who is in the gym of that slug, closed or not.
    ///
    /// # Errors
    /// [`AccountError::UnknownGym`] when there is none.
    pub async fn census(&self, slug: &Slug) -> Result<Census, AccountError> {
        let gym = db::query("SELECT id, closed_at FROM gyms WHERE slug = $1").bind(slug.as_str());
        let gym = gym.fetch_optional(&self.db.reader).await?;
        let gym = gym.ok_or_else(|| AccountError::UnknownGym(slug.to_string()))?;
        let is_closed = gym.get::<Option<i64>>("closed_at")?.is_some();
        let mut census = Census { is_closed, ..Census::default() };
        let roles = db::query("SELECT role, count(*) AS people FROM users WHERE gym = $1 GROUP BY role");
        for row in roles.bind(gym.get::<uuid::Uuid>("id")?).fetch_all(&self.db.reader).await? {
            let people = row.get::<i64>("people")?.unsigned_abs();
            match role_of(&row, "role")? {
                Role::Athlete => census.athletes += people,
                Role::Coach | Role::GymOwner | Role::Admin => census.staff += people,
            }
        }
        Ok(census)
    }

    /// Closes a gym, or finds it closed. The tables raise its policy version.
    ///
    /// # Errors
    /// [`AccountError::UnknownGym`] when there is none of that slug.
    pub async fn close_gym(&self, slug: &Slug, now: Timestamp) -> Result<GymId, AccountError> {
        let mut tx = self.db.write().await?;
        let gym =
            db::query("UPDATE gyms SET closed_at = coalesce(closed_at, $1) WHERE slug = $2 RETURNING id");
        let gym = gym.bind(now.0).bind(slug.as_str()).fetch_optional(&mut tx).await?;
        let gym = gym.ok_or_else(|| AccountError::UnknownGym(slug.to_string()))?;
        tx.commit().await?;
        Ok(GymId(gym.get("id")?))
    }

    /// The newest change of rights. Gyms that were closed by it are among the closed ones from then on, until they are gone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn policy_version(&self) -> Result<i64, AccountError> {
        let version = db::query(
            "SELECT coalesce(max(policy_version), 0) AS version FROM
                 (SELECT policy_version FROM gyms UNION ALL SELECT policy_version FROM meta) AS versions",
        );
        Ok(version.fetch_one(&self.db.reader).await?.get("version")?)
    }

    /// The gyms that are closed and not gone yet.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn closed_gyms(&self) -> Result<Vec<GymId>, AccountError> {
        let closed = db::query("SELECT id FROM gyms WHERE closed_at IS NOT NULL");
        let closed = closed.fetch_all(&self.db.reader).await?;
        Ok(closed.iter().map(|row| row.get("id").map(GymId)).collect::<Result<_, _>>()?)
    }

    /// Whether every node that shares the database with others has nothing awake of gyms closed by `version`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_closed_everywhere(&self, version: i64) -> Result<bool, AccountError> {
        let behind = db::query("SELECT count(*) AS behind FROM nodes WHERE shares AND policy_version < $1");
        let behind = behind.bind(version).fetch_one(&self.db.reader).await?;
        Ok(behind.get::<i64>("behind")? == 0)
    }
}
