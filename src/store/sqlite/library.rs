//! What decisions need to know from outside the entity: prescriptions, earlier bests, rosters.

use std::collections::BTreeMap;

use async_trait::async_trait;
use spotter_actors::{Library, StoreError};
use spotter_protocol::{
    Address, Bests, ExerciseId, Grams, GymId, LinkPermission, Timestamp, UserId, Workout, WorkoutRef,
};
use spotter_rules::{Brief, Needs};
use sqlx::{Row, SqlitePool};

use super::columns::{self, blob};
use super::read::json_list;
use super::{SqliteStore, unavailable};

/// Athletes on one roster, as many as a list on the wire holds with room to spare; of more, those who joined the
/// gym last are not on the wall.
const ROSTER_MAX: u32 = 1_000;

#[async_trait]
impl Library for SqliteStore {
    async fn brief(
        &self,
        gym: GymId,
        address: Address,
        needs: &Needs,
        at: Timestamp,
    ) -> Result<Brief, StoreError> {
        let workout = match needs.workout {
            Some(wanted) => workout(&self.reader, gym, wanted).await?,
            None => None,
        };
        let prescribed = workout.iter().flat_map(|workout| &workout.exercises).map(|entry| &entry.exercise);
        let mut exercises: Vec<&ExerciseId> = needs.bests.iter().chain(prescribed).collect();
        exercises.sort_unstable();
        exercises.dedup();
        let before = needs.before.unwrap_or(at);
        let bests = bests(&self.reader, gym, address, &exercises, before).await.map_err(unavailable)?;
        let roster = if needs.roster { self.roster(gym, address.owner).await? } else { Vec::new() };
        Ok(Brief { workout, bests, roster })
    }

    async fn roster(&self, gym: GymId, owner: UserId) -> Result<Vec<UserId>, StoreError> {
        let roster = if owner.0 == gym.0 {
            all_athletes(&self.reader, gym).await
        } else {
            linked_athletes(&self.reader, gym, owner).await
        };
        roster.map_err(unavailable)
    }
}

async fn workout(reader: &SqlitePool, gym: GymId, wanted: WorkoutRef) -> Result<Option<Workout>, StoreError> {
    let body = sqlx::query_scalar::<_, String>(
        "SELECT body FROM workouts WHERE gym = ? AND id = ? AND revision = ?",
    );
    let body = body.bind(blob(gym.0)).bind(blob(wanted.id.0)).bind(wanted.revision);
    let body = body.fetch_optional(reader).await.map_err(unavailable)?;
    body.map(|body| serde_json::from_str(&body)).transpose().map_err(unavailable)
}

/// The owner's bests in `exercises` over the sets of other sessions performed before `before`, in the order
/// of the exercises; only those with any. Warm-ups do not count, and a load on a body or taken off it is no
/// load moved. Ten repetitions and more are one group: nothing asks for more.
async fn bests(
    reader: &SqlitePool,
    gym: GymId,
    address: Address,
    exercises: &[&ExerciseId],
    before: Timestamp,
) -> sqlx::Result<Vec<Bests>> {
    if exercises.is_empty() {
        return Ok(Vec::new());
    }
    let groups = sqlx::query(
        "SELECT exercise, min(coalesce(reps, 0), 10) AS least_reps, max(grams) AS heaviest, max(e1rm) AS e1rm
         FROM sets
         WHERE owner = ? AND exercise IN (SELECT value FROM json_each(?)) AND at < ? AND gym = ?
             AND session <> ? AND status = 'performed' AND set_type <> 'warmup'
             AND load_kind IN ('external', 'per_hand', 'stack') AND grams > 0
         GROUP BY exercise, least_reps",
    );
    let exercises = exercises.iter().map(|exercise| exercise.as_str().into());
    let groups = groups
        .bind(blob(address.owner.0))
        .bind(json_list(exercises))
        .bind(before.0)
        .bind(blob(gym.0))
        .bind(blob(address.id))
        .fetch_all(reader)
        .await?;
    let mut found: BTreeMap<ExerciseId, Bests> = BTreeMap::new();
    for group in groups {
        let exercise: ExerciseId = group.try_get::<String, _>("exercise")?.parse().map_err(damaged)?;
        let heaviest = Grams(group.try_get("heaviest")?);
        let bests = found.entry(exercise.clone()).or_insert_with(|| Bests {
            exercise,
            heaviest: None,
            e1rm: None,
            rep_max: Vec::new(),
        });
        bests.heaviest = bests.heaviest.max(Some(heaviest));
        bests.e1rm = bests.e1rm.max(group.try_get::<Option<u32>, _>("e1rm")?.map(Grams));
        // Whoever moved it ten times has moved it for at least one, two … ten.
        let reps: usize = group.try_get::<u8, _>("least_reps")?.into();
        bests.rep_max.resize(bests.rep_max.len().max(reps), Grams(0));
        for best in &mut bests.rep_max[..reps] {
            *best = (*best).max(heaviest);
        }
    }
    Ok(found.into_values().collect())
}

fn damaged(error: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

/// The roster of a coach.
async fn linked_athletes(reader: &SqlitePool, gym: GymId, coach: UserId) -> sqlx::Result<Vec<UserId>> {
    let athletes = sqlx::query_scalar::<_, Vec<u8>>(
        "SELECT links.athlete FROM links
         JOIN users AS coaches ON coaches.id = links.coach AND coaches.gym = links.gym
         JOIN users AS athletes ON athletes.id = links.athlete AND athletes.gym = links.gym
         WHERE links.coach = ? AND links.gym = ? AND links.state = 'active'
             AND instr(',' || links.permissions || ',', ',' || ? || ',') > 0
         ORDER BY links.athlete LIMIT ?",
    );
    let athletes = athletes.bind(blob(coach.0)).bind(blob(gym.0));
    let athletes =
        athletes.bind(LinkPermission::ViewSessions.as_str()).bind(ROSTER_MAX).fetch_all(reader).await?;
    athletes.into_iter().map(|athlete| columns::uuid(athlete).map(UserId)).collect()
}

/// The roster of the gym itself.
async fn all_athletes(reader: &SqlitePool, gym: GymId) -> sqlx::Result<Vec<UserId>> {
    let athletes = sqlx::query_scalar::<_, Vec<u8>>(
        "SELECT id FROM users WHERE gym = ? AND role = 'athlete' ORDER BY id LIMIT ?",
    );
    let athletes = athletes.bind(blob(gym.0)).bind(ROSTER_MAX).fetch_all(reader).await?;
    athletes.into_iter().map(|athlete| columns::uuid(athlete).map(UserId)).collect()
}
