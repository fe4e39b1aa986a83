//! An entity's state as a subscriber sees it: the body of a snapshot. Applying the events that follow, in
//! order, gives the snapshot of the later version.

use serde::{Deserialize, Serialize};

use crate::event::{Actual, BadgeDismissed, Notice};
use crate::{
    Address, Bests, CueGroupId, CueId, ExerciseId, Feeling, Grams, Group, InstanceId, LoadKind, MessageId,
    MessageText, Millis, Name, NoteText, PainLevel, PrKind, Reason, SetId, SetType, Site, Target, Timestamp,
    Title, UserId, Version, WorkoutRef,
};

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not begun.
    Planned,
    /// Under way.
    Live,
    /// Interrupted.
    Paused,
    /// Ended.
    Finished,
    /// Given up after hours of silence.
    Abandoned,
}

impl Phase {
    /// Whether somebody trains, or has only interrupted it.
    pub const fn is_running(self) -> bool {
        match self {
            Self::Live | Self::Paused => true,
            Self::Planned | Self::Finished | Self::Abandoned => false,
        }
    }
}

/// What became of a set. Never inferred from filled values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetStatus {
    /// To be done.
    Planned,
    /// Done.
    Performed,
    /// Will not be done.
    Skipped,
    /// Tried and missed.
    Failed,
    /// Logged by mistake and taken back; may be logged again.
    Voided,
}

/// The state of any entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityView {
    /// A session.
    Session(SessionView),
    /// An inbox.
    Inbox(InboxView),
    /// A room's journaled choices; its tiles travel apart.
    Room(RoomView),
}

/// A session as a subscriber sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Where it stands.
    pub phase: Phase,
    /// What it is called.
    pub title: Title,
    /// The revision followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workout: Option<WorkoutRef>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The newest rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<RestView>,
    /// The exercises with their sets, in order.
    pub exercises: Vec<ExerciseView>,
    /// The remarks, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteView>,
    /// Sets performed, failed or skipped.
    pub done: u16,
    /// Sets in all, without voided sets outside the plan.
    pub total: u16,
    /// Repetitions times external load over performed sets that are not warm-ups; per-hand loads count twice.
    pub volume_g: u64,
    /// How the athlete felt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<ReadinessView>,
    /// What hurt, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pains: Vec<PainView>,
    /// What coaches told the athlete, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cues: Vec<CueView>,
    /// Prescribed sets that were performed, and prescribed sets.
    #[serde(default)]
    pub adherence: Adherence,
    /// Prescribed sets that were missed, or performed with fewer repetitions than the least asked for.
    #[serde(default)]
    pub missed_targets: u16,
    /// The version of the last change of the plan: the least that a patch may be based on.
    #[serde(default)]
    pub plan_v: Version,
}

/// How much of what was prescribed was done: performed working sets among prescribed working sets (all but
/// warm-ups). Sets that the athlete skipped or dropped stay prescribed; those that a coach took out do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adherence {
    /// Performed.
    pub performed: u16,
    /// Prescribed.
    pub prescribed: u16,
}

/// How the athlete felt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessView {
    /// The answers.
    #[serde(flatten)]
    pub feeling: Feeling,
    /// See [`Feeling::score_tenths`].
    pub score_tenths: u8,
    /// When.
    pub at: Timestamp,
}

/// Something that hurt, or at level 0 no longer did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PainView {
    /// How bad it was.
    pub level: PainLevel,
    /// Where.
    pub site: Site,
    /// The set in which it was felt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetId>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Reason>,
    /// Who said it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
}

/// A cue with its receipts. One that was acted on has been seen, and one that was seen delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CueView {
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
    /// The coach.
    pub by: UserId,
    /// When it was sent.
    pub at: Timestamp,
    /// When it reached a device of the athlete's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// When the athlete saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// When the athlete had done it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acted_at: Option<Timestamp>,
}

/// A rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestView {
    /// The set rested from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<SetId>,
    /// When it began.
    pub start: Timestamp,
    /// How long it lasts.
    pub duration_ms: Millis,
}

/// One exercise of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExerciseView {
    /// Its place in the session.
    pub instance: InstanceId,
    /// The movement.
    pub exercise: ExerciseId,
    /// Its name.
    pub name: Name,
    /// What the load means.
    pub load_kind: LoadKind,
    /// The group it is done in rounds with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// The athlete's bests before this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bests: Option<Bests>,
    /// The sets in order.
    pub sets: Vec<SetView>,
}

/// One set of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetView {
    /// Which set.
    pub set: SetId,
    /// How it is meant.
    #[serde(rename = "type")]
    pub set_type: SetType,
    /// What it asks for; absent outside the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Whether the athlete planned it: nobody prescribed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
    /// What became of it.
    pub status: SetStatus,
    /// What was done, while it is performed or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<Actual>,
    /// When it was logged, by its own time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// When the server received it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    /// Who logged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// Estimated one-repetition maximum (Epley): performed sets that count, 1 to 12 repetitions, of which
    /// 11 and 12 are rough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e1rm_g: Option<Grams>,
    /// The records it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prs: Vec<PrKind>,
    /// Whether what was logged has been replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub amended: bool,
    /// Why it was skipped, amended or voided, as last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// A remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteView {
    /// The set; absent for the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetId>,
    /// The remark.
    pub text: NoteText,
    /// Who said it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
}

/// An inbox as its owner sees it: the newest of everything; older messages are read over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxView {
    /// The conversations, the one with the newest message first.
    pub conversations: Vec<ConversationView>,
    /// The notifications, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<NotificationView>,
    /// The version up to which notifications were read.
    pub notifications_read: Version,
}

/// A conversation of the owner's with one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationView {
    /// With whom.
    pub with: UserId,
    /// The newest messages, oldest first.
    pub messages: Vec<MessageView>,
    /// Messages received and not read.
    pub unread: u32,
    /// The version up to which the owner has read.
    pub read: Version,
    /// The version up to which the owner's messages reached the other side's devices.
    pub delivered_there: Version,
    /// The version up to which the other side has read the owner's messages.
    pub read_there: Version,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    /// Its version in this inbox.
    pub v: Version,
    /// Its id.
    pub id: MessageId,
    /// Whether the owner sent it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mine: bool,
    /// What it says.
    pub text: MessageText,
    /// The session it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Address>,
    /// When it was sent.
    pub at: Timestamp,
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationView {
    /// Its version in this inbox.
    pub v: Version,
    /// What happened.
    pub notice: Notice,
    /// When.
    pub at: Timestamp,
}

/// A room's journaled choices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomView {
    /// The athletes taken off the wall.
    pub hidden: Vec<UserId>,
    /// The athletes put first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<UserId>,
    /// The badges dealt with, oldest first; one of each athlete and badge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dismissed: Vec<BadgeDismissed>,
}
