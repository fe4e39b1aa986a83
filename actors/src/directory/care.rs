//! Looking after the entities: sending idle ones to rest, starting failed ones again, answering what waited too
//! long, and what an operator asks. Each entity is looked at when something may be due and not otherwise, so
//! that a hundred thousand that rest cost nothing.

use std::error::Error;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use spotter_protocol::{Address, EntityKind, GymId, Timestamp};
use tokio::time::{Instant, MissedTickBehavior};

use super::slot::{Part, Slot, Stage, WELL_AFTER};
use super::{Directory, lock};
use crate::StoreError;
use crate::lane::Unknown;
use crate::queue::WAIT_MAX;
use crate::shell::Fenced;

/// How often it is seen what is due.
const TICK: Duration = Duration::from_millis(50);
/// Activations on their way to rest at once; others wait for their turn.
pub(super) const DRAINS_MAX: usize = 256;
/// How long an idle entity waits before it is seen again whether there is a turn for it.
const TURN: Duration = Duration::from_secs(1);
/// How often an entity is looked at that has nothing due.
const LOOK: Duration = Duration::from_secs(3600);
/// Failures of its own in a row after which an entity is left to an operator.
pub(super) const QUARANTINE_AFTER: u32 = 5;

/// An entity that is not started again before an operator releases it or the node starts anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The entity.
    pub address: Address,
    /// The tenant.
    pub gym: GymId,
    /// Since when.
    pub since: Timestamp,
    /// Failures in a row.
    pub failures: u32,
    /// The last of them.
    pub error: String,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The entity's own: its rules, a command or what is stored of it.
    Entity,
    /// The store's: it is away.
    Store,
    /// Nobody's: another node has the shard.
    Fence,
}

pub(super) fn blame(error: &(dyn Error + 'static)) -> Blame {
    if error.is::<Fenced>() {
        return Blame::Fence;
    }
    let away = matches!(error.downcast_ref(), Some(StoreError::Unavailable(_)));
    if away || error.is::<Unknown>() { Blame::Store } else { Blame::Entity }
}

/// How many entities there are of each kind and in quarantine.
#[derive(Default)]
pub(super) struct Population {
    sessions: AtomicI64,
    inboxes: AtomicI64,
    rooms: AtomicI64,
    quarantined: AtomicI64,
}

impl Population {
    fn of(&self, kind: EntityKind) -> &AtomicI64 {
        match kind {
            EntityKind::Session => &self.sessions,
            EntityKind::Inbox => &self.inboxes,
            EntityKind::Room => &self.rooms,
        }
    }

    pub(super) fn add(&self, kind: EntityKind) {
        self.of(kind).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, kind: EntityKind) {
        self.of(kind).fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn quarantine(&self) {
        self.quarantined.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn release(&self) {
        self.quarantined.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn total(&self) -> i64 {
        let of = [&self.sessions, &self.inboxes, &self.rooms];
        of.into_iter().map(|kind| kind.load(Ordering::Relaxed)).sum()
    }

    fn tell(&self) {
        let count = |of: &AtomicI64| of.load(Ordering::Relaxed) as f64;
        metrics::gauge!("spotter_actors", "kind" => "session").set(count(&self.sessions));
        metrics::gauge!("spotter_actors", "kind" => "inbox").set(count(&self.inboxes));
        metrics::gauge!("spotter_actors", "kind" => "room").set(count(&self.rooms));
        metrics::gauge!("spotter_actors_quarantined").set(count(&self.quarantined));
    }
}

/// Looks after a directory until it is dropped.
pub(super) async fn take_care(directory: Weak<Directory>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(directory) = directory.upgrade() else { return };
        directory.look_after();
        directory.population.tell();
    }
}

impl Directory {
    /// The entities in quarantine.
    pub(crate) fn quarantined(&self) -> Vec<Quarantined> {
        let mut quarantined = Vec::new();
        for part in &self.parts {
            for (address, slot) in lock(part).iter() {
                if let Stage::Quarantined { since, error } = &slot.stage {
                    let (gym, failures, error) = (slot.gym, slot.failures, error.clone());
                    quarantined.push(Quarantined { address, gym, since: *since, failures, error });
                }
            }
        }
        quarantined.sort_by_key(|entity| (entity.since, entity.address));
        quarantined
    }

    /// Lets the next command start an entity in quarantine again; false when it is in none.
    pub(crate) fn release(&self, address: Address) -> bool {
        let mut part = self.part(address);
        let is_held = part.get(address).is_some_and(|slot| matches!(slot.stage, Stage::Quarantined { .. }));
        if is_held {
            self.forget(&mut part, address);
        }
        is_held
    }

    /// Lets the actor of a live slot finish what it has and take no more; false when there is none.
    pub(super) fn drain(&self, slot: &mut Slot) -> bool {
        let Stage::Live { actor, since, .. } = &slot.stage else { return false };
        // An actor that has ended already is drained.
        let _ = actor.drain();
        slot.stage = Stage::Draining { actor: actor.get_id(), since: *since };
        self.draining.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn look_after(self: &Arc<Self>) {
        let now = Instant::now();
        for part in &self.parts {
            loop {
                let mut part = lock(part);
                let Some(address) = part.due(now) else { break };
                self.look_at(&mut part, address, now);
            }
        }
    }

    /// Does what is due to one entity, and says when to look at it again.
    fn look_at(self: &Arc<Self>, part: &mut Part, address: Address, now: Instant) {
        let Some(slot) = part.get(address) else { return };
        let next = slot.queue.expire(now).unwrap_or(now + LOOK);
        let next = next.min(match &slot.stage {
            Stage::Loading | Stage::Draining { .. } | Stage::Quarantined { .. } => now + LOOK,
            Stage::Failed { until } if now < *until => *until,
            Stage::Failed { .. } if !slot.queue.is_empty() => {
                slot.stage = Stage::Loading;
                self.wake(address, slot.gym);
                now + LOOK
            }
            Stage::Failed { until } if now < *until + WELL_AFTER => *until + WELL_AFTER,
            Stage::Failed { .. } => return self.forget(part, address),
            Stage::Live { used, .. } if now < *used + self.idle => *used + self.idle,
            Stage::Live { .. } if !slot.queue.is_empty() => now + self.idle.min(WAIT_MAX),
            Stage::Live { .. } if self.draining.load(Ordering::Relaxed) >= DRAINS_MAX => now + TURN,
            Stage::Live { .. } => {
                self.drain(slot);
                now + LOOK
            }
        });
        // At least a tick later, or the look would never end.
        part.check_at(address, next.max(now + TICK));
    }
}
