//! The rows of the read models that entities write beside their journal. Absolute values: writing one twice
//! is the same as writing it once.

use spotter_protocol::{
    Address, Bests, ExerciseId, Grams, Load, LoadKind, MessageId, MessageText, Metres, Phase, Reps, Seconds,
    SessionId, SetId, SetStatus, SetType, Timestamp, Title, UserId, Version, WorkoutRef,
};

/// One row of a read model, keyed within its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadRow {
    /// A session; written when its phase changes and with snapshots.
    Session(SessionRow),
    /// A message; written once, with its event.
    Message(MessageRow),
    /// A set; written with each event that changes what is logged for it.
    Set(SetRow),
    /// What a session did in a movement; written when the session comes to rest, and with each set that changes then.
    Bests(BestsRow),
}

/// A session as lists and walls look it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Key: the session.
    pub session: SessionId,
    /// Where it stands.
    pub phase: Phase,
    /// What it is called.
    pub title: Title,
    /// The revision followed.
    pub workout: Option<WorkoutRef>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The version this row was true at.
    pub version: Version,
    /// Sets performed, failed or skipped by then.
    pub done: u16,
    /// Sets in all by then.
    pub total: u16,
    /// Volume load by then, in grams.
    pub volume_g: u64,
}

/// The best of a session in a movement: an athlete's bests are looked up by these, and by the sets of sessions that are
/// running. A session that runs again keeps its rows, which nobody believes meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BestsRow {
    /// Key: the session.
    pub session: SessionId,
    /// Key, with what was done: nothing when no set counts any more.
    pub bests: Bests,
    /// When the first and the last of the sets that count were done; absent when none does.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// A message as history pages look it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Key: the other person.
    pub with: UserId,
    /// Key: its version in the owner's inbox.
    pub version: Version,
    /// The message's id.
    pub id: MessageId,
    /// Whether the owner sent it.
    pub mine: bool,
    /// What it says.
    pub text: MessageText,
    /// The session it is about.
    pub about: Option<Address>,
    /// When it was sent.
    pub at: Timestamp,
}

/// A logged set, as records and history look it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetRow {
    /// Key: the session.
    pub session: SessionId,
    /// Key: the set.
    pub set: SetId,
    /// The movement.
    pub exercise: ExerciseId,
    /// What the load means.
    pub load_kind: LoadKind,
    /// How it was meant.
    pub set_type: SetType,
    /// What became of it.
    pub status: SetStatus,
    /// When it was done.
    pub at: Timestamp,
    /// When the server received it.
    pub received_at: Timestamp,
    /// Load as typed.
    pub load: Option<Load>,
    /// Repetitions.
    pub reps: Option<Reps>,
    /// Duration.
    pub seconds: Option<Seconds>,
    /// Distance.
    pub metres: Option<Metres>,
    /// Effort as RPE in tenths.
    pub rpe_tenths: Option<u8>,
    /// Estimated one-repetition maximum where the set is eligible for records (see `Session`).
    pub e1rm: Option<Grams>,
    /// Whether these events log the set, and not only correct it: it has no row yet, unless it was voided before. A
    /// hint, which is not stored.
    pub fresh: bool,
}
