//! One session or one inbox in the ledger, and what each reader has of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::Set;
use super::marks::Marks;
use super::words::Words;

/// One session, or one inbox.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) gym: u16,
    /// Of all athletes; of all people, if it is an inbox.
    pub(super) athlete: u32,
    /// Its place among all sessions of the run, in the order in which they began.
    pub(super) place: usize,
    /// Its end was acknowledged.
    pub(super) is_finished: bool,
    /// Since when nothing more is sent to it.
    pub(super) closed_at: Option<Instant>,
    /// Commands sent.
    pub(super) sent: u64,
    /// Commands acknowledged, or refused for good.
    pub(super) answered: u64,
    /// Versions that were acknowledged.
    pub(super) versions: Marks,
    /// Numbers of sets that were acknowledged.
    pub(super) numbers: Marks,
    /// Cues or messages that were acknowledged.
    pub(super) words: Words,
    /// Messages that others sent.
    pub(super) received: u64,
    /// When the newest sets were due.
    pub(super) planned: VecDeque<(u32, Instant)>,
    pub(super) copies: BTreeMap<usize, Copied>,
}

/// What one reader has of one session.
#[derive(Debug, Default)]
pub(super) struct Copied {
    pub(super) versions: Marks,
    pub(super) numbers: Marks,
    pub(super) words: Words,
    /// The reader had all, and follows no more.
    pub(super) is_left: bool,
}

impl Copied {
    /// Acknowledged versions that never came, or sets and words, whichever are more: most are both.
    pub(super) fn missing(&self, stream: &Stream) -> u64 {
        if self.is_left {
            return 0;
        }
        let told = stream.numbers.without(&self.numbers) + stream.words.without(&self.words);
        stream.versions.without(&self.versions).max(told)
    }
}

impl Stream {
    /// Whether a set is among these that is not this athlete's.
    pub(super) fn strange(&self, sets: &[Set]) -> bool {
        sets.iter().any(|set| match set {
            Set::None => false,
            Set::Unmarked => true,
            Set::Of(stamp) => (stamp.gym, stamp.athlete) != (self.gym, self.athlete),
        })
    }
}
