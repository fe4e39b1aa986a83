//! What goes wrong meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rand::RngExt;
use rand::rngs::StdRng;
use spotter_actors::{Clock, CommitFault, Engine, Library, SimulatedJournal, StoreError};
use spotter_protocol::{Address, GymId, Timestamp, UserId};
use spotter_rules::{Brief, Needs};
use tokio::time::Instant;

/// The first moment of a history.
const DAWN: i64 = 1_760_000_000_000_000;
/// More failures in a row than a commit is offered again.
const UNKNOWN: u32 = 13;

/// A clock that goes with the runtime's.
pub(crate) struct Running(Instant);

impl Default for Running {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Running {
    fn now(&self) -> Timestamp {
        Timestamp(DAWN + i64::try_from(self.0.elapsed().as_micros()).unwrap())
    }
}

/// A library that can make whoever asks it next crash.
pub(crate) struct Fragile {
    journal: Arc<SimulatedJournal>,
    crashes: AtomicU32,
}

impl Fragile {
    pub(crate) fn new(journal: Arc<SimulatedJournal>) -> Self {
        Self { journal, crashes: AtomicU32::new(0) }
    }

    fn crash(&self, times: u32) {
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
        let left =
            self.crashes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() {
            // An unwinding without the panic hook's report: it is wanted.
            std::panic::resume_unwind(Box::new("a crash on demand"));
        }
        self.journal.brief(gym, address, needs, at).await
    }

    async fn roster(&self, gym: GymId, coach: UserId) -> Result<Vec<UserId>, StoreError> {
        self.journal.roster(gym, coach).await
    }
}

/// Makes things go wrong until it is told that training is over, and is the operator too.
pub(crate) struct Chaos {
    pub(crate) engine: Arc<Engine>,
    pub(crate) journal: Arc<SimulatedJournal>,
    pub(crate) library: Arc<Fragile>,
}

impl Chaos {
    pub(crate) async fn reign(self, mut chance: StdRng, training: Arc<AtomicBool>) {
        while training.load(Ordering::Relaxed) {
            match chance.random_range(0..20) {
                0..=4 => self.fail(chance.random_range(1..4), CommitFault::FailBefore),
                5..=7 => self.fail(1, CommitFault::LoseReply),
                8..=12 => {
                    let length = Duration::from_millis(chance.random_range(1..700));
                    self.fail(1, CommitFault::Delay(length));
                }
                13 => {
                    // The outcome stays unknown, and was the one or the other.
                    let first =
                        if chance.random() { CommitFault::LoseReply } else { CommitFault::FailBefore };
                    self.fail(1, first);
                    self.fail(UNKNOWN, CommitFault::FailBefore);
                }
                14..=16 => self.library.crash(1),
                // Twice in a row: that command is given up.
                17 => self.library.crash(2),
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(chance.random_range(1..1500))).await;
            for held in self.engine.quarantined() {
                assert!(self.engine.release(held.address));
            }
        }
        self.library.crash(0);
    }

    fn fail(&self, times: u32, fault: CommitFault) {
        for _ in 0..times {
            self.journal.inject(fault);
        }
    }
}
