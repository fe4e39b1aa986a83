//! The tiles of a room: who is on the wall, what their newest live session looks like, and how much each
//! needs the coach. Soft state: it can be thrown away and built again from glances.

use std::collections::{BTreeMap, BTreeSet};

use spotter_protocol::{
    Attention, Badge, Glance, Millis, Phase, Presence, SessionId, Tile, Timestamp, UserId, Version,
};

/// The rest assumed where none was planned, for telling that an athlete has stalled.
const REST_ASSUMED: Millis = Millis(180_000);
/// Live sessions of one athlete that a wall tells apart; the one longest without a set is dropped first.
const SESSIONS_MAX: usize = 8;

/// The tiles of one room.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wall {
    athletes: BTreeMap<UserId, Athlete>,
    changed: BTreeSet<UserId>,
    gone: BTreeSet<UserId>,
}

/// One athlete on the wall.
#[derive(Clone, Debug, Default, PartialEq)]
struct Athlete {
    presence: Option<Presence>,
    /// Running sessions, at most [`SESSIONS_MAX`].
    sessions: Vec<Glance>,
    /// The version each ended session was last seen at, so that old news of it is known as such.
    ended: Vec<(SessionId, Version)>,
    attention: Option<(Attention, Timestamp)>,
}

impl Wall {
    /// Says who is on the wall; nobody else is.
    pub fn set_roster(&mut self, athletes: &[UserId], now: Timestamp) {
        let wanted: BTreeSet<UserId> = athletes.iter().copied().collect();
        let gone: Vec<UserId> =
            self.athletes.keys().filter(|known| !wanted.contains(known)).copied().collect();
        for athlete in gone {
            self.athletes.remove(&athlete);
            self.changed.remove(&athlete);
            self.gone.insert(athlete);
        }
        for athlete in wanted {
            if !self.athletes.contains_key(&athlete) {
                self.athletes.insert(athlete, Athlete::default());
                self.gone.remove(&athlete);
                self.touch(athlete, now);
            }
        }
    }

    /// Takes in a glance at one of an athlete's sessions. One that is not newer than what is known of the
    /// session changes nothing; a session that runs no more leaves the wall.
    pub fn see(&mut self, athlete: UserId, glance: Glance, now: Timestamp) {
        let Some(known) = self.athletes.get_mut(&athlete) else { return };
        if known.knows(glance.session, glance.v) {
            return;
        }
        known.sessions.retain(|other| other.session != glance.session);
        known.ended.retain(|(session, _)| *session != glance.session);
        match glance.phase {
            Phase::Live | Phase::Paused => known.sessions.push(glance),
            Phase::Planned | Phase::Finished => known.ended.push((glance.session, glance.v)),
        }
        // The newest last; the oldest of too many goes.
        known.sessions.sort_by_key(|glance| (glance.active_at, glance.session));
        if known.sessions.len() > SESSIONS_MAX {
            known.sessions.remove(0);
        }
        if known.ended.len() > SESSIONS_MAX {
            known.ended.remove(0);
        }
        self.touch(athlete, now);
    }

    /// Takes in that an athlete came or went.
    pub fn presence(&mut self, athlete: UserId, presence: Presence, now: Timestamp) {
        let Some(known) = self.athletes.get_mut(&athlete) else { return };
        if known.presence != Some(presence) {
            known.presence = Some(presence);
            self.touch(athlete, now);
        }
    }

    /// The tiles that changed since this was last asked, by news or by silence, most in need first, and who
    /// left; `None` when nothing did.
    pub fn changed(&mut self, now: Timestamp) -> Option<(Vec<Tile>, Vec<UserId>)> {
        let silent: Vec<UserId> =
            self.athletes.iter().filter(|(_, a)| a.is_due(now)).map(|(id, _)| *id).collect();
        for athlete in silent {
            self.touch(athlete, now);
        }
        if self.changed.is_empty() && self.gone.is_empty() {
            return None;
        }
        let changed = std::mem::take(&mut self.changed);
        let tiles = self.tiles(now, |athlete| changed.contains(&athlete));
        Some((tiles, std::mem::take(&mut self.gone).into_iter().collect()))
    }

    /// All tiles, most in need first.
    pub fn all(&self, now: Timestamp) -> Vec<Tile> {
        self.tiles(now, |_| true)
    }

    /// When silence changes some tile next.
    pub fn next_flip(&self, now: Timestamp) -> Option<Timestamp> {
        let flips = self.athletes.values().flat_map(|athlete| [athlete.stalls_at(), athlete.rests_until()]);
        flips.flatten().filter(|flip| *flip > now).min()
    }

    fn tiles(&self, now: Timestamp, wanted: impl Fn(UserId) -> bool) -> Vec<Tile> {
        let chosen = self.athletes.iter().filter(|(id, _)| wanted(**id));
        let mut tiles: Vec<Tile> = chosen.map(|(id, athlete)| athlete.tile(*id, now)).collect();
        tiles.sort_by_key(|tile| (std::cmp::Reverse(tile.attention), tile.since, tile.athlete));
        tiles
    }

    fn touch(&mut self, id: UserId, now: Timestamp) {
        if let Some(athlete) = self.athletes.get_mut(&id) {
            let attention = athlete.judge(now);
            if athlete.attention.is_none_or(|(before, _)| before != attention) {
                athlete.attention = Some((attention, now));
            }
            self.changed.insert(id);
        }
    }
}

impl Athlete {
    fn knows(&self, session: SessionId, version: Version) -> bool {
        let running = self.sessions.iter().map(|glance| (glance.session, glance.v));
        running.chain(self.ended.iter().copied()).any(|(known, v)| known == session && v >= version)
    }

    /// The session shown: the one with the newest set.
    fn shown(&self) -> Option<&Glance> {
        self.sessions.last()
    }

    /// When the athlete counts as stalled: present, live, and twice the planned rest since the last set.
    fn stalls_at(&self) -> Option<Timestamp> {
        let glance = self.shown().filter(|glance| glance.phase == Phase::Live)?;
        if self.presence.is_some_and(|presence| !presence.here) {
            return None;
        }
        let last = glance.last.as_ref()?;
        let planned = last.target.as_ref().and_then(|target| target.rest);
        let rest = planned.or(glance.rest.map(|rest| rest.duration_ms)).unwrap_or(REST_ASSUMED);
        Some(last.at.shifted(2 * rest.micros()))
    }

    fn rests_until(&self) -> Option<Timestamp> {
        self.shown()?.rest.map(|rest| rest.start.plus(rest.duration_ms))
    }

    /// Whether silence has changed something that the tile does not say yet.
    fn is_due(&self, now: Timestamp) -> bool {
        self.attention.is_some_and(|(known, _)| known != self.judge(now))
    }

    fn is_stalled(&self, now: Timestamp) -> bool {
        self.stalls_at().is_some_and(|flip| now >= flip)
    }

    fn judge(&self, now: Timestamp) -> Attention {
        let Some(glance) = self.shown() else { return Attention::Away };
        let has = |badge| glance.badges.contains(&badge);
        let rests = self.rests_until().is_some_and(|end| now < end);
        if has(Badge::Failed) {
            Attention::Failed
        } else if has(Badge::Overshoot) {
            Attention::Overshoot
        } else if self.is_stalled(now) {
            Attention::Stalled
        } else if has(Badge::Pr) {
            Attention::Pr
        } else if rests {
            Attention::Resting
        } else {
            Attention::Working
        }
    }

    fn tile(&self, athlete: UserId, now: Timestamp) -> Tile {
        let (attention, since) = self.attention.unwrap_or((Attention::Away, now));
        let mut glance = self.shown().cloned();
        if let Some(glance) = &mut glance
            && self.is_stalled(now)
        {
            glance.badges.push(Badge::Stalled);
        }
        Tile { athlete, presence: self.presence, attention, since, glance }
    }
}
