//! What may be asked of a session.

use serde::{Deserialize, Serialize};

use crate::event::{Actual, PlannedExercise};
use crate::vocabulary::vocabulary;
use crate::{
    CueGroupId, CueId, ExerciseId, Feeling, Group, InstanceId, LoadKind, Millis, Name, NoteText, PainLevel,
    Reason, SetId, SetType, Site, Timestamp, Title, Version, WorkoutRef,
};

vocabulary! {
    /// What may be asked of a session.
    pub enum SessionCommand, SessionCommandKind {
        /// Begin, by a workout's revision or ad hoc.
        Start = "start",
        /// A set was done as it was meant.
        Complete = "complete",
        /// A set will not be done.
        Skip = "skip",
        /// A set was tried and missed.
        Fail = "fail",
        /// What was logged for a set was wrong.
        Amend = "amend",
        /// A set was logged by mistake.
        Void = "void",
        /// A remark on the session or a set.
        Note = "note",
        /// Rest until `start` and `duration_ms` have passed.
        Rest = "rest",
        /// Interrupt the session.
        Pause = "pause",
        /// Go on after a pause.
        Resume = "resume",
        /// End the session.
        Finish = "finish",
        /// Undo the end.
        Reopen = "reopen",
        /// Add an exercise with sets, or sets to one.
        Add = "add",
        /// Take sets that are not logged out of the session.
        DropSets = "drop",
        /// Do another movement in place of one.
        Swap = "swap",
        /// Change the order and the groups.
        Reorder = "reorder",
        /// How the athlete feels.
        Readiness = "readiness",
        /// Something hurts, or no longer does.
        Pain = "pain",
        /// Tell the athlete something.
        Cue = "cue",
        /// The athlete has seen a cue.
        SeeCue = "cue_seen",
        /// The athlete has done what a cue asks.
        ActOnCue = "cue_acted",
        /// A cue has reached a device of the athlete's. The server's own.
        DeliverCue = "cue_delivered",
        /// Replace what remains of the plan.
        Patch = "patch",
        /// Give up a session that has been silent for hours. The server's own.
        Abandon = "abandon",
    }
}

/// Begins a session. Exactly one of `workout` and `title` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The revision to follow; its prescription is copied into the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workout: Option<WorkoutRef>,
    /// What to call a session without a workout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
}

/// Where a set belongs that the plan does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The exercise instance; made by the client (UUIDv7) when the session lacks it.
    pub instance: InstanceId,
    /// The movement.
    pub exercise: ExerciseId,
    /// Its name, as the athlete sees it.
    pub name: Name,
    /// What the load means.
    #[serde(default)]
    pub load_kind: LoadKind,
    /// How the set is meant.
    #[serde(rename = "type", default)]
    pub set_type: SetType,
}

/// Logs a set as performed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    /// The set: planned, voided, or new when `place` is given.
    pub set: SetId,
    /// What was done.
    pub actual: Actual,
    /// Where a set outside the plan belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// Says that a planned set will not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The set.
    pub set: SetId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Logs a set that was tried and missed. Same fields as [`Complete`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fail {
    /// The set: planned, voided, or new when `place` is given.
    pub set: SetId,
    /// What was done before it was missed.
    pub actual: Actual,
    /// Where a set outside the plan belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// Replaces what was logged for a performed or failed set. Its place in time stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amend {
    /// The set.
    pub set: SetId,
    /// What was really done.
    pub actual: Actual,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Takes back a logged set; it may be logged again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Void {
    /// The set.
    pub set: SetId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Remarks on the session, or on a set of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The set; absent for the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetId>,
    /// The remark.
    pub text: NoteText,
}

/// Rests. Sent again with another duration, it replaces the rest under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// The set rested from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<SetId>,
    /// When the rest began, by the device's clock.
    pub start: Timestamp,
    /// How long it lasts.
    pub duration_ms: Millis,
}

/// Adds an exercise, or sets to one that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Add {
    /// The exercise with the sets to add. An instance that is there keeps its movement, name and group.
    pub exercise: PlannedExercise,
    /// Its place in the order, from 0; last when absent or beyond the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u16>,
}

/// Takes sets out of the session that are not logged. Exactly one of `sets` and `instance` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropSets {
    /// These sets, 1 to 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<SetId>,
    /// Every set of this exercise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
}

/// Does another movement in place of one. Sets that have a log stay where they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
    /// What is not done any more.
    pub instance: InstanceId,
    /// What is done instead.
    pub with: Movement,
}

/// A movement at a new place of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// The new exercise instance.
    pub instance: InstanceId,
    /// The movement.
    pub exercise: ExerciseId,
    /// Its name, as the athlete sees it.
    pub name: Name,
    /// What the load means.
    #[serde(default)]
    pub load_kind: LoadKind,
}

/// Changes order and groups. Exercises that are not named keep their order behind the others, and their group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reorder {
    /// The exercises, first to last.
    pub order: Vec<Slot>,
}

/// An exercise in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The exercise.
    pub instance: InstanceId,
    /// The group it is done in rounds with; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
}

/// Says how the athlete feels; sent again, it replaces the answers before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// The answers.
    #[serde(flatten)]
    pub feeling: Feeling,
}

/// Says that something hurts; level 0, that it no longer does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pain {
    /// How bad it is.
    pub level: PainLevel,
    /// Where.
    pub site: Site,
    /// The set in which it was felt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetId>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Reason>,
}

/// Tells the athlete something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cue {
    /// The cue's id, made by the client.
    pub cue: CueId,
    /// What it says.
    pub text: NoteText,
    /// The cue to many sessions that this is one of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<CueGroupId>,
    /// The set it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetId>,
    /// How long after its own time it means nothing any more; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<Millis>,
}

/// Says that the athlete has seen a cue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeeCue {
    /// Which.
    pub cue: CueId,
}

/// Says that the athlete has done what a cue asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActOnCue {
    /// Which.
    pub cue: CueId,
}

/// Says that a cue has reached a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverCue {
    /// Which.
    pub cue: CueId,
}

/// Replaces what remains of the plan. Logged sets stay, whatever it says of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// The version of the session whose plan was edited.
    pub based_on: Version,
    /// The exercises with the sets still to be done, in order.
    pub exercises: Vec<PlannedExercise>,
}

macro_rules! bare {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {}
    )*};
}

bare! {
    /// Interrupts a live session.
    Pause;
    /// Goes on with a paused session.
    Resume;
    /// Ends a session.
    Finish;
    /// Makes a finished session live again.
    Reopen;
    /// Gives up a silent session.
    Abandon;
}
