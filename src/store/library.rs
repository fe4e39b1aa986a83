//! What decisions need to know from outside the entity: prescriptions, earlier bests, rosters.

use std::collections::BTreeMap;

use async_trait::async_trait;
use spotter_actors::{Library, StoreError};
use spotter_protocol::{
    Address, Bests, ExerciseId, Grams, GymId, LinkPermission, Timestamp, UserId, Workout, WorkoutRef,
};
use spotter_rules::{Brief, Needs};

use super::{Store, failed};
use crate::db::{Pool, json_list, parsed, query, query_each, unreadable};

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
/// load moved. A session at rest has said what it did of each exercise; asked for set by set are those that are
/// running, and those that the moment cuts through.
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
    // Running sessions are found by their index: an owner may have thousands that have ended. What is looked up for each
    // of a list stands in a subquery of its own on a server: see `BY_KEY` there.
    macro_rules! bests_in {
        ($exercises:literal, $sessions:literal, $each:literal, $once:literal) => {
            concat!(
                "WITH wanted AS MATERIALIZED (SELECT value AS exercise FROM ",
                $exercises,
                "), running AS MATERIALIZED (
                     SELECT session FROM ",
                $sessions,
                " WHERE owner = $1 AND gym = $4 AND session <> $5 AND phase IN ('live', 'paused')),
                 rested AS MATERIALIZED (
                     SELECT found.* FROM wanted CROSS JOIN ",
                $each,
                "bests AS found WHERE found.owner = $1 AND found.exercise = wanted.exercise
                         AND found.gym = $4 AND found.session <> $5 AND found.first_at < $3
                         AND found.session NOT IN (SELECT session FROM running)",
                $once,
                "), open AS MATERIALIZED (
                     SELECT wanted.exercise, running.session FROM wanted CROSS JOIN running
                     UNION ALL SELECT exercise, session FROM rested WHERE last_at >= $3)
                 SELECT exercise, heaviest, e1rm, rep_max, NULL AS reps FROM rested WHERE last_at < $3
                 UNION ALL
                 SELECT found.exercise, found.grams, found.e1rm, NULL, found.reps FROM open CROSS JOIN ",
                $each,
                "sets AS found WHERE found.owner = $1 AND found.exercise = open.exercise
                         AND found.session = open.session AND found.gym = $4 AND found.at < $3
                         AND found.status = 'performed' AND found.set_type <> 'warmup'
                         AND found.load_kind IN ('external', 'per_hand', 'stack') AND found.grams > 0",
                $once,
            )
        };
    }
    let found = query_each(
        bests_in!("json_each($2)", "sessions INDEXED BY sessions_running", "", ""),
        bests_in!(
            "json_array_elements_text($2::json) AS given (value)",
            "sessions",
            "LATERAL (SELECT * FROM ",
            " OFFSET 0) AS found"
        ),
    );
    let exercises = exercises.iter().map(|exercise| exercise.as_str().into());
    let found = found
        .bind(address.owner.0)
        .bind(json_list(exercises))
        .bind(before.0)
        .bind(gym.0)
        .bind(address.id)
        .fetch_all(reader)
        .await?;
    let mut bests: BTreeMap<ExerciseId, Bests> = BTreeMap::new();
    for row in found {
        let exercise: ExerciseId = parsed(&row, "exercise")?;
        let heaviest = Grams(row.get("heaviest")?);
        let rep_max = match row.get::<Option<String>>("rep_max")? {
            Some(loads) => serde_json::from_str(&loads).map_err(|error| unreadable("rep_max", error))?,
            // Whoever moved it ten times and more has moved it for at least one, two … ten.
            None => vec![heaviest; row.get::<Option<u16>>("reps")?.map_or(0, |reps| reps.min(10).into())],
        };
        let best = bests.entry(exercise.clone()).or_insert_with(|| Bests {
            exercise,
            heaviest: None,
            e1rm: None,
            rep_max: Vec::new(),
        });
        best.heaviest = best.heaviest.max(Some(heaviest));
        best.e1rm = best.e1rm.max(row.get::<Option<u32>>("e1rm")?.map(Grams));
        best.rep_max.resize(best.rep_max.len().max(rep_max.len()), Grams(0));
        for (best, load) in best.rep_max.iter_mut().zip(rep_max) {
            *best = (*best).max(load);
        }
    }
    Ok(bests.into_values().collect())
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
