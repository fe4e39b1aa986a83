//! What happens to a room.

use serde::{Deserialize, Serialize};

use crate::UserId;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// What happens to a room.
    pub enum RoomEvent, RoomEventKind {
        /// An athlete was taken off the wall.
        AthleteHidden = "athlete_hidden",
        /// A hidden athlete was put back.
        AthleteShown = "athlete_shown",
    }
}

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
