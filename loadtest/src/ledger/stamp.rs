//! What a set's id says of the set.

use spotter_protocol::SetId;
use uuid::Uuid;

/// Whose set it is, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Tells the sets of one run from those of another.
    pub(crate) run: u32,
    pub(crate) gym: u16,
    /// Of all athletes of the run.
    pub(crate) athlete: u32,
    /// Of the athlete's sets, from 1.
    pub(crate) number: u32,
}

/// Bits of an athlete.
const ATHLETE_BITS: u32 = 24;

impl Stamp {
    /// The id of such a set: a UUID of version 8, whose content is the maker's.
    pub(crate) fn set(self) -> SetId {
        let high = (u128::from(self.run) << 32) | (u128::from(self.gym) << 16) | 0x8000;
        let athlete = u128::from(self.athlete) & ((1 << ATHLETE_BITS) - 1);
        let low = (0x80 << 56) | (athlete << 32) | u128::from(self.number);
        SetId(Uuid::from_u128((high << 64) | low))
    }

    /// What the id of a set of this run says.
    pub(crate) fn read(set: SetId, run: u32) -> Option<Self> {
        let bits = set.0.as_u128();
        let part = |from: u32, bits_of_it: u32| ((bits >> from) & ((1 << bits_of_it) - 1)) as u32;
        let stamp = Self {
            run: part(96, 32),
            gym: part(80, 16) as u16,
            athlete: part(32, ATHLETE_BITS),
            number: part(0, 32),
        };
        (stamp.run == run && stamp.set() == set).then_some(stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_whose_set_it_is() {
        let stamp = Stamp { run: 0xdead_beef, gym: 3, athlete: 70_000, number: u32::MAX };
        assert_eq!(Stamp::read(stamp.set(), 0xdead_beef), Some(stamp));
        assert_eq!(stamp.set().0.get_version_num(), 8);
    }

    #[test]
    fn an_id_of_another_run_or_of_another_make_says_nothing() {
        let stamp = Stamp { run: 1, gym: 0, athlete: 0, number: 1 };
        assert_eq!(Stamp::read(stamp.set(), 2), None);
        assert_eq!(Stamp::read(SetId(Uuid::now_v7()), 1), None);
    }
}
