//! One entity followed by one socket: every version once, or a snapshot that replaces what was missed.
//!
//! Gap-free by order: it listens before it reads what it missed, holds what it hears meanwhile, and lets
//! through what comes after the version it reached. A gap, which a publication lost on its way leaves, is
//! filled from the journal the same way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spotter_actors::{CatchUp, Engine, EventNews, Listener, Listening, Publication, Watch, events_frame};
use spotter_protocol::{
    Address, CloseCode, EntityKind, Fault, GymId, ServerFrame, SnapshotFrame, Version, View,
};

use super::queue::SendQueue;

/// Publications held while a subscriber catches up; past it the socket is closed and resumes.
const HELD_MAX: usize = 1024;

/// An entity followed by a socket, until it is dropped.
pub(crate) struct Subscription {
    following: Arc<Following>,
    engine: Arc<Engine>,
    listening: Listening,
    /// A room's tiles come beside its events.
    _watch: Option<Watch>,
}

struct Following {
    gym: GymId,
    address: Address,
    view: View,
    queue: Arc<SendQueue>,
    engine: std::sync::Weak<Engine>,
    itself: std::sync::Weak<Following>,
    stage: Mutex<Stage>,
}

enum Stage {
    /// It reads what it missed; what it hears waits.
    CatchingUp { held: Vec<Arc<Publication>> },
    /// It has everything up to `sent`.
    Live { sent: Version },
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
        });
        let listening = engine.backplane().listen(address.owner, Arc::clone(&following) as Arc<dyn Listener>);
        let mut subscription = Self { following, engine: Arc::clone(engine), listening, _watch: None };
        let version = subscription.following.catch_up(engine, since).await?;
        if address.kind == EntityKind::Room {
            let listener = Arc::clone(&subscription.following) as Arc<dyn Listener>;
            subscription._watch = Some(engine.watch(gym, address.owner, listener));
        }
        Ok((subscription, version))
    }

    /// The version everything up to which is sent; `None` while it catches up.
    pub(crate) fn sent(&self) -> Option<Version> {
        match &*self.following.lock() {
            Stage::Live { sent } => Some(*sent),
            Stage::CatchingUp { .. } => None,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.engine.backplane().leave(self.following.address.owner, self.listening);
    }
}

impl Following {
    /// Sends what was missed since `since`, then what was held meanwhile, and goes live.
    async fn catch_up(&self, engine: &Engine, mut since: Option<Version>) -> Result<Version, Fault> {
        loop {
            let caught_up = engine.catch_up(self.gym, self.address, since, self.view).await?;
            let mut sent = caught_up.version();
            self.send(caught_up);
            let mut stage = self.lock();
            let Stage::CatchingUp { held } = &mut *stage else { return Ok(sent) };
            let held = std::mem::take(held);
            let gap = held.iter().any(|publication| {
                let Publication::Events(news) = &**publication else { return false };
                !self.pass(news, &mut sent)
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
                self.queue.push(events_frame(self.address, &events, self.queue.codec(), self.view));
            }
            CatchUp::Snapshot(v, state) => {
                self.queue.send(&ServerFrame::Snapshot(SnapshotFrame {
                    to: self.address,
                    v,
                    view: self.view,
                    state,
                }));
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
        self.queue.push(news.frame(self.queue.codec(), self.view));
        *sent = news.last;
        true
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
                }
            }
            Publication::Tiles(news) if news.frame.to == self.address => {
                self.queue.push(news.frame(self.queue.codec(), self.view));
            }
            Publication::Events(_) | Publication::Tiles(_) | Publication::Presence(..) => {}
        }
    }
}

#[cfg(test)]
mod tests;
