//! Strong: dialects that differ in what separates cells, and in where units and lengths stand. A load whose unit stands
//! nowhere is taken for kilograms.

use std::time::Duration;

use anyhow::bail;
use spotter_protocol::{Actual, SetType, Unit};

use super::table::{Row, Table};
use super::{Entry, Pages, Workout};

pub(super) fn workouts(table: &Table) -> anyhow::Result<Vec<Workout>> {
    let weight = table.any(&["Weight", "Weight (kg)", "Weight (lbs)", "Weight (lb)"])?;
    let distance = table.any(&["Distance", "Distance (meters)"])?;
    let length = table.any(&["Duration", "Duration (sec)", "Workout Duration"])?;
    let number = table.any(&["Workout #", "Date"])?;
    let mut pages = Pages::default();
    for row in table.rows() {
        let workout = pages.workout(row.text(number)?, || {
            let title = row.text("Workout Name")?.to_owned();
            Ok(Workout { title, start: moment(row)?, length: lasted(row, length)?, sets: Vec::new() })
        })?;
        let set_type = match row.text("Set Order")? {
            "Rest Timer" => {
                let rest = row.seconds("Seconds")?;
                workout.sets.last_mut().into_iter().for_each(|set| set.rest = rest);
                continue;
            }
            "Note" => continue,
            "W" => SetType::Warmup,
            "D" => SetType::Dropset,
            "F" => SetType::Failure,
            digits if digits.parse::<u32>().is_ok() => SetType::Working,
            _ => bail!(row.fault("Set Order", "no place of a set")),
        };
        let actual = Actual {
            load: row.load(weight, unit_of_load(row, weight)?)?,
            reps: row.reps("Reps")?,
            seconds: row.seconds("Seconds")?,
            metres: row.metres(distance, unit_of_distance(row)?)?,
            effort: row.rpe("RPE")?,
            side: None,
        };
        let exercise = row.text("Exercise Name")?.to_owned();
        workout.sets.push(Entry { exercise, set_type, actual, rest: None });
    }
    Ok(pages.workouts)
}

fn unit_of_load(row: Row<'_>, column: &str) -> anyhow::Result<Unit> {
    match (column, row.text("Weight Unit").unwrap_or_default()) {
        ("Weight (lbs)" | "Weight (lb)", _) | (_, "lbs" | "lb") => Ok(Unit::Lb),
        (_, "" | "kg") => Ok(Unit::Kg),
        _ => bail!(row.fault("Weight Unit", "no unit of weight")),
    }
}

fn unit_of_distance(row: Row<'_>) -> anyhow::Result<&'static str> {
    match row.text("Distance Unit").unwrap_or_default() {
        "" | "m" => Ok("m"),
        "km" => Ok("km"),
        "mi" | "mi." => Ok("mi"),
        _ => bail!(row.fault("Distance Unit", "no unit of distance")),
    }
}

/// `2025-02-24 15:10:32`
fn moment(row: Row<'_>) -> anyhow::Result<i64> {
    let parts: Vec<Option<i64>> =
        row.text("Date")?.split(['-', ' ', ':']).map(|part| part.parse().ok()).collect();
    let read = || {
        let [year, month, day, hour, minute, second] = parts[..] else { return None };
        Some([year?, month?, day?, hour?, minute?, second?])
    };
    row.moment("Date", read())
}

/// `2176`, in seconds, or `2h 18m`, `59m`, `38min`
fn lasted(row: Row<'_>, column: &str) -> anyhow::Result<Duration> {
    let mut seconds = 0;
    for part in row.text(column)?.split_whitespace() {
        let digits = part.trim_end_matches(|c: char| c.is_alphabetic());
        let each = match &part[digits.len()..] {
            "h" => 3_600,
            "m" | "min" => 60,
            "" | "s" | "sec" => 1,
            _ => bail!(row.fault(column, "no length of time")),
        };
        let number = digits.parse::<u32>().map_err(|_| row.fault(column, "no length of time"))?;
        seconds += u64::from(number) * each;
    }
    Ok(Duration::from_secs(seconds))
}
