//! A phone that keeps a queue, as clients do, on a floor with bad signal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use spotter_actors::{Answer, Ask, Engine, ReplyTo};
use spotter_protocol::{
    Address, ClientId, CommandFrame, CommandId, ErrorCode, Persistence, Timestamp, UserId, Version,
};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{GYM, wishes};

/// Blocks of commands that one phone sends.
const BLOCKS: usize = 12;
/// The most commands of a block.
const BLOCK_MAX: usize = 24;
const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;

/// A command and what its sender was told in the end.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) frame: CommandFrame,
    pub(crate) author: UserId,
    /// The version it reached, or why it was refused for good.
    pub(crate) outcome: Result<Version, ErrorCode>,
}

/// One installation that sends to one entity.
pub(crate) struct Phone {
    to: Address,
    author: UserId,
    client: ClientId,
    chance: StdRng,
    /// How far its clock is ahead, in microseconds.
    ahead: i64,
    n: u64,
    /// The number that the next command follows.
    tail: u64,
}

impl Phone {
    pub(crate) fn new(to: Address, author: UserId, client: u128, mut chance: StdRng) -> Self {
        let ahead = if chance.random() { 0 } else { chance.random_range(-HOUR..HOUR) };
        Self { to, author, client: ClientId(Uuid::from_u128(client)), chance, ahead, n: 0, tail: 0 }
    }

    /// Sends block after block, now and then after hours without signal; answers what it was told of each.
    pub(crate) async fn train(mut self, engine: Arc<Engine>) -> Vec<Told> {
        let mut told = Vec::new();
        for block in 0..BLOCKS {
            let pause = Duration::from_millis(self.chance.random_range(0..900));
            tokio::time::sleep(pause).await;
            let away =
                if self.chance.random_range(0..4) == 0 { self.chance.random_range(0..HOUR) } else { 0 };
            let pending = self.block(engine.clock().now(), away, block == 0);
            self.sync(&engine, pending, &mut told).await;
        }
        told
    }

    /// The commands of a block: each follows the one before it, at its own time by this phone's clock.
    fn block(&mut self, now: Timestamp, away: i64, is_first: bool) -> Vec<CommandFrame> {
        let count = self.chance.random_range(1..=BLOCK_MAX);
        let mut pending = Vec::with_capacity(count);
        for k in 0..count {
            let at = now.0 - away + away * k as i64 / count as i64 + self.ahead;
            let command = wishes::wish(&mut self.chance, self.to, Timestamp(at), is_first && k == 0);
            self.n += 1;
            pending.push(CommandFrame {
                req: self.n,
                id: CommandId(Uuid::from_u128(self.client.0.as_u128() << 64 | u128::from(self.n))),
                client: self.client,
                n: self.n,
                after: self.tail,
                at: Timestamp(at),
                to: self.to,
                command,
            });
            self.tail = self.n;
        }
        pending
    }

    /// Sends what is pending until everything is answered for good. Some is sent twice, some out of order, and
    /// some answers do not arrive.
    async fn sync(&mut self, engine: &Engine, mut pending: Vec<CommandFrame>, told: &mut Vec<Told>) {
        while !pending.is_empty() {
            let mut sent = pending.clone();
            if self.chance.random_range(0..4) == 0 {
                sent.extend(pending.iter().filter(|_| self.chance.random_range(0..3) == 0).cloned());
            }
            if self.chance.random_range(0..5) == 0 {
                sent.shuffle(&mut self.chance);
            }
            let answers: Vec<_> = sent
                .into_iter()
                .map(|frame| {
                    let answer = self.send(engine, frame.clone());
                    (frame, answer)
                })
                .collect();
            let mut heard: BTreeMap<u64, (CommandFrame, Vec<Answer>)> = BTreeMap::new();
            for (frame, answer) in answers {
                let (_, answers) = heard.entry(frame.n).or_insert_with(|| (frame, Vec::new()));
                answers.push(answer.await.unwrap());
            }
            let mut wait = 0;
            for (frame, answers) in heard.into_values() {
                if self.chance.random_range(0..12) == 0 {
                    continue;
                }
                // Of two copies under way at once, one may be refused and the other done a moment later, or its
                // outcome be unknown.
                let done = answers.iter().find_map(|answer| answer.as_ref().ok());
                let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
                match (done, refused.max_by_key(|fault| fault.kind == Persistence::Temporary)) {
                    (Some(done), _) => self.settle(&mut pending, frame, Ok(done.version), told),
                    (None, Some(fault)) if fault.kind == Persistence::Permanent => {
                        self.settle(&mut pending, frame, Err(fault.code), told);
                    }
                    (None, fault) => {
                        let asked = fault.and_then(|fault| fault.retry_after_ms);
                        wait = wait.max(asked.map_or(20, |wait| wait.0));
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(wait.into())).await;
        }
    }

    /// Takes an answered command out of the queue; what followed a refused one follows the one before it.
    fn settle(
        &mut self,
        pending: &mut Vec<CommandFrame>,
        frame: CommandFrame,
        outcome: Result<Version, ErrorCode>,
        told: &mut Vec<Told>,
    ) {
        let Some(place) = pending.iter().position(|waiting| waiting.n == frame.n) else { return };
        let frame = pending.remove(place);
        if outcome.is_err() {
            let behind = pending.iter_mut().filter(|waiting| waiting.after == frame.n);
            behind.for_each(|waiting| waiting.after = frame.after);
            if self.tail == frame.n {
                self.tail = frame.after;
            }
        }
        told.push(Told { frame, author: self.author, outcome });
    }

    fn send(&mut self, engine: &Engine, frame: CommandFrame) -> oneshot::Receiver<Answer> {
        let error = self.chance.random_range(-SECOND..SECOND);
        send(engine, self.author, frame, error - self.ahead)
    }
}

/// Sends a command over a connection that takes the device to be `-offset` ahead.
pub(crate) fn send(
    engine: &Engine,
    author: UserId,
    frame: CommandFrame,
    offset: i64,
) -> oneshot::Receiver<Answer> {
    let (done, answer) = oneshot::channel();
    let reply = ReplyTo::new(move |answer| drop(done.send(answer)));
    engine.dispatch(Ask::new(GYM, author, frame, offset, engine.clock().now(), reply));
    answer
}
