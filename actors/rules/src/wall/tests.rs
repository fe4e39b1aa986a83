//! Each rule of the wall once, then random days.

use proptest::collection::vec;
use proptest::prelude::*;
use spotter_protocol::{
    Actual, LastSet, LoadKind, Name, RestGlance, SetStatus, SetType, Target, Title, Version,
};
use uuid::Uuid;

use super::*;

const ANA: UserId = UserId(Uuid::from_u128(1));
const BEN: UserId = UserId(Uuid::from_u128(2));

/// A moment so many seconds after the first.
const fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000)
}

const fn here(since: i64) -> Presence {
    Presence { here: true, since: at(since) }
}

/// A live session at version `v` whose last set was done at `active` with a minute of rest planned.
fn glance(session: u128, v: u64, active: i64) -> Glance {
    let target = Some(Target { rest: Some(Millis(60_000)), ..Target::default() });
    Glance {
        session: SessionId(Uuid::from_u128(session)),
        v: Version(v),
        title: Title::clipped("Legs"),
        phase: Phase::Live,
        started_at: at(0),
        active_at: at(active),
        done: 1,
        total: 6,
        last: Some(LastSet {
            exercise: Name::clipped("Squat"),
            k: 1,
            n: 6,
            set_type: SetType::Working,
            load_kind: LoadKind::External,
            status: SetStatus::Performed,
            target,
            actual: Actual::default(),
            at: at(active),
        }),
        rest: None,
        pain: None,
        cue: None,
        badges: Vec::new(),
    }
}

fn resting(glance: Glance, start: i64, seconds: u32) -> Glance {
    Glance { rest: Some(RestGlance { start: at(start), duration_ms: Millis(seconds * 1000) }), ..glance }
}

fn wearing(glance: Glance, badges: &[Badge]) -> Glance {
    Glance { badges: badges.to_vec(), ..glance }
}

/// Ana is on the wall and here.
fn a_wall() -> Wall {
    let mut wall = Wall::new();
    wall.set_roster(&[ANA], at(0));
    wall.presence(ANA, here(0), at(0));
    wall
}

fn tile(wall: &Wall, now: i64) -> Tile {
    wall.all(at(now)).into_iter().find(|tile| tile.athlete == ANA).unwrap()
}

fn told(wall: &Wall, now: i64) -> (Attention, Timestamp) {
    let tile = tile(wall, now);
    (tile.attention, tile.since)
}

#[test]
fn an_athlete_without_a_live_session_is_away() {
    assert_eq!(told(&a_wall(), 5), (Attention::Away, at(0)));
}

#[test]
fn whoever_is_not_on_the_roster_is_ignored() {
    let mut wall = a_wall();
    wall.see(BEN, glance(1, 1, 10), at(10));
    wall.presence(BEN, here(0), at(10));
    assert_eq!(wall.all(at(10)).len(), 1);
}

#[test]
fn a_tile_never_goes_back_within_a_session() {
    let mut wall = a_wall();
    wall.see(ANA, glance(1, 5, 10), at(10));
    wall.changed(at(10));

    wall.see(ANA, glance(1, 4, 20), at(20));
    wall.see(ANA, glance(1, 5, 20), at(20));

    assert_eq!(wall.changed(at(20)), None);
}

#[test]
fn a_session_that_ended_stays_off_when_old_news_of_it_comes() {
    let mut wall = a_wall();
    wall.see(ANA, Glance { phase: Phase::Finished, ..glance(1, 5, 10) }, at(10));
    wall.see(ANA, glance(1, 4, 9), at(11));
    assert_eq!(tile(&wall, 11).glance, None);

    wall.see(ANA, glance(1, 6, 12), at(12));
    assert!(tile(&wall, 12).glance.is_some(), "reopened");
}

#[test]
fn of_two_live_sessions_the_one_with_the_newest_set_is_shown() {
    let mut wall = a_wall();
    wall.see(ANA, glance(1, 1, 10), at(10));
    wall.see(ANA, glance(2, 1, 8), at(11));
    assert_eq!(tile(&wall, 11).glance.unwrap().session, SessionId(Uuid::from_u128(1)));

    wall.see(ANA, Glance { phase: Phase::Finished, ..glance(1, 2, 10) }, at(12));
    assert_eq!(tile(&wall, 12).glance.unwrap().session, SessionId(Uuid::from_u128(2)));
}

#[test]
fn attention_follows_the_worst_of_the_last_set() {
    for (badges, attention) in [
        (&[][..], Attention::Working),
        (&[Badge::MissedReps], Attention::Working),
        (&[Badge::OffPlan], Attention::Working),
        (&[Badge::Late], Attention::Working),
        (&[Badge::Pr], Attention::Pr),
        (&[Badge::Overshoot, Badge::Pr], Attention::Overshoot),
        (&[Badge::Failed, Badge::Overshoot], Attention::Failed),
    ] {
        let mut wall = a_wall();
        wall.see(ANA, wearing(glance(1, 1, 10), badges), at(10));
        assert_eq!(told(&wall, 10), (attention, at(10)), "{badges:?}");
    }
}

#[test]
fn a_rest_ends_in_silence() {
    let mut wall = a_wall();
    wall.see(ANA, resting(glance(1, 1, 10), 10, 60), at(11));

    assert_eq!(wall.next_flip(at(11)), Some(at(70)));
    assert_eq!(told(&wall, 69), (Attention::Resting, at(11)));
    assert_eq!(told(&wall, 75), (Attention::Working, at(70)));
}

#[test]
fn twice_the_planned_rest_without_a_set_is_a_stall() {
    let mut wall = a_wall();
    wall.see(ANA, glance(1, 1, 10), at(10));
    wall.changed(at(10));
    assert_eq!(wall.next_flip(at(10)), Some(at(130)));
    assert_eq!(wall.changed(at(129)), None);

    let (tiles, _) = wall.changed(at(200)).unwrap();

    assert_eq!((tiles[0].attention, tiles[0].since), (Attention::Stalled, at(130)));
    assert_eq!(tiles[0].glance.as_ref().unwrap().badges, [Badge::Stalled]);
    assert_eq!(wall.next_flip(at(200)), None);
}

#[test]
fn a_rest_takes_the_place_of_a_missing_plan_and_three_minutes_that_of_both() {
    let unplanned = |glance: Glance| {
        let last = glance.last.clone().map(|last| LastSet { target: None, ..last });
        Glance { last, ..glance }
    };
    let mut wall = a_wall();
    wall.see(ANA, resting(unplanned(glance(1, 1, 10)), 10, 90), at(10));
    assert_eq!(told(&wall, 190), (Attention::Stalled, at(190)));

    let mut wall = a_wall();
    wall.see(ANA, unplanned(glance(1, 1, 10)), at(10));
    assert_eq!(told(&wall, 370), (Attention::Stalled, at(370)));
}

#[test]
fn nobody_stalls_in_a_rest_they_announced() {
    let mut wall = a_wall();
    wall.see(ANA, resting(glance(1, 1, 10), 10, 300), at(10));
    assert_eq!(told(&wall, 309), (Attention::Resting, at(10)));
    assert_eq!(told(&wall, 310), (Attention::Stalled, at(310)));
}

#[test]
fn only_who_is_here_live_and_on_time_can_stall() {
    let mut absent = a_wall();
    absent.presence(ANA, Presence { here: false, since: at(5) }, at(5));
    absent.see(ANA, glance(1, 1, 10), at(10));
    assert_eq!(told(&absent, 999).0, Attention::Working);

    let mut paused = a_wall();
    paused.see(ANA, Glance { phase: Phase::Paused, ..glance(1, 1, 10) }, at(10));
    assert_eq!(told(&paused, 999).0, Attention::Working);

    let mut late = a_wall();
    late.see(ANA, wearing(glance(1, 1, 10), &[Badge::Late]), at(500));
    assert_eq!(told(&late, 999).0, Attention::Working);
}

#[test]
fn a_stall_adds_its_badge_under_a_louder_attention() {
    let mut wall = a_wall();
    wall.see(ANA, wearing(glance(1, 1, 10), &[Badge::Failed]), at(10));
    wall.changed(at(10));

    let (tiles, _) = wall.changed(at(131)).unwrap();

    assert_eq!((tiles[0].attention, tiles[0].since), (Attention::Failed, at(10)));
    assert_eq!(tiles[0].glance.as_ref().unwrap().badges, [Badge::Failed, Badge::Stalled]);
}

#[test]
fn since_changes_only_with_the_attention() {
    let mut wall = a_wall();
    wall.see(ANA, glance(1, 1, 10), at(10));
    wall.see(ANA, glance(1, 2, 60), at(60));
    assert_eq!(told(&wall, 60), (Attention::Working, at(10)));
}

#[test]
fn who_needs_the_coach_most_and_longest_comes_first() {
    let mut wall = a_wall();
    let third = UserId(Uuid::from_u128(3));
    wall.set_roster(&[ANA, BEN, third], at(0));
    wall.see(ANA, glance(1, 1, 10), at(10));
    wall.see(third, wearing(glance(3, 1, 30), &[Badge::Failed]), at(30));
    wall.see(BEN, wearing(glance(2, 1, 20), &[Badge::Failed]), at(20));

    let order: Vec<UserId> = wall.all(at(30)).iter().map(|tile| tile.athlete).collect();
    assert_eq!(order, [BEN, third, ANA]);
}

#[test]
fn who_leaves_the_roster_is_said_once() {
    let mut wall = a_wall();
    wall.changed(at(1));
    wall.set_roster(&[], at(2));
    assert_eq!(wall.changed(at(2)), Some((Vec::new(), vec![ANA])));
    assert_eq!(wall.changed(at(3)), None);
}

#[derive(Clone, Debug)]
enum News {
    See(u128, Box<Glance>),
    Presence(u128, bool),
    Roster(Vec<u128>),
    /// Nothing happens; the wall is asked what changed.
    Asked,
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
        2 => (1..4_u128, any::<bool>()).prop_map(|(athlete, is_here)| News::Presence(athlete, is_here)),
        1 => vec(1..4_u128, 0..4).prop_map(News::Roster),
        4 => Just(News::Asked),
    ]
}

fn tell(wall: &mut Wall, news: &News, now: Timestamp) {
    let user = |athlete: u128| UserId(Uuid::from_u128(athlete));
    match news {
        News::See(athlete, glance) => wall.see(user(*athlete), Glance::clone(glance), now),
        News::Presence(athlete, is_here) => {
            wall.presence(user(*athlete), Presence { here: *is_here, since: now }, now);
        }
        News::Roster(athletes) => {
            let roster: Vec<UserId> = athletes.iter().copied().map(user).collect();
            wall.set_roster(&roster, now);
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
            tell(&mut wall, &news, at(now));
            tell(&mut quiet, &news, at(now));
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
        wall.set_roster(&[ANA, BEN], at(0));
        let mut now = 0;
        for (later, news) in day {
            now += later;
            tell(&mut wall, &news, at(now));
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
}
