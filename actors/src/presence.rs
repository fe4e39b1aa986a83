//! Who is connected, and since when: to this node, and as others tell it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spotter_protocol::{Presence, Timestamp, UserId};
use spotter_rules::Connected;
use uuid::Uuid;

use crate::engine::Ports;
use crate::{Backplane, Clock, Peers, Publication};

/// People remembered after they left, for the age on their tiles; past it the one longest gone is forgotten.
const GONE_MAX: usize = 65_536;

/// The people of this node, and of the others.
pub struct People {
    clock: Arc<dyn Clock>,
    backplane: Arc<dyn Backplane>,
    peers: Arc<dyn Peers>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    people: HashMap<UserId, Person>,
    /// Those without a connection, longest gone first.
    gone: BTreeSet<(Timestamp, UserId)>,
    /// The people of other nodes, by node; those of nodes that are gone under none.
    elsewhere: HashMap<Option<Uuid>, HashMap<UserId, Connected>>,
    /// Those among them without a connection, longest gone first.
    gone_elsewhere: BTreeSet<(Timestamp, Option<Uuid>, UserId)>,
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
    pub(crate) fn new(ports: &Ports) -> Self {
        let (clock, backplane) = (Arc::clone(&ports.clock), Arc::clone(&ports.backplane));
        Self { clock, backplane, peers: Arc::clone(&ports.peers), known: Mutex::default() }
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
        self.lock().connected(user)
    }

    /// Everybody of this node: those who are here, and those who left it a moment ago.
    pub fn mine(&self) -> Vec<(UserId, Connected)> {
        let now = self.clock.now();
        let known = self.lock();
        let people = known.people.iter().map(|(user, person)| (*user, person.connected));
        people.filter(|(_, connected)| connected.is_here(now)).collect()
    }

    /// What another node says of the connections that `user` has there.
    pub fn heard(&self, node: Uuid, user: UserId, connected: Connected) {
        self.lock().note(Some(node), user, connected);
        self.tell_here(user);
    }

    /// What another node said of its people is void; it says it anew.
    pub fn heard_anew(&self, node: Uuid) {
        let left = self.lock().bury(node, self.clock.now());
        left.into_iter().for_each(|user| self.tell_here(user));
    }

    /// The other nodes are these: whoever was connected to one that is gone is not any more.
    pub fn nodes(&self, alive: &BTreeSet<Uuid>) {
        let now = self.clock.now();
        let mut known = self.lock();
        let gone: Vec<Uuid> = known.elsewhere.keys().filter_map(|node| *node).collect();
        let gone = gone.into_iter().filter(|node| !alive.contains(node));
        let left: Vec<UserId> = gone.flat_map(|node| known.bury(node, now)).collect();
        drop(known);
        left.into_iter().for_each(|user| self.tell_here(user));
    }

    /// Told without the lock, so that two changes may overtake one another: their turns tell them apart.
    fn tell(&self, user: UserId, news: Option<Connected>) {
        if let Some(connected) = news {
            self.peers.presence(user, connected);
            self.tell_here(user);
        }
    }

    /// Tells those of this node who listen to `user`.
    fn tell_here(&self, user: UserId) {
        if let Some(connected) = self.connected(user) {
            self.backplane.publish(user, &|| Publication::Presence(user, connected));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What is known of the connections of `user` to any node: since the first of those that followed one another.
    fn connected(&self, user: UserId) -> Option<Connected> {
        let mine = self.people.get(&user).map(|person| person.connected);
        if self.elsewhere.is_empty() {
            return mine;
        }
        let theirs = self.elsewhere.values().filter_map(|people| people.get(&user)).copied();
        let all: Vec<Connected> = mine.into_iter().chain(theirs).collect();
        let open = all.iter().filter(|one| one.closed_at.is_none()).min_by_key(|one| one.since);
        let newest = open.or_else(|| all.iter().max_by_key(|one| one.closed_at))?;
        let since = all.iter().filter(|one| one.is_here(newest.since)).map(|one| one.since).min();
        Some(Connected { since: since.unwrap_or(newest.since), turn: self.turn, ..*newest })
    }

    /// Notes what is known of the connections of `user` to another node.
    fn note(&mut self, node: Option<Uuid>, user: UserId, connected: Connected) {
        self.turn += 1;
        let before = self.elsewhere.entry(node).or_default().insert(user, connected);
        if let Some(closed) = before.and_then(|before| before.closed_at) {
            self.gone_elsewhere.remove(&(closed, node, user));
        }
        if let Some(closed) = connected.closed_at {
            self.gone_elsewhere.insert((closed, node, user));
        }
        if self.gone_elsewhere.len() > GONE_MAX
            && let Some((_, node, forgotten)) = self.gone_elsewhere.pop_first()
            && let Some(people) = self.elsewhere.get_mut(&node)
        {
            people.remove(&forgotten);
        }
    }

    /// Forgets a node that is gone, but for when its people were seen last; answers who was connected to it.
    fn bury(&mut self, node: Uuid, now: Timestamp) -> Vec<UserId> {
        let mut left = Vec::new();
        for (user, one) in self.elsewhere.remove(&Some(node)).unwrap_or_default() {
            match one.closed_at {
                Some(closed) => _ = self.gone_elsewhere.remove(&(closed, Some(node), user)),
                None => left.push(user),
            }
            let closed_at = one.closed_at.or(Some(now));
            let past = self.elsewhere.get(&None).and_then(|past| past.get(&user));
            if past.is_none_or(|past| past.closed_at < closed_at) {
                self.note(None, user, Connected { closed_at, ..one });
            }
        }
        left
    }
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

    const THERE: Uuid = Uuid::from_u128(9);

    const fn since(since: i64, closed: Option<i64>) -> Connected {
        let closed_at = match closed {
            Some(closed) => Some(at(closed)),
            None => None,
        };
        Connected { since: at(since), closed_at, turn: 0 }
    }

    fn of_all(known: &Known, now: i64) -> Option<Presence> {
        known.connected(ANA).map(|connected| connected.presence(at(now)))
    }

    #[test]
    fn who_moves_to_another_node_was_here_all_along() {
        let mut known = Known::default();
        known.arrive(ANA, at(10));
        known.leave(ANA, at(100));
        known.note(Some(THERE), ANA, since(105, None));
        assert_eq!(of_all(&known, 1_000), here(10));

        known.note(Some(THERE), ANA, since(105, Some(200)));
        assert_eq!(of_all(&known, 1_000), Some(Presence { here: false, since: at(200) }));
        known.arrive(ANA, at(1_000));
        assert_eq!(of_all(&known, 1_001), here(1_000));
    }

    #[test]
    fn who_was_connected_to_a_node_that_is_gone_left_with_it() {
        let mut known = Known::default();
        known.note(Some(THERE), ANA, since(10, None));
        assert_eq!(known.bury(THERE, at(50)), [ANA]);
        assert_eq!(of_all(&known, 1_000), Some(Presence { here: false, since: at(50) }));
        assert!(known.bury(THERE, at(60)).is_empty() && known.gone_elsewhere.len() == 1);
    }

    #[test]
    fn who_a_node_does_not_name_again_when_it_says_anew_who_is_there_has_left() {
        const BO: UserId = UserId(Uuid::from_u128(2));
        let mut known = Known::default();
        known.note(Some(THERE), ANA, since(10, None));
        known.note(Some(THERE), BO, since(10, None));

        known.bury(THERE, at(50));
        known.note(Some(THERE), ANA, since(10, None));

        assert_eq!(of_all(&known, 1_000), here(10));
        let bo = known.connected(BO).map(|connected| connected.presence(at(1_000)));
        assert_eq!(bo, Some(Presence { here: false, since: at(50) }));
    }

    #[test]
    fn news_of_any_node_is_newer_than_the_one_before() {
        let mut known = Known::default();
        known.arrive(ANA, at(10));
        let mut turns = vec![known.connected(ANA).unwrap().turn];
        known.note(Some(THERE), ANA, since(11, None));
        turns.push(known.connected(ANA).unwrap().turn);
        known.note(Some(THERE), ANA, since(11, Some(12)));
        turns.push(known.connected(ANA).unwrap().turn);
        known.leave(ANA, at(13));
        turns.push(known.connected(ANA).unwrap().turn);
        assert!(turns.is_sorted_by(|earlier, later| earlier < later), "{turns:?}");
    }
}
