//! Random days of a wall: whatever is heard in whatever order, what it says holds together.

use proptest::collection::vec;
use proptest::prelude::*;
use spotter_protocol::{AthletePinned, AthleteUnpinned, Badge, BadgeDismissed, Phase};
use uuid::Uuid;

use super::tests::{ANA, BEN, at, glance, here, left, resting, wearing};
use super::*;

#[derive(Clone, Debug)]
enum News {
    See(u128, Box<Glance>),
    Connected(u128, bool),
    Roster(Vec<u128>),
    Pin(u128, bool),
    Dismiss(u128, u128, Badge, u64),
    /// Nothing happens; the wall is asked what changed.
    Asked,
}

fn a_badge() -> impl Strategy<Value = Badge> {
    prop::sample::select(vec![Badge::Failed, Badge::Overshoot, Badge::MissedReps, Badge::Pr, Badge::Stalled])
}

fn news() -> impl Strategy<Value = News> {
    let badges = prop::sample::subsequence(
        vec![Badge::Failed, Badge::Overshoot, Badge::MissedReps, Badge::Pr, Badge::Late],
        0..3,
    );
    let phase = prop_oneof![6 => Just(Phase::Live), 1 => Just(Phase::Paused), 2 => Just(Phase::Finished)];
    let rest = prop::option::of((0..300_i64, 0..200_u32));
    let seen = (1..4_u128, 0..3_u128, 1..40_u64, 0..300_i64, phase, badges, rest).prop_map(
        |(athlete, session, v, active, phase, badges, rest)| {
            let seen = wearing(glance(athlete * 10 + session, v, active), &badges);
            let seen = rest.map_or(seen.clone(), |(start, seconds)| resting(seen, start, seconds));
            News::See(athlete, Box::new(Glance { phase, ..seen }))
        },
    );
    prop_oneof![
        8 => seen,
        2 => (1..4_u128, any::<bool>()).prop_map(|(athlete, is_here)| News::Connected(athlete, is_here)),
        1 => vec(1..4_u128, 0..4).prop_map(News::Roster),
        1 => (1..4_u128, any::<bool>()).prop_map(|(athlete, pinned)| News::Pin(athlete, pinned)),
        2 => (1..4_u128, 0..3_u128, a_badge(), 1..40_u64)
            .prop_map(|(athlete, session, badge, v)| News::Dismiss(athlete, session, badge, v)),
        4 => Just(News::Asked),
    ]
}

fn user(athlete: u128) -> UserId {
    UserId(Uuid::from_u128(athlete))
}

fn tell(wall: &mut Wall, news: &News, now: i64) {
    match news {
        News::See(athlete, glance) => wall.see(user(*athlete), Glance::clone(glance)),
        News::Connected(athlete, is_here) => {
            wall.connected(user(*athlete), if *is_here { here(now) } else { left(0, now) });
        }
        News::Roster(athletes) => {
            wall.set_roster(&athletes.iter().copied().map(user).collect::<Vec<_>>());
        }
        News::Pin(athlete, true) => {
            wall.choose(|room| room.fold(&AthletePinned { athlete: user(*athlete) }.into()));
        }
        News::Pin(athlete, false) => {
            wall.choose(|room| room.fold(&AthleteUnpinned { athlete: user(*athlete) }.into()));
        }
        News::Dismiss(athlete, session, badge, v) => {
            let session = SessionId(Uuid::from_u128(athlete * 10 + session));
            let (athlete, badge, v) = (user(*athlete), *badge, Version(*v));
            let dismissed = BadgeDismissed { athlete, session, badge, v };
            wall.choose(|room| room.fold(&dismissed.into()));
        }
        News::Asked => {}
    }
}

/// A screen that folds what it is told, and remembers the newest version it saw of each session.
#[derive(Default)]
struct Screen {
    tiles: BTreeMap<UserId, Tile>,
    newest: BTreeMap<(UserId, SessionId), Version>,
}

impl Screen {
    fn fold(&mut self, changed: Option<(Vec<Tile>, Vec<UserId>)>) {
        let Some((tiles, gone)) = changed else { return };
        assert!(!tiles.is_empty() || !gone.is_empty(), "no news is no frame");
        for athlete in gone {
            self.tiles.remove(&athlete);
        }
        for tile in tiles {
            if let Some(glance) = &tile.glance {
                let newest = self.newest.entry((tile.athlete, glance.session)).or_default();
                assert!(*newest <= glance.v, "{} went back", tile.athlete);
                *newest = glance.v;
            }
            self.tiles.insert(tile.athlete, tile);
        }
    }

    fn shown(&self) -> Vec<Tile> {
        in_order(self.tiles.values().cloned().collect())
    }
}

fn a_day() -> impl Strategy<Value = Vec<(i64, News)>> {
    vec((0..40_i64, news()), 0..80)
}

proptest! {
    #[test]
    fn a_screen_that_folds_changes_shows_the_wall_and_never_goes_back(day in a_day()) {
        let (mut wall, mut quiet, mut screen) = (Wall::new(), Wall::new(), Screen::default());
        let mut now = 0;
        for (later, news) in day {
            now += later;
            if let News::Roster(_) = news {
                // Whoever leaves is forgotten, and may be seen anew.
                screen.newest.clear();
            }
            tell(&mut wall, &news, now);
            tell(&mut quiet, &news, now);
            if matches!(news, News::Asked) {
                screen.fold(wall.changed(at(now)));
                prop_assert_eq!(screen.shown(), wall.all(at(now)));
                prop_assert_eq!(wall.changed(at(now)), None);
            }
        }
        prop_assert_eq!(wall.all(at(now)), quiet.all(at(now)), "asking changes nothing");
    }

    #[test]
    fn silence_changes_nothing_before_the_next_flip_and_something_then(day in a_day()) {
        let mut wall = Wall::new();
        wall.set_roster(&[ANA, BEN]);
        let mut now = 0;
        for (later, news) in day {
            now += later;
            tell(&mut wall, &news, now);
        }
        wall.changed(at(now));
        let shown = wall.all(at(now));
        match wall.next_flip(at(now)) {
            Some(flip) => {
                prop_assert_eq!(wall.all(flip.shifted(-1)), shown);
                prop_assert!(wall.changed(flip.shifted(-1)).is_none());
                prop_assert!(wall.changed(flip).is_some());
            }
            None => prop_assert_eq!(wall.all(at(now + 1_000_000)), shown),
        }
    }

    #[test]
    fn a_wall_that_opens_late_says_what_one_says_that_watched_from_the_start(day in a_day()) {
        let mut early = Wall::new();
        early.set_roster(&[ANA, BEN]);
        let (mut glances, mut connected) = (BTreeMap::new(), BTreeMap::new());
        let mut now = 0;
        for (later, news) in day {
            now += later;
            match &news {
                News::See(athlete, glance) => {
                    let newest = glances.entry((*athlete, glance.session)).or_insert_with(|| glance.clone());
                    if newest.v < glance.v {
                        *newest = glance.clone();
                    }
                }
                News::Connected(athlete, is_here) => {
                    let news = if *is_here { here(now) } else { left(0, now) };
                    let newest = connected.entry(*athlete).or_insert(news);
                    if newest.turn < news.turn {
                        *newest = news;
                    }
                }
                News::Roster(_) => continue,
                News::Pin(..) | News::Dismiss(..) | News::Asked => {}
            }
            tell(&mut early, &news, now);
            early.changed(at(now));
        }

        let mut late = Wall::new();
        late.choose(|room| *room = early.room().clone());
        late.set_roster(&[ANA, BEN]);
        connected.into_iter().for_each(|(athlete, news)| late.connected(user(athlete), news));
        // Only running sessions are read when a wall opens.
        let running = glances.into_iter().filter(|(_, glance)| glance.phase != Phase::Finished);
        running.for_each(|((athlete, _), glance)| late.see(user(athlete), *glance));

        prop_assert_eq!(late.all(at(now)), early.all(at(now)));
    }
}
