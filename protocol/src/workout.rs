//! Workouts in immutable revisions, and what an athlete did best before a session.

use serde::{Deserialize, Serialize};

use crate::{
    Effort, ExerciseId, Grams, Group, Load, LoadKind, Metres, Millis, Name, NoteText, RepRange, Seconds,
    SetType, Title, WorkoutId,
};

/// Place of an event in one entity's journal. The first is 1; 0 is an entity without events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Names the content of a workout: a revision never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WorkoutRef {
    /// Which workout.
    pub id: WorkoutId,
    /// Which revision of it, from 1.
    pub revision: u32,
}

/// One revision of a workout: what a coach prescribes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workout {
    /// Which workout.
    pub id: WorkoutId,
    /// Which revision of it, from 1.
    pub revision: u32,
    /// What it is called.
    pub title: Title,
    /// The exercises in order.
    pub exercises: Vec<PrescribedExercise>,
}

impl Workout {
    /// The name of this content.
    pub const fn reference(&self) -> WorkoutRef {
        WorkoutRef { id: self.id, revision: self.revision }
    }
}

/// One exercise of a workout with its sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrescribedExercise {
    /// The movement.
    pub exercise: ExerciseId,
    /// Its name when it was prescribed.
    pub name: Name,
    /// What the load means.
    pub load_kind: LoadKind,
    /// The group it is done in rounds with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// The coach's remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<NoteText>,
    /// The sets in order.
    pub sets: Vec<Target>,
}

/// What one set asks for. Absent is unprescribed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// How the set is meant.
    #[serde(rename = "type", default)]
    pub set_type: SetType,
    /// Repetitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reps: Option<RepRange>,
    /// Load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// Effort not to exceed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// Duration of timed work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Seconds>,
    /// Distance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metres: Option<Metres>,
    /// Rest after the set.
    #[serde(rename = "rest_ms", default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Millis>,
}

/// An athlete's bests in one exercise before a session, over performed sets that count (no warm-ups).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bests {
    /// The movement.
    pub exercise: ExerciseId,
    /// Heaviest load of any repetitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heaviest: Option<Grams>,
    /// Highest estimated one-repetition maximum (Epley, 1 to 10 repetitions).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e1rm: Option<Grams>,
    /// `rep_max[r - 1]` is the heaviest load moved for at least `r` repetitions, r from 1 to 10;
    /// absent entries at the end are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rep_max: Vec<Grams>,
}
