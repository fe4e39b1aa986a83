//! What a wall shows of an athlete: a tile, made of presence and a glance at the newest live session.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::event::Actual;
use crate::{
    CueGroupId, CueId, LoadKind, Millis, Name, PainLevel, Phase, SessionId, SetStatus, SetType, Site, Target,
    Timestamp, Title, UserId, Version,
};

/// A session at a glance, computed from its state alone. Each names the version it shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glance {
    /// Which session of the athlete's.
    pub session: SessionId,
    /// The version it shows; a tile never goes back to a lower one of the same session.
    pub v: Version,
    /// What it is called.
    pub title: Title,
    /// Where it stands.
    pub phase: Phase,
    /// When it began.
    pub started_at: Timestamp,
    /// When the newest set was done, or the session began.
    pub active_at: Timestamp,
    /// Sets performed, failed or skipped.
    pub done: u16,
    /// Sets in all.
    pub total: u16,
    /// The set last logged, by its own time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastSet>,
    /// The rest under way or over, until the next set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<RestGlance>,
    /// The newest pain that is not gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pain: Option<PainGlance>,
    /// The newest cue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cue: Option<CueGlance>,
    /// What the last set deserves to be noticed for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub badges: Vec<Badge>,
}

/// The set last logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSet {
    /// The exercise's name.
    pub exercise: Name,
    /// Its place among that exercise's sets, from 1.
    pub k: u16,
    /// How many sets the exercise has.
    pub n: u16,
    /// How it was meant.
    #[serde(rename = "type")]
    pub set_type: SetType,
    /// What the load means.
    pub load_kind: LoadKind,
    /// Performed, failed or skipped.
    pub status: SetStatus,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What was done.
    pub actual: Actual,
    /// When.
    pub at: Timestamp,
    /// The session's version that logged it; 0 where an older server does not say.
    #[serde(default)]
    pub v: Version,
}

/// A rest on a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestGlance {
    /// When it began.
    pub start: Timestamp,
    /// How long it lasts.
    pub duration_ms: Millis,
}

/// A pain on a tile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PainGlance {
    /// How bad it is.
    pub level: PainLevel,
    /// Where.
    pub site: Site,
    /// When it was told.
    pub at: Timestamp,
    /// The session's version that rang an alarm for it; 0 when it came late, or where an older server does not say.
    #[serde(default)]
    pub v: Version,
}

/// A cue on a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CueGlance {
    /// The cue.
    pub cue: CueId,
    /// The cue to many sessions that this is one of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<CueGroupId>,
    /// How far it got.
    pub state: CueState,
    /// When it was sent.
    pub at: Timestamp,
    /// When it means nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// How far a cue got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CueState {
    /// Sent.
    Sent,
    /// It reached a device.
    Delivered,
    /// It was seen.
    Seen,
    /// It was done.
    Acted,
}

/// Something a coach should notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Badge {
    /// Something hurts.
    Pain,
    /// The last set was missed.
    Failed,
    /// The last set was harder than asked for by RPE 1.5 or more.
    Overshoot,
    /// The last set fell short of the least repetitions asked for.
    MissedReps,
    /// The last set made a personal record.
    Pr,
    /// The last set was outside the plan of a planned session.
    OffPlan,
    /// The last set came late.
    Late,
    /// No set for twice the planned rest. Only a room says so: it is inferred from silence.
    Stalled,
}

/// How much a tile needs the coach, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    /// No live session.
    Away,
    /// A session, and nothing to notice.
    Working,
    /// Rests within the planned time.
    Resting,
    /// Made a personal record.
    Pr,
    /// No set for twice the planned rest.
    Stalled,
    /// Overshot the asked effort.
    Overshoot,
    /// Missed a set.
    Failed,
    /// Something hurts.
    Pain,
}

/// Whether a person is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// A connection is open, or the last one closed so short a time ago (20 s) that it may just be changing.
    pub here: bool,
    /// Since when that is so, as far as this server knows: when they came, or when the last connection closed.
    pub since: Timestamp,
}

/// One athlete on a wall. Soft state: a later tile of the same athlete replaces it. Tiles are shown pinned ones
/// first, then by attention, highest first, then by `since`, then by athlete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// Who.
    pub athlete: UserId,
    /// Whether they are connected; absent when this server has never seen them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
    /// Whether the room puts them first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// Whether the session may have gone on unseen: it runs, and its athlete lost signal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// How much they need the coach.
    pub attention: Attention,
    /// Since when they need it so.
    pub since: Timestamp,
    /// The newest live session; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glance: Option<Glance>,
}

impl Tile {
    /// What tiles are sorted by: the first is shown first.
    pub const fn place(&self) -> impl Ord + use<> {
        (Reverse(self.pinned), Reverse(self.attention), self.since, self.athlete)
    }
}
