//! What may be asked of a room.

use serde::{Deserialize, Serialize};

use crate::vocabulary::vocabulary;
use crate::{Badge, SessionId, UserId, Version};

vocabulary! {
    /// What may be asked of a room.
    pub enum RoomCommand, RoomCommandKind {
        /// Take an athlete off this wall; the link stays.
        Hide = "hide",
        /// Put a hidden athlete back.
        Show = "show",
        /// Put an athlete first on this wall.
        Pin = "pin",
        /// Let a pinned athlete take their turn again.
        Unpin = "unpin",
        /// Show a badge no more for what has been logged up to a version.
        Dismiss = "dismiss",
    }
}

/// Takes an athlete off the wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hide {
    /// Who.
    pub athlete: UserId,
}

/// Puts a hidden athlete back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    /// Who.
    pub athlete: UserId,
}

/// Puts an athlete first on the wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Who.
    pub athlete: UserId,
}

/// Lets a pinned athlete take their turn again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpin {
    /// Who.
    pub athlete: UserId,
}

/// Dismisses a badge that was dealt with. A newer set with the same badge shows it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dismiss {
    /// Whose.
    pub athlete: UserId,
    /// On which session.
    pub session: SessionId,
    /// Which.
    pub badge: Badge,
    /// The session's version that was seen: what was logged after it is news.
    pub v: Version,
}
