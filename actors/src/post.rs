//! Carries letters from the entities that wrote them to the inboxes they are for.
//!
//! A letter is committed beside the events that caused it and deleted beside the events it causes, so that it is
//! carried exactly once although the process may end between the two. Whom to look after is learned from hints
//! (after a commit, and when an inbox wakes) and, where a hint was lost, from a sweep. Letters to one inbox are
//! carried one after another, which keeps the order of each pair; an inbox that takes none holds up nobody
//! else's.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use spotter_protocol::{Address, CommandId, GymId, InboxCommand, Recorded, Shard, UserId, Vocabulary};
use spotter_rules::Rules;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};
use tracing::{error, warn};
use uuid::Uuid;

use crate::ask::{Ask, ReplyTo};
use crate::directory::Directory;
use crate::{Claims, Clock, Journal, LetterId, LetterRow, Peers};

/// Hints that wait; more are dropped and found by a sweep.
const HINTS_MAX: usize = 4_096;
/// Inboxes that letters are carried to at once before another hint is heard.
const INBOXES_MAX: usize = 64;
/// Letters read at once for one inbox.
const LETTERS_MAX: u32 = 64;
/// How often a sweep looks for recipients. It goes on at once when letters were taken since, and few are under way.
const SWEEP: Duration = Duration::from_secs(1);
/// Recipients that a sweep finds at once. They have places beside those of whom hints tell: neither keeps out the other.
const SWEPT_MAX: usize = 32;

/// Says that letters wait for somebody.
#[derive(Clone)]
pub(crate) struct Hints {
    here: mpsc::Sender<(GymId, UserId)>,
    claims: Arc<Claims>,
    peers: Arc<dyn Peers>,
}

impl Hints {
    pub(crate) fn new(claims: Arc<Claims>, peers: Arc<dyn Peers>) -> (Self, mpsc::Receiver<(GymId, UserId)>) {
        let (here, hints) = mpsc::channel(HINTS_MAX);
        (Self { here, claims, peers }, hints)
    }

    /// Letters wait for `recipient`, or may.
    pub(crate) fn give(&self, gym: GymId, recipient: UserId) {
        if self.claims.admit(Shard::of(recipient)) {
            // Lost when the office is closed or overrun: the sweep finds the letters.
            let _ = self.here.try_send((gym, recipient));
        } else {
            self.peers.hint(gym, recipient);
        }
    }
}

/// The letters of an event of the entity at `address`.
pub(crate) fn letters_of<S: Rules>(
    address: Address,
    recorded: &Recorded<S::Event>,
) -> Result<Vec<LetterRow>, rmp_serde::encode::Error> {
    let stamp = &recorded.stamp;
    let letters = S::letters(address, recorded).into_iter().zip(0_u32..);
    letters
        .map(|(letter, place)| {
            let name = [recorded.version.0.to_be_bytes().as_slice(), &place.to_be_bytes()].concat();
            Ok(LetterRow {
                to: letter.to,
                author: stamp.author,
                command: CommandId(Uuid::new_v5(&stamp.command.0, &name)),
                at: stamp.at,
                kind: InboxCommand::name(letter.command.kind()).to_owned(),
                body: letter.command.body_to_msgpack()?,
            })
        })
        .collect()
}

/// Opens the post office of a node; it closes with its directory.
pub(crate) fn open(
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    directory: &Arc<Directory>,
    hints: mpsc::Receiver<(GymId, UserId)>,
) {
    let carrier = Arc::new(Carrier { journal, clock, directory: Arc::downgrade(directory) });
    tokio::spawn(run(carrier, hints));
}

async fn run(carrier: Arc<Carrier>, mut hints: mpsc::Receiver<(GymId, UserId)>) {
    let mut sweeps = tokio::time::interval(SWEEP);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The last recipient that the sweep under way has found, and whether letters were taken since.
    let (mut swept, mut flows) = (None, false);
    let mut carrying = JoinSet::new();
    // To whom letters are carried just now, and whether more have come since.
    let mut under_way: HashMap<UserId, bool> = HashMap::new();
    loop {
        let goes_on = swept.is_some() && flows && under_way.len() <= SWEPT_MAX;
        let found = tokio::select! {
            // In this order, because hints are the only ones that could come without end.
            biased;
            Some(Ok((gym, recipient, taken))) = carrying.join_next() => {
                flows |= taken;
                match under_way.remove(&recipient) {
                    Some(true) => vec![(gym, recipient)],
                    Some(false) | None => Vec::new(),
                }
            }
            () = next(&mut sweeps, goes_on) => {
                if carrier.is_closed() {
                    return;
                }
                let found = carrier.sweep(swept).await;
                swept = found.last().filter(|_| found.len() == SWEPT_MAX).map(|(_, last)| *last);
                flows = false;
                found
            }
            hint = hints.recv(), if under_way.len() < INBOXES_MAX => match hint {
                Some(hint) => vec![hint],
                None => return,
            },
        };
        for (gym, recipient) in found {
            if !carrier.serves(recipient) {
                continue;
            }
            if let Some(more) = under_way.get_mut(&recipient) {
                *more = true;
            } else if under_way.len() < INBOXES_MAX + SWEPT_MAX {
                under_way.insert(recipient, false);
                let carrier = Arc::clone(&carrier);
                carrying.spawn(async move {
                    let taken = carrier.carry_all(gym, recipient).await;
                    (gym, recipient, taken)
                });
            }
        }
    }
}

/// Comes when a sweep is to look for recipients.
async fn next(sweeps: &mut Interval, at_once: bool) {
    if !at_once {
        sweeps.tick().await;
    }
}

struct Carrier {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    directory: Weak<Directory>,
}

impl Carrier {
    /// Whether nothing is taken any more.
    fn is_closed(&self) -> bool {
        self.directory.upgrade().is_none_or(|directory| directory.is_closed())
    }

    /// Whether the letters to `recipient` are carried by this node.
    fn serves(&self, recipient: UserId) -> bool {
        self.directory.upgrade().is_some_and(|directory| directory.is_open(Address::inbox(recipient)))
    }

    /// The next recipients for whom letters wait.
    async fn sweep(&self, after: Option<UserId>) -> Vec<(GymId, UserId)> {
        let after = after.unwrap_or(UserId(Uuid::nil()));
        let found = self.journal.recipients(after, SWEPT_MAX as u32).await;
        found.unwrap_or_else(|error| {
            warn!(%error, "waiting letters not looked for");
            Vec::new()
        })
    }

    /// Carries what waits for `recipient`, until there is no more or one letter is not taken; says whether any was.
    async fn carry_all(&self, gym: GymId, recipient: UserId) -> bool {
        let mut taken = false;
        loop {
            let letters = match self.journal.letters(gym, recipient, LETTERS_MAX).await {
                Ok(letters) => letters,
                Err(error) => {
                    // A node that ends closes its store when all rest: what waits is carried after the next start.
                    if !self.is_closed() {
                        warn!(%recipient, %error, "letters not read");
                    }
                    return taken;
                }
            };
            if letters.is_empty() {
                return taken;
            }
            for (id, letter) in letters {
                if !self.carry(gym, id, letter).await {
                    return taken;
                }
                taken = true;
            }
        }
    }

    /// Hands one letter over; false when it has to wait, and with it those behind it.
    async fn carry(&self, gym: GymId, id: LetterId, letter: LetterRow) -> bool {
        let Some(directory) = self.directory.upgrade() else { return false };
        let kind = InboxCommand::kind_of(&letter.kind);
        let command = kind.and_then(|kind| InboxCommand::body_from_msgpack(kind, &letter.body).ok());
        let Some(command) = command else {
            error!(
                letter = id.0,
                kind = letter.kind,
                "this build cannot read a letter: it waits for one that can"
            );
            return false;
        };
        let (sender, answer) = oneshot::channel();
        let reply = ReplyTo::new(move |answer| {
            // Nobody waits when the office has closed.
            let _ = sender.send(answer);
        });
        let to = Address::inbox(letter.to);
        let ask = Ask::of_server(
            gym,
            letter.author,
            letter.command,
            letter.at,
            to,
            command,
            self.clock.now(),
            reply,
        );
        directory.dispatch(ask.carrying(id));
        drop(directory);
        matches!(answer.await, Ok(Ok(_)))
    }
}
