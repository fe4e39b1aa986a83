//! The sockets that are open: counted against a limit, and told to go away when the server stops.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rand::RngExt;
use spotter_protocol::{CloseCode, GoAway, Millis, ServerFrame};

use super::queue::SendQueue;

/// The open sockets of a node.
pub(crate) struct Registry {
    connections_max: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    queues: HashMap<u64, Weak<SendQueue>>,
}

/// A place among the open sockets, given back when dropped.
pub(super) struct Registered {
    registry: Arc<Registry>,
    number: u64,
}

impl Registry {
    pub(crate) fn new(connections_max: usize) -> Self {
        Self { connections_max, open: Mutex::default() }
    }

    /// Takes a place; none is left at the limit.
    pub(super) fn admit(self: &Arc<Self>, queue: &Arc<SendQueue>) -> Option<Registered> {
        let mut open = self.lock();
        if open.queues.len() >= self.connections_max {
            return None;
        }
        open.next += 1;
        let number = open.next;
        open.queues.insert(number, Arc::downgrade(queue));
        Some(Registered { registry: Arc::clone(self), number })
    }

    /// Tells every socket to come back, each after its own delay within `window`, and closes it.
    pub(crate) fn send_away(&self, window: Duration) {
        let window = u32::try_from(window.as_millis()).unwrap_or(u32::MAX);
        let queues: Vec<_> = self.lock().queues.values().filter_map(Weak::upgrade).collect();
        for queue in queues {
            let delay_ms = Millis(rand::rng().random_range(0..=window));
            queue.send(&ServerFrame::GoAway(GoAway { delay_ms, reason: "server restarts".to_owned() }));
            queue.close(CloseCode::Restart);
        }
    }

    /// How many sockets are open.
    pub(crate) fn count(&self) -> usize {
        self.lock().queues.len()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.lock().queues.remove(&self.number);
    }
}
