//! What decisions need to know from outside the entity: prescriptions, earlier bests, rosters.

use std::collections::BTreeMap;

use async_trait::async_trait;
use spotter_actors::{Library, StoreError};
use spotter_protocol::{
    Address, Bests, ExerciseId, Grams, GymId, LinkPermission, Timestamp, UserId, Workout, WorkoutRef,
};
use spotter_rules::{Brief, Needs};

use super::{Store, failed};
use crate::db::{Pool, json_list, parsed, query, query_each};

/// Athletes on one roster, as many as a list on the wire holds with room to spare; of more, those who joined the
/// gym last are not on the wall.
const ROSTER_MAX: u32 = 1_000;

#[async_trait]
impl Library for Store {
    async fn brief(
        &self,
        gym: GymId,
        address: Address,
        needs: &Needs,
        at: Timestamp,
    ) -> Result<Brief, StoreError> {
        let workout = match needs.workout {
            Some(wanted) => workout(&self.reads, gym, wanted).await?,
            None => None,
        };
        let prescribed = workout.iter().flat_map(|workout| &workout.exercises).map(|entry| &entry.exercise);
        let mut exercises: Vec<&ExerciseId> = needs.bests.iter().chain(prescribed).collect();
        exercises.sort_unstable();
        exercises.dedup();
        let before = needs.before.unwrap_or(at);
        let bests = bests(&self.reads, gym, address, &exercises, before).await.map_err(failed)?;
        let roster = if needs.roster { self.roster(gym, address.owner).await? } else { Vec::new() };
        Ok(Brief { workout, bests, roster })
    }

    async fn roster(&self, gym: GymId, owner: UserId) -> Result<Vec<UserId>, StoreError> {
        let roster = if owner.0 == gym.0 {
            all_athletes(&self.reads, gym).await
        } else {
            linked_athletes(&self.reads, gym, owner).await
        };
        roster.map_err(failed)
    }
}

async fn workout(reader: &Pool, gym: GymId, wanted: WorkoutRef) -> Result<Option<Workout>, StoreError> {
    let body = query("SELECT body FROM workouts WHERE gym = $1 AND id = $2 AND revision = $3");
    let body = body.bind(gym.0).bind(wanted.id.0).bind(wanted.revision);
    let body = body.fetch_optional(reader).await.map_err(failed)?;
    let Some(row) = body else { return Ok(None) };
    let body: String = row.get("body").map_err(failed)?;
    serde_json::from_str(&body).map(Some).map_err(|error| StoreError::Unreadable(error.into()))
}

/// The owner's bests in `exercises` over the sets of other sessions performed before `before`, in the order
/// of the exercises; only those with any. Warm-ups do not count, and a load on a body or taken off it is no
/// load moved. Ten repetitions and more are one group: nothing asks for more.
async fn bests(
    reader: &Pool,
    gym: GymId,
    address: Address,
    exercises: &[&ExerciseId],
    before: Timestamp,
) -> sqlx::Result<Vec<Bests>> {
    if exercises.is_empty() {
        return Ok(Vec::new());
    }
    macro_rules! bests_in {
        ($exercises:literal, $least:literal) => {
            concat!(
                "SELECT exercise, ",
                $least,
                "(coalesce(reps, 0), 10) AS least_reps, max(grams) AS heaviest,
                     max(e1rm) AS e1rm
                 FROM sets
                 WHERE owner = $1 AND exercise IN (SELECT value FROM ",
                $exercises,
                ") AND at < $3 AND gym = $4
                     AND session <> $5 AND status = 'performed' AND set_type <> 'warmup'
                     AND load_kind IN ('external', 'per_hand', 'stack') AND grams > 0
                 GROUP BY exercise, least_reps",
            )
        };
    }
    let groups = query_each(
        bests_in!("json_each($2)", "min"),
        bests_in!("json_array_elements_text($2::json) AS exercises (value)", "least"),
    );
    let exercises = exercises.iter().map(|exercise| exercise.as_str().into());
    let groups = groups
        .bind(address.owner.0)
        .bind(json_list(exercises))
        .bind(before.0)
        .bind(gym.0)
        .bind(address.id)
        .fetch_all(reader)
        .await?;
    let mut found: BTreeMap<ExerciseId, Bests> = BTreeMap::new();
    for group in groups {
        let exercise: ExerciseId = parsed(&group, "exercise")?;
        let heaviest = Grams(group.get("heaviest")?);
        let bests = found.entry(exercise.clone()).or_insert_with(|| Bests {
            exercise,
            heaviest: None,
            e1rm: None,
            rep_max: Vec::new(),
        });
        bests.heaviest = bests.heaviest.max(Some(heaviest));
        bests.e1rm = bests.e1rm.max(group.get::<Option<u32>>("e1rm")?.map(Grams));
        // Whoever moved it ten times has moved it for at least one, two … ten.
        let reps: usize = group.get::<u16>("least_reps")?.into();
        bests.rep_max.resize(bests.rep_max.len().max(reps), Grams(0));
        for best in &mut bests.rep_max[..reps] {
            *best = (*best).max(heaviest);
        }
    }
    Ok(found.into_values().collect())
}

/// The roster of a coach.
async fn linked_athletes(reader: &Pool, gym: GymId, coach: UserId) -> sqlx::Result<Vec<UserId>> {
    let athletes = query(
        "SELECT links.athlete FROM links
         JOIN users AS coaches ON coaches.id = links.coach AND coaches.gym = links.gym
         JOIN users AS athletes ON athletes.id = links.athlete AND athletes.gym = links.gym
         WHERE links.coach = $1 AND links.gym = $2 AND links.state = 'active'
             AND ',' || links.permissions || ',' LIKE '%,' || $3 || ',%'
         ORDER BY links.athlete LIMIT $4",
    );
    let athletes = athletes.bind(coach.0).bind(gym.0);
    let athletes =
        athletes.bind(LinkPermission::ViewSessions.as_str()).bind(ROSTER_MAX).fetch_all(reader).await?;
    athletes.iter().map(|row| row.get("athlete").map(UserId)).collect()
}

/// The roster of the gym itself.
async fn all_athletes(reader: &Pool, gym: GymId) -> sqlx::Result<Vec<UserId>> {
    let athletes = query("SELECT id FROM users WHERE gym = $1 AND role = 'athlete' ORDER BY id LIMIT $2");
    let athletes = athletes.bind(gym.0).bind(ROSTER_MAX).fetch_all(reader).await?;
    athletes.iter().map(|row| row.get("id").map(UserId)).collect()
}
