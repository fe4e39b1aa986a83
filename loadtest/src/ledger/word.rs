//! What the id of a cue or a message says of it.

use uuid::Uuid;

/// Who says it to whom, and which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// Tells the words of one run from those of another.
    pub(crate) run: u32,
    pub(crate) gym: u16,
    /// Of all people of the run.
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// Of what the one says to the other, from 1.
    pub(crate) number: u32,
}

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
        let high = (u128::from(self.run) << 32) | (u128::from(self.gym) << 16) | KIND;
        let people = (part(self.from, PERSON_BITS) << PERSON_BITS) | part(self.to, PERSON_BITS);
        let low = (0b10 << 62) | (people << NUMBER_BITS) | part(self.number, NUMBER_BITS);
        Uuid::from_u128((high << 64) | low)
    }

    /// What the id of a word of this run says.
    pub(crate) fn read(id: Uuid, run: u32) -> Option<Self> {
        let bits = id.as_u128();
        let part = |from: u32, bits_of_it: u32| ((bits >> from) & ((1 << bits_of_it) - 1)) as u32;
        let word = Self {
            run: part(96, 32),
            gym: part(80, 16) as u16,
            from: part(NUMBER_BITS + PERSON_BITS, PERSON_BITS),
            to: part(NUMBER_BITS, PERSON_BITS),
            number: part(0, NUMBER_BITS),
        };
        (word.run == run && word.id() == id).then_some(word)
    }
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
    fn an_id_of_another_run_of_a_set_or_of_another_make_is_no_word() {
        let word = Word { run: 1, gym: 0, from: 0, to: 1, number: 1 };
        let set = Stamp { run: 1, gym: 0, athlete: 0, number: 1 };
        assert_eq!(Word::read(word.id(), 2), None);
        assert_eq!(Word::read(set.set().0, 1), None);
        assert_eq!(Stamp::read(spotter_protocol::SetId(word.id()), 1), None);
        assert_eq!(Word::read(Uuid::now_v7(), 1), None);
    }
}
