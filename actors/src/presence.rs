//! Who is connected to this node, and since when.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spotter_protocol::{Presence, Timestamp, UserId};

use crate::{Backplane, Clock, Publication};

/// People remembered after they left, for the age on their tiles; past it the longest gone are forgotten.
const REMEMBERED_MAX: usize = 65_536;

/// The people of this node.
pub struct People {
    clock: Arc<dyn Clock>,
    backplane: Arc<dyn Backplane>,
    known: Mutex<HashMap<UserId, Known>>,
}

#[derive(Clone, Copy)]
struct Known {
    connections: u32,
    since: Timestamp,
}

impl Known {
    const fn presence(self) -> Presence {
        Presence { here: self.connections > 0, since: self.since }
    }
}

/// One connection of a person: they are here until it is dropped.
pub struct Here {
    people: Arc<People>,
    user: UserId,
}

impl People {
    /// Nobody, yet.
    pub fn new(clock: Arc<dyn Clock>, backplane: Arc<dyn Backplane>) -> Self {
        Self { clock, backplane, known: Mutex::default() }
    }

    /// A connection of `user` opened.
    pub fn arrive(self: &Arc<Self>, user: UserId) -> Here {
        self.count(user, |connections| connections.saturating_add(1));
        Here { people: Arc::clone(self), user }
    }

    /// Whether `user` is here, and since when; `None` when never seen.
    pub fn presence(&self, user: UserId) -> Option<Presence> {
        self.lock().get(&user).map(|known| known.presence())
    }

    fn count(&self, user: UserId, change: impl FnOnce(u32) -> u32) {
        let now = self.clock.now();
        let mut all = self.lock();
        let known = all.entry(user).or_insert(Known { connections: 0, since: now });
        let before = known.connections;
        known.connections = change(before);
        let turned = (before == 0) != (known.connections == 0);
        if turned {
            known.since = now;
        }
        let presence = known.presence();
        if all.len() > REMEMBERED_MAX {
            forget_longest_gone(&mut all);
        }
        drop(all);
        if turned {
            self.backplane.publish(user, Arc::new(Publication::Presence(user, presence)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_longest_gone(all: &mut HashMap<UserId, Known>) {
    let mut gone: Vec<_> =
        all.values().filter(|known| known.connections == 0).map(|known| known.since).collect();
    gone.sort_unstable();
    if let Some(middle) = gone.get(gone.len() / 2).copied() {
        all.retain(|_, known| known.connections > 0 || known.since > middle);
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.people.count(self.user, |connections| connections.saturating_sub(1));
    }
}
