//! What happens to a session.

use serde::{Deserialize, Serialize};

use super::Rebased;
use crate::vocabulary::vocabulary;
use crate::{
    Bests, CueGroupId, CueId, Effort, ExerciseId, Feeling, Grams, Group, InstanceId, Load, LoadKind, Metres,
    Millis, Name, NoteText, PainLevel, Reason, Reps, Seconds, SetId, SetType, Side, Site, Slot, Target,
    Timestamp, Title, WorkoutRef,
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
        /// Planned sets joined an exercise.
        SetsAdded = "sets_added",
        /// Sets left the session.
        SetsDropped = "sets_dropped",
        /// Another movement took the place of one.
        ExerciseSwapped = "exercise_swapped",
        /// Order and groups changed.
        Reordered = "reordered",
        /// How the athlete feels.
        ReadinessNoted = "readiness_noted",
        /// Something hurts, or no longer does.
        PainNoted = "pain_noted",
        /// A coach told the athlete something.
        Cued = "cued",
        /// A cue reached a device of the athlete's.
        CueDelivered = "cue_delivered",
        /// The athlete has seen a cue.
        CueSeen = "cue_seen",
        /// The athlete has done what a cue asks.
        CueActed = "cue_acted",
        /// A coach replaced what remained of the plan.
        PlanPatched = "plan_patched",
        /// The session was given up after hours of silence.
        Abandoned = "abandoned",
        /// A later stream of the session begins.
        SessionRebased = "session_rebased",
    }
}

/// A later stream of the session begins.
type SessionRebased = Rebased;

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
    #[serde(default)]
    pub load_kind: LoadKind,
    /// The group it is done in rounds with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
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
    /// The exercise, with the sets that came with it.
    pub exercise: PlannedExercise,
    /// Its place in the order, from 0; last when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u16>,
    /// Whether a coach asks for its sets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prescribed: bool,
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

/// Planned sets joined an exercise, behind those it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetsAdded {
    /// The exercise.
    pub instance: InstanceId,
    /// The sets.
    pub sets: Vec<PlannedSet>,
    /// Whether a coach asks for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prescribed: bool,
}

/// Sets left the session, and with the last of its sets an exercise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetsDropped {
    /// The sets.
    pub sets: Vec<SetId>,
    /// An exercise that had no sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// Whether a coach took them out: they are then no longer prescribed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

/// Another movement took the place of one: the sets of `exercise` left `instance`, which left the session with
/// the last of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExerciseSwapped {
    /// What is not done any more.
    pub instance: InstanceId,
    /// What is done instead, with the sets that moved; it stands behind `instance`.
    pub exercise: PlannedExercise,
    /// The athlete's bests in it before this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bests: Option<Bests>,
}

/// Order and groups changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reordered {
    /// The exercises, first to last. Those not named keep their order behind them, and their group.
    pub order: Vec<Slot>,
}

/// How the athlete feels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessNoted {
    /// The answers.
    #[serde(flatten)]
    pub feeling: Feeling,
    /// See [`Feeling::score_tenths`].
    pub score_tenths: u8,
}

/// Something hurts; at level 0 it no longer does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PainNoted {
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

/// A coach told the athlete something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cued {
    /// The cue.
    pub cue: CueId,
    /// What it says.
    pub text: NoteText,
    /// The cue to many sessions that this is one of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<CueGroupId>,
    /// The set it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetId>,
    /// When it means nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A cue reached a device of the athlete's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CueDelivered {
    /// The cue.
    pub cue: CueId,
}

/// The athlete has seen a cue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CueSeen {
    /// The cue.
    pub cue: CueId,
}

/// The athlete has done what a cue asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CueActed {
    /// The cue.
    pub cue: CueId,
}

/// A coach replaced what remained of the plan. The exercises stand in this order, each with the sets it has and
/// then these; sets named here that are in the session take the new target. Exercises that are not named keep
/// their order behind them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanPatched {
    /// The exercises with the sets still to be done.
    pub exercises: Vec<PlannedExercise>,
    /// Sets that the coach took out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<SetId>,
    /// The athlete's bests in movements new to the session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bests: Vec<Bests>,
}

/// The session was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abandoned {}
