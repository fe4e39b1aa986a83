//! What travels as a signal: soft news that is worth nothing once the next has come.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::{EntityKind, View};

/// The kinds of signal: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKey {
    /// The athlete's heart rate, in beats a minute.
    HeartRate,
    /// The bar's mean velocity in the last repetition, in millimetres a second.
    Velocity,
    /// Somebody writes a message to the inbox's owner; the value is 1.
    Typing,
    /// A key of a newer client or server.
    #[serde(other)]
    Unknown,
}

impl SignalKey {
    /// Every key this build knows.
    pub const ALL: [Self; 3] = [Self::HeartRate, Self::Velocity, Self::Typing];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HeartRate => "heart_rate",
            Self::Velocity => "velocity",
            Self::Typing => "typing",
            Self::Unknown => "unknown",
        }
    }

    /// The kind of entity it is news of, and the values it may have; `None` for a key this build does not know.
    pub const fn about(self) -> Option<(EntityKind, RangeInclusive<i64>)> {
        match self {
            Self::HeartRate => Some((EntityKind::Session, 20..=250)),
            Self::Velocity => Some((EntityKind::Session, 0..=5_000)),
            Self::Typing => Some((EntityKind::Inbox, 1..=1)),
            Self::Unknown => None,
        }
    }

    /// Whether a view shows it.
    pub const fn is_shown_to(self, view: View) -> bool {
        match self {
            Self::HeartRate | Self::Velocity => matches!(view, View::Athlete | View::Coach),
            Self::Typing => matches!(view, View::Athlete),
            Self::Unknown => false,
        }
    }
}
