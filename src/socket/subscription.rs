//! One entity followed by one socket: every version once, or a snapshot that replaces what was missed.
//!
//! Gap-free by order: it listens before it reads what it missed, holds what it hears meanwhile, and lets
//! through what comes after the version it reached. A gap, which a publication lost on its way leaves, is
//! filled from the journal the same way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use spotter_actors::{
    Ask, CatchUp, Engine, EventNews, Listener, Listening, Publication, ReplyTo, Watch, events_frame,
};
use spotter_protocol::{
    Address, CloseCode, CommandId, EntityKind, Event, Fault, GymId, Persistence, PublishedEvent, ServerFrame,
    SnapshotFrame, UserId, Version, View,
};

use super::queue::{SendQueue, Shows};
use super::receipts::Unacknowledged;
use crate::clock::new_id;

/// Publications held while a subscriber catches up; past it the socket is closed and resumes.
const HELD_MAX: usize = 1024;

/// An entity followed by a socket, until it is dropped.
pub(crate) struct Subscription {
    following: Arc<Following>,
    engine: Arc<Engine>,
    listening: Listening,
    /// A room's tiles come beside its events.
    watch: Option<Watch>,
}

struct Following {
    gym: GymId,
    address: Address,
    view: View,
    queue: Arc<SendQueue>,
    engine: Weak<Engine>,
    itself: Weak<Following>,
    stage: Mutex<Stage>,
    /// What its owner's own device has not acknowledged; nobody else's acknowledgement says anything.
    unacknowledged: Option<Mutex<Unacknowledged>>,
}

enum Stage {
    /// It reads what it missed; what it hears waits.
    CatchingUp { held: Vec<Arc<Publication>> },
    /// It has everything up to `sent`.
    Live { sent: Version },
    /// Nothing more is sent, whatever is still on its way.
    Ended,
}

impl Subscription {
    /// Follows `address` from `since` on. Everything up to the version returned is in the send queue.
    pub(crate) async fn begin(
        engine: &Arc<Engine>,
        queue: &Arc<SendQueue>,
        gym: GymId,
        address: Address,
        since: Option<Version>,
        view: View,
    ) -> Result<(Self, Version), Fault> {
        let following = Arc::new_cyclic(|itself| Following {
            gym,
            address,
            view,
            queue: Arc::clone(queue),
            engine: Arc::downgrade(engine),
            itself: itself.clone(),
            stage: Mutex::new(Stage::CatchingUp { held: Vec::new() }),
            unacknowledged: (view == View::Athlete).then(Mutex::default),
        });
        let listening = engine.backplane().listen(address.owner, Arc::clone(&following) as Arc<dyn Listener>);
        let mut subscription = Self { following, engine: Arc::clone(engine), listening, watch: None };
        let version = subscription.following.catch_up(engine, since).await?;
        if address.kind == EntityKind::Room {
            subscription.watch_anew();
        }
        Ok((subscription, version))
    }

    /// The view in which the entity is shown.
    pub(crate) fn view(&self) -> View {
        self.following.view
    }

    /// Takes back the tiles that wait to be sent, in favour of all tiles there are now.
    pub(crate) fn tile_anew(&mut self) {
        if self.watch.is_some() && self.following.queue.discard_tiles(self.following.address) {
            self.watch_anew();
        }
    }

    fn watch_anew(&mut self) {
        let Following { gym, address, .. } = *self.following;
        let listener = Arc::clone(&self.following) as Arc<dyn Listener>;
        self.watch = Some(self.engine.watch(gym, address.owner, listener));
    }

    /// The device has everything up to `seen`. The server says so, as commands of its own in the name of `reader`,
    /// to the entity of whatever awaited that.
    pub(crate) fn acknowledged(&self, reader: UserId, seen: Version) {
        let Some(mut waiting) = self.following.unacknowledged() else { return };
        let receipts = waiting.acknowledged(seen);
        drop(waiting);
        for (v, receipt) in receipts {
            let (following, again) = (Weak::clone(&self.following.itself), receipt.clone());
            let reply = ReplyTo::new(move |answer| {
                let failed = answer.is_err_and(|fault| fault.kind == Persistence::Temporary);
                if let Some(following) = following.upgrade().filter(|_| failed)
                    && let Some(mut waiting) = following.unacknowledged()
                {
                    waiting.again(v, again);
                }
            });
            let (gym, to, now) = (self.following.gym, self.following.address, self.engine.clock().now());
            let id = CommandId(new_id(now));
            self.engine.dispatch(Ask::of_server(gym, reader, id, now, to, receipt, now, reply));
        }
    }

    /// The version everything up to which is sent; `None` while it catches up.
    pub(crate) fn sent(&self) -> Option<Version> {
        match &*self.following.lock() {
            Stage::Live { sent } => Some(*sent),
            Stage::CatchingUp { .. } | Stage::Ended => None,
        }
    }
}

impl Drop for Subscription {
    /// From here on nothing of the entity enters the send queue, not even what is being published just now.
    fn drop(&mut self) {
        *self.following.lock() = Stage::Ended;
        self.engine.backplane().leave(self.following.address.owner, self.listening);
    }
}

impl Following {
    /// Sends what was missed since `since`, then what was held meanwhile, and goes live.
    async fn catch_up(&self, engine: &Engine, mut since: Option<Version>) -> Result<Version, Fault> {
        loop {
            let caught_up = engine.catch_up(self.gym, self.address, since, self.view).await?;
            let mut sent = caught_up.version();
            let mut stage = self.lock();
            let Stage::CatchingUp { held } = &mut *stage else { return Ok(sent) };
            self.send(caught_up);
            let held = std::mem::take(held);
            let gap = held.iter().any(|publication| match &**publication {
                Publication::Events(news) => !self.pass(news, &mut sent),
                Publication::Doubt(_) => true,
                Publication::Tiles(_) | Publication::Presence(..) | Publication::Signal(_) => false,
            });
            if !gap {
                *stage = Stage::Live { sent };
                return Ok(sent);
            }
            since = Some(sent);
        }
    }

    fn send(&self, caught_up: CatchUp) {
        match caught_up {
            CatchUp::Current(_) => {}
            CatchUp::Events(events) => {
                self.note(&events);
                let frame = events_frame(self.address, &events, self.queue.codec(), self.view);
                self.queue.answer(Shows::Entity(self.address), frame);
            }
            CatchUp::Snapshot(v, state) => {
                if let Some(mut waiting) = self.unacknowledged() {
                    waiting.snapshot(v, &state);
                }
                let snapshot = SnapshotFrame { to: self.address, v, view: self.view, state };
                let frame = ServerFrame::Snapshot(snapshot).encode(self.queue.codec());
                self.queue.answer(Shows::Entity(self.address), frame.into());
            }
        }
    }

    /// Sends news that follows `sent`, drops what is not above it, and answers false at a gap.
    fn pass(&self, news: &EventNews, sent: &mut Version) -> bool {
        if news.last <= *sent {
            return true;
        }
        if news.first != sent.next() || news.events.is_empty() {
            return false;
        }
        self.note(&news.events);
        self.queue.push(Shows::Entity(self.address), news.frame(self.queue.codec(), self.view));
        *sent = news.last;
        true
    }

    /// Notes events as forwarded.
    fn note(&self, events: &[PublishedEvent<Event>]) {
        if let Some(mut waiting) = self.unacknowledged() {
            events.iter().for_each(|event| waiting.forwarded(event));
        }
    }

    fn unacknowledged(&self) -> Option<MutexGuard<'_, Unacknowledged>> {
        self.unacknowledged.as_ref().map(|waiting| waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills a gap from the journal, beside whoever publishes.
    fn fill_gap(&self, since: Version) {
        let Some((following, engine)) = self.itself.upgrade().zip(self.engine.upgrade()) else { return };
        tokio::spawn(async move {
            if following.catch_up(&engine, Some(since)).await.is_err() {
                // The client comes back and resumes from the version it has.
                following.queue.close(CloseCode::TooSlow);
            }
        });
    }
}

impl Listener for Following {
    fn hear(&self, publication: &Arc<Publication>) {
        match &**publication {
            Publication::Events(news) if news.address == self.address => {
                let mut stage = self.lock();
                match &mut *stage {
                    Stage::CatchingUp { held } if held.len() < HELD_MAX => held.push(Arc::clone(publication)),
                    Stage::CatchingUp { .. } => self.queue.close(CloseCode::TooSlow),
                    Stage::Live { sent } => {
                        if !self.pass(news, sent) {
                            let since = *sent;
                            *stage = Stage::CatchingUp { held: vec![Arc::clone(publication)] };
                            self.fill_gap(since);
                        }
                    }
                    Stage::Ended => {}
                }
            }
            Publication::Tiles(news) if news.frame.to == self.address => {
                let stage = self.lock();
                if !matches!(*stage, Stage::Ended) {
                    self.queue.push(Shows::Tiles(self.address), news.frame(self.queue.codec(), self.view));
                }
            }
            Publication::Signal(news)
                if news.frame.to == self.address && news.frame.key.is_shown_to(self.view) =>
            {
                let stage = self.lock();
                if !matches!(*stage, Stage::Ended) {
                    self.queue.signal(&news.frame, news.frame(self.queue.codec()));
                }
            }
            Publication::Doubt(_) => {
                let mut stage = self.lock();
                match &mut *stage {
                    // What is being read may be from before.
                    Stage::CatchingUp { held } => held.push(Arc::clone(publication)),
                    Stage::Live { sent } => {
                        let since = *sent;
                        *stage = Stage::CatchingUp { held: Vec::new() };
                        self.fill_gap(since);
                    }
                    Stage::Ended => {}
                }
            }
            Publication::Events(_)
            | Publication::Tiles(_)
            | Publication::Presence(..)
            | Publication::Signal(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
