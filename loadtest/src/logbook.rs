//! Logs that people keep of their training, as Hevy and Strong export them.
//!
//! Columns go by their names, and the dialect by the columns. A cell that cannot be read is an error that names file, line
//! and column: a log that is read in part would be another load.

mod hevy;
mod strong;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use spotter_protocol::{Actual, Seconds, SetType};

use table::Table;

/// A training.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Workout {
    pub(crate) title: String,
    /// In seconds of the log's own clock, which has no zone.
    pub(crate) start: i64,
    pub(crate) length: Duration,
    /// In the order of the log; at least one.
    pub(crate) sets: Vec<Entry>,
}

/// A set of a log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) exercise: String,
    pub(crate) set_type: SetType,
    pub(crate) actual: Actual,
    /// The rest that the log has after it.
    pub(crate) rest: Option<Seconds>,
}

impl Entry {
    /// Whether anything was done: a server takes no other set.
    const fn says_something(&self) -> bool {
        self.actual.reps.is_some() || self.actual.seconds.is_some() || self.actual.metres.is_some()
    }
}

/// The workouts of a log, oldest first. Sets that say neither repetitions nor time nor distance are left out.
///
/// # Errors
/// When it cannot be read, is no export of Hevy or Strong, or holds nothing.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Workout>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> anyhow::Result<Vec<Workout>> {
    let table = Table::read(text)?;
    let mut workouts = if table.has("exercise_title") {
        hevy::workouts(&table)?
    } else if table.has("Set Order") {
        strong::workouts(&table)?
    } else {
        bail!("neither Hevy's columns (exercise_title …) nor Strong's (Set Order …)");
    };
    for workout in &mut workouts {
        workout.sets.retain(Entry::says_something);
    }
    workouts.retain(|workout| !workout.sets.is_empty());
    workouts.sort_by_key(|workout| workout.start);
    if workouts.is_empty() {
        bail!("it holds no set");
    }
    Ok(workouts)
}

/// Workouts under way, by what tells them apart in their file.
#[derive(Default)]
struct Pages<K> {
    places: BTreeMap<K, usize>,
    workouts: Vec<Workout>,
}

impl<K: Ord> Pages<K> {
    fn workout(
        &mut self,
        key: K,
        begin: impl FnOnce() -> anyhow::Result<Workout>,
    ) -> anyhow::Result<&mut Workout> {
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                self.workouts.push(begin()?);
                self.places.insert(key, self.workouts.len() - 1);
                self.workouts.len() - 1
            }
        };
        Ok(&mut self.workouts[place])
    }
}
