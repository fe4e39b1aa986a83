//! The sessions: where each stands, and who follows it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use axum::body::Bytes;
use spotter_protocol::{Address, Codec, Event, EventsFrame, PublishedEvent, ServerFrame, Shown, Version};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::commit::Logged;
use crate::outbox::Outbox;

pub(crate) struct Gym {
    /// Of this process: versions of another mean nothing.
    pub(crate) incarnation: Uuid,
    sessions: Mutex<HashMap<Address, Arc<Session>>>,
    writers: Vec<mpsc::Sender<Logged>>,
}

pub(crate) struct Session {
    pub(crate) address: Address,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of the last command that was taken.
    taken: Version,
    /// Of the last command that is durable.
    committed: Version,
    followers: Vec<Weak<Outbox>>,
}

impl Gym {
    pub(crate) fn new(writers: Vec<mpsc::Sender<Logged>>) -> Self {
        Self { incarnation: Uuid::now_v7(), sessions: Mutex::default(), writers }
    }

    #[expect(clippy::expect_used, reason = "nobody panics while holding it")]
    pub(crate) fn session(&self, address: Address) -> Arc<Session> {
        let mut sessions = self.sessions.lock().expect("sessions");
        let new = || Arc::new(Session { address, state: Mutex::default() });
        Arc::clone(sessions.entry(address).or_insert_with(new))
    }

    /// Hands a command to its writer, once there is room. Those of one session go to one writer, in the order of
    /// their versions.
    pub(crate) async fn log(
        &self,
        session: Arc<Session>,
        make: impl FnOnce(Arc<Session>, Version) -> Logged,
    ) {
        let writer = usize::from(session.address.shard().number()) % self.writers.len();
        // A writer that is gone ends the process.
        let Ok(place) = self.writers[writer].reserve().await else { return };
        let mut state = session.lock();
        state.taken = state.taken.next();
        place.send(make(Arc::clone(&session), state.taken));
    }
}

impl Session {
    /// Shows everything after the version it answers to `outbox`.
    pub(crate) fn follow(&self, outbox: &Arc<Outbox>) -> Version {
        let mut state = self.lock();
        state.followers.push(Arc::downgrade(outbox));
        state.committed
    }

    /// Shows what has become durable to all who follow, encoded once.
    pub(crate) fn publish(&self, logged: &Logged) {
        let mut state = self.lock();
        state.committed = logged.version;
        if state.followers.is_empty() {
            return;
        }
        let event = PublishedEvent {
            v: logged.version,
            at: logged.at,
            received_at: logged.received_at,
            by: logged.author,
            ev: Shown::Event(Event::Session(logged.event.clone())),
        };
        let frame = ServerFrame::Events(EventsFrame { to: self.address, events: vec![event] });
        let frame = Bytes::from(frame.encode(Codec::MsgPack));
        state
            .followers
            .retain(|follower| follower.upgrade().inspect(|outbox| outbox.push(frame.clone())).is_some());
    }

    #[expect(clippy::expect_used, reason = "nobody panics while holding it")]
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("state")
    }
}
