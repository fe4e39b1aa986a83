//! Hevy: one dialect, whose units are in the names of its columns.

use std::time::Duration;

use anyhow::bail;
use spotter_protocol::{Actual, SetType, Unit};

use super::table::{Row, Table};
use super::{Entry, Pages, Workout};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

pub(super) fn workouts(table: &Table) -> anyhow::Result<Vec<Workout>> {
    let weight = table.any(&["weight_kg", "weight_lbs"])?;
    let distance = table.any(&["distance_km", "distance_miles"])?;
    let mut pages = Pages::default();
    for row in table.rows() {
        let (title, from, to) = (row.text("title")?, row.text("start_time")?, row.text("end_time")?);
        let workout = pages.workout((title, from, to), || {
            let start = moment(row, "start_time")?;
            let length = moment(row, "end_time")?.saturating_sub(start);
            let length = u64::try_from(length).map_err(|_| row.fault("end_time", "before the start"))?;
            Ok(Workout {
                title: title.to_owned(),
                start,
                length: Duration::from_secs(length),
                sets: Vec::new(),
            })
        })?;
        let set_type = match row.text("set_type")? {
            "warmup" => SetType::Warmup,
            "normal" => SetType::Working,
            "failure" => SetType::Failure,
            "dropset" => SetType::Dropset,
            _ => bail!(row.fault("set_type", "no type of a set")),
        };
        let actual = Actual {
            load: row.load(weight, if weight == "weight_kg" { Unit::Kg } else { Unit::Lb })?,
            reps: row.reps("reps")?,
            seconds: row.seconds("duration_seconds")?,
            metres: row.metres(distance, if distance == "distance_km" { "km" } else { "mi" })?,
            effort: row.rpe("rpe")?,
            side: None,
        };
        let exercise = row.text("exercise_title")?.to_owned();
        workout.sets.push(Entry { exercise, set_type, actual, rest: None });
    }
    Ok(pages.workouts)
}

/// `15 Sep 2025, 07:48`
fn moment(row: Row<'_>, column: &str) -> anyhow::Result<i64> {
    let parts: Vec<&str> = row.text(column)?.split([' ', ',', ':']).filter(|part| !part.is_empty()).collect();
    let read = || {
        let [day, month, year, hour, minute] = parts[..] else { return None };
        let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
        let [year, day, hour, minute] = [year, day, hour, minute].map(|part| part.parse().ok());
        Some([year?, month, day?, hour?, minute?, 0])
    };
    row.moment(column, read())
}
