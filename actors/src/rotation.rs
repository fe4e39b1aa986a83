//! How an entity leaves its stream for another.

use rmp_serde::encode::Error;
use spotter_protocol::{Address, ClientId, CommandId, GymId, Recorded, Stamp, StreamId, Timestamp};
use spotter_rules::{Entity, Rules};
use uuid::Uuid;

use crate::rebuild::row;
use crate::{Append, Epoch, Opening, Remind};

/// Where an entity is now, and under what it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    pub(crate) gym: GymId,
    pub(crate) address: Address,
    pub(crate) stream: StreamId,
    pub(crate) epoch: Epoch,
}

impl Home {
    /// An append of nothing, to be filled.
    pub(crate) const fn nothing(self) -> Append {
        let Self { gym, address, stream, epoch } = self;
        Append {
            gym,
            address,
            stream,
            opening: Opening::No,
            epoch,
            events: Vec::new(),
            rows: Vec::new(),
            letters: Vec::new(),
            carried: Vec::new(),
            reminder: Remind::Keep,
        }
    }

    /// The move of `entity` from here to `stream`: the event that holds it whole, and the append that seals the stream
    /// that it leaves.
    pub(crate) fn leave<S: Rules>(
        self,
        entity: &Entity<S>,
        stream: StreamId,
        now: Timestamp,
    ) -> Result<(Recorded<S::Event>, Append), Error> {
        let stamp = Stamp {
            at: now,
            received_at: now,
            device_at: now,
            offset: 0,
            author: self.address.owner,
            command: CommandId(Uuid::now_v7()),
            client: ClientId::SERVER,
            n: 0,
        };
        let rebased = entity.rebase(stamp)?;
        let opening = Opening::Rotation { left: self.stream };
        let append = Append { stream, opening, events: vec![row(&rebased)?], ..self.nothing() };
        Ok((rebased, append))
    }
}
