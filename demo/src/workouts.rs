//! What the demo's athletes are prescribed. The export says what was done, not what was asked for; targets,
//! rests and other people's loads are made up here, from what was done.

use anyhow::Context;
use serde::Deserialize;
use spotter_protocol::{
    Effort, EffortScale, Load, LoadKind, Metres, Millis, PrescribedExercise, RepRange, Reps, Seconds,
    SetType, Target, Title, Unit, Workout, WorkoutId,
};
use uuid::Uuid;

use crate::log::{self, Done, DoneSet};

const PROGRAMS: &str = include_str!("../../data/programs.json");
const PROGRAM_MOVEMENTS: &str = include_str!("../../data/program-exercises.json");

/// Real workouts taken for the demo.
const TAKEN: usize = 14;
/// How many sets a taken workout has.
const SETS: std::ops::RangeInclusive<usize> = 12..=30;
/// The scaled copies of each: percent of the lifter's own loads.
pub(crate) const SCALES: [u32; 3] = [50, 70, 95];
/// Loads are prescribed in steps of 2.5 kg.
const STEP_GRAMS: u32 = 2_500;

/// The real workouts that the demo replays: of ordinary length, one of each title.
pub(crate) fn taken() -> anyhow::Result<Vec<Done>> {
    let mut taken: Vec<Done> = Vec::new();
    for done in log::workouts()? {
        let sets = done.exercises.iter().map(|exercise| exercise.sets.len()).sum();
        if taken.len() < TAKEN && SETS.contains(&sets) && taken.iter().all(|other| other.title != done.title)
        {
            taken.push(done);
        }
    }
    Ok(taken)
}

/// The id of a taken workout at a scale.
pub(crate) fn id(taken: usize, scale: usize) -> WorkoutId {
    WorkoutId(Uuid::new_v5(
        &Uuid::NAMESPACE_OID,
        format!("spotter demo workout {taken} scale {scale}").as_bytes(),
    ))
}

/// The taken workouts at every scale, and the programs.
pub(crate) fn all() -> anyhow::Result<Vec<Workout>> {
    let taken = taken()?;
    let mut workouts = Vec::new();
    for (place, done) in taken.iter().enumerate() {
        for (scale, percent) in SCALES.into_iter().enumerate() {
            workouts.push(prescribe(id(place, scale), done, percent)?);
        }
    }
    workouts.extend(programs()?);
    Ok(workouts)
}

/// A load of the lifter's at a percentage, in steps.
pub(crate) fn scaled(grams: u32, percent: u32) -> u32 {
    let exact = grams / 100 * percent;
    ((exact + STEP_GRAMS / 2) / STEP_GRAMS * STEP_GRAMS).max(STEP_GRAMS)
}

fn prescribe(id: WorkoutId, done: &Done, percent: u32) -> anyhow::Result<Workout> {
    let exercises = done.exercises.iter().map(|exercise| {
        let sets = exercise.sets.iter().map(|set| target(set, percent));
        anyhow::Ok(PrescribedExercise {
            exercise: exercise.movement.id.clone(),
            name: exercise.movement.title.clone(),
            load_kind: exercise.movement.load,
            group: None,
            note: None,
            sets: sets.collect::<anyhow::Result<_>>()?,
        })
    });
    let title = Title::clipped(&done.title);
    Ok(Workout { id, revision: 1, title, exercises: exercises.collect::<anyhow::Result<_>>()? })
}

/// The target behind a set that was done: a repetition fewer to one more, the same load, the same effort.
fn target(set: &DoneSet, percent: u32) -> anyhow::Result<Target> {
    let reps = set.reps.map(|reps| range(reps.saturating_sub(1).max(1), reps + 1)).transpose()?;
    let load = set.grams.map(|grams| load(scaled(grams, percent), Unit::Kg)).transpose()?;
    let effort = set.rpe.and_then(|tenths| Effort::new(EffortScale::Rpe, tenths.min(90)).ok());
    Ok(Target {
        set_type: set.set_type,
        reps,
        load,
        effort,
        seconds: set.seconds.map(Seconds::new).transpose().map_err(anyhow::Error::msg)?,
        metres: set.metres.map(Metres::new).transpose().map_err(anyhow::Error::msg)?,
        rest: Some(rest(set.set_type)),
    })
}

pub(crate) const fn rest(set_type: SetType) -> Millis {
    match set_type {
        SetType::Warmup => Millis(75_000),
        SetType::Dropset => Millis(30_000),
        SetType::Working
        | SetType::Failure
        | SetType::Amrap
        | SetType::Backoff
        | SetType::Myo
        | SetType::Cluster
        | SetType::Partial
        | SetType::Forced
        | SetType::Iso => Millis(150_000),
    }
}

fn range(min: u32, max: u32) -> anyhow::Result<RepRange> {
    let reps = |count| Reps::new(count).map_err(anyhow::Error::msg);
    Ok(RepRange { min: reps(min)?, max: Some(reps(max)?) })
}

/// A load of whole grams, typed in `unit`: pounds in steps of five.
pub(crate) fn load(grams: u32, unit: Unit) -> anyhow::Result<Load> {
    let typed = match unit {
        Unit::Kg => grams,
        Unit::Lb => (grams * 10 / 4_536 + 2) / 5 * 5 * 1000,
    };
    Load::new(typed, unit).map_err(anyhow::Error::msg)
}

#[derive(Deserialize)]
struct Programs {
    programs: Vec<Program>,
}

#[derive(Deserialize)]
struct Program {
    name: String,
    workouts: Vec<Day>,
}

#[derive(Deserialize)]
struct Day {
    name: String,
    exercises: Vec<DayExercise>,
}

#[derive(Deserialize)]
struct DayExercise {
    exercise_name: String,
    target_sets: usize,
    target_reps_min: u32,
    target_reps_max: u32,
    target_rpe: f64,
    rest_seconds: u32,
}

fn programs() -> anyhow::Result<Vec<Workout>> {
    let programs: Programs = serde_json::from_str(PROGRAMS).context("the programs")?;
    let movements = log::movements(PROGRAM_MOVEMENTS)?;
    let days =
        programs.programs.iter().flat_map(|program| program.workouts.iter().map(move |day| (program, day)));
    days.map(|(program, day)| {
        let title = format!("{}: {}", program.name, day.name);
        let exercises = day.exercises.iter().map(|exercise| {
            let movement = movements.get(&exercise.exercise_name);
            let movement = movement.with_context(|| format!("no movement {:?}", exercise.exercise_name))?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "an RPE of at most 10"
            )]
            let effort = Effort::new(EffortScale::Rpe, (exercise.target_rpe * 10.0).round() as u8);
            let target = Target {
                reps: Some(range(exercise.target_reps_min, exercise.target_reps_max)?),
                effort: effort.ok(),
                rest: Some(Millis(exercise.rest_seconds * 1000)),
                ..Target::default()
            };
            Ok(PrescribedExercise {
                exercise: movement.id.clone(),
                name: movement.title.clone(),
                load_kind: movement.load,
                group: None,
                note: None,
                sets: vec![target; exercise.target_sets],
            })
        });
        let id =
            WorkoutId(Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("spotter demo program {title}").as_bytes()));
        let exercises = exercises.collect::<anyhow::Result<_>>()?;
        Ok(Workout { id, revision: 1, title: Title::clipped(&title), exercises })
    })
    .collect()
}

/// Whether a movement's load is one that is typed.
pub(crate) const fn has_load(kind: LoadKind) -> bool {
    !matches!(kind, LoadKind::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workout_can_be_prescribed_and_has_an_id_of_its_own() {
        let workouts = all().unwrap();
        let mut ids: Vec<_> = workouts.iter().map(|workout| workout.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), workouts.len());
        assert_eq!(taken().unwrap().len(), TAKEN);
        assert!(workouts.len() > TAKEN * SCALES.len(), "the programs are there too");
    }

    #[test]
    fn every_prescription_is_one_a_coach_could_write() {
        for workout in all().unwrap() {
            let sets: Vec<_> = workout.exercises.iter().flat_map(|exercise| &exercise.sets).collect();
            assert!(SETS.contains(&sets.len()), "{}: {} sets", workout.title, sets.len());
            for target in sets {
                let says = format!("{}: {target:?}", workout.title);
                assert!(target.reps.is_some() || target.seconds.is_some(), "{says}");
                assert!(target.reps.is_none_or(|reps| (1..=40).contains(&reps.min.get())), "{says}");
                assert!(target.load.is_none_or(|load| load.typed() % STEP_GRAMS == 0), "{says}");
                assert!(target.load.is_none_or(|load| load.grams().0 <= 400_000), "{says}");
                assert!(target.effort.is_none_or(|effort| (60..=95).contains(&effort.tenths())), "{says}");
                assert!(target.rest.is_some_and(|rest| (30_000..=300_000).contains(&rest.0)), "{says}");
            }
        }
    }

    #[test]
    fn every_workout_survives_the_way_over_http() {
        for workout in all().unwrap() {
            let json = serde_json::to_string(&workout).unwrap();
            assert_eq!(serde_json::from_str::<Workout>(&json).unwrap(), workout);
        }
    }

    #[test]
    fn the_ids_of_workouts_never_change() {
        assert_eq!(id(0, 0).to_string(), "b51d9ee3-eed7-5b90-9915-b94824177dbd");
    }

    #[test]
    fn loads_are_prescribed_in_steps() {
        assert_eq!([scaled(100_000, 70), scaled(78_000, 50), scaled(1_000, 50)], [70_000, 40_000, 2_500]);
        assert_eq!(load(102_058, Unit::Lb).unwrap().typed(), 225_000);
    }
}
