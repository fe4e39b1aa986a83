//! Phones, which keep their commands until they are answered for good, as `docs/protocol.md` asks of clients: they
//! send again what was refused for now, what was not answered and all of it over a new connection; some of it twice or
//! out of order, over a network that loses answers.

use std::collections::VecDeque;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use spotter_actors::Answer;
use spotter_protocol::{
    Address, ClientId, CommandFrame, CommandId, ErrorCode, Fault, Persistence, Timestamp, UserId,
};
use uuid::Uuid;

use crate::ledger::Ledger;
use crate::process::{Heard, Process};
use crate::wishes;

/// How long a phone waits before it sends again, when it is not told.
const AGAIN_MICROS: i64 = 50_000;

/// One installation that sends to one entity.
pub(crate) struct Phone {
    number: usize,
    pub(crate) to: Address,
    author: UserId,
    client: ClientId,
    n: u64,
    /// The number that the next command follows.
    tail: u64,
    /// Commands that it still wants to give.
    wishes: u32,
    outbox: VecDeque<Waiting>,
    /// The process that it is connected to.
    connection: Option<usize>,
    /// Before then it sends nothing again.
    again_at: Timestamp,
}

/// A command that is not answered for good.
struct Waiting {
    frame: CommandFrame,
    /// Copies under way over this connection.
    copies: u32,
    /// What was heard of the other copies.
    heard: Vec<Answer>,
}

impl Phone {
    pub(crate) fn new(number: usize, to: Address, author: UserId, wishes: u32) -> Self {
        let client = ClientId(Uuid::from_u128(0xf0 << 64 | number as u128));
        let (outbox, again_at) = (VecDeque::new(), Timestamp(0));
        Self { number, to, author, client, n: 0, tail: 0, wishes, outbox, connection: None, again_at }
    }

    /// Whether it wants nothing more and all it wanted is answered.
    pub(crate) fn is_content(&self) -> bool {
        self.wishes == 0 && self.outbox.is_empty()
    }

    /// Whether it is connected to this process.
    pub(crate) fn is_at(&self, process: usize) -> bool {
        self.connection == Some(process)
    }

    /// Its connection breaks.
    pub(crate) fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Connects and sends everything unanswered, in order.
    pub(crate) fn connect(&mut self, process: &Process) {
        self.connection = Some(process.number);
        for waiting in &mut self.outbox {
            (waiting.copies, waiting.heard) = (0, Vec::new());
        }
        (0..self.outbox.len()).for_each(|place| self.send(process, place));
    }

    /// Gives some new commands, or sends again what was not answered for good.
    pub(crate) fn act(&mut self, chance: &mut StdRng, process: &Process, bursts: bool) {
        let under_way = self.outbox.iter().any(|waiting| waiting.copies > 0);
        if !under_way && !self.outbox.is_empty() {
            if process.now() >= self.again_at {
                self.send_again(chance, process);
            }
        } else if self.wishes > 0 && self.outbox.len() < 30 {
            let count = if bursts && chance.random_ratio(1, 12) { 80 } else { chance.random_range(1..4) };
            for _ in 0..count.min(self.wishes) {
                self.wish(chance, process.now());
                self.send(process, self.outbox.len() - 1);
            }
        }
    }

    fn wish(&mut self, chance: &mut StdRng, now: Timestamp) {
        self.wishes -= 1;
        self.n += 1;
        let late = if chance.random_ratio(1, 6) { chance.random_range(0..3_600_000_000) } else { 0 };
        let frame = CommandFrame {
            req: self.n,
            id: CommandId(Uuid::from_u128(self.client.0.as_u128() << 32 | u128::from(self.n))),
            client: self.client,
            n: self.n,
            after: self.tail,
            at: now.shifted(-late),
            to: self.to,
            command: wishes::wish(chance, self.to, self.n),
        };
        self.tail = self.n;
        self.outbox.push_back(Waiting { frame, copies: 0, heard: Vec::new() });
    }

    fn send_again(&mut self, chance: &mut StdRng, process: &Process) {
        let mut places: Vec<usize> = (0..self.outbox.len()).collect();
        if chance.random_ratio(1, 4) {
            places.extend((0..self.outbox.len()).filter(|_| chance.random_ratio(1, 3)));
        }
        if chance.random_ratio(1, 4) {
            places.shuffle(chance);
        }
        places.into_iter().for_each(|place| self.send(process, place));
    }

    fn send(&mut self, process: &Process, place: usize) {
        let waiting = &mut self.outbox[place];
        waiting.copies += 1;
        process.dispatch(self.number, self.author, waiting.frame.clone());
    }

    /// Hears an answer, unless it is `lost` or comes over a connection that is no more. A refusal counts only when no
    /// copy is under way that may be done yet.
    pub(crate) fn hear(&mut self, heard: Heard, lost: bool, now: Timestamp, ledger: &Ledger) {
        if self.connection != Some(heard.from) {
            return;
        }
        let Some(place) = self.outbox.iter().position(|waiting| waiting.frame.n == heard.n) else { return };
        let waiting = &mut self.outbox[place];
        waiting.copies -= 1;
        if lost {
            waiting.heard.clear();
        } else {
            waiting.heard.push(heard.answer);
        }
        if waiting.copies > 0 || waiting.heard.is_empty() {
            return;
        }
        let heard = std::mem::take(&mut waiting.heard);
        let refusals: Vec<&Fault> = heard.iter().filter_map(|answer| answer.as_ref().err()).collect();
        if refusals.len() < heard.len() {
            self.outbox.remove(place);
        } else if let Some(fault) = refusals.iter().find(|fault| fault.kind == Persistence::Temporary) {
            self.wait(fault, now);
        } else {
            self.drop_refused(place, ledger);
        }
    }

    /// Waits as long as it is told. A server that forgot this client, or went back in time, misses commands that it
    /// has answered: the first that is left then follows what the server has.
    fn wait(&mut self, fault: &Fault, now: Timestamp) {
        let asked = fault.retry_after_ms.map_or(AGAIN_MICROS, |wait| i64::from(wait.0) * 1_000);
        self.again_at = self.again_at.max(now.shifted(asked));
        if let (ErrorCode::OutOfOrder, Some(highest)) = (fault.code, fault.highest)
            && let Some(first) = self.outbox.front_mut().filter(|first| first.frame.n > highest)
        {
            first.frame.after = first.frame.after.min(highest);
        }
    }

    /// Whatever followed a refused command follows the one before it instead.
    fn drop_refused(&mut self, place: usize, ledger: &Ledger) {
        let Some(Waiting { frame, .. }) = self.outbox.remove(place) else { return };
        for behind in self.outbox.iter_mut().filter(|waiting| waiting.frame.after == frame.n) {
            behind.frame.after = frame.after;
        }
        if self.tail == frame.n {
            self.tail = frame.after;
        }
        ledger.refused(self.to, frame.id);
    }
}
