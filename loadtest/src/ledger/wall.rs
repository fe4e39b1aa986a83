//! Walls of coaches: each has to come to the newest version of every athlete of its gym, and may never go back.

use std::collections::BTreeMap;
use std::time::Instant;

use spotter_protocol::{Address, EntityKind, SessionId, UserId, Version};

use super::{Ledger, Reader, Stream, Wrong};

/// What a tile shows: a session at a version, and how many of its sets are done. Nothing where none runs.
pub(super) type Shown = (SessionId, Version, u16);

impl Ledger {
    /// A tile of `athlete` came to `reader`; `newest` is the session and version it shows, and how many sets. Answers when the newest of its
    /// sets was due, where that is known.
    pub(crate) fn tile(&mut self, reader: usize, athlete: UserId, newest: Option<Shown>) -> Option<Instant> {
        let Reader { gym, tiles } = &mut self.readers[reader];
        let gym = *gym;
        if self.people.get(&athlete).is_none_or(|(of, _)| *of != gym) {
            self.wrong(Wrong::Leaked, format!("reader {reader} of gym {gym} was shown a tile of {athlete}"));
            return None;
        }
        let before = tiles.as_mut()?.insert(athlete, newest).flatten();
        let (session, version, done) = newest?;
        let to = Address::session(athlete, session);
        if let Some((_, held, counted)) = before.filter(|(same, ..)| *same == session) {
            if held > version {
                let what = format!("the tile of {to} went from version {} to {}", held.0, version.0);
                self.wrong(Wrong::Reordered, what);
            }
            // A rest or a note changes a tile too, and is no news of a set.
            if counted >= done {
                return None;
            }
        }
        let stream = self.streams.get(&to)?;
        let number = stream.numbers.low()? + u64::from(done.checked_sub(1)?);
        stream.planned.iter().find(|(planned, _)| u64::from(*planned) == number).map(|(_, at)| *at)
    }

    /// Athletes whose newest tile never came to that reader of a room.
    pub(super) fn stale_tiles(&self, reader: usize) -> Vec<Address> {
        let Reader { gym, tiles: Some(tiles) } = &self.readers[reader] else { return Vec::new() };
        let mut newest = BTreeMap::new();
        let of_gym =
            |(to, stream): &(&Address, &Stream)| to.kind == EntityKind::Session && stream.gym == *gym;
        for (to, stream) in
            self.streams.iter().filter(of_gym).filter(|(_, stream)| stream.versions.high() > 0)
        {
            let last = newest.entry(to.owner).or_insert((to, stream));
            if stream.place > last.1.place {
                *last = (to, stream);
            }
        }
        let shown = |to: &Address, stream: &Stream| match tiles.get(&to.owner) {
            Some(Some((session, v, _))) => session.0 == to.id && v.0 >= stream.versions.high(),
            Some(None) => stream.is_finished,
            None => false,
        };
        newest.into_values().filter(|(to, stream)| !shown(to, stream)).map(|(to, _)| *to).collect()
    }

    /// Whether every wall of the gym shows that version, or a later session of the athlete; or no session, if it has
    /// ended.
    pub(super) fn is_on_walls(&self, to: &Address, stream: &Stream, version: u64) -> bool {
        let mut walls = self
            .readers
            .iter()
            .enumerate()
            .filter(|(number, reader)| reader.gym == stream.gym && !self.is_gone(*number))
            .filter_map(|(_, reader)| reader.tiles.as_ref());
        walls.all(|tiles| {
            version == 0
                || to.kind != EntityKind::Session
                || match tiles.get(&to.owner) {
                    Some(Some((session, v, _))) if session.0 == to.id => v.0 >= version,
                    Some(Some((session, ..))) => {
                        let shown = self.streams.get(&Address::session(to.owner, *session));
                        shown.is_some_and(|shown| shown.place > stream.place)
                    }
                    Some(None) => stream.is_finished,
                    None => false,
                }
        })
    }
}
