//! What may be asked of a session.

use serde::{Deserialize, Serialize};

use crate::event::Actual;
use crate::vocabulary::vocabulary;
use crate::{
    ExerciseId, InstanceId, LoadKind, Millis, Name, NoteText, Reason, SetId, SetType, Timestamp, Title,
    WorkoutRef,
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
}
