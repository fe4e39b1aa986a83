//! Moving entities out of old streams, so that months of the journal can be taken away. Each moves whole into a stream
//! that lies in no month; whoever is awake meanwhile finds its stream left, and is rebuilt.

use std::sync::Arc;

use spotter_protocol::{EntityKind, StreamId};
use spotter_rules::{Inbox, Room, Session};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::warn;
use uuid::Uuid;

use super::Engine;
use crate::backplane::{EventNews, Publication};
use crate::rebuild::rebuild;
use crate::rotation::Home;
use crate::shell::{Kind, Shared};
use crate::{Outcome, Resident, StoreError};

/// Entities that are looked at with one question.
const PAGE: u32 = 512;
/// Entities that move at the same time.
const TOGETHER_MAX: usize = 16;

/// What became of some of the entities that were in old streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Moved into kept streams.
    pub moved: u64,
    /// Changed while they were to move: to be tried again.
    pub busy: u64,
    /// Not moved, and why is in the log: their journal cannot be read, or another node has their shard.
    pub stuck: u64,
    /// The last one's old stream: those after it are to be looked at next. `None` when there are no more.
    pub last: Option<StreamId>,
}

enum Fate {
    Moved,
    Busy,
    Stuck,
}

impl Engine {
    /// Moves entities whose stream comes after `after` and before `boundary` into kept streams, some hundreds of them:
    /// whoever wants all asks again with [`Archived::last`]. The streams that they leave are read by nobody any more,
    /// but for the search for a dead letter's command.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn archive(&self, boundary: StreamId, after: StreamId) -> Result<Archived, StoreError> {
        let residents = self.ports.journal.begun_before(boundary, after, PAGE).await?;
        let mut archived =
            Archived { last: residents.last().map(|resident| resident.stream), ..Archived::default() };
        let places = Arc::new(Semaphore::new(TOGETHER_MAX));
        let mut moves = JoinSet::new();
        for resident in residents {
            let Some(epoch) = self.claims.epoch(resident.address.shard()) else {
                archived.stuck += 1;
                continue;
            };
            let Resident { gym, address, stream } = resident;
            let home = Home { gym, address, stream, epoch };
            let (shared, places) = (Arc::clone(&self.shared), Arc::clone(&places));
            moves.spawn(async move {
                let _place = places.acquire().await;
                match address.kind {
                    EntityKind::Session => keep::<Session>(&shared, home).await,
                    EntityKind::Inbox => keep::<Inbox>(&shared, home).await,
                    EntityKind::Room => keep::<Room>(&shared, home).await,
                }
            });
        }
        while let Some(moved) = moves.join_next().await {
            match moved.unwrap_or(Ok(Fate::Stuck))? {
                Fate::Moved => archived.moved += 1,
                Fate::Busy => archived.busy += 1,
                Fate::Stuck => archived.stuck += 1,
            }
        }
        Ok(archived)
    }
}

/// Moves one entity. The seal decides between it and what else is written to the entity: one of the two goes in.
async fn keep<S: Kind>(shared: &Shared, home: Home) -> Result<Fate, StoreError> {
    let Home { gym, address, .. } = home;
    let Some(stored) = shared.loader.load(gym, address).await? else { return Ok(Fate::Stuck) };
    if stored.stream != home.stream {
        return Ok(Fate::Busy);
    }
    let stuck = |why: &dyn std::fmt::Display| {
        warn!(%address, %why, "an entity stays in its old stream");
        Ok(Fate::Stuck)
    };
    let entity = match rebuild::<S>(&*shared.journal, gym, address, &stored).await {
        Ok(entity) => entity,
        Err(error @ (StoreError::Damaged(_) | StoreError::Unreadable(_))) => return stuck(&error),
        Err(error) => return Err(error),
    };
    let (rebased, append) = match home.leave(&entity, StreamId::kept(Uuid::new_v4()), shared.clock.now()) {
        Ok(leaving) => leaving,
        Err(error) => return stuck(&error),
    };
    match shared.lanes.append(append).await {
        Ok(Outcome::Committed) => {
            metrics::counter!("spotter_entity_archived_total").increment(1);
            let head = rebased.version;
            let events = [rebased];
            shared.backplane.publish(address.owner, &|| {
                let glance = entity.state().glance(address.id, head);
                Publication::Events(EventNews::new(address, &events, glance))
            });
            Ok(Fate::Moved)
        }
        Ok(Outcome::Conflict) => Ok(Fate::Busy),
        Ok(Outcome::Fenced) => stuck(&crate::shell::Fenced),
        Ok(Outcome::Refused(why)) => stuck(&why),
        Err(unknown) => Err(StoreError::Unavailable(unknown.into())),
    }
}
