//! Who may write to a simulated journal: shards, their epochs, and the timelines that void all of them.
//!
//! A store that is copied to another without waiting can lose its newest commits when the copy takes over, and the
//! epochs with them. A claim from before is worth nothing then, even when the copy has heard of it: epochs count
//! anew in each timeline, above all those of earlier ones.

use std::sync::PoisonError;

use spotter_protocol::{Address, SHARDS, Shard};
use uuid::Uuid;

use super::{SimulatedJournal, Tables};
use crate::{Claim, Epoch};

/// The row of a shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    epoch: Epoch,
    /// The timeline in which it was claimed.
    timeline: u32,
    node: Option<Uuid>,
}

impl Default for Held {
    fn default() -> Self {
        Self { epoch: Epoch(0), timeline: 0, node: None }
    }
}

impl SimulatedJournal {
    /// Claims every shard for `node` under a new epoch, as a start of a process does.
    pub fn claim(&self, node: Uuid) -> Claim {
        let mut stored = self.stored();
        Claim { node, epochs: (0..SHARDS).map(|number| Some(stored.give(number, node))).collect() }
    }

    /// Gives one shard to `node` under a new epoch, behind the back of whoever held it.
    pub fn steal(&self, shard: Shard, node: Uuid) -> Epoch {
        self.stored().give(shard.number(), node)
    }

    /// Keeps the journal as it is now, as a copy does that hears of commits late, for [`SimulatedJournal::roll_back`].
    pub fn remember(&self) {
        let now = self.stored().clone();
        *self.remembered.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Goes back to what was last remembered, or to nothing, as when such a copy takes over: a new timeline begins, in
    /// which nobody holds a shard, and the journal is another incarnation.
    pub fn roll_back(&self) {
        let past = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut stored = self.stored();
        *stored = Tables {
            timeline: stored.timeline + 1,
            faults: std::mem::take(&mut stored.faults),
            refused: std::mem::take(&mut stored.refused),
            witness: stored.witness.take(),
            ..past.unwrap_or_else(Tables::empty)
        };
    }
}

impl Tables {
    pub(super) fn give(&mut self, number: u16, node: Uuid) -> Epoch {
        let held = &mut self.shards[usize::from(number)];
        let before = held.epoch.max(Epoch(i64::from(self.timeline) << 32));
        *held = Held { epoch: Epoch(before.0 + 1), timeline: self.timeline, node: Some(node) };
        let epoch = held.epoch;
        if let Some(witness) = &self.witness {
            witness.claimed(number, epoch);
        }
        epoch
    }

    pub(super) fn holds(&self, address: Address, epoch: Epoch, node: Uuid) -> bool {
        let held = self.shards[usize::from(address.shard().number())];
        (held.timeline, held.epoch, held.node) == (self.timeline, epoch, Some(node))
    }
}
