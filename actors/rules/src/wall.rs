//! The tiles of a room: for each athlete their newest live session, whether they are here, and how much they
//! need the coach. Pure soft state: lost, it is filled again from glances and presence.
//!
//! A tile is computed from the newest news of its athlete and the time alone, never from when the wall heard
//! it: two walls fed alike say the same, however late one of them opened. What follows from silence (a rest
//! runs out, an athlete stalls, a signal is lost) flips at a moment known beforehand.

mod look;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use spotter_protocol::{Badge, Glance, SessionId, Tile, Timestamp, UserId, Version};

use crate::{Connected, Room};
use look::Look;

/// Sessions remembered of one athlete, live or ended. Of too many the one longest without a set goes, ended
/// ones first.
const SESSIONS_MAX: usize = 16;

/// The tiles of one room.
#[derive(Clone, Debug, Default)]
pub struct Wall {
    room: Room,
    seats: BTreeMap<UserId, Seat>,
    /// Athletes taken off since [`Wall::changed`] last said so.
    gone: BTreeSet<UserId>,
}

/// One athlete's place on the wall.
#[derive(Clone, Debug, Default)]
struct Seat {
    connected: Option<Connected>,
    sessions: Vec<Seen>,
    /// The tile as [`Wall::changed`] last gave it.
    told: Option<Tile>,
    /// Something was heard since then.
    heard: bool,
    /// When silence changes the tile that was told.
    flip: Option<Timestamp>,
}

/// The newest that was seen of a session. An ended one is kept so that late news of it is known to be old.
#[derive(Clone, Debug)]
struct Seen {
    session: SessionId,
    v: Version,
    active_at: Timestamp,
    live: Option<Glance>,
}

impl Wall {
    /// A wall without athletes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The room's choices as the wall knows them.
    pub const fn room(&self) -> &Room {
        &self.room
    }

    /// Changes the room's choices. Who is hidden is a matter of the roster; the wall itself honours pins and
    /// dismissed badges.
    pub fn choose(&mut self, change: impl FnOnce(&mut Room)) {
        change(&mut self.room);
        self.seats.values_mut().for_each(|seat| seat.heard = true);
    }

    /// Says who is on the wall; nobody else is. Those who stay keep their tiles.
    pub fn set_roster(&mut self, athletes: &[UserId]) {
        let roster: BTreeSet<UserId> = athletes.iter().copied().collect();
        let left: Vec<UserId> = self.seats.keys().filter(|known| !roster.contains(known)).copied().collect();
        for athlete in left {
            self.seats.remove(&athlete);
            self.gone.insert(athlete);
        }
        for athlete in roster {
            self.gone.remove(&athlete);
            if let Entry::Vacant(place) = self.seats.entry(athlete) {
                place.insert(Seat { heard: true, ..Seat::default() });
            }
        }
    }

    /// Takes in a glance at a session of an athlete on the roster. One that is not newer than what was seen of
    /// that session changes nothing; a session that is not live or paused leaves the wall.
    pub fn see(&mut self, athlete: UserId, glance: Glance) {
        if let Some(seat) = self.seats.get_mut(&athlete) {
            seat.heard |= seat.see(glance);
        }
    }

    /// Takes in that an athlete on the roster came or went. What is not newer than what is known changes nothing.
    pub fn connected(&mut self, athlete: UserId, connected: Connected) {
        if let Some(seat) = self.seats.get_mut(&athlete)
            && seat.connected.is_none_or(|known| known.turn < connected.turn)
        {
            seat.connected = Some(connected);
            seat.heard = true;
        }
    }

    /// The tiles that changed since this was last asked, by news or by silence, in the order of
    /// [`Wall::all`], and the athletes who left; `None` when there are neither.
    pub fn changed(&mut self, now: Timestamp) -> Option<(Vec<Tile>, Vec<UserId>)> {
        let mut tiles = Vec::new();
        for (athlete, seat) in &mut self.seats {
            if seat.heard || seat.flip.is_some_and(|flip| flip <= now) {
                let (tile, flip) = seat.tile(*athlete, &self.room, now);
                (seat.heard, seat.flip) = (false, flip);
                if seat.told.as_ref() != Some(&tile) {
                    seat.told = Some(tile.clone());
                    tiles.push(tile);
                }
            }
        }
        let gone: Vec<UserId> = std::mem::take(&mut self.gone).into_iter().collect();
        let is_news = !tiles.is_empty() || !gone.is_empty();
        is_news.then(|| (in_order(tiles), gone))
    }

    /// Every tile: pinned ones first, then most in need, then the longest so, then by athlete.
    pub fn all(&self, now: Timestamp) -> Vec<Tile> {
        in_order(self.seats.iter().map(|(athlete, seat)| seat.tile(*athlete, &self.room, now).0).collect())
    }

    /// When silence changes some tile next. `now` when [`Wall::changed`] has something to say already.
    pub fn next_flip(&self, now: Timestamp) -> Option<Timestamp> {
        let due = |seat: &Seat| if seat.heard { Some(now) } else { seat.flip.map(|flip| flip.max(now)) };
        self.seats.values().filter_map(due).min()
    }
}

fn in_order(mut tiles: Vec<Tile>) -> Vec<Tile> {
    tiles.sort_by_key(Tile::place);
    tiles
}

impl Seat {
    /// Takes in a glance; answers whether it may show.
    fn see(&mut self, glance: Glance) -> bool {
        let place = self.sessions.iter().position(|seen| seen.session == glance.session);
        if place.is_some_and(|place| self.sessions[place].v >= glance.v) {
            return false;
        }
        let seen = Seen {
            session: glance.session,
            v: glance.v,
            active_at: glance.active_at,
            live: glance.phase.is_running().then_some(glance),
        };
        match place {
            Some(place) => self.sessions[place] = seen,
            None => self.sessions.push(seen),
        }
        if self.sessions.len() > SESSIONS_MAX {
            let least = (0..self.sessions.len()).min_by_key(|place| {
                let seen = &self.sessions[*place];
                (seen.live.is_some(), seen.active_at, seen.session)
            });
            least.map(|place| self.sessions.swap_remove(place));
        }
        true
    }

    /// The live session with the newest set.
    fn shown(&self) -> Option<&Glance> {
        let live = self.sessions.iter().filter_map(|seen| seen.live.as_ref());
        live.max_by_key(|glance| (glance.active_at, glance.session))
    }

    /// The tile at a moment, and when silence changes it next.
    fn tile(&self, athlete: UserId, room: &Room, now: Timestamp) -> (Tile, Option<Timestamp>) {
        let look = Look::at(now, self.shown(), self.connected, |glance, badge| {
            let brought_by = match badge {
                Badge::Pain => glance.pain.as_ref().map(|pain| pain.v),
                Badge::Failed
                | Badge::Overshoot
                | Badge::MissedReps
                | Badge::Pr
                | Badge::OffPlan
                | Badge::Late
                | Badge::Stalled => glance.last.as_ref().map(|last| last.v),
            };
            room.has_dismissed(athlete, glance.session, badge, brought_by.unwrap_or(glance.v))
        });
        let glance = self.shown().map(|glance| Glance { badges: look.badges, ..glance.clone() });
        let tile = Tile {
            athlete,
            presence: self.connected.map(|connected| connected.presence(now)),
            pinned: room.pins(athlete),
            stale: look.stale,
            attention: look.attention,
            since: look.since,
            glance,
        };
        (tile, look.flip)
    }
}

#[cfg(test)]
mod days;
#[cfg(test)]
mod tests;
