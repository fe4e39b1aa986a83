//! The ledger: what was acknowledged, who must see it, and what became of it.
//!
//! Each set carries its gym, its athlete and its number in its id, so a copy tells by itself where it belongs. Of
//! each stream, and of each copy of it, the ledger keeps the highest number and the gaps below: a million operations in
//! order cost no more than one.

mod marks;
mod over;
mod owed;
mod stamp;
mod stream;
#[cfg(test)]
mod tests;
mod wall;
mod word;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use spotter_protocol::{Address, EntityKind, UserId, Version};

use crate::results;
use marks::{Mark, Marks};
use owed::Presence;
pub(crate) use owed::{Client, Owed};
pub(crate) use stamp::Stamp;
use stream::{Copied, Stream};
use wall::Shown;
pub(crate) use word::{Word, run_from};
pub(crate) use words::Told;
use words::{Chain, Pair, Words};

/// Examples that are kept of what is broken.
pub(crate) const EXAMPLES_MAX: usize = 20;
/// Planned times that a stream remembers, to measure how late its copies are.
const PLANNED_MAX: usize = 256;

/// The ledger of one run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    readers: Vec<Reader>,
    /// The gym and the number of each person.
    people: BTreeMap<UserId, (u16, u32)>,
    /// By their numbers.
    users: Vec<UserId>,
    streams: BTreeMap<Address, Stream>,
    /// Sessions and inboxes that have begun.
    begun: usize,
    chains: BTreeMap<Pair, Chain>,
    /// Words that were said and not answered: until they are, nobody has all.
    unanswered: u64,
    presence: BTreeMap<Client, Presence>,
    found: results::Ledger,
}

/// A connection that reads.
#[derive(Debug)]
struct Reader {
    gym: u16,
    /// The newest tile of each athlete, of a reader of a room.
    tiles: Option<BTreeMap<UserId, Option<Shown>>>,
}

impl Ledger {
    /// Somebody of a gym.
    pub(crate) fn person(&mut self, user: UserId, gym: u16) {
        self.people.insert(user, (gym, self.users.len() as u32));
        self.users.push(user);
    }

    /// A connection that will read: its number. With `room`, it must also come to see the newest tile of every
    /// athlete of its gym.
    pub(crate) fn reader(&mut self, gym: u16, room: bool) -> usize {
        self.readers.push(Reader { gym, tiles: room.then(BTreeMap::new) });
        self.readers.len() - 1
    }

    /// A session begins.
    pub(crate) fn open(&mut self, to: Address, gym: u16, athlete: u32) {
        let stream = Stream {
            gym,
            athlete,
            place: self.begun,
            is_finished: false,
            closed_at: None,
            sent: 0,
            answered: 0,
            versions: Marks::default(),
            numbers: Marks::default(),
            words: Words::default(),
            received: 0,
            planned: VecDeque::new(),
            copies: BTreeMap::new(),
        };
        self.begun += 1;
        self.streams.insert(to, stream);
    }

    /// From now on `reader` must see all of `to`.
    pub(crate) fn follow(&mut self, to: Address, reader: usize) {
        if let Some(stream) = self.streams.get_mut(&to) {
            stream.copies.insert(reader, Copied::default());
        }
    }

    /// `reader` would follow `to` no more, since it is over. Answers whether it may: it has to have all first.
    pub(crate) fn leave(&mut self, to: Address, reader: usize) -> bool {
        let Some(stream) = self.streams.get_mut(&to) else { return true };
        let expected = stream.versions.count() + stream.received;
        let Some(copy) = stream.copies.get(&reader).filter(|copy| copy.missing(stream) == 0) else {
            return false;
        };
        if !copy.is_left {
            self.found.delivered += expected;
            stream.copies.insert(reader, Copied { is_left: true, ..Copied::default() });
        }
        true
    }

    /// A command leaves; `set` is the number of the set it logs and when that was due, if copies are to be measured by it.
    pub(crate) fn sent(&mut self, to: Address, set: Option<(u32, Instant)>) {
        let Some(stream) = self.streams.get_mut(&to) else { return };
        stream.sent += 1;
        if let Some(set) = set {
            if stream.planned.len() == PLANNED_MAX {
                stream.planned.pop_front();
            }
            stream.planned.push_back(set);
        }
    }

    /// A command was acknowledged at `version`.
    pub(crate) fn acknowledged(&mut self, to: Address, number: Option<u32>, version: Version) {
        let Some(stream) = self.streams.get_mut(&to) else { return };
        stream.answered += 1;
        self.found.acknowledged += 1;
        if stream.versions.note(version.0) == Mark::Again {
            self.found.lost += 1;
            self.example(format!("two commands of {to} were acknowledged at version {}", version.0));
        } else if let Some(number) = number {
            stream.numbers.note(number.into());
        }
    }

    /// The end of a session was acknowledged: a tile need not show it any more.
    pub(crate) fn finished(&mut self, to: Address) {
        if let Some(stream) = self.streams.get_mut(&to) {
            stream.is_finished = true;
        }
    }

    /// A command was refused for good.
    pub(crate) fn refused(&mut self, to: Address) {
        if let Some(stream) = self.streams.get_mut(&to) {
            stream.answered += 1;
        }
    }

    /// An event came to `reader`. Answers when its set was due, where that is known.
    pub(crate) fn event(
        &mut self,
        reader: usize,
        to: Address,
        version: Version,
        set: Set,
    ) -> Option<Instant> {
        let (gym, v) = (self.readers[reader].gym, version.0);
        let is_for = |stream: &&mut Stream| stream.gym == gym && stream.copies.contains_key(&reader);
        let Some(stream) = self.streams.get_mut(&to).filter(is_for) else {
            self.wrong(Wrong::Leaked, format!("reader {reader} of gym {gym} was shown version {v} of {to}"));
            return None;
        };
        let is_strange = stream.strange(&[set]);
        let copy = stream.copies.entry(reader).or_default();
        if copy.is_left {
            return None;
        }
        let mark = copy.versions.note(v);
        let number = set.number().filter(|_| !is_strange);
        let wrong = match (mark, number.map(|number| copy.numbers.note(number))) {
            _ if is_strange => {
                Some((Wrong::Leaked, format!("version {v} of {to} logs a set that is not its athlete's")))
            }
            (Mark::Again, _) => {
                Some((Wrong::Doubled, format!("version {v} of {to} came twice to reader {reader}")))
            }
            (Mark::Late, _) => Some((Wrong::Reordered, format!("version {v} of {to} came after later ones"))),
            (_, Some(Mark::Again)) => Some((Wrong::Doubled, format!("version {v} of {to} logs a set again"))),
            (_, Some(Mark::Late)) => {
                Some((Wrong::Reordered, format!("version {v} of {to} logs an earlier set")))
            }
            (Mark::Next | Mark::Ahead, Some(Mark::Next | Mark::Ahead) | None) => None,
        };
        if let Some((wrong, what)) = wrong {
            self.wrong(wrong, what);
            return None;
        }
        let due = |(planned, _): &&(u32, Instant)| Some(u64::from(*planned)) == number;
        stream.planned.iter().find(due).map(|(_, at)| *at)
    }

    /// The state of a session came to `reader`, in place of what it had of it.
    pub(crate) fn snapshot(&mut self, reader: usize, to: Address, version: Version, sets: &[Set]) {
        let gym = self.readers[reader].gym;
        let is_for = |stream: &&mut Stream| stream.gym == gym && stream.copies.contains_key(&reader);
        let Some(stream) = self.streams.get_mut(&to).filter(is_for) else {
            self.wrong(Wrong::Leaked, format!("reader {reader} of gym {gym} was shown the state of {to}"));
            return;
        };
        let is_strange = stream.strange(sets);
        let numbers = Marks::of(sets.iter().filter_map(Set::number));
        let copy = stream.copies.entry(reader).or_default();
        if copy.is_left {
            return;
        }
        let held = copy.versions.high();
        *copy = Copied { versions: Marks::through(version.0), numbers, ..Copied::default() };
        if version.0 < held {
            self.wrong(
                Wrong::Reordered,
                format!("a state of {to} at {} came after version {held}", version.0),
            );
        }
        if is_strange {
            self.wrong(Wrong::Leaked, format!("the state of {to} holds a set that is not its athlete's"));
        }
    }

    /// Whether all that was acknowledged has come to `reader`.
    pub(crate) fn is_whole(&self, reader: usize) -> bool {
        let copied = self.streams.values().filter_map(|stream| Some((stream, stream.copies.get(&reader)?)));
        self.unanswered == 0
            && copied.map(|(stream, copy)| copy.missing(stream)).all(|missing| missing == 0)
            && self.stale_tiles(reader).is_empty()
    }

    /// Every session, with its gym and athlete: what is to be read again at the end.
    pub(crate) fn sessions(&self) -> Vec<(Address, u16, u32)> {
        let sessions = self.streams.iter().filter(|(to, _)| to.kind == EntityKind::Session);
        sessions.map(|(to, stream)| (*to, stream.gym, stream.athlete)).collect()
    }

    /// What the server has stored of a session, read anew; `own` are events that it made by itself.
    pub(crate) fn stored(&mut self, to: Address, version: Version, sets: &[Set], own: u64) {
        let Some(stream) = self.streams.get(&to) else { return };
        let stored = Marks::of(sets.iter().filter_map(Set::number));
        let numbers = stream.numbers.without(&stored);
        let lost = numbers.max(stream.versions.count().saturating_sub(version.0));
        let doubled = version.0.saturating_sub(stream.sent + own);
        let strange = stream.strange(sets);
        if lost > 0 {
            self.found.lost += lost;
            self.example(format!("{lost} acknowledged commands of {to} are not stored"));
        }
        if doubled > 0 {
            self.found.doubled += doubled;
            self.example(format!("{to} holds {doubled} events more than commands were sent"));
        }
        if strange {
            self.wrong(Wrong::Leaked, format!("{to} holds a set that is not its athlete's"));
        }
    }

    /// A session that could not be read again.
    pub(crate) fn not_stored(&mut self, to: Address, why: &str) {
        let acknowledged = self.streams.get(&to).map_or(0, |stream| stream.versions.count());
        self.found.lost += acknowledged;
        self.example(format!("{to} with {acknowledged} acknowledged commands cannot be read again: {why}"));
    }

    /// Something came to a phone that follows nothing.
    pub(crate) fn unasked(&mut self, to: Address) {
        self.wrong(Wrong::Leaked, format!("a phone that follows nothing was told of {to}"));
    }

    /// Somebody of another gym was let in.
    pub(crate) fn let_in(&mut self, to: Address, gym: u16) {
        self.wrong(Wrong::Leaked, format!("somebody of gym {gym} may follow {to}"));
    }

    /// What is known before the run has ended; what never came is not.
    pub(crate) fn so_far(&self) -> results::Ledger {
        self.found.clone()
    }

    /// Counts what never came, and answers the whole.
    pub(crate) fn settle(mut self) -> results::Ledger {
        for (to, stream) in &self.streams {
            for (reader, copy) in stream.copies.iter().filter(|(_, copy)| !copy.is_left) {
                let missing = copy.missing(stream);
                self.found.delivered += (stream.versions.count() + stream.received).saturating_sub(missing);
                self.found.lost += missing;
                if missing > 0 && self.found.examples.len() < EXAMPLES_MAX {
                    self.found
                        .examples
                        .push(format!("{missing} events of {to} never came to reader {reader}"));
                }
            }
        }
        for reader in 0..self.readers.len() {
            for to in self.stale_tiles(reader) {
                self.wrong(Wrong::Lost, format!("the newest tile of {to} never came to reader {reader}"));
            }
        }
        self.found
    }

    fn wrong(&mut self, wrong: Wrong, what: String) {
        match wrong {
            Wrong::Lost => self.found.lost += 1,
            Wrong::Doubled => self.found.doubled += 1,
            Wrong::Reordered => self.found.reordered += 1,
            Wrong::Leaked => self.found.leaked += 1,
        }
        self.example(what);
    }

    fn example(&mut self, what: String) {
        if self.found.examples.len() < EXAMPLES_MAX {
            self.found.examples.push(what);
        }
    }
}

/// The ways to break a promise.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Lost,
    Doubled,
    Reordered,
    Leaked,
}

/// The set that an event logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// It logs none.
    None,
    /// One of this run's.
    Of(Stamp),
    /// One that does not belong to this run.
    Unmarked,
}

impl Set {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Of(stamp) => Some(stamp.number.into()),
            Self::None | Self::Unmarked => None,
        }
    }
}
