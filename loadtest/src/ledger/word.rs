//! What the id of a cue or a message says of it.
//!
//! Several generators that share a run number their gyms and people from 0 each. They have one number for the run but for its
//! last bits, which say where the gyms of a generator begin; ids number the gyms of all.

use uuid::Uuid;

use crate::scenario::GYMS_MAX;

/// Who says it to whom, and which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// Tells the words of one run from those of another.
    pub(crate) run: u32,
    /// Of the generator; that of a word of another one is none of its gyms.
    pub(crate) gym: u16,
    /// Of all people of the run.
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// Of what the one says to the other, from 1.
    pub(crate) number: u32,
}

/// Bits of a run that say which of all gyms is the first of the generator.
const FIRST_GYM: u32 = GYMS_MAX as u32 - 1;
/// Bits of a person.
const PERSON_BITS: u32 = 18;
/// Bits of a number.
const NUMBER_BITS: u32 = 24;
/// Version 8, and what tells a word from a set.
const KIND: u128 = 0x8001;

impl Word {
    /// The id of such a word: a UUID of version 8, whose content is the maker's.
    pub(crate) fn id(self) -> Uuid {
        let part = |value: u32, bits: u32| u128::from(value) & ((1 << bits) - 1);
        let gym = self.gym.wrapping_add(first_gym(self.run));
        let high = (u128::from(self.run & !FIRST_GYM) << 32) | (u128::from(gym) << 16) | KIND;
        let people = (part(self.from, PERSON_BITS) << PERSON_BITS) | part(self.to, PERSON_BITS);
        let low = (0b10 << 62) | (people << NUMBER_BITS) | part(self.number, NUMBER_BITS);
        Uuid::from_u128((high << 64) | low)
    }

    /// What the id of a word of this run says.
    pub(crate) fn read(id: Uuid, run: u32) -> Option<Self> {
        let bits = id.as_u128();
        let part = |from: u32, bits_of_it: u32| ((bits >> from) & ((1 << bits_of_it) - 1)) as u32;
        let word = Self {
            run,
            gym: (part(80, 16) as u16).wrapping_sub(first_gym(run)),
            from: part(NUMBER_BITS + PERSON_BITS, PERSON_BITS),
            to: part(NUMBER_BITS, PERSON_BITS),
            number: part(0, NUMBER_BITS),
        };
        (word.id() == id).then_some(word)
    }
}

/// The number of a run for the generator of the gyms from that one on.
pub(crate) const fn run_from(run: u32, first_gym: u16) -> u32 {
    run & !FIRST_GYM | first_gym as u32 & FIRST_GYM
}

const fn first_gym(run: u32) -> u16 {
    (run & FIRST_GYM) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Stamp;

    #[test]
    fn an_id_tells_who_said_it_to_whom() {
        let word = Word { run: 0xdead_beef, gym: 15, from: 159_999, to: 7, number: 5_000_000 };
        assert_eq!(Word::read(word.id(), 0xdead_beef), Some(word));
        assert_eq!(word.id().get_version_num(), 8);
    }

    #[test]
    fn a_word_of_another_generator_of_the_run_is_of_no_gym_of_ones_own() {
        let [first, second] = [0, 2].map(|gym| run_from(0xdead_beef, gym));
        let of = |run| Word { run, gym: 1, from: 3, to: 7, number: 1 };
        assert_eq!(Word::read(of(second).id(), second), Some(of(second)));
        assert_eq!(Word::read(of(second).id(), first).map(|word| word.gym), Some(3));
        let before = Word::read(of(first).id(), second).map(|word| word.gym);
        assert!(before.is_some_and(|gym| gym >= GYMS_MAX), "{before:?}");
    }

    #[test]
    fn an_id_of_another_run_of_a_set_or_of_another_make_is_no_word() {
        let word = Word { run: 16, gym: 0, from: 0, to: 1, number: 1 };
        let set = Stamp { run: 16, gym: 0, athlete: 0, number: 1 };
        assert_eq!(Word::read(word.id(), 32), None);
        assert_eq!(Word::read(set.set().0, 16), None);
        assert_eq!(Stamp::read(spotter_protocol::SetId(word.id()), 16), None);
        assert_eq!(Word::read(Uuid::now_v7(), 16), None);
    }
}
