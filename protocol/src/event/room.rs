//! What happens to a room.

use serde::{Deserialize, Serialize};

use super::Rebased;
use crate::vocabulary::vocabulary;
use crate::{Badge, SessionId, UserId, Version};

vocabulary! {
    /// What happens to a room.
    pub enum RoomEvent, RoomEventKind {
        /// An athlete was taken off the wall.
        AthleteHidden = "athlete_hidden",
        /// A hidden athlete was put back.
        AthleteShown = "athlete_shown",
        /// An athlete was put first on the wall.
        AthletePinned = "athlete_pinned",
        /// A pinned athlete takes their turn again.
        AthleteUnpinned = "athlete_unpinned",
        /// A badge was dealt with.
        BadgeDismissed = "badge_dismissed",
        /// A later stream of the room begins.
        RoomRebased = "room_rebased",
    }
}

/// A later stream of the room begins.
type RoomRebased = Rebased;

/// An athlete was taken off the wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AthleteHidden {
    /// Who.
    pub athlete: UserId,
}

/// A hidden athlete was put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AthleteShown {
    /// Who.
    pub athlete: UserId,
}

/// An athlete was put first on the wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AthletePinned {
    /// Who.
    pub athlete: UserId,
}

/// A pinned athlete takes their turn again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AthleteUnpinned {
    /// Who.
    pub athlete: UserId,
}

/// A badge was dealt with: it is not shown for what was logged up to that version. It replaces an earlier
/// dismissal of the same athlete's same badge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadgeDismissed {
    /// Whose.
    pub athlete: UserId,
    /// On which session.
    pub session: SessionId,
    /// Which.
    pub badge: Badge,
    /// The session's version up to which.
    pub v: Version,
}
