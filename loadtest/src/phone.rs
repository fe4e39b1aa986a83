//! An athlete's phone: it logs what is due, and sends it until it is answered, whatever becomes of the connection.

mod log;
mod play;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use spotter_client::{Answered, Closed, Heard, Outbox};
use spotter_protocol::{
    Address, ClientFrame, Command, CommandId, EventsFrame, Reply, ServerFrame, SnapshotFrame, TilesFrame,
    UserId, Version,
};
use tokio::sync::mpsc;

use crate::athlete::now;
use crate::ledger::{Client, Ledger};
use crate::line::{Line, moment};
use crate::schedule::{PhoneOrder, ReaderOrder};
use crate::talk::Talk;
use crate::tally::Tally;

/// How long after the last order a phone goes on trying.
const DRAINED_WITHIN: Duration = Duration::from_secs(30);

/// Orders of a reader, with the moment they were given.
pub(crate) type ReaderOrders = mpsc::UnboundedSender<(ReaderOrder, Instant)>;

/// Whose phone it is.
pub(crate) struct Owner {
    pub(crate) user: UserId,
    pub(crate) run: u32,
    pub(crate) gym: u16,
    /// Of all athletes of the run.
    pub(crate) athlete: u32,
    pub(crate) note_bytes: usize,
    /// Whether it begins a session as it comes; else its orders say when.
    pub(crate) opens: bool,
    /// Of the gym, in order.
    pub(crate) coaches: Arc<[UserId]>,
    /// Readers that follow each session, by their numbers in the ledger.
    pub(crate) followers: Vec<(usize, ReaderOrders)>,
}

/// A phone.
pub(crate) struct Phone {
    owner: Owner,
    line: Line,
    ledger: Arc<Mutex<Ledger>>,
    tally: Arc<Tally>,
    /// The session under way, and those before it that still wait for answers.
    sessions: Vec<Session>,
    waiting: HashMap<CommandId, Waiting>,
    /// Messages to coaches.
    talk: Talk,
    /// Sets so far.
    number: u32,
    has_signal: bool,
    /// Whether its owner has gone.
    is_away: bool,
    /// Since when the connection stands, or stood.
    opened_at: Option<Instant>,
    /// When the signal came back with commands waiting.
    back_at: Option<Instant>,
    /// No command is sent before: the server asked for a pause.
    hold_until: Option<Instant>,
}

struct Session {
    to: Address,
    outbox: Outbox,
    sets: u32,
    commands: u32,
}

/// A command without an answer.
struct Waiting {
    kind: &'static str,
    /// When it was due; of one made without signal, when it could first be sent.
    planned: Option<Instant>,
    number: Option<u32>,
}

impl Phone {
    pub(crate) fn new(owner: Owner, line: Line, ledger: Arc<Mutex<Ledger>>, tally: Arc<Tally>) -> Self {
        let talk = Talk::new(owner.user, owner.run, &line, Arc::clone(&ledger), Arc::clone(&tally));
        Self {
            talk,
            owner,
            line,
            ledger,
            tally,
            sessions: Vec::new(),
            waiting: HashMap::new(),
            number: 0,
            has_signal: true,
            is_away: false,
            opened_at: None,
            back_at: None,
            hold_until: None,
        }
    }

    /// Connects and starts a session; then follows orders until there are no more and all is answered.
    pub(crate) async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<(PhoneOrder, Instant)>,
        started: mpsc::Sender<()>,
    ) {
        let mut started = Some(started);
        let mut until = None;
        if self.owner.opens {
            self.begin(Instant::now());
        }
        loop {
            if let Err(closed) = self.send().await {
                self.lose(&closed);
            }
            if self.waiting.is_empty() && self.talk.is_idle() {
                if let Some(back_at) = self.back_at.take() {
                    self.tally.done("sync", back_at);
                }
                if self.line.is_up() {
                    // Whoever waits for all phones hears that this one is ready.
                    started = None;
                }
                if until.is_some() && (self.line.is_up() || !self.has_signal) {
                    break;
                }
            }
            let (due, held, quiet) = (self.line.due(), self.hold_until, self.talk.held());
            tokio::select! {
                order = orders.recv(), if until.is_none() => match order {
                    Some((order, planned)) => self.take(order, planned).await,
                    None => {
                        until = Some(Instant::now() + DRAINED_WITHIN);
                        // The longest wait before connecting again is longer than the run waits.
                        if self.has_signal {
                            self.line.signal();
                        }
                    }
                },
                frame = self.line.next() => match frame {
                    Ok(frame) => self.hear(frame),
                    Err(closed) => self.lose(&closed),
                },
                () = moment(due) => self.open().await,
                () = moment(held) => self.hold_until = None,
                () = moment(quiet) => self.talk.release(),
                () = moment(until) => break,
            }
        }
        drop(started);
        for waiting in self.waiting.values() {
            self.tally.failed(waiting.kind, "unanswered");
        }
        self.talk.give_up();
        self.line.close().await;
    }

    async fn open(&mut self) {
        // A refused attempt is counted where it is made, and made again.
        if self.line.open().await.is_err() {
            return;
        }
        self.opened_at = Some(Instant::now());
        self.ledger().came(self.client(), self.line.node());
        if let Some(lost_at) = self.line.back() {
            self.tally.done("resume", lost_at);
        }
    }

    fn lose(&mut self, closed: &Closed) {
        self.line.lose(closed);
        self.ledger().left(self.client());
        self.resend();
    }

    fn resend(&mut self) {
        self.sessions.iter_mut().for_each(|session| session.outbox.resend());
        self.talk.resend();
    }

    async fn take(&mut self, order: PhoneOrder, planned: Instant) {
        match order {
            PhoneOrder::Log(task) => self.act(planned, |phone| phone.log(task, planned)).await,
            PhoneOrder::Play(act) => self.act(planned, |phone| phone.play(act, planned)).await,
            PhoneOrder::Cut | PhoneOrder::Signal(false) => {
                self.has_signal &= order == PhoneOrder::Cut;
                let comes_back = self.has_signal && !self.is_away;
                self.line.cut(comes_back);
                match comes_back {
                    true => self.ledger().left(self.client()),
                    false => self.ledger().lost_signal(self.client()),
                }
                self.resend();
            }
            PhoneOrder::Signal(true) => {
                self.has_signal = true;
                if !self.is_away {
                    self.come_back();
                    self.back_at = (!self.waiting.is_empty()).then(Instant::now);
                }
            }
            PhoneOrder::Here(false) => {
                self.is_away = true;
                self.waiting.values_mut().for_each(|waiting| waiting.planned = None);
                self.talk.leave();
                self.line.leave().await;
                self.ledger().lost_signal(self.client());
                self.resend();
            }
            PhoneOrder::Here(true) => {
                self.is_away = false;
                if self.has_signal {
                    let now = Instant::now();
                    self.waiting.values_mut().for_each(|waiting| _ = waiting.planned.get_or_insert(now));
                    self.come_back();
                }
            }
        }
    }

    /// Does what makes commands. How late they leave is the generator's own where nothing else was in the way.
    async fn act(&mut self, planned: Instant, doing: impl FnOnce(&mut Self)) {
        // What was due before the connection stood, or waits for the answers to earlier commands, is late by no fault of
        // this generator.
        let is_ready = self.line.is_up() && self.opened_at.is_some_and(|opened_at| opened_at <= planned);
        let is_free = is_ready && self.is_sent();
        doing(self);
        if is_free && self.send().await.is_ok() && self.is_sent() {
            self.tally.sent(planned);
        }
    }

    /// Whether all that was made is under way.
    fn is_sent(&self) -> bool {
        self.sessions.iter().all(|session| session.outbox.is_sent()) && self.talk.is_sent()
    }

    /// Connects again, after the scenario kept it away.
    fn come_back(&mut self) {
        self.talk.signal();
        self.line.signal();
        self.ledger().left(self.client());
    }

    fn push(&mut self, kind: &'static str, command: Command, planned: Instant, number: Option<u32>) {
        let has_signal = self.has_signal;
        let Some(session) = self.sessions.last_mut() else { return };
        session.commands += 1;
        let id = session.outbox.push(command, now());
        let to = session.to;
        self.ledger().sent(to, number.filter(|_| has_signal).map(|number| (number, planned)));
        let kind = if has_signal || number.is_none() { kind } else { "late_set" };
        self.waiting.insert(id, Waiting { kind, planned: has_signal.then_some(planned), number });
    }

    /// Sends what may be under way.
    async fn send(&mut self) -> Result<(), Closed> {
        if !self.line.is_up() || self.hold_until.is_some() {
            return Ok(());
        }
        for session in &mut self.sessions {
            while let Some(frame) = session.outbox.send(self.line.req()) {
                self.line.send(&ClientFrame::Command(frame)).await?;
            }
        }
        self.talk.send(&mut self.line).await
    }

    fn hear(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Reply(reply) => self.hear_reply(&reply),
            // A phone that follows nothing is told of nothing.
            ServerFrame::Snapshot(SnapshotFrame { to, .. })
            | ServerFrame::Events(EventsFrame { to, .. })
            | ServerFrame::Tiles(TilesFrame { to, .. }) => self.ledger().unasked(to),
            ServerFrame::Welcome(_)
            | ServerFrame::Signal(_)
            | ServerFrame::Revoked(_)
            | ServerFrame::GoAway(_)
            | ServerFrame::Pong(_) => {}
        }
    }

    fn hear_reply(&mut self, reply: &Reply) {
        let heard =
            self.sessions.iter_mut().find_map(|session| Some((session.to, session.outbox.reply(reply)?)));
        let Some((to, heard)) = heard else { return self.talk.hear(reply, |_| false) };
        match heard {
            Heard::Answered(Answered { command, outcome }) => {
                let Some(waiting) = self.waiting.remove(&command) else { return };
                match outcome {
                    Ok(version) => self.acknowledged(to, &waiting, version),
                    Err(fault) => {
                        self.ledger().refused(to);
                        self.tally.failed(waiting.kind, fault.code.as_str());
                    }
                }
            }
            Heard::Again => self.hold_until = Some(self.tally.refused_for_now(reply)),
        }
    }

    fn acknowledged(&mut self, to: Address, waiting: &Waiting, version: Version) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.acknowledged(to, waiting.number, version);
        if waiting.kind == "start" {
            // Who follows a session that is not there is refused; so they are told now.
            for (reader, orders) in &self.owner.followers {
                ledger.follow(to, *reader);
                // One who has hung up is missed when the ledger is settled.
                let _ = orders.send((ReaderOrder::Follow(to), Instant::now()));
            }
            let is_over = |session: &mut Session| session.to != to && session.outbox.is_empty();
            self.sessions.extract_if(.., is_over).for_each(|session| ledger.close(session.to));
        }
        if waiting.kind == "finish" {
            ledger.finished(to);
        }
        drop(ledger);
        if let Some(planned) = waiting.planned.or(self.back_at) {
            self.tally.done(waiting.kind, planned);
        }
    }

    const fn client(&self) -> Client {
        Client::Phone(self.owner.athlete as usize)
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
