//! A second device or a coach: follows sessions, perhaps a room, and shows the ledger all that comes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use spotter_client::Closed;
use spotter_protocol::{
    Address, ClientFrame, EntityView, Event, EventsFrame, Reply, ServerFrame, SessionEvent, SetId, SetStatus,
    Shown, SnapshotFrame, Subscribe, TilesFrame, Version,
};
use tokio::sync::{mpsc, watch};

use crate::ledger::{Client, Ledger, Set, Stamp};
use crate::line::{Line, moment};
use crate::schedule::ReaderOrder;
use crate::tally::Tally;

/// How long a reader waits at the end for what it has not.
const WHOLE_WITHIN: Duration = Duration::from_secs(10);
/// How often it looks then.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
}

/// What changes while a reader runs.
#[derive(Default)]
struct State {
    /// Which subscription a request is, and since when it is wanted.
    asking: HashMap<u64, (Address, Instant)>,
    /// Since when it was away, until all is followed again.
    resuming: Option<Instant>,
    /// The wait after each frame.
    slowly: Option<Duration>,
    /// Until when nothing is read.
    frozen: Option<Instant>,
    /// When it last began to read again.
    thawed: Option<Instant>,
}

impl State {
    /// Whether the reader itself kept something that was due then waiting; that says nothing about the server.
    fn is_slow(&self, planned: Instant) -> bool {
        self.slowly.is_some() || self.thawed.is_some_and(|thawed| planned < thawed)
    }
}

impl Reader {
    /// Follows what it is told until `ended`, and then until it has all that was acknowledged.
    pub(crate) async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<(ReaderOrder, Instant)>,
        mut ended: watch::Receiver<bool>,
        ready: mpsc::Sender<()>,
    ) {
        let (mut state, mut ready, mut until) = (State::default(), Some(ready), None);
        loop {
            if self.line.is_up() && state.asking.is_empty() {
                ready = None;
            }
            let (due, frozen) = (self.line.due(), state.frozen);
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
                _ = ended.changed(), if until.is_none() => {
                    until = Some(Instant::now() + WHOLE_WITHIN);
                    self.line.signal();
                }
                () = moment(look) => {}
            }
            let is_back = self.line.is_up() && state.asking.is_empty() && orders.is_empty();
            if let Some(until) = until
                && (Instant::now() >= until || (is_back && self.ledger().is_whole(self.number)))
            {
                break;
            }
        }
        drop(ready);
        self.line.close().await;
    }

    async fn take(&mut self, order: ReaderOrder, given: Instant, state: &mut State) {
        match order {
            ReaderOrder::Follow(to) => {
                self.followed.insert(to, None);
                if self.line.is_up() {
                    self.subscribe(to, given, state).await;
                }
            }
            ReaderOrder::Cut => {
                state.asking.clear();
                self.line.cut(true);
                self.ledger().left(Client::Reader(self.number));
            }
            ReaderOrder::Slowly(wait) => state.slowly = wait,
            ReaderOrder::Freeze(length) => state.frozen = Some(given + length),
        }
    }

    async fn open(&mut self, state: &mut State) {
        // A refused attempt is counted where it is made, and made again.
        let Ok(same_history) = self.line.open().await else { return };
        if !same_history {
            self.followed.values_mut().for_each(|held| *held = None);
        }
        state.resuming = self.line.back();
        for to in self.followed.keys().copied().collect::<Vec<_>>() {
            self.subscribe(to, Instant::now(), state).await;
        }
        if self.line.is_up() && state.asking.is_empty() {
            self.ledger().came(Client::Reader(self.number));
        }
    }

    async fn subscribe(&mut self, to: Address, wanted: Instant, state: &mut State) {
        let (req, since) = (self.line.req(), self.followed.get(&to).copied().flatten());
        state.asking.insert(req, (to, wanted));
        let subscribe = Subscribe { req, to, since, view: None };
        if let Err(closed) = self.line.send(&ClientFrame::Subscribe(subscribe)).await {
            self.lose(&closed, state);
        }
    }

    fn lose(&mut self, closed: &Closed, state: &mut State) {
        state.asking.clear();
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
            tokio::time::sleep(wait).await;
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
            let planned = ledger.event(self.number, *to, event.v, set(&event.ev, self.run));
            if let Some(planned) = planned {
                let kind = if state.is_slow(planned) { "slow_delivery" } else { "delivery" };
                self.tally.done(kind, planned);
            }
        }
    }

    fn hear_snapshot(&mut self, SnapshotFrame { to, v, state, .. }: &SnapshotFrame) {
        if let Some(held) = self.followed.get_mut(to) {
            *held = Some(*v);
        }
        if let EntityView::Session(_) = state {
            self.ledger().snapshot(self.number, *to, *v, &sets(state, self.run));
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

    fn hear_reply(&self, reply: &Reply, state: &mut State) {
        let Some((to, wanted)) = reply.req.and_then(|req| state.asking.remove(&req)) else { return };
        match &reply.error {
            None => self.tally.done("subscribe", wanted),
            Some(fault) => {
                self.tally.failed("subscribe", &format!("{} {}", to.kind.as_str(), fault.code.as_str()))
            }
        }
        if state.asking.is_empty() {
            self.ledger().came(Client::Reader(self.number));
            if let Some(lost_at) = state.resuming.take() {
                self.tally.done("resume", lost_at);
            }
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The set that an event logs.
pub(crate) fn set(event: &Shown, run: u32) -> Set {
    match event {
        Shown::Event(Event::Session(SessionEvent::SetCompleted(completed))) => stamped(completed.set, run),
        Shown::Event(_) | Shown::Hidden | Shown::Unknown(_) => Set::None,
    }
}

/// The sets that a session holds as done.
pub(crate) fn sets(state: &EntityView, run: u32) -> Vec<Set> {
    let EntityView::Session(session) = state else { return Vec::new() };
    let sets = session.exercises.iter().flat_map(|exercise| &exercise.sets);
    sets.filter(|set| set.status == SetStatus::Performed).map(|set| stamped(set.set, run)).collect()
}

fn stamped(set: SetId, run: u32) -> Set {
    Stamp::read(set, run).map_or(Set::Unmarked, Set::Of)
}
