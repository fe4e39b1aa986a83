//! What happens to a session.

use serde::{Deserialize, Serialize};

use crate::vocabulary::vocabulary;
use crate::{
    Bests, Effort, ExerciseId, Grams, InstanceId, Load, LoadKind, Metres, Millis, Name, NoteText, Reason,
    Reps, Seconds, SetId, SetType, Side, Target, Timestamp, Title, WorkoutRef,
};

vocabulary! {
    /// What happens to a session.
    pub enum SessionEvent, SessionEventKind {
        /// It began.
        Started = "started",
        /// An exercise outside the plan joined it.
        ExerciseAdded = "exercise_added",
        /// A set outside the plan joined it.
        SetAdded = "set_added",
        /// A set was performed.
        SetCompleted = "set_completed",
        /// A set was tried and missed.
        SetFailed = "set_failed",
        /// A set will not be done.
        SetSkipped = "set_skipped",
        /// What was logged for a set was replaced.
        SetAmended = "set_amended",
        /// A logged set was taken back.
        SetVoided = "set_voided",
        /// A remark.
        Noted = "noted",
        /// A rest.
        Rested = "rested",
        /// An interruption.
        Paused = "paused",
        /// The end of an interruption.
        Resumed = "resumed",
        /// The end.
        Finished = "finished",
        /// The end was undone.
        Reopened = "reopened",
        /// A personal record against the bests recorded at the start.
        Pr = "pr",
        /// A correction or a late set undid an announced record.
        PrWithdrawn = "pr_withdrawn",
    }
}

/// What was done in a set. Absent is not recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actual {
    /// Load as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// Repetitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reps: Option<Reps>,
    /// Duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Seconds>,
    /// Distance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metres: Option<Metres>,
    /// Effort on its scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// Side of one-sided work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
}

/// A session began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The revision followed; absent for an ad-hoc session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workout: Option<WorkoutRef>,
    /// The workout's title, or the one given.
    pub title: Title,
    /// The prescription, copied in.
    pub exercises: Vec<PlannedExercise>,
    /// The athlete's bests in these exercises, before this session.
    pub bests: Vec<Bests>,
}

/// One exercise of a session's plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedExercise {
    /// Its place in the session.
    pub instance: InstanceId,
    /// The movement.
    pub exercise: ExerciseId,
    /// Its name.
    pub name: Name,
    /// What the load means.
    pub load_kind: LoadKind,
    /// The sets in order.
    pub sets: Vec<PlannedSet>,
}

/// One set of a session's plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSet {
    /// Which set.
    pub set: SetId,
    /// What it asks for.
    pub target: Target,
}

/// An exercise outside the plan joined a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExerciseAdded {
    /// The exercise, without sets.
    pub exercise: PlannedExercise,
    /// The athlete's bests in it before this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bests: Option<Bests>,
}

/// A set outside the plan joined a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAdded {
    /// The set.
    pub set: SetId,
    /// The exercise it ends up last in.
    pub instance: InstanceId,
    /// How it is meant.
    #[serde(rename = "type")]
    pub set_type: SetType,
}

/// A set was performed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetCompleted {
    /// The set.
    pub set: SetId,
    /// What was done.
    pub actual: Actual,
}

/// A set was tried and missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetFailed {
    /// The set.
    pub set: SetId,
    /// What was done before it was missed.
    pub actual: Actual,
}

/// A set will not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSkipped {
    /// The set.
    pub set: SetId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What was logged for a set was replaced; its time stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAmended {
    /// The set.
    pub set: SetId,
    /// What was really done.
    pub actual: Actual,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// A logged set was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetVoided {
    /// The set.
    pub set: SetId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// A remark on the session or a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// The set; absent for the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetId>,
    /// The remark.
    pub text: NoteText,
}

/// A rest, by server time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rested {
    /// The set rested from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<SetId>,
    /// When it began.
    pub start: Timestamp,
    /// How long it lasts.
    pub duration_ms: Millis,
    /// False when it came after a later change of phase and is only recorded.
    pub effective: bool,
}

/// An interruption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// False when it came after a later change of phase and is only recorded.
    pub effective: bool,
}

/// The end of an interruption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// False when it came after a later change of phase and is only recorded.
    pub effective: bool,
}

/// The end of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {}

/// The end was undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reopened {}

/// The kinds of personal record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrKind {
    /// The heaviest load of any repetitions.
    Heaviest,
    /// The heaviest load for this many repetitions, 1 to 10: the same set is also the most repetitions
    /// at its load.
    RepMax,
    /// The highest estimated one-repetition maximum.
    E1rm,
}

/// A personal record. A first ever value is a baseline and a tie is no record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pr {
    /// The set that made it.
    pub set: SetId,
    /// The movement.
    pub exercise: ExerciseId,
    /// What was beaten.
    pub record: PrKind,
    /// The new value.
    pub g: Grams,
    /// The value it beat.
    pub previous_g: Grams,
}

/// An announced record no longer holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrWithdrawn {
    /// The set that had made it.
    pub set: SetId,
    /// What it had beaten.
    pub record: PrKind,
}
