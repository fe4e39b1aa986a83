//! Workouts as coaches wrote them: revisions that never change.

use spotter_protocol::{GymId, Timestamp, Workout, WorkoutId};

use crate::db::{self, Db};

/// Why a revision was not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum WorkoutError {
    /// Store the change as the next revision.
    #[error("revision {revision} of this workout is taken: a revision never changes")]
    Taken {
        /// The number that was asked for.
        revision: u32,
    },
    /// Try again; if it stays, look at the disk and the file.
    #[error("the database did not answer")]
    Store(#[from] sqlx::Error),
}

/// The workouts of all gyms.
#[derive(Clone, Debug)]
pub struct Workouts {
    db: Db,
}

impl Workouts {
    /// The workouts stored in `db`.
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// Stores revisions of a gym: all of them or, on an error, none.
    ///
    /// # Errors
    /// [`WorkoutError::Taken`] for the first revision that is there already.
    pub async fn add(&self, gym: GymId, revisions: &[Workout], now: Timestamp) -> Result<(), WorkoutError> {
        let mut tx = self.db.write().await?;
        for workout in revisions {
            let body = serde_json::to_string(workout).map_err(|error| sqlx::Error::Encode(error.into()))?;
            let inserted = db::query(
                "INSERT INTO workouts (gym, id, revision, title, body, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (gym, id, revision) DO NOTHING",
            )
            .bind(gym.0)
            .bind(workout.id.0)
            .bind(workout.revision)
            .bind(workout.title.as_str())
            .bind(body)
            .bind(now.0)
            .execute(&mut tx)
            .await?;
            if inserted == 0 {
                return Err(WorkoutError::Taken { revision: workout.revision });
            }
        }
        Ok(tx.commit().await?)
    }

    /// A revision of a gym's workout, or the newest when none is named; `None` when the gym has none such.
    ///
    /// # Errors
    /// When the database does not answer or holds what this build cannot read.
    pub async fn get(
        &self,
        gym: GymId,
        id: WorkoutId,
        revision: Option<u32>,
    ) -> Result<Option<Workout>, WorkoutError> {
        let row = db::query(
            "SELECT body FROM workouts WHERE gym = $1 AND id = $2 AND ($3 IS NULL OR revision = $3)
             ORDER BY revision DESC LIMIT 1",
        )
        .bind(gym.0)
        .bind(id.0)
        .bind(revision)
        .fetch_optional(&self.db.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let body: String = row.get("body")?;
        Ok(Some(serde_json::from_str(&body).map_err(|error| db::unreadable("body", error))?))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use spotter_protocol::Title;
    use uuid::Uuid;

    use crate::accounts::Accounts;
    use crate::accounts::tests::{NOW, a_gym};
    use crate::db::both::on_both;

    use super::*;

    /// A revision without exercises.
    pub(crate) fn a_workout(id: u128, revision: u32) -> Workout {
        let title = Title::clipped(&format!("Push A, revision {revision}"));
        Workout { id: WorkoutId(Uuid::from_u128(id)), revision, title, exercises: Vec::new() }
    }

    on_both! {
        a_revision_reads_back_and_the_newest_is_the_default
        a_revision_is_never_overwritten
    }

    async fn a_revision_reads_back_and_the_newest_is_the_default(db: Db) {
        let gym = a_gym(&Accounts::new(db.clone()), "north").await.id;
        let workouts = Workouts::new(db);
        workouts.add(gym, &[a_workout(1, 1), a_workout(1, 2)], NOW).await.unwrap();

        let id = a_workout(1, 1).id;

        assert_eq!(workouts.get(gym, id, Some(1)).await.unwrap(), Some(a_workout(1, 1)));
        assert_eq!(workouts.get(gym, id, None).await.unwrap(), Some(a_workout(1, 2)));
        assert_eq!(workouts.get(gym, id, Some(3)).await.unwrap(), None);
    }

    async fn a_revision_is_never_overwritten(db: Db) {
        let gym = a_gym(&Accounts::new(db.clone()), "north").await.id;
        let workouts = Workouts::new(db);
        workouts.add(gym, &[a_workout(1, 1)], NOW).await.unwrap();

        let again = workouts.add(gym, &[a_workout(2, 1), a_workout(1, 1)], NOW).await;

        assert!(matches!(again, Err(WorkoutError::Taken { revision: 1 })));
        assert_eq!(workouts.get(gym, a_workout(2, 1).id, None).await.unwrap(), None, "all or none");
    }
}
