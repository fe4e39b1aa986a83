//! What happens by chance on a gym floor, from each athlete's own seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Something that does not go as planned; at most one for each set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// As planned.
    None,
    /// The set is missed.
    Fail,
    /// Harder than asked for.
    Overshoot,
    /// Fewer repetitions than asked for.
    MissReps,
    /// Heavier than asked for.
    GoHeavier,
    /// Logged wrong, and corrected a moment later.
    Mistype,
    /// Logged by mistake, taken back, and logged again.
    Misfire,
    /// One more set than planned.
    OneMore,
    /// A word about it.
    Remark,
    /// A call: the session is interrupted.
    Interrupt,
    /// No signal for some sets.
    LoseSignal,
}

/// How often each turn is taken, of a thousand sets.
const ODDS: [(Turn, u32); 10] = [
    (Turn::Fail, 25),
    (Turn::Overshoot, 40),
    (Turn::MissReps, 50),
    (Turn::GoHeavier, 40),
    (Turn::Mistype, 20),
    (Turn::Misfire, 10),
    (Turn::OneMore, 20),
    (Turn::Remark, 40),
    (Turn::Interrupt, 15),
    (Turn::LoseSignal, 35),
];

/// One athlete's luck.
pub(crate) struct Chance(StdRng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// What the next set has in store.
    pub(crate) fn turn(&mut self) -> Turn {
        let mut drawn = self.0.random_range(0..1000);
        for (turn, odds) in ODDS {
            if drawn < odds {
                return turn;
            }
            drawn -= odds;
        }
        Turn::None
    }

    /// A whole number from `range`.
    pub(crate) fn from(&mut self, range: std::ops::RangeInclusive<u32>) -> u32 {
        self.0.random_range(range)
    }

    /// A time around `middle`, a quarter less to a quarter more.
    pub(crate) fn around(&mut self, middle: Duration) -> Duration {
        middle.mul_f64(self.0.random_range(0.75..1.25))
    }

    /// One of `count` things.
    pub(crate) fn pick(&mut self, count: usize) -> usize {
        self.0.random_range(0..count.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_luck_again() {
        let luck = || {
            let mut chance = Chance::new(7);
            (0..100).map(|_| chance.turn()).collect::<Vec<_>>()
        };
        assert_eq!(luck(), luck());
        assert!(luck().contains(&Turn::None) && luck().iter().any(|turn| *turn != Turn::None));
    }
}
