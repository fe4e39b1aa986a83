//! The journal's library, in which looking something up can end in a panic, as a defect in the rules would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use spotter_actors::{Library, SimulatedJournal, StoreError};
use spotter_protocol::{Address, GymId, Timestamp, UserId};
use spotter_rules::{Brief, Needs};

pub(crate) struct Fragile {
    journal: Arc<SimulatedJournal>,
    crashes: AtomicU32,
}

impl Fragile {
    pub(crate) fn new(journal: Arc<SimulatedJournal>) -> Self {
        Self { journal, crashes: AtomicU32::new(0) }
    }

    /// The next so many questions end in a panic.
    pub(crate) fn crash(&self, times: u32) {
        self.crashes.store(times, Ordering::Relaxed);
    }
}

#[async_trait]
impl Library for Fragile {
    async fn brief(
        &self,
        gym: GymId,
        address: Address,
        needs: &Needs,
        at: Timestamp,
    ) -> Result<Brief, StoreError> {
        let left = self.crashes.load(Ordering::Relaxed);
        if left > 0 {
            self.crash(left - 1);
            // An unwinding without the panic hook's report: it is wanted.
            std::panic::resume_unwind(Box::new("a crash on demand"));
        }
        self.journal.brief(gym, address, needs, at).await
    }

    async fn roster(&self, gym: GymId, coach: UserId) -> Result<Vec<UserId>, StoreError> {
        self.journal.roster(gym, coach).await
    }
}
