//! Who is connected to this node, and since when.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spotter_protocol::{Presence, Timestamp, UserId};
use spotter_rules::Connected;

use crate::{Backplane, Clock, Publication};

/// People remembered after they left, for the age on their tiles; past it the one longest gone is forgotten.
const GONE_MAX: usize = 65_536;

/// The people of this node.
pub struct People {
    clock: Arc<dyn Clock>,
    backplane: Arc<dyn Backplane>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    people: HashMap<UserId, Person>,
    /// Those without a connection, longest gone first.
    gone: BTreeSet<(Timestamp, UserId)>,
    /// Changes so far, of anybody.
    turn: u64,
}

#[derive(Clone, Copy)]
struct Person {
    connections: u32,
    connected: Connected,
}

/// One connection of a person, until it is dropped.
pub struct Here {
    people: Arc<People>,
    user: UserId,
}

impl People {
    /// Nobody, yet.
    pub fn new(clock: Arc<dyn Clock>, backplane: Arc<dyn Backplane>) -> Self {
        Self { clock, backplane, known: Mutex::default() }
    }

    /// A connection of `user` opened.
    pub fn arrive(self: &Arc<Self>, user: UserId) -> Here {
        let now = self.clock.now();
        let news = self.lock().arrive(user, now);
        self.tell(user, news);
        Here { people: Arc::clone(self), user }
    }

    /// Whether `user` is here, and since when; `None` when never seen, or forgotten.
    pub fn presence(&self, user: UserId) -> Option<Presence> {
        self.connected(user).map(|connected| connected.presence(self.clock.now()))
    }

    /// What is known of the connections of `user`; `None` when never seen, or forgotten.
    pub(crate) fn connected(&self, user: UserId) -> Option<Connected> {
        self.lock().people.get(&user).map(|person| person.connected)
    }

    /// Told without the lock, so that two changes may overtake one another: their turns tell them apart.
    fn tell(&self, user: UserId, news: Option<Connected>) {
        if let Some(connected) = news {
            self.backplane.publish(user, &|| Publication::Presence(user, connected));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// One more connection; answers what is news.
    fn arrive(&mut self, user: UserId, now: Timestamp) -> Option<Connected> {
        self.turn += 1;
        let fresh = Connected { since: now, closed_at: None, turn: self.turn };
        let person = self.people.entry(user).or_insert(Person { connections: 0, connected: fresh });
        person.connections = person.connections.saturating_add(1);
        if person.connections > 1 {
            return None;
        }
        if let Some(closed) = person.connected.closed_at {
            self.gone.remove(&(closed, user));
        }
        let stayed = person.connected.is_here(now);
        person.connected = if stayed { Connected { since: person.connected.since, ..fresh } } else { fresh };
        Some(person.connected)
    }

    /// One connection fewer; answers what is news.
    fn leave(&mut self, user: UserId, now: Timestamp) -> Option<Connected> {
        let person = self.people.get_mut(&user)?;
        person.connections = person.connections.saturating_sub(1);
        if person.connections > 0 {
            return None;
        }
        self.turn += 1;
        person.connected = Connected { closed_at: Some(now), turn: self.turn, ..person.connected };
        let news = person.connected;
        self.gone.insert((now, user));
        if self.gone.len() > GONE_MAX
            && let Some((_, forgotten)) = self.gone.pop_first()
        {
            self.people.remove(&forgotten);
        }
        Some(news)
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let now = self.people.clock.now();
        let news = self.people.lock().leave(self.user, now);
        self.people.tell(self.user, news);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const ANA: UserId = UserId(Uuid::from_u128(1));

    const fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    fn presence(known: &Known, now: i64) -> Option<Presence> {
        known.people.get(&ANA).map(|person| person.connected.presence(at(now)))
    }

    const fn here(since: i64) -> Option<Presence> {
        Some(Presence { here: true, since: at(since) })
    }

    #[test]
    fn who_comes_back_within_the_grace_was_here_all_along() {
        let mut known = Known::default();
        known.arrive(ANA, at(10));
        known.leave(ANA, at(100));
        known.arrive(ANA, at(119));

        assert_eq!(presence(&known, 1_000), here(10));
    }

    #[test]
    fn who_comes_back_later_is_here_since_then() {
        let mut known = Known::default();
        known.arrive(ANA, at(10));
        known.leave(ANA, at(100));
        assert_eq!(presence(&known, 120), Some(Presence { here: false, since: at(100) }));

        known.arrive(ANA, at(120));

        assert_eq!(presence(&known, 120), here(120));
    }

    #[test]
    fn only_the_first_connection_and_the_last_are_news() {
        let mut known = Known::default();
        assert!(known.arrive(ANA, at(10)).is_some());
        assert_eq!(known.arrive(ANA, at(11)), None);
        assert_eq!(known.leave(ANA, at(12)), None);
        assert_eq!(presence(&known, 1_000), here(10));
        assert!(known.leave(ANA, at(13)).is_some());
    }

    #[test]
    fn each_news_is_newer_than_the_one_before() {
        let mut known = Known::default();
        let turns = [known.arrive(ANA, at(1)), known.leave(ANA, at(1)), known.arrive(ANA, at(1))];
        assert!(turns.map(|news| news.unwrap().turn).is_sorted_by(|earlier, later| earlier < later));
    }

    #[test]
    fn of_too_many_who_left_the_one_longest_gone_is_forgotten_and_nobody_who_is_here() {
        let mut known = Known::default();
        known.arrive(ANA, at(0));
        let user = |n: i64| UserId(Uuid::from_u128(100 + u128::try_from(n).unwrap()));
        let max = i64::try_from(GONE_MAX).unwrap();
        for n in 0..=max {
            known.arrive(user(n), at(n));
            known.leave(user(n), at(n));
        }

        assert_eq!(known.people.len(), GONE_MAX + 1);
        assert!(!known.people.contains_key(&user(0)) && known.people.contains_key(&user(1)));
        assert!(known.people.contains_key(&ANA));
    }
}
