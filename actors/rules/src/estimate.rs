//! The estimated one-repetition maximum (e1RM): the load a lifter could move once, judged by a longer set.

use spotter_protocol::{Grams, Reps};

/// The most repetitions an estimate is sound for.
pub(crate) const SOUND_REPS_MAX: u16 = 10;
/// The most repetitions an estimate is made for at all.
const ROUGH_REPS_MAX: u16 = 12;

/// An estimated one-repetition maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The load, in whole grams, halves rounded up.
    pub grams: Grams,
    /// Made from 11 or 12 repetitions: to be shown as rough, and never a record.
    pub rough: bool,
}

/// Estimates by Epley's formula `w × (1 + r / 30)`; one repetition is its own maximum.
/// `None` outside 1 to 12 repetitions.
///
/// Epley 1985 (Poundage chart, Boyd Epley Workout). Linear formulas hold to about ten repetitions:
/// Reynolds et al. 2006, J Strength Cond Res 20(3):584–592.
pub fn e1rm(load: Grams, reps: Reps) -> Option<Estimate> {
    let reps = reps.get();
    let grams = match reps {
        1 => load,
        // w (30 + r) / 30, with half of the divisor added before it divides.
        2..=ROUGH_REPS_MAX => {
            let thirtieths = u64::from(load.0) * (30 + u64::from(reps));
            Grams(u32::try_from((thirtieths + 15) / 30).unwrap_or(u32::MAX))
        }
        _ => return None,
    };
    Some(Estimate { grams, rough: reps > SOUND_REPS_MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(grams: u32, reps: u32) -> Option<(u32, bool)> {
        e1rm(Grams(grams), Reps::new(reps).unwrap()).map(|estimate| (estimate.grams.0, estimate.rough))
    }

    #[test]
    fn the_published_values_of_100_kg_come_out() {
        assert_eq!(of(100_000, 5), Some((116_667, false)));
        assert_eq!(of(100_000, 10), Some((133_333, false)));
    }

    #[test]
    fn one_repetition_is_its_own_maximum() {
        assert_eq!(of(142_500, 1), Some((142_500, false)));
    }

    #[test]
    fn halves_round_up() {
        assert_eq!(of(15, 3), Some((17, false)), "16.5");
        assert_eq!(of(1, 14), None);
    }

    #[test]
    fn eleven_and_twelve_are_rough_and_more_is_no_estimate() {
        assert_eq!(of(60_000, 11), Some((82_000, true)));
        assert_eq!(of(60_000, 12), Some((84_000, true)));
        assert_eq!(of(60_000, 13), None);
        assert_eq!(of(60_000, 0), None);
    }

    #[test]
    fn the_heaviest_load_does_not_overflow() {
        assert_eq!(of(2_500_000, 12), Some((3_500_000, true)));
        assert_eq!(of(u32::MAX, 12), Some((u32::MAX, true)));
    }
}
