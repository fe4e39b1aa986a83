//! The sockets that are open: counted against a limit, told to judge their rights again when those of their gym
//! have changed, and to go away when the server stops.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rand::RngExt;
use spotter_protocol::{GoAway, GymId, Millis};
use tokio::sync::Notify;

use super::queue::SendQueue;

/// The open sockets of a node.
pub(crate) struct Registry {
    connections_max: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    sockets: HashMap<u64, Socket>,
}

struct Socket {
    gym: GymId,
    queue: Weak<SendQueue>,
    judge: Arc<Notify>,
}

/// A place among the open sockets, given back when dropped.
pub(super) struct Registered {
    registry: Arc<Registry>,
    number: u64,
    judge: Arc<Notify>,
}

impl Registered {
    /// Comes when rights of the gym have changed since the last time: whatever was judged before is to be judged
    /// again.
    pub(super) fn judge(&self) -> Arc<Notify> {
        Arc::clone(&self.judge)
    }
}

impl Registry {
    pub(crate) fn new(connections_max: usize) -> Self {
        Self { connections_max, open: Mutex::default() }
    }

    /// Takes a place; none is left at the limit.
    pub(super) fn admit(self: &Arc<Self>, gym: GymId, queue: &Arc<SendQueue>) -> Option<Registered> {
        let mut open = self.lock();
        if open.sockets.len() >= self.connections_max {
            return None;
        }
        open.next += 1;
        let number = open.next;
        let judge = Arc::new(Notify::new());
        let socket = Socket { gym, queue: Arc::downgrade(queue), judge: Arc::clone(&judge) };
        open.sockets.insert(number, socket);
        Some(Registered { registry: Arc::clone(self), number, judge })
    }

    /// Has every socket of a gym judge its rights again.
    pub(crate) fn judge_again(&self, gym: GymId) {
        let open = self.lock();
        open.sockets.values().filter(|socket| socket.gym == gym).for_each(|socket| socket.judge.notify_one());
    }

    /// Tells every socket to come back, each after its own delay within `window`, and closes it.
    pub(crate) fn send_away(&self, window: Duration) {
        let window = u32::try_from(window.as_millis()).unwrap_or(u32::MAX);
        let queues: Vec<_> =
            self.lock().sockets.values().filter_map(|socket| socket.queue.upgrade()).collect();
        for queue in queues {
            let delay_ms = Millis(rand::rng().random_range(0..=window));
            queue.send_away(GoAway { delay_ms, reason: "server restarts".to_owned() });
        }
    }

    /// How many sockets are open.
    pub(crate) fn count(&self) -> usize {
        self.lock().sockets.len()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.lock().sockets.remove(&self.number);
    }
}
