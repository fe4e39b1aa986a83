//! Faults on demand: what goes wrong with the commits of a simulation.

use std::collections::BTreeSet;
use std::time::Duration;

use spotter_protocol::Address;
use uuid::Uuid;

use super::{SimulatedJournal, Tables};
use crate::{Append, StoreError};

/// What goes wrong with one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// The store fails and has written nothing; the caller cannot know.
    FailBefore,
    /// The batch is committed and the answer is lost.
    LoseReply,
    /// The commit takes this long.
    Delay(Duration),
    /// The claim of this node on the shards of the batch lands after the batch was offered and before it is written.
    StealBefore(Uuid),
    /// The batch is committed, its answer is lost, and then this node claims its shards.
    StealAfter(Uuid),
}

impl SimulatedJournal {
    /// Lets the next commit without a fault of its own suffer `fault`; later ones come after it.
    pub fn inject(&self, fault: CommitFault) {
        self.stored().faults.push_back(fault);
    }

    /// From now on the entity at `address` cannot be read, alone or with others.
    pub fn spoil(&self, address: Address) {
        self.stored().spoiled.insert(address);
    }

    /// Takes back every fault that no commit has suffered yet.
    pub fn heal(&self) {
        self.stored().faults.clear();
    }

    /// Lets a commit suffer what comes before it is written, and answers its fault.
    pub(super) async fn suffer(&self, batch: &[Append]) -> Result<Option<CommitFault>, StoreError> {
        let fault = self.stored().faults.pop_front();
        match fault {
            Some(CommitFault::FailBefore) => return Err(StoreError::Unavailable("failed on demand".into())),
            Some(CommitFault::Delay(length)) => tokio::time::sleep(length).await,
            Some(CommitFault::StealBefore(thief)) => self.stored().steal_from(batch, thief),
            Some(CommitFault::LoseReply | CommitFault::StealAfter(_)) | None => {}
        }
        Ok(fault)
    }
}

impl Tables {
    /// Lets a commit suffer what comes after it was written.
    pub(super) fn after_commit(
        &mut self,
        fault: Option<CommitFault>,
        batch: &[Append],
    ) -> Result<(), StoreError> {
        match fault {
            Some(CommitFault::LoseReply) => {}
            Some(CommitFault::StealAfter(thief)) => self.steal_from(batch, thief),
            Some(CommitFault::FailBefore | CommitFault::Delay(_) | CommitFault::StealBefore(_)) | None => {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("committed, and the answer was lost on demand".into()))
    }

    fn steal_from(&mut self, batch: &[Append], thief: Uuid) {
        let shards: BTreeSet<u16> = batch.iter().map(|append| append.address.shard().number()).collect();
        for number in shards {
            self.give(number, thief);
        }
    }
}
