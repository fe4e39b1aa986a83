//! What may be asked of a room.

use serde::{Deserialize, Serialize};

use crate::UserId;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// What may be asked of a room.
    pub enum RoomCommand, RoomCommandKind {
        /// Take an athlete off this wall; the link stays.
        Hide = "hide",
        /// Put a hidden athlete back.
        Show = "show",
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
