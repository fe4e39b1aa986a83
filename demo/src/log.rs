//! Real workouts, read from a lifter's Hevy export (`data/SOURCES.md`).

use std::collections::HashMap;

use anyhow::{Context, ensure};
use serde::Deserialize;
use spotter_protocol::{ExerciseId, LoadKind, Name, SetType};

const EXPORT: &str = include_str!("../../data/hevy-export.csv");
const MOVEMENTS: &str = include_str!("../../data/hevy-exercises.json");

/// One workout as it was done.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) title: String,
    pub(crate) exercises: Vec<DoneExercise>,
}

/// One exercise of it.
#[derive(Clone, Debug)]
pub(crate) struct DoneExercise {
    pub(crate) movement: Movement,
    pub(crate) sets: Vec<DoneSet>,
}

/// One set of it.
#[derive(Clone, Debug)]
pub(crate) struct DoneSet {
    pub(crate) set_type: SetType,
    /// Grams; the export is in kilograms.
    pub(crate) grams: Option<u32>,
    pub(crate) reps: Option<u32>,
    pub(crate) seconds: Option<u32>,
    pub(crate) metres: Option<u32>,
    /// In tenths.
    pub(crate) rpe: Option<u8>,
}

/// What an exercise's title means in the catalogue.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Movement {
    pub(crate) title: Name,
    pub(crate) id: ExerciseId,
    pub(crate) load: LoadKind,
}

#[derive(Deserialize)]
struct Row {
    title: String,
    start_time: String,
    exercise_title: String,
    set_type: String,
    weight_kg: Option<f64>,
    reps: Option<u32>,
    distance_km: Option<f64>,
    duration_seconds: Option<u32>,
    rpe: Option<f64>,
}

/// The movements named by a file of titles, by title.
pub(crate) fn movements(json: &str) -> anyhow::Result<HashMap<String, Movement>> {
    let list: Vec<Movement> = serde_json::from_str(json).context("the list of movements")?;
    Ok(list.into_iter().map(|movement| (movement.title.as_str().to_owned(), movement)).collect())
}

/// Every workout of the export, newest first as it lists them. The export has no exercise instances: runs of
/// rows with one title are one exercise.
pub(crate) fn workouts() -> anyhow::Result<Vec<Done>> {
    let movements = movements(MOVEMENTS)?;
    let mut workouts: Vec<(String, Done)> = Vec::new();
    for row in csv::Reader::from_reader(EXPORT.as_bytes()).deserialize() {
        let row: Row = row.context("a row of the export")?;
        if workouts.last().is_none_or(|(start, done)| *start != row.start_time || done.title != row.title) {
            workouts.push((row.start_time.clone(), Done { title: row.title.clone(), exercises: Vec::new() }));
        }
        let Some((_, done)) = workouts.last_mut() else { continue };
        if done.exercises.last().is_none_or(|last| last.movement.title.as_str() != row.exercise_title) {
            let movement = movements.get(&row.exercise_title);
            let movement =
                movement.with_context(|| format!("no movement is named {:?}", row.exercise_title))?;
            done.exercises.push(DoneExercise { movement: movement.clone(), sets: Vec::new() });
        }
        if let Some(exercise) = done.exercises.last_mut() {
            exercise.sets.push(set(&row)?);
        }
    }
    Ok(workouts.into_iter().map(|(_, done)| done).collect())
}

fn set(row: &Row) -> anyhow::Result<DoneSet> {
    let set_type = match row.set_type.as_str() {
        "warmup" => SetType::Warmup,
        "normal" => SetType::Working,
        "failure" => SetType::Failure,
        "dropset" => SetType::Dropset,
        other => anyhow::bail!("the export has no set type {other:?}"),
    };
    let whole = |value: f64, scale: f64| {
        let scaled = (value * scale).round();
        ensure!((0.0..=f64::from(u32::MAX)).contains(&scaled), "{value} is out of range");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just above")]
        Ok(scaled as u32)
    };
    let positive = |number: &u32| *number > 0;
    Ok(DoneSet {
        set_type,
        grams: row.weight_kg.map(|kg| whole(kg, 1000.0)).transpose()?.filter(positive),
        reps: row.reps.filter(positive),
        seconds: row.duration_seconds.filter(positive),
        metres: row.distance_km.map(|km| whole(km, 1000.0)).transpose()?.filter(positive),
        rpe: row.rpe.map(|rpe| whole(rpe, 10.0)).transpose()?.and_then(|tenths| u8::try_from(tenths).ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_export_is_read() {
        let workouts = workouts().unwrap();
        let sets: usize =
            workouts.iter().flat_map(|done| &done.exercises).map(|exercise| exercise.sets.len()).sum();
        assert_eq!((workouts.len(), sets), (335, 7_211));
    }
}
