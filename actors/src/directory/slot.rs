//! One entity as the directory sees it, and when each has to be looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ractor::{ActorId, ActorRef};
use spotter_protocol::{Address, GymId, Timestamp};
use tokio::time::Instant;

use crate::queue::Queue;
use crate::shell::Work;

/// The wait before an entity that failed is started again; it doubles with each failure in a row.
const BACKOFF: Duration = Duration::from_millis(100);
/// The longest such wait.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// An activation that lived this long before it failed is taken to have been well.
pub(super) const WELL_AFTER: Duration = Duration::from_secs(60);

/// One entity that is in memory, on its way in or out, or waits to be started again.
pub(super) struct Slot {
    pub(super) gym: GymId,
    /// What waits for it, whatever the stage.
    pub(super) queue: Arc<Queue>,
    pub(super) stage: Stage,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Those among them that were its own: not the store's, not another node's.
    pub(super) faults: u32,
    /// When it has to be looked at; its only entry in [`Part::checks`].
    check: Instant,
}

pub(super) enum Stage {
    /// It is being read.
    Loading,
    /// It takes commands.
    Live { actor: ActorRef<Work>, since: Instant, used: Instant },
    /// This activation ends; what it does not take is for the next.
    Draining { actor: ActorId, since: Instant },
    /// It failed and is not started before then.
    Failed { until: Instant },
    /// It failed too often and is not started before an operator says so.
    Quarantined { since: Timestamp, error: String },
}

impl Slot {
    /// Counts a failure of an activation that lived for `lived`.
    pub(super) fn count_failure(&mut self, lived: Duration, is_its_own: bool) {
        if lived >= WELL_AFTER {
            self.be_well();
        }
        self.failures = self.failures.saturating_add(1);
        self.faults = self.faults.saturating_add(is_its_own.into());
    }

    /// Forgets its failures.
    pub(super) fn be_well(&mut self) {
        self.failures = 0;
        self.faults = 0;
    }

    /// Whether it neither has an activation nor is about to.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.stage, Stage::Failed { .. } | Stage::Quarantined { .. })
    }

    /// How long it is left alone after its failures.
    pub(super) fn backoff(&self) -> Duration {
        BACKOFF.saturating_mul(1 << self.failures.saturating_sub(1).min(16)).min(BACKOFF_MAX)
    }
}

/// Some of the entities, behind one lock.
#[derive(Default)]
pub(super) struct Part {
    slots: BTreeMap<Address, Slot>,
    checks: BTreeSet<(Instant, Address)>,
}

impl Part {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&mut self, address: Address) -> Option<&mut Slot> {
        self.slots.get_mut(&address)
    }

    pub(super) fn iter(&mut self) -> impl Iterator<Item = (Address, &mut Slot)> {
        self.slots.iter_mut().map(|(address, slot)| (*address, slot))
    }

    /// Adds an entity that is about to be read, to be looked at by `check`.
    pub(super) fn insert(&mut self, address: Address, gym: GymId, check: Instant) -> &mut Slot {
        let (queue, stage) = (Arc::default(), Stage::Loading);
        self.checks.insert((check, address));
        let slot = Slot { gym, queue, stage, failures: 0, faults: 0, check };
        self.slots.entry(address).or_insert(slot)
    }

    pub(super) fn remove(&mut self, address: Address) -> Option<Slot> {
        let slot = self.slots.remove(&address)?;
        self.checks.remove(&(slot.check, address));
        Some(slot)
    }

    /// The entity that is to be looked at first, when that is due.
    pub(super) fn due(&self, now: Instant) -> Option<Address> {
        self.checks.first().filter(|(check, _)| *check <= now).map(|(_, address)| *address)
    }

    /// Looks at an entity at `check`, whenever that was to be.
    pub(super) fn check_at(&mut self, address: Address, check: Instant) {
        let Some(slot) = self.slots.get_mut(&address) else { return };
        self.checks.remove(&(slot.check, address));
        self.checks.insert((check, address));
        slot.check = check;
    }

    /// Looks at an entity at `check` or before.
    pub(super) fn check_by(&mut self, address: Address, check: Instant) {
        if self.slots.get(&address).is_some_and(|slot| slot.check > check) {
            self.check_at(address, check);
        }
    }
}
