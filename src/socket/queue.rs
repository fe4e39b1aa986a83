//! What waits to be written to one socket, bounded in bytes, and what of it is taken back when the right to see
//! it ends.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use spotter_protocol::{
    Address, CloseCode, Codec, GoAway, SERVER_FRAME_BYTES_MAX, ServerFrame, SignalFrame, SignalKey, UserId,
};
use tokio::sync::Notify;

/// Signals that wait for one socket; one of yet another entity, key or person is dropped.
const SIGNALS_MAX: usize = 64;

/// Bytes of states and missed events that may wait for one socket. They are asked for one after another, so more
/// comes together only when many views change, or many gaps are filled, at once.
const ASKED_BYTES_MAX: usize = 2 * SERVER_FRAME_BYTES_MAX;

/// Frames on their way to one socket. Anyone may push; the connection's task writes.
pub(crate) struct SendQueue {
    codec: Codec,
    bytes_max: usize,
    ready: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Waiting>,
    /// Bytes of the frames that nobody asked for: the ones that are bounded here.
    bytes: usize,
    /// Bytes of the frames that were asked for.
    asked: usize,
    /// Latest of each, beside the bound in bytes: they go when nothing else waits.
    signals: Vec<(Told, Bytes)>,
    /// The welcome was said, before which nothing is.
    welcomed: bool,
    close: Option<CloseCode>,
}

struct Waiting {
    shows: Shows,
    frame: Bytes,
    asked: bool,
}

/// What a frame lets its reader see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// Nothing of an entity: answers and goodbyes.
    Nothing,
    /// State or events of this entity.
    Entity(Address),
    /// Tiles of this room.
    Tiles(Address),
}

/// What a signal is of: a later one of the same takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    to: Address,
    key: SignalKey,
    by: UserId,
}

impl SendQueue {
    pub(crate) fn new(codec: Codec, bytes_max: usize) -> Self {
        Self { codec, bytes_max, ready: Notify::new(), state: Mutex::default() }
    }

    pub(crate) const fn codec(&self) -> Codec {
        self.codec
    }

    /// Adds a frame of this connection alone.
    pub(crate) fn send(&self, shows: Shows, frame: &ServerFrame) {
        self.push(shows, frame.encode(self.codec).into());
    }

    /// Adds an encoded frame. Over the bound, which a frame alone never is, the socket is closed as too slow, and
    /// what waited is dropped: its reader resumes from the versions it has.
    pub(crate) fn push(&self, shows: Shows, frame: Bytes) {
        self.add(Waiting { shows, frame, asked: false }, self.bytes_max);
    }

    /// Adds an encoded frame that was asked for: a state, or what was missed. It may be longer than the bound, and
    /// does not count towards it; instead nothing more is asked while it waits, see [`SendQueue::takes_requests`].
    pub(crate) fn answer(&self, shows: Shows, frame: Bytes) {
        self.add(Waiting { shows, frame, asked: true }, ASKED_BYTES_MAX);
    }

    /// Whether the answers to earlier requests are on their way, so that the next may be heard.
    pub(crate) fn takes_requests(&self) -> bool {
        self.lock().asked == 0
    }

    fn add(&self, waiting: Waiting, bytes_max: usize) {
        let mut state = self.lock();
        if state.close.is_some() {
            return;
        }
        let bytes = state.bytes_of(waiting.asked);
        *bytes += waiting.frame.len();
        if *bytes > bytes_max.max(waiting.frame.len()) {
            *state = State { close: Some(CloseCode::TooSlow), ..State::default() };
            metrics::counter!("spotter_ws_slow_consumer_total").increment(1);
        } else {
            state.frames.push_back(waiting);
            state.welcomed = true;
        }
        drop(state);
        self.ready.notify_one();
    }

    /// Tells a reader who was welcomed when to come back, and closes the socket.
    pub(crate) fn send_away(&self, go_away: GoAway) {
        let welcomed = self.lock().welcomed;
        if welcomed {
            self.send(Shows::Nothing, &ServerFrame::GoAway(go_away));
        }
        self.close(CloseCode::Restart);
    }

    /// Adds a signal, in the place of the one that waits of the same entity, key and person.
    pub(crate) fn signal(&self, signal: &SignalFrame, frame: Bytes) {
        let told = Told { to: signal.to, key: signal.key, by: signal.by };
        let mut state = self.lock();
        if state.close.is_some() {
            return;
        }
        if let Some((_, waiting)) = state.signals.iter_mut().find(|(waiting, _)| *waiting == told) {
            *waiting = frame;
        } else if state.signals.len() < SIGNALS_MAX {
            state.signals.push((told, frame));
        }
        drop(state);
        self.ready.notify_one();
    }

    /// Closes the socket after the frames that wait. The first reason counts.
    pub(crate) fn close(&self, code: CloseCode) {
        self.lock().close.get_or_insert(code);
        self.ready.notify_one();
    }

    /// Takes back everything of an entity that waits. What was handed to the socket before is not undone.
    pub(crate) fn discard(&self, address: Address) {
        let mut state = self.lock();
        state.discard(|shows| matches!(shows, Shows::Entity(of) | Shows::Tiles(of) if of == address));
        state.signals.retain(|(told, _)| told.to != address);
    }

    /// Takes back the tiles of a room that wait; answers whether there were any.
    pub(crate) fn discard_tiles(&self, room: Address) -> bool {
        self.lock().discard(|shows| shows == Shows::Tiles(room)) > 0
    }

    /// Comes when something waits to be written, or the socket is to be closed.
    pub(crate) async fn due(&self) {
        loop {
            let ready = self.ready.notified();
            if self.lock().is_due() {
                return;
            }
            ready.await;
        }
    }

    /// How many frames wait.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.lock();
        state.frames.len() + state.signals.len()
    }

    /// Takes the next frame: the oldest, and signals last.
    pub(crate) fn take(&self) -> Option<Bytes> {
        let mut state = self.lock();
        if let Some(Waiting { frame, asked, .. }) = state.frames.pop_front() {
            *state.bytes_of(asked) -= frame.len();
            if state.frames.is_empty() {
                // An idle socket keeps no room for a burst that is over.
                state.frames = VecDeque::new();
            }
            return Some(frame);
        }
        let frame = (!state.signals.is_empty()).then(|| state.signals.remove(0).1);
        if state.signals.is_empty() {
            state.signals = Vec::new();
        }
        frame
    }

    /// The code to close with, once everything before it is taken.
    pub(crate) fn closing(&self) -> Option<CloseCode> {
        let state = self.lock();
        state.close.filter(|_| state.frames.is_empty())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_due(&self) -> bool {
        !self.frames.is_empty() || !self.signals.is_empty() || self.close.is_some()
    }

    const fn bytes_of(&mut self, asked: bool) -> &mut usize {
        if asked { &mut self.asked } else { &mut self.bytes }
    }

    fn discard(&mut self, taken_back: impl Fn(Shows) -> bool) -> usize {
        let before = self.frames.len();
        self.frames.retain(|waiting| !taken_back(waiting.shows));
        let sum = |asked| {
            let of_them = self.frames.iter().filter(move |waiting| waiting.asked == asked);
            of_them.map(|waiting| waiting.frame.len()).sum()
        };
        (self.bytes, self.asked) = (sum(false), sum(true));
        let discarded = before - self.frames.len();
        metrics::counter!("spotter_ws_frames_discarded_total").increment(discarded as u64);
        discarded
    }
}

#[cfg(test)]
mod tests {
    use spotter_protocol::{Millis, SessionId, Timestamp};
    use uuid::Uuid;

    use super::*;

    const ANA: UserId = UserId(Uuid::from_u128(1));
    const BEA: UserId = UserId(Uuid::from_u128(2));

    const fn session(owner: UserId) -> Address {
        Address::session(owner, SessionId(Uuid::from_u128(7)))
    }

    fn heart_rate(of: UserId, value: i64) -> SignalFrame {
        SignalFrame { to: session(of), key: SignalKey::HeartRate, value, by: of, at: Timestamp(0) }
    }

    fn drain(queue: &SendQueue) -> Vec<Bytes> {
        std::iter::from_fn(|| queue.take()).collect()
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_is_closed_and_costs_nothing_more() {
        let queue = SendQueue::new(Codec::MsgPack, 100);
        for _ in 0..50 {
            queue.push(Shows::Nothing, Bytes::from_static(&[0; 40]));
        }

        queue.due().await;

        assert_eq!((queue.waiting(), queue.closing()), (0, Some(CloseCode::TooSlow)));
    }

    #[test]
    fn what_was_taken_makes_room() {
        let queue = SendQueue::new(Codec::MsgPack, 100);
        for _ in 0..50 {
            queue.push(Shows::Nothing, Bytes::from_static(&[0; 40]));
            assert!(queue.take().is_some());
        }
        assert_eq!(queue.closing(), None);
    }

    #[test]
    fn a_state_longer_than_the_bound_is_sent_and_news_go_on_behind_it() {
        let queue = SendQueue::new(Codec::MsgPack, 100);
        queue.answer(Shows::Entity(session(ANA)), Bytes::from_static(&[0; 5000]));
        queue.push(Shows::Entity(session(ANA)), Bytes::from_static(b"news"));

        assert!(!queue.takes_requests(), "nothing more is asked meanwhile");
        assert_eq!(queue.take().map(|frame| frame.len()), Some(5000));
        assert!(queue.takes_requests());
        assert_eq!((queue.waiting(), queue.closing()), (1, None));
    }

    #[test]
    fn frames_pushed_before_a_close_are_written_first() {
        let queue = SendQueue::new(Codec::MsgPack, 100);
        queue.push(Shows::Nothing, Bytes::from_static(b"last words"));
        queue.close(CloseCode::Restart);
        queue.push(Shows::Nothing, Bytes::from_static(b"too late"));

        assert_eq!(queue.closing(), None);
        assert_eq!(drain(&queue), ["last words"]);
        assert_eq!(queue.closing(), Some(CloseCode::Restart));
    }

    #[test]
    fn who_is_not_welcomed_yet_is_sent_away_without_a_word() {
        let go_away = || GoAway { delay_ms: Millis(0), reason: "server restarts".to_owned() };
        let (early, welcomed) = (SendQueue::new(Codec::MsgPack, 100), SendQueue::new(Codec::MsgPack, 100));
        welcomed.push(Shows::Nothing, Bytes::from_static(b"welcome"));

        early.send_away(go_away());
        early.push(Shows::Nothing, Bytes::from_static(b"welcome"));
        welcomed.send_away(go_away());

        assert_eq!((drain(&early).len(), early.closing()), (0, Some(CloseCode::Restart)));
        assert_eq!((drain(&welcomed).len(), welcomed.closing()), (2, Some(CloseCode::Restart)));
    }

    #[test]
    fn what_is_taken_back_is_gone_and_the_rest_keeps_its_order() {
        let queue = SendQueue::new(Codec::MsgPack, 20);
        queue.push(Shows::Entity(session(ANA)), Bytes::from_static(b"ana"));
        queue.push(Shows::Nothing, Bytes::from_static(b"reply"));
        queue.push(Shows::Entity(session(BEA)), Bytes::from_static(b"bea"));
        queue.signal(&heart_rate(ANA, 120), Bytes::from_static(b"heart"));

        queue.discard(session(ANA));

        queue.push(Shows::Nothing, Bytes::from_static(b"room for 12!"));
        assert_eq!(drain(&queue), ["reply", "bea", "room for 12!"]);
    }

    #[test]
    fn the_tiles_of_a_room_are_taken_back_without_its_events() {
        let queue = SendQueue::new(Codec::MsgPack, 100);
        let room = Address::room(ANA);
        queue.push(Shows::Tiles(room), Bytes::from_static(b"tiles"));
        queue.push(Shows::Entity(room), Bytes::from_static(b"events"));

        assert!(queue.discard_tiles(room));

        assert_eq!(drain(&queue), ["events"]);
        assert!(!queue.discard_tiles(room));
    }

    #[test]
    fn a_signal_replaces_the_one_before_and_waits_behind_everything() {
        let queue = SendQueue::new(Codec::MsgPack, 10);
        for beat in 0..1000 {
            queue.signal(&heart_rate(ANA, beat), Bytes::from(beat.to_string()));
        }
        queue.signal(&heart_rate(BEA, 90), Bytes::from_static(b"bea"));
        queue.push(Shows::Nothing, Bytes::from_static(b"reply"));

        assert_eq!(drain(&queue), ["reply", "999", "bea"]);
        assert_eq!(queue.closing(), None, "signals never make a reader too slow");
    }

    #[test]
    fn signals_of_more_sources_than_the_bound_are_dropped() {
        let queue = SendQueue::new(Codec::MsgPack, 10);
        for n in 0..1000 {
            let of = UserId(Uuid::from_u128(n));
            queue.signal(&heart_rate(of, 90), Bytes::from_static(b"beat"));
        }
        assert_eq!(queue.waiting(), SIGNALS_MAX);
    }
}
