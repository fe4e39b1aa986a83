//! What people say to each other: cues in a session, messages in the inboxes of both. A pair of people has one chain of
//! numbers each way; every place that shows words has to show the acknowledged ones of its chains, once and in order.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use spotter_protocol::{Address, EntityKind, UserId, Version};

use super::marks::{Mark, Marks};
use super::word::Word;
use super::{Ledger, Stream, Wrong};

/// Planned times that a chain remembers, to measure how late its words are.
const PLANNED_MAX: usize = 64;

/// From one person to another, by their numbers.
pub(super) type Pair = (u32, u32);

/// What one person says to another.
#[derive(Debug, Default)]
pub(super) struct Chain {
    said: u32,
    /// When the newest were due.
    planned: VecDeque<(u32, Instant)>,
}

/// Numbers of words, by who says them to whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(BTreeMap<Pair, Marks>);

impl Words {
    fn note(&mut self, word: Word) -> Mark {
        self.0.entry((word.from, word.to)).or_default().note(word.number.into())
    }

    /// Takes in the words of a state or a page, and answers what is wrong with them.
    fn take(&mut self, gym: u16, place: Address, owner: u32, words: &[Word]) -> Vec<(Wrong, String)> {
        let mut wrong = Vec::new();
        for word in words {
            if is_strange(gym, place, Some(owner), Some(*word)) {
                wrong.push((Wrong::Leaked, format!("{place} holds what is not said there")));
                continue;
            }
            match self.note(*word) {
                Mark::Next | Mark::Ahead => {}
                Mark::Again => wrong.push((Wrong::Doubled, format!("{place} holds a word twice"))),
                Mark::Late => {
                    wrong.push((Wrong::Reordered, format!("{place} holds a word behind a later one")));
                }
            }
        }
        wrong
    }

    /// How many of these are not among the others.
    pub(super) fn without(&self, others: &Self) -> u64 {
        let nothing = Marks::default();
        self.0.iter().map(|(pair, marks)| marks.without(others.0.get(pair).unwrap_or(&nothing))).sum()
    }

    /// Of a pair, both ways.
    fn between(&self, one: u32, other: u32) -> Self {
        let ways = self.0.iter().filter(|(pair, _)| **pair == (one, other) || **pair == (other, one));
        Self(ways.map(|(pair, marks)| (*pair, marks.clone())).collect())
    }
}

/// A part of a state: words in order, and whether they are all there are of their pair.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) with: UserId,
    pub(crate) words: Vec<Word>,
    pub(crate) whole: bool,
}

impl Ledger {
    /// Opens the inbox of somebody who was introduced.
    pub(crate) fn open_inbox(&mut self, owner: UserId) {
        if let Some((gym, number)) = self.people.get(&owner).copied() {
            self.open(Address::inbox(owner), gym, number);
        }
    }

    /// A word leaves, which will be in `at`: what its id has to say.
    pub(crate) fn say(
        &mut self,
        run: u32,
        at: Address,
        from: UserId,
        to: UserId,
        planned: Option<Instant>,
    ) -> Word {
        let (gym, speaker) = self.people.get(&from).copied().unwrap_or_default();
        let (_, listener) = self.people.get(&to).copied().unwrap_or_default();
        let chain = self.chains.entry((speaker, listener)).or_default();
        chain.said += 1;
        if chain.planned.len() == PLANNED_MAX {
            chain.planned.pop_front();
        }
        chain.planned.extend(planned.map(|planned| (chain.said, planned)));
        self.unanswered += 1;
        let number = chain.said;
        self.sent(at, None);
        Word { run, gym, from: speaker, to: listener, number }
    }

    /// A word was acknowledged in `at`, or refused for good.
    pub(crate) fn answered(&mut self, at: Address, word: Word, version: Option<Version>) {
        self.unanswered = self.unanswered.saturating_sub(1);
        let Some(version) = version else { return self.refused(at) };
        self.acknowledged(at, None, version);
        self.expect(at, word);
        if let (EntityKind::Inbox, Some(listener)) = (at.kind, self.users.get(word.to as usize)) {
            self.expect(Address::inbox(*listener), word);
        }
    }

    fn expect(&mut self, place: Address, word: Word) {
        let owner = self.number(place.owner);
        if let Some(stream) = self.streams.get_mut(&place) {
            stream.words.note(word);
            stream.received += u64::from(place.kind == EntityKind::Inbox && owner == Some(word.to));
        }
    }

    /// A word came to `reader`; without one it is of nobody in this run. Answers when it was due, where that is known.
    pub(crate) fn word(
        &mut self,
        reader: usize,
        place: Address,
        version: Version,
        word: Option<Word>,
    ) -> Option<Instant> {
        let (gym, v, owner) = (self.readers[reader].gym, version.0, self.number(place.owner));
        let is_for = |stream: &&mut Stream| stream.gym == gym && stream.copies.contains_key(&reader);
        let Some(stream) = self.streams.get_mut(&place).filter(is_for) else {
            self.wrong(
                Wrong::Leaked,
                format!("reader {reader} of gym {gym} was shown version {v} of {place}"),
            );
            return None;
        };
        let is_strange = is_strange(stream.gym, place, owner, word);
        let copy = stream.copies.entry(reader).or_default();
        if copy.is_left {
            return None;
        }
        let mark = copy.versions.note(v);
        let again = word.filter(|_| !is_strange).map(|word| copy.words.note(word));
        let wrong = match (mark, again) {
            _ if is_strange => {
                Some((Wrong::Leaked, format!("version {v} of {place} says what is not said there")))
            }
            (Mark::Again, _) => {
                Some((Wrong::Doubled, format!("version {v} of {place} came twice to reader {reader}")))
            }
            (Mark::Late, _) => {
                Some((Wrong::Reordered, format!("version {v} of {place} came after later ones")))
            }
            (_, Some(Mark::Again)) => {
                Some((Wrong::Doubled, format!("version {v} of {place} says a word again")))
            }
            (_, Some(Mark::Late)) => {
                Some((Wrong::Reordered, format!("version {v} of {place} says an earlier word")))
            }
            (Mark::Next | Mark::Ahead, Some(Mark::Next | Mark::Ahead) | None) => None,
        };
        if let Some((wrong, what)) = wrong {
            self.wrong(wrong, what);
            return None;
        }
        self.due(word?)
    }

    /// When a word was due.
    fn due(&self, word: Word) -> Option<Instant> {
        let chain = self.chains.get(&(word.from, word.to))?;
        chain.planned.iter().find(|(number, _)| *number == word.number).map(|(_, at)| *at)
    }

    /// The words of a state that came to `reader`, right after [`Ledger::snapshot`].
    pub(crate) fn told(&mut self, reader: usize, place: Address, parts: &[Told]) {
        let Some(owner) = self.number(place.owner) else { return };
        for part in parts {
            let Some(with) = self.number(part.with) else {
                // Whom this generator does not know has words of the run only with people of their own gym.
                if !part.words.is_empty() {
                    self.wrong(Wrong::Leaked, format!("{place} holds what is not said there"));
                }
                continue;
            };
            let Some(stream) = self.streams.get_mut(&place) else { return };
            let mut held = Words::default();
            // A state shows the newest of a conversation: what lies below is read at the end.
            if !part.whole {
                for (pair, marks) in stream.words.between(owner, with).0 {
                    let shown = part.words.iter().filter(|word| (word.from, word.to) == pair);
                    let lowest = shown.map(|word| u64::from(word.number)).min().unwrap_or(marks.high() + 1);
                    held.0.insert(pair, Marks::through(lowest.saturating_sub(1)));
                }
            }
            let wrong = held.take(stream.gym, place, owner, &part.words);
            if let Some(copy) = stream.copies.get_mut(&reader) {
                copy.words.0.extend(held.0);
            }
            wrong.into_iter().for_each(|(wrong, what)| self.wrong(wrong, what));
        }
    }

    /// Everybody who may have had words, with whom: what is to be read again at the end.
    pub(crate) fn conversations(&self) -> Vec<(UserId, UserId)> {
        let inboxes = self.streams.iter().filter(|(to, _)| to.kind == EntityKind::Inbox);
        let mut all: Vec<_> = inboxes
            .flat_map(|(to, stream)| {
                let own = self.number(to.owner);
                let others =
                    stream.words.0.keys().map(move |(from, to)| if Some(*from) == own { *to } else { *from });
                others
                    .filter_map(|other| Some((to.owner, *self.users.get(other as usize)?)))
                    .collect::<Vec<_>>()
            })
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What the server has stored of the words between the owner of `place` and somebody, or in all, oldest first.
    pub(crate) fn words_stored(&mut self, place: Address, with: Option<UserId>, words: &[Word]) {
        let Some(owner) = self.number(place.owner) else { return };
        let with = with.and_then(|with| self.number(with));
        let Some(stream) = self.streams.get(&place) else { return };
        let mut held = Words::default();
        let wrong = held.take(stream.gym, place, owner, words);
        let expected = with.map_or_else(|| stream.words.clone(), |with| stream.words.between(owner, with));
        let lost = expected.without(&held);
        wrong.into_iter().for_each(|(wrong, what)| self.wrong(wrong, what));
        if lost > 0 {
            self.found.lost += lost;
            self.example(format!("{lost} acknowledged words of {place} are not stored"));
        }
    }

    /// A conversation was read anew from the inbox of `owner`, or could not be.
    pub(crate) fn conversation_stored(
        &mut self,
        owner: UserId,
        with: UserId,
        words: anyhow::Result<Vec<Word>>,
    ) {
        let place = Address::inbox(owner);
        if let Err(error) = &words {
            self.example(format!("what {with} wrote in {place} cannot be read again: {error:#}"));
        }
        self.words_stored(place, Some(with), &words.unwrap_or_default());
    }

    /// A page of an inbox was read: none of it may be another's, twice, or out of order.
    pub(crate) fn page(&mut self, place: Address, words: &[Word]) {
        let Some((gym, owner)) = self.people.get(&place.owner).copied() else { return };
        let wrong = Words::default().take(gym, place, owner, words);
        wrong.into_iter().for_each(|(wrong, what)| self.wrong(wrong, what));
    }

    fn number(&self, user: UserId) -> Option<u32> {
        self.people.get(&user).map(|(_, number)| *number)
    }
}

/// Whether a word does not belong there. An inbox may hold what others wrote before the run; a session is of the run.
fn is_strange(gym: u16, place: Address, owner: Option<u32>, word: Option<Word>) -> bool {
    match word {
        None => place.kind == EntityKind::Session,
        Some(word) => word.gym != gym || ![Some(word.from), Some(word.to)].contains(&owner),
    }
}
