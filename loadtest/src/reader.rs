//! A second device or a coach: follows sessions, perhaps a room, and shows the ledger all that comes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use spotter_client::Closed;
use spotter_protocol::{
    Address, ClientFrame, EntityKind, EntityView, EventsFrame, Persistence, Reply, ServerFrame,
    SnapshotFrame, Subscribe, TilesFrame, Unsubscribe, UserId, Version,
};
use tokio::sync::{mpsc, watch};

use crate::coach::{self, Coach};
use crate::ledger::{Client, Ledger};
use crate::line::{Line, moment};
use crate::schedule::ReaderOrder;
use crate::shown::{said, set, sets, told};
use crate::tally::Tally;

/// How long a reader waits at the end for what it has not.
const WHOLE_WITHIN: Duration = Duration::from_secs(10);
/// Sessions of one athlete that are followed at once: the newest, and one that may still get late sets.
const SESSIONS_KEPT: usize = 2;
/// How often it looks then.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long after the last order a coach goes on trying.
const DRAINED_WITHIN: Duration = Duration::from_secs(30);

/// A reader.
pub(crate) struct Reader {
    /// Its number in the ledger.
    pub(crate) number: usize,
    pub(crate) run: u32,
    pub(crate) line: Line,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) tally: Arc<Tally>,
    /// What is followed, with the version held.
    pub(crate) followed: BTreeMap<Address, Option<Version>>,
    /// Whose connection it is, if that is a coach's.
    pub(crate) coach: Option<Coach>,
}

/// What changes while a reader runs.
#[derive(Default)]
struct State {
    /// Which subscription a request is, and since when it is wanted.
    asking: HashMap<u64, (Address, Instant)>,
    /// Subscriptions that were refused for now: when each is asked for again, and since when it is wanted.
    refused: Vec<(Instant, Address, Instant)>,
    /// Since when the connection stands, or stood.
    opened_at: Option<Instant>,
    /// Since when it was away, until all is followed again.
    resuming: Option<Instant>,
    /// The wait after each frame.
    slowly: Option<Duration>,
    /// Whether its owner has gone.
    is_away: bool,
    /// Until when nothing is read.
    frozen: Option<Instant>,
    /// When it last began to read again, or came back.
    thawed: Option<Instant>,
}

impl State {
    /// Whether all that is followed was answered.
    fn follows_all(&self) -> bool {
        self.asking.is_empty() && self.refused.is_empty()
    }

    /// Nothing is asked any more: the connection is gone.
    fn ask_nothing(&mut self) {
        self.asking.clear();
        self.refused.clear();
    }

    /// Whether the reader itself kept something that was due then waiting; that says nothing about the server.
    fn is_slow(&self, planned: Instant) -> bool {
        self.slowly.is_some() || self.thawed.is_some_and(|thawed| planned <= thawed)
    }
}

impl Reader {
    /// Follows what it is told until `ended`, and then until it has all that was acknowledged. Lets go of `talking` when
    /// it has nothing more to say.
    pub(crate) async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<(ReaderOrder, Instant)>,
        mut ended: watch::Receiver<bool>,
        ready: mpsc::Sender<()>,
        talking: mpsc::Sender<()>,
    ) {
        let (mut state, mut ready, mut until) = (State::default(), Some(ready), None);
        let (mut talking, mut talks_until) = (Some(talking), None);
        loop {
            self.talk(&mut state).await;
            if self.line.is_up() && state.follows_all() {
                ready = None;
            }
            if orders.is_closed() && orders.is_empty() && talking.is_some() {
                let last = *talks_until.get_or_insert_with(|| Instant::now() + DRAINED_WITHIN);
                if self.coach.as_ref().is_none_or(Coach::is_idle) || Instant::now() >= last {
                    self.coach.iter_mut().for_each(|coach| coach.talk.give_up());
                    (talking, talks_until) = (None, None);
                }
            }
            let (due, frozen) = (self.line.due(), state.frozen);
            let held = self.coach.as_ref().and_then(|coach| coach.talk.held());
            let refused = state.refused.iter().map(|(again, ..)| *again).min();
            let look = until.map(|_| Instant::now() + LOOK_EVERY);
            tokio::select! {
                order = orders.recv(), if !orders.is_closed() || !orders.is_empty() => {
                    if let Some((order, given)) = order {
                        self.take(order, given, &mut state).await;
                    }
                }
                frame = self.line.next(), if frozen.is_none() => self.hear(frame, &mut state).await,
                () = moment(frozen) => (state.frozen, state.thawed) = (None, frozen),
                () = moment(due) => self.open(&mut state).await,
                () = moment(refused) => self.ask_again(&mut state).await,
                () = moment(held) => self.coach.iter_mut().for_each(|coach| coach.talk.release()),
                () = coach::read(self.coach.as_mut()) => {}
                _ = ended.changed(), if until.is_none() => {
                    until = Some(Instant::now() + WHOLE_WITHIN);
                    self.line.signal();
                }
                () = moment(look) => {}
                () = moment(talks_until) => {}
            }
            let is_back = self.line.is_up() && state.follows_all() && orders.is_empty();
            if let Some(until) = until
                && (Instant::now() >= until || (is_back && self.ledger().is_whole(self.number)))
            {
                break;
            }
        }
        drop((ready, talking));
        self.line.close().await;
    }

    /// Sends what a coach has to say.
    async fn talk(&mut self, state: &mut State) {
        if let Some(coach) = &mut self.coach
            && let Err(closed) = coach.talk.send(&mut self.line).await
        {
            self.lose(&closed, state);
        }
    }

    async fn take(&mut self, order: ReaderOrder, given: Instant, state: &mut State) {
        match order {
            ReaderOrder::Follow(to) => {
                self.followed.insert(to, None);
                self.coach.iter_mut().for_each(|coach| coach.sees(to));
                if self.line.is_up() {
                    self.subscribe(to, given, state).await;
                    self.leave_old(to.owner, state).await;
                }
            }
            ReaderOrder::Cut => {
                state.ask_nothing();
                self.coach.iter_mut().for_each(|coach| coach.talk.resend());
                self.line.cut(!state.is_away);
                match state.is_away {
                    true => self.ledger().lost_signal(Client::Reader(self.number)),
                    false => self.ledger().left(Client::Reader(self.number)),
                }
            }
            ReaderOrder::Here(false) => {
                state.ask_nothing();
                self.coach.iter_mut().for_each(|coach| coach.talk.leave());
                state.is_away = true;
                self.line.leave().await;
                self.ledger().lost_signal(Client::Reader(self.number));
            }
            ReaderOrder::Here(true) => {
                (state.is_away, state.thawed) = (false, Some(Instant::now()));
                self.coach.iter_mut().for_each(|coach| coach.talk.signal());
                self.line.signal();
                self.ledger().left(Client::Reader(self.number));
            }
            ReaderOrder::Coach(task) => {
                let Some(coach) = &mut self.coach else { return };
                // As of a phone: late is only what nothing but this generator kept waiting.
                let is_ready =
                    self.line.is_up() && state.opened_at.is_some_and(|opened_at| opened_at <= given);
                let is_free = is_ready && coach.talk.is_sent();
                coach.act(task, given);
                let says = !coach.talk.is_sent();
                self.talk(state).await;
                if is_free && says && self.coach.as_ref().is_some_and(|coach| coach.talk.is_sent()) {
                    self.tally.sent(given);
                }
            }
            ReaderOrder::Slowly(wait) => (state.slowly, state.thawed) = (wait, Some(Instant::now())),
            ReaderOrder::Freeze(length) => state.frozen = Some(given + length),
        }
    }

    async fn open(&mut self, state: &mut State) {
        // A refused attempt is counted where it is made, and made again.
        let Ok(same_history) = self.line.open().await else { return };
        if !same_history {
            self.followed.values_mut().for_each(|held| *held = None);
        }
        state.opened_at = Some(Instant::now());
        state.resuming = self.line.back();
        for to in self.followed.keys().copied().collect::<Vec<_>>() {
            self.subscribe(to, Instant::now(), state).await;
        }
        if self.line.is_up() && state.follows_all() {
            self.ledger().came(Client::Reader(self.number), self.line.node());
        }
    }

    /// Asks again for what was refused for now, as far as it is still followed.
    async fn ask_again(&mut self, state: &mut State) {
        let now = Instant::now();
        let due: Vec<_> = state.refused.extract_if(.., |(again, ..)| *again <= now).collect();
        for (_, to, wanted) in due {
            if self.followed.contains_key(&to) {
                self.subscribe(to, wanted, state).await;
            }
        }
        self.settle(state);
    }

    async fn subscribe(&mut self, to: Address, wanted: Instant, state: &mut State) {
        let (req, since) = (self.line.req(), self.followed.get(&to).copied().flatten());
        state.asking.insert(req, (to, wanted));
        let subscribe = Subscribe { req, to, since, view: None };
        if let Err(closed) = self.line.send(&ClientFrame::Subscribe(subscribe)).await {
            self.lose(&closed, state);
        }
    }

    /// Follows the oldest session of somebody no more, when there are several later ones and all of it has come: a server
    /// lets a connection follow only so many.
    async fn leave_old(&mut self, owner: UserId, state: &mut State) {
        let of_owner = |to: &&Address| to.kind == EntityKind::Session && to.owner == owner;
        let sessions: Vec<_> = self.followed.keys().filter(of_owner).copied().collect();
        let Some(oldest) = sessions.first().copied().filter(|_| sessions.len() > SESSIONS_KEPT) else {
            return;
        };
        if !self.ledger().leave(oldest, self.number) {
            return;
        }
        self.followed.remove(&oldest);
        let unsubscribe = Unsubscribe { req: self.line.req(), to: oldest };
        if let Err(closed) = self.line.send(&ClientFrame::Unsubscribe(unsubscribe)).await {
            self.lose(&closed, state);
        }
    }

    fn lose(&mut self, closed: &Closed, state: &mut State) {
        state.ask_nothing();
        self.coach.iter_mut().for_each(|coach| coach.talk.resend());
        self.line.lose(closed);
        self.ledger().left(Client::Reader(self.number));
    }

    async fn hear(&mut self, frame: Result<ServerFrame, Closed>, state: &mut State) {
        match frame {
            Ok(ServerFrame::Events(events)) => self.hear_events(&events, state),
            Ok(ServerFrame::Snapshot(snapshot)) => self.hear_snapshot(&snapshot),
            Ok(ServerFrame::Tiles(tiles)) => self.hear_tiles(&tiles, state),
            Ok(ServerFrame::Reply(reply)) => self.hear_reply(&reply, state),
            Ok(ServerFrame::Revoked(revoked)) => {
                self.followed.remove(&revoked.to);
                self.tally.failed("subscribe", "revoked");
            }
            Ok(
                ServerFrame::Welcome(_)
                | ServerFrame::Signal(_)
                | ServerFrame::GoAway(_)
                | ServerFrame::Pong(_),
            ) => {}
            Err(closed) => return self.lose(&closed, state),
        }
        if let Some(wait) = state.slowly {
            state.frozen = state.frozen.max(Some(Instant::now() + wait));
        }
    }

    fn hear_events(&mut self, EventsFrame { to, events }: &EventsFrame, state: &State) {
        if let Some(held) = self.followed.get_mut(to) {
            *held = (*held).max(events.last().map(|event| event.v));
        }
        if *to == Address::room(to.owner) && self.followed.contains_key(to) {
            return;
        }
        let mut ledger = self.ledger();
        for event in events {
            let (kind, planned) = match said(&event.ev, self.run) {
                Some((kind, word)) => (kind, ledger.word(self.number, *to, event.v, word)),
                None => ("delivery", ledger.event(self.number, *to, event.v, set(&event.ev, self.run))),
            };
            if let Some(planned) = planned {
                self.tally.done(if state.is_slow(planned) { "slow_delivery" } else { kind }, planned);
            }
        }
    }

    fn hear_snapshot(&mut self, SnapshotFrame { to, v, state, .. }: &SnapshotFrame) {
        if let Some(held) = self.followed.get_mut(to) {
            *held = Some(*v);
        }
        if !matches!(state, EntityView::Room(_)) {
            let mut ledger = self.ledger();
            ledger.snapshot(self.number, *to, *v, &sets(state, self.run));
            ledger.told(self.number, *to, &told(state, self.run));
        }
    }

    fn hear_tiles(&self, TilesFrame { tiles, full, .. }: &TilesFrame, state: &State) {
        let mut ledger = self.ledger();
        for tile in tiles {
            let newest = tile.glance.as_ref().map(|glance| (glance.session, glance.v, glance.done));
            let planned = ledger.tile(self.number, tile.athlete, newest);
            if let Some(planned) = planned.filter(|planned| !full && !state.is_slow(*planned)) {
                self.tally.done("tile", planned);
            }
        }
    }

    fn hear_reply(&mut self, reply: &Reply, state: &mut State) {
        let Some((to, wanted)) = reply.req.and_then(|req| state.asking.remove(&req)) else {
            let slow = |planned| state.is_slow(planned);
            self.coach.iter_mut().for_each(|coach| coach.talk.hear(reply, slow));
            return;
        };
        match &reply.error {
            None => self.tally.done(if state.is_slow(wanted) { "slow_answer" } else { "subscribe" }, wanted),
            Some(fault) if fault.kind == Persistence::Temporary => {
                state.refused.push((self.tally.refused_for_now(reply), to, wanted));
            }
            Some(fault) => {
                self.tally.failed("subscribe", &format!("{} {}", to.kind.as_str(), fault.code.as_str()))
            }
        }
        self.settle(state);
    }

    /// Tells the ledger, when all that is followed was answered.
    fn settle(&self, state: &mut State) {
        if self.line.is_up() && state.follows_all() {
            self.ledger().came(Client::Reader(self.number), self.line.node());
            if let Some(lost_at) = state.resuming.take() {
                self.tally.done("resume", lost_at);
            }
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
