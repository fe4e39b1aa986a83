//! What clients are still owed after something was broken: answers, copies, and their connection.

use std::collections::BTreeMap;

use spotter_protocol::Address;

use super::marks::Marks;
use super::words::Words;
use super::{Ledger, Stream};

/// A connection of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    /// Of an athlete, by number of all athletes of the run.
    Phone(usize),
    /// By its number in the ledger.
    Reader(usize),
}

/// Whether a client is connected.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Presence {
    /// How often it has come.
    came: u32,
    /// To which node, the last time.
    node: usize,
    is: Is,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Is {
    #[default]
    Away,
    Here,
    /// The scenario keeps it away: nobody waits for it.
    WithoutSignal,
}

/// How often clients must have come.
pub(crate) type Comings = BTreeMap<Client, u32>;

/// What must come before all is as it was.
#[derive(Debug)]
pub(crate) struct Owed {
    of: BTreeMap<Address, Due>,
    comings: Comings,
}

/// What is due of a session.
#[derive(Debug)]
enum Due {
    /// So many answers; then copies of what they acknowledged.
    Answers(u64),
    /// These versions and words, to all who follow.
    Copies(Marks, Words),
}

impl Ledger {
    /// A client is connected to that node, and follows all that it followed.
    pub(crate) fn came(&mut self, client: Client, node: usize) {
        let presence = self.presence.entry(client).or_default();
        if presence.is != Is::Here {
            *presence = Presence { came: presence.came + 1, node, is: Is::Here };
        }
    }

    /// A client has no connection; it is about to come back.
    pub(crate) fn left(&mut self, client: Client) {
        self.presence.entry(client).or_default().is = Is::Away;
    }

    /// A client has no connection, and the scenario wants it so.
    pub(crate) fn lost_signal(&mut self, client: Client) {
        self.presence.entry(client).or_default().is = Is::WithoutSignal;
    }

    /// Who is connected to that node, or to any.
    pub(crate) fn connected(&self, node: Option<usize>) -> Vec<Client> {
        let is_there =
            |presence: &Presence| presence.is == Is::Here && node.is_none_or(|node| presence.node == node);
        self.presence.iter().filter(|(_, presence)| is_there(presence)).map(|(client, _)| *client).collect()
    }

    /// How often clients will have come when they have come once more.
    pub(crate) fn anew(&self, clients: &[Client]) -> Comings {
        let came = |client| self.presence.get(client).map_or(0, |presence| presence.came);
        clients.iter().map(|client| (*client, came(client) + 1)).collect()
    }

    /// What is owed now: an answer to every command, its copies to all who follow, and a connection to every client, to
    /// some of them anew.
    pub(crate) fn owed(&self, comings: Comings) -> Owed {
        let of = self.streams.iter().map(|(to, stream)| (*to, Due::Answers(stream.sent))).collect();
        Owed { of, comings }
    }

    /// Whether all of it has come. What has come is not asked for again.
    pub(crate) fn is_paid(&self, owed: &mut Owed) -> bool {
        owed.of.retain(|to, due| {
            self.streams
                .get(to)
                .is_some_and(|stream| !self.is_without_signal(stream) && !self.has_come(to, stream, due))
        });
        let has_come = |(client, comings): (&Client, &u32)| {
            self.presence
                .get(client)
                .is_some_and(|presence| presence.came >= *comings || presence.is == Is::WithoutSignal)
        };
        owed.of.is_empty()
            && owed.comings.iter().all(has_come)
            && self.presence.values().all(|presence| presence.is != Is::Away)
    }

    fn is_without_signal(&self, stream: &Stream) -> bool {
        let phone = self.presence.get(&Client::Phone(stream.athlete as usize));
        phone.is_some_and(|presence| presence.is == Is::WithoutSignal)
    }

    /// Whether the scenario keeps a reader away.
    pub(super) fn is_gone(&self, reader: usize) -> bool {
        self.presence.get(&Client::Reader(reader)).is_some_and(|presence| presence.is == Is::WithoutSignal)
    }

    fn has_come(&self, to: &Address, stream: &Stream, due: &mut Due) -> bool {
        if let Due::Answers(sent) = *due {
            if stream.answered < sent {
                return false;
            }
            *due = Due::Copies(stream.versions.clone(), stream.words.clone());
        }
        let Due::Copies(versions, words) = due else { return false };
        let mut copies =
            stream.copies.iter().filter(|(reader, copy)| !copy.is_left && !self.is_gone(**reader));
        copies.all(|(_, copy)| versions.without(&copy.versions) + words.without(&copy.words) == 0)
            && self.is_on_walls(to, stream, versions.high())
    }
}
