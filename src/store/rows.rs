//! The read models beside the journal: a batch is folded to one row per key, in the order of keys.

use std::collections::BTreeMap;

use spotter_actors::Epoch;
use spotter_protocol::{ExerciseId, GymId, SessionId, SetId, UserId};
use spotter_rules::{BestsRow, MessageRow, ReadRow, SessionRow, SetRow};

/// Under whose name a row is written.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    pub(super) gym: GymId,
    pub(super) owner: UserId,
    pub(super) epoch: Epoch,
}

/// The read-model rows of a batch, one per key: of two rows of a key the later added stands.
#[derive(Default)]
pub(super) struct Rows<'a> {
    pub(super) sessions: BTreeMap<(UserId, SessionId), (Holder, &'a SessionRow)>,
    pub(super) messages: Vec<(Holder, &'a MessageRow)>,
    pub(super) sets: BTreeMap<(UserId, &'a ExerciseId, SessionId, SetId), (Holder, &'a SetRow)>,
    pub(super) bests: BTreeMap<(UserId, &'a ExerciseId, SessionId), (Holder, &'a BestsRow)>,
}

impl<'a> Rows<'a> {
    /// Adds the rows of one append or snapshot.
    pub(super) fn add(&mut self, holder: Holder, rows: &'a [ReadRow]) {
        for row in rows {
            match row {
                ReadRow::Session(row) => {
                    self.sessions.insert((holder.owner, row.session), (holder, row));
                }
                ReadRow::Message(row) => self.messages.push((holder, row)),
                ReadRow::Set(row) => {
                    let key = (holder.owner, &row.exercise, row.session, row.set);
                    self.sets.insert(key, (holder, row));
                }
                ReadRow::Bests(row) => {
                    self.bests.insert((holder.owner, &row.bests.exercise, row.session), (holder, row));
                }
            }
        }
    }
}
