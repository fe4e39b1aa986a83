//! Time on the wire and in the journal: whole microseconds UTC. Nothing here reads a clock.

use serde::{Deserialize, Serialize};

/// A set is marked late when it reaches the server this long after it was done.
pub const LATE_AFTER: Millis = Millis(120_000);

/// A moment: whole microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A length of time in whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u32);

impl Timestamp {
    /// This moment moved by `micros`, at the ends of the range where it would overflow.
    #[must_use]
    pub fn shifted(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// This moment and `length` more.
    #[must_use]
    pub fn plus(self, length: Millis) -> Self {
        self.shifted(length.micros())
    }

    /// Microseconds from `earlier` to this moment; negative when it is later.
    pub fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Where a command takes its place: its device's time corrected by `offset` microseconds (server
    /// minus device), and never after its receipt.
    #[must_use]
    pub fn placed(device: Self, offset: i64, received: Self) -> Self {
        device.shifted(offset).min(received)
    }

    /// Whether something done at this moment and received at `received` came late.
    pub fn is_late(self, received: Self) -> bool {
        received.micros_since(self) > LATE_AFTER.micros()
    }
}

impl Millis {
    /// The same length in microseconds.
    pub fn micros(self) -> i64 {
        i64::from(self.0) * 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_never_places_a_command_after_its_receipt() {
        assert_eq!(Timestamp::placed(Timestamp(9_000_000), 0, Timestamp(5_000_000)), Timestamp(5_000_000));
    }

    #[test]
    fn the_offset_brings_a_slow_clock_forward() {
        assert_eq!(Timestamp::placed(Timestamp(1), 10, Timestamp(100)), Timestamp(11));
    }

    #[test]
    fn times_at_the_edge_of_the_range_do_not_overflow() {
        assert_eq!(Timestamp::placed(Timestamp(i64::MAX), i64::MAX, Timestamp(7)), Timestamp(7));
        assert_eq!(Timestamp(i64::MAX).micros_since(Timestamp(i64::MIN)), i64::MAX);
    }
}
