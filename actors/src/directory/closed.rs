//! Closed gyms: their entities go to rest, and none wakes again. A command that was judged before its gym was closed is
//! answered as if its entity had never been there.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLock};

use spotter_protocol::GymId;

use super::care::DRAINS_MAX;
use super::slot::Stage;
use super::{Directory, lock};

/// Closed gyms that are remembered, the last ones: nothing judged is under way for longer than it takes to close so many.
const CLOSED_MAX: usize = 65_536;

/// The gyms that were closed since the node started.
#[derive(Default)]
pub(super) struct ClosedGyms(RwLock<Closed>);

#[derive(Default)]
struct Closed {
    gyms: BTreeSet<GymId>,
    /// The same, in the order in which they were closed.
    order: VecDeque<GymId>,
}

impl ClosedGyms {
    pub(super) fn contain(&self, gym: GymId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).gyms.contains(&gym)
    }

    fn add(&self, gym: GymId) {
        let mut closed = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !closed.gyms.insert(gym) {
            return;
        }
        closed.order.push_back(gym);
        if closed.order.len() > CLOSED_MAX
            && let Some(first) = closed.order.pop_front()
        {
            closed.gyms.remove(&first);
        }
    }
}

impl Directory {
    /// Takes no more commands for a gym and sends its entities to rest, as many as may go at once; answers how many are
    /// still awake. What an entity had admitted it finishes.
    pub(crate) fn close_gym(&self, gym: GymId) -> usize {
        self.closed_gyms.add(gym);
        let mut awake = 0;
        for part in &self.parts {
            let mut part = lock(part);
            let down = part.iter().filter(|(_, slot)| slot.gym == gym && slot.is_down());
            let down: Vec<_> = down.map(|(address, _)| address).collect();
            down.into_iter().for_each(|address| self.forget(&mut part, address));
            for (_, slot) in part.iter().filter(|(_, slot)| slot.gym == gym) {
                awake += 1;
                if matches!(slot.stage, Stage::Live { .. })
                    && self.draining.load(Ordering::Relaxed) < DRAINS_MAX
                {
                    self.drain(slot);
                }
            }
        }
        awake
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn of_too_many_closed_gyms_the_first_is_forgotten() {
        let closed = ClosedGyms::default();
        let gym = |n: usize| GymId(Uuid::from_u128(n as u128));
        for n in (0..=CLOSED_MAX).rev() {
            closed.add(gym(n));
            closed.add(gym(n));
        }
        assert!(
            !closed.contain(gym(CLOSED_MAX)) && closed.contain(gym(CLOSED_MAX - 1)) && closed.contain(gym(0))
        );
    }
}
