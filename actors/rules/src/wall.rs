//! The tiles of a room: for each athlete their newest live session, whether they are here, and how much they
//! need the coach. Pure soft state: lost, it is filled again from glances and presence.
//!
//! What follows from silence alone (a rest runs out, an athlete stalls) flips at a moment known beforehand. A
//! tile says `since` that moment, whenever somebody looks, so that two walls fed alike say the same.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use spotter_protocol::{
    Attention, Badge, Glance, Millis, Phase, Presence, SessionId, Tile, Timestamp, UserId, Version,
};

/// The rest taken as planned where neither the last set nor a rest says how long.
const REST_ASSUMED: Millis = Millis(180_000);
/// Sessions remembered of one athlete, live or ended. Of too many the one longest without a set goes, ended
/// ones first.
const SESSIONS_MAX: usize = 16;

/// The tiles of one room.
#[derive(Clone, Debug, Default)]
pub struct Wall {
    seats: BTreeMap<UserId, Seat>,
    /// Athletes taken off since [`Wall::changed`] last said so.
    gone: BTreeSet<UserId>,
}

/// One athlete's place on the wall.
#[derive(Clone, Debug)]
struct Seat {
    presence: Option<Presence>,
    sessions: Vec<Seen>,
    attention: Attention,
    since: Timestamp,
    stalled: bool,
    /// When silence changes this tile next.
    flip: Option<Timestamp>,
    changed: bool,
}

/// The newest that was seen of a session. An ended one is kept so that late news of it is known to be old.
#[derive(Clone, Debug)]
struct Seen {
    session: SessionId,
    v: Version,
    active_at: Timestamp,
    live: Option<Glance>,
}

/// What a tile deserves at a moment.
struct Look {
    attention: Attention,
    stalled: bool,
    flip: Option<Timestamp>,
}

impl Wall {
    /// A wall without athletes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says who is on the wall; nobody else is. Those who stay keep their tiles.
    pub fn set_roster(&mut self, athletes: &[UserId], now: Timestamp) {
        let roster: BTreeSet<UserId> = athletes.iter().copied().collect();
        let left: Vec<UserId> = self.seats.keys().filter(|known| !roster.contains(known)).copied().collect();
        for athlete in left {
            self.seats.remove(&athlete);
            self.gone.insert(athlete);
        }
        for athlete in roster {
            self.gone.remove(&athlete);
            if let Entry::Vacant(place) = self.seats.entry(athlete) {
                place.insert(Seat::empty(now));
            }
        }
    }

    /// Takes in a glance at a session of an athlete on the roster. One that is not newer than what was seen of
    /// that session changes nothing; a session that is not live or paused leaves the wall.
    pub fn see(&mut self, athlete: UserId, glance: Glance, now: Timestamp) {
        if let Some(seat) = self.seats.get_mut(&athlete) {
            seat.update(now, |seat| seat.see(glance));
        }
    }

    /// Takes in that an athlete on the roster came or went.
    pub fn presence(&mut self, athlete: UserId, presence: Presence, now: Timestamp) {
        if let Some(seat) = self.seats.get_mut(&athlete) {
            seat.update(now, |seat| {
                let is_news = seat.presence != Some(presence);
                seat.presence = Some(presence);
                is_news
            });
        }
    }

    /// The tiles that changed since this was last asked, by news or by silence, in the order of
    /// [`Wall::all`], and the athletes who left; `None` when there are neither.
    pub fn changed(&mut self, now: Timestamp) -> Option<(Vec<Tile>, Vec<UserId>)> {
        let mut tiles = Vec::new();
        for (athlete, seat) in &mut self.seats {
            seat.settle(now);
            if std::mem::take(&mut seat.changed) {
                tiles.push(seat.tile(*athlete));
            }
        }
        let gone: Vec<UserId> = std::mem::take(&mut self.gone).into_iter().collect();
        let is_news = !tiles.is_empty() || !gone.is_empty();
        is_news.then(|| (in_order(tiles), gone))
    }

    /// Every tile: most in need first, then the longest so, then by athlete.
    pub fn all(&self, now: Timestamp) -> Vec<Tile> {
        let settled = self.seats.iter().map(|(athlete, seat)| {
            let mut seat = seat.clone();
            seat.settle(now);
            seat.tile(*athlete)
        });
        in_order(settled.collect())
    }

    /// When silence changes some tile next: its attention or its stalled badge. `now` when that moment has
    /// passed without [`Wall::changed`] being asked.
    pub fn next_flip(&self, now: Timestamp) -> Option<Timestamp> {
        self.seats.values().filter_map(|seat| seat.flip).min().map(|flip| flip.max(now))
    }
}

fn in_order(mut tiles: Vec<Tile>) -> Vec<Tile> {
    tiles.sort_by_key(|tile| (Reverse(tile.attention), tile.since, tile.athlete));
    tiles
}

impl Seat {
    const fn empty(now: Timestamp) -> Self {
        Self {
            presence: None,
            sessions: Vec::new(),
            attention: Attention::Away,
            since: now,
            stalled: false,
            flip: None,
            changed: true,
        }
    }

    /// Lets silence speak up to `now`, then `change`, which says whether it was news.
    fn update(&mut self, now: Timestamp, change: impl FnOnce(&mut Self) -> bool) {
        self.settle(now);
        if change(self) {
            self.changed = true;
            self.look_again(now);
        }
    }

    /// Makes every flip due by `now`, each at its own moment.
    fn settle(&mut self, now: Timestamp) {
        while let Some(flip) = self.flip.filter(|flip| *flip <= now) {
            self.changed = true;
            self.look_again(flip);
        }
    }

    fn look_again(&mut self, at: Timestamp) {
        let look = self.look(at);
        if look.attention != self.attention {
            self.attention = look.attention;
            self.since = at;
        }
        self.stalled = look.stalled;
        self.flip = look.flip;
    }

    fn see(&mut self, glance: Glance) -> bool {
        let before = self.shown().map(|shown| (shown.session, shown.v));
        let place = self.sessions.iter().position(|seen| seen.session == glance.session);
        if place.is_some_and(|place| self.sessions[place].v >= glance.v) {
            return false;
        }
        let seen = Seen {
            session: glance.session,
            v: glance.v,
            active_at: glance.active_at,
            live: match glance.phase {
                Phase::Live | Phase::Paused => Some(glance),
                Phase::Planned | Phase::Finished | Phase::Abandoned => None,
            },
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
        self.shown().map(|shown| (shown.session, shown.v)) != before
    }

    /// The live session with the newest set.
    fn shown(&self) -> Option<&Glance> {
        let live = self.sessions.iter().filter_map(|seen| seen.live.as_ref());
        live.max_by_key(|glance| (glance.active_at, glance.session))
    }

    fn look(&self, at: Timestamp) -> Look {
        let Some(glance) = self.shown() else {
            return Look { attention: Attention::Away, stalled: false, flip: None };
        };
        let rest_end = glance.rest.map(|rest| rest.start.plus(rest.duration_ms));
        let stall = self.stalls_at(glance);
        let resting = rest_end.is_some_and(|end| at < end);
        let stalled = stall.is_some_and(|moment| at >= moment);
        let has = |badge| glance.badges.contains(&badge);
        let attention = if has(Badge::Pain) {
            Attention::Pain
        } else if has(Badge::Failed) {
            Attention::Failed
        } else if has(Badge::Overshoot) {
            Attention::Overshoot
        } else if stalled {
            Attention::Stalled
        } else if has(Badge::Pr) {
            Attention::Pr
        } else if resting {
            Attention::Resting
        } else {
            // Missed repetitions are a badge of somebody at work: the next set tells more than an alarm.
            Attention::Working
        };
        // A louder attention hides the end of a rest, but never the badge of having stalled.
        let rest_shows = attention == Attention::Resting;
        let rest_flip = rest_end.filter(|_| rest_shows);
        let flips = [rest_flip, stall].into_iter().flatten().filter(|flip| *flip > at);
        Look { attention, stalled, flip: flips.min() }
    }

    /// When the athlete stalls unless a set comes: at twice the planned rest after the last set, and not
    /// before a rest that they announced is over. Never of somebody who is not here, whose session is paused,
    /// who has not begun, or whose last set came late and rings no alarm.
    fn stalls_at(&self, glance: &Glance) -> Option<Timestamp> {
        let is_here = self.presence.is_some_and(|presence| presence.here);
        if !is_here || glance.phase != Phase::Live || glance.badges.contains(&Badge::Late) {
            return None;
        }
        let last = glance.last.as_ref()?;
        let planned = last.target.as_ref().and_then(|target| target.rest);
        let planned = planned.or(glance.rest.map(|rest| rest.duration_ms)).unwrap_or(REST_ASSUMED);
        let twice = last.at.plus(planned).plus(planned);
        let rest_end = glance.rest.map(|rest| rest.start.plus(rest.duration_ms));
        Some(rest_end.map_or(twice, |end| twice.max(end)))
    }

    fn tile(&self, athlete: UserId) -> Tile {
        let mut glance = self.shown().cloned();
        if let Some(glance) = &mut glance
            && self.stalled
        {
            glance.badges.push(Badge::Stalled);
        }
        let (presence, attention, since) = (self.presence, self.attention, self.since);
        Tile { athlete, presence, attention, since, glance }
    }
}

#[cfg(test)]
mod tests;
