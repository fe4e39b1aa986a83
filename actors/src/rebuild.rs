//! Between events and the rows of the journal: how one is written as the other, and an entity folded from them.

use spotter_protocol::{Address, GymId, Recorded, Version, Vocabulary};
use spotter_rules::{Entity, Rules};
use tracing::warn;

use crate::{EventRow, Journal, StoreError, Stored};

/// The row of an event.
pub(crate) fn row<E: Vocabulary>(recorded: &Recorded<E>) -> Result<EventRow, rmp_serde::encode::Error> {
    Ok(EventRow {
        version: recorded.version,
        stamp: recorded.stamp,
        kind: E::name(recorded.event.kind()).to_owned(),
        schema: Recorded::<E>::SCHEMA,
        body: recorded.event.body_to_msgpack()?,
    })
}

/// Reads rows back into events.
pub(crate) fn read_rows<E: Vocabulary>(rows: &[EventRow]) -> Result<Vec<Recorded<E>>, StoreError> {
    let read = |row: &EventRow| Recorded::read(row.version, row.stamp, &row.kind, row.schema, &row.body);
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// Folds what is stored of an entity. A snapshot this build cannot read is discarded and everything replayed.
pub(crate) async fn rebuild<S: Rules>(
    journal: &dyn Journal,
    gym: GymId,
    address: Address,
    stored: &Stored,
) -> Result<Entity<S>, StoreError> {
    let Some(snapshot) = &stored.snapshot else { return Ok(Entity::replay(&read_rows(&stored.tail)?)?) };
    if let Some(entity) = Entity::<S>::from_stored(snapshot.schema, &snapshot.body) {
        return Ok(entity.after(&read_rows(&stored.tail)?));
    }
    warn!(%address, form = snapshot.schema, "snapshot not readable: replaying the whole stream");
    let all = journal.events(gym, address, Version(0), u32::MAX).await?.unwrap_or_default();
    Ok(Entity::replay(&read_rows(&all)?)?)
}
