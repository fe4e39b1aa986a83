//! What an entity remembers of the commands it accepted, so that a repeat is answered and changes nothing.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use spotter_protocol::{ClientId, UserId, Version};

/// Clients remembered by one entity; the least recently heard is forgotten first.
pub const CLIENTS_MAX: usize = 32;
/// Answers kept for each client; older repeats are answered as done at the client's newest version.
pub const ANSWERS_MAX: usize = 64;

/// The accepted commands of one entity, by who sent them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Least recently heard first.
    clients: VecDeque<Client>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Client {
    author: UserId,
    client: ClientId,
    highest: u64,
    /// Numbers with the version each ended at, oldest first.
    answers: VecDeque<(u64, Version)>,
}

impl Answered {
    /// The highest number accepted of a client; 0 when it is unknown.
    pub fn highest(&self, author: UserId, client: ClientId) -> u64 {
        self.find(author, client).map_or(0, |known| known.highest)
    }

    /// The answer to a repeat: the version it was answered with. `None` when the command is new.
    pub fn repeat(&self, author: UserId, client: ClientId, n: u64) -> Option<Version> {
        let known = self.find(author, client).filter(|known| n <= known.highest)?;
        let kept = known.answers.iter().rev().find(|(number, _)| *number == n);
        kept.or(known.answers.back()).map(|(_, version)| *version)
    }

    /// Remembers that command `n` was accepted and reached `version`. Called once for each of its events;
    /// the last counts.
    pub fn remember(&mut self, author: UserId, client: ClientId, n: u64, version: Version) {
        let known = self.clients.iter().position(|known| known.author == author && known.client == client);
        let mut entry = match known.and_then(|place| self.clients.remove(place)) {
            Some(entry) => entry,
            None => Client { author, client, highest: 0, answers: VecDeque::new() },
        };
        match entry.answers.back_mut() {
            Some((number, reached)) if *number == n => *reached = version,
            _ => {
                if entry.answers.len() == ANSWERS_MAX {
                    entry.answers.pop_front();
                }
                entry.answers.push_back((n, version));
            }
        }
        entry.highest = entry.highest.max(n);
        if self.clients.len() == CLIENTS_MAX {
            self.clients.pop_front();
        }
        self.clients.push_back(entry);
    }

    fn find(&self, author: UserId, client: ClientId) -> Option<&Client> {
        self.clients.iter().find(|known| known.author == author && known.client == client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const ME: UserId = UserId(Uuid::from_u128(1));

    fn phone(n: u128) -> ClientId {
        ClientId(Uuid::from_u128(n))
    }

    #[test]
    fn a_repeat_gets_its_own_answer() {
        let mut answered = Answered::default();
        answered.remember(ME, phone(1), 1, Version(3));
        answered.remember(ME, phone(1), 2, Version(5));

        assert_eq!(answered.repeat(ME, phone(1), 1), Some(Version(3)));
        assert_eq!(answered.repeat(ME, phone(1), 3), None);
    }

    #[test]
    fn another_author_cannot_shadow_a_client() {
        let mut answered = Answered::default();
        answered.remember(ME, phone(1), 9, Version(3));

        assert_eq!(answered.repeat(UserId(Uuid::from_u128(2)), phone(1), 1), None);
    }

    #[test]
    fn a_repeat_older_than_the_kept_answers_is_still_done() {
        let mut answered = Answered::default();
        for n in 1..=100 {
            answered.remember(ME, phone(1), n, Version(n));
        }

        assert_eq!(answered.repeat(ME, phone(1), 1), Some(Version(100)));
        assert_eq!(answered.clients[0].answers.len(), ANSWERS_MAX);
    }

    #[test]
    fn the_least_recent_client_is_forgotten() {
        let mut answered = Answered::default();
        for client in 0..=CLIENTS_MAX as u128 {
            answered.remember(ME, phone(client), 1, Version(1));
        }

        assert_eq!(answered.clients.len(), CLIENTS_MAX);
        assert_eq!(answered.highest(ME, phone(0)), 0);
        assert_eq!(answered.highest(ME, phone(1)), 1);
    }
}
