//! Estimated one-repetition maximum.

use spotter_protocol::Grams;

/// Most repetitions the estimate is shown for.
const REPS_MAX: u16 = 12;
/// Most repetitions it is trusted for.
const REPS_TRUSTED: u16 = 10;

/// What an athlete could probably lift once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The load, in whole grams, halves rounded up.
    pub grams: Grams,
    /// True above ten repetitions, where linear formulas err (Reynolds 2006, J Strength Cond Res
    /// 20(3):584–592): shown, and never a record.
    pub rough: bool,
}

/// Epley's estimate from `reps` repetitions with `load`: load × (1 + reps / 30), and the load itself for one
/// repetition (Epley 1985, Poundage Chart). `None` outside 1 to 12 repetitions and without load.
pub fn e1rm(load: Grams, reps: u16) -> Option<Estimate> {
    if load.0 == 0 || !(1..=REPS_MAX).contains(&reps) {
        return None;
    }
    let grams = match reps {
        1 => load.0,
        // At most 2,500,000 × 42: far below the range of u32.
        _ => (load.0 * (30 + u32::from(reps)) + 15) / 30,
    };
    Some(Estimate { grams: Grams(grams), rough: reps > REPS_TRUSTED })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_for_five_and_ten_are_epleys_values() {
        let grams = |reps| e1rm(Grams(100_000), reps).map(|estimate| estimate.grams.0);
        assert_eq!(grams(1), Some(100_000));
        assert_eq!(grams(5), Some(116_667));
        assert_eq!(grams(10), Some(133_333));
    }

    #[test]
    fn eleven_and_twelve_are_rough_and_thirteen_is_nothing() {
        let rough = |reps| e1rm(Grams(100_000), reps).map(|estimate| estimate.rough);
        assert_eq!([10, 11, 12, 13, 0].map(rough), [Some(false), Some(true), Some(true), None, None]);
    }
}
