//! Each rule of the wall once.

use spotter_protocol::{
    Actual, AthletePinned, Attention, Badge, BadgeDismissed, LastSet, LoadKind, Millis, Name, PainGlance,
    PainLevel, Phase, Presence, RestGlance, SetStatus, SetType, Site, Target, Title, Version,
};
use uuid::Uuid;

use super::*;

pub(super) const ANA: UserId = UserId(Uuid::from_u128(1));
pub(super) const BEN: UserId = UserId(Uuid::from_u128(2));

/// A moment so many seconds after the first.
pub(super) const fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000)
}

/// Connected since then; later news than what was heard of that moment and before.
pub(super) const fn here(since: i64) -> Connected {
    Connected { since: at(since), closed_at: None, turn: since.cast_unsigned() * 2 + 1 }
}

/// Came then, and the last connection closed then.
pub(super) const fn left(since: i64, closed: i64) -> Connected {
    Connected { since: at(since), closed_at: Some(at(closed)), turn: closed.cast_unsigned() * 2 + 2 }
}

/// A live session at version `v` whose last set was done at `active` with a minute of rest planned.
pub(super) fn glance(session: u128, v: u64, active: i64) -> Glance {
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
            v: Version(v),
        }),
        rest: None,
        pain: None,
        cue: None,
        badges: Vec::new(),
    }
}

pub(super) fn resting(glance: Glance, start: i64, seconds: u32) -> Glance {
    Glance { rest: Some(RestGlance { start: at(start), duration_ms: Millis(seconds * 1000) }), ..glance }
}

pub(super) fn wearing(glance: Glance, badges: &[Badge]) -> Glance {
    Glance { badges: badges.to_vec(), ..glance }
}

/// Ana is on the wall and here.
fn a_wall() -> Wall {
    let mut wall = Wall::new();
    wall.set_roster(&[ANA]);
    wall.connected(ANA, here(0));
    wall
}

fn tile(wall: &Wall, now: i64) -> Tile {
    wall.all(at(now)).into_iter().find(|tile| tile.athlete == ANA).unwrap()
}

fn told(wall: &Wall, now: i64) -> (Attention, Timestamp) {
    let tile = tile(wall, now);
    (tile.attention, tile.since)
}

fn badges(wall: &Wall, now: i64) -> Vec<Badge> {
    tile(wall, now).glance.unwrap().badges
}

/// Ana's badge on session 1 has been dealt with.
fn dismiss(wall: &mut Wall, badge: Badge, v: u64) {
    let session = SessionId(Uuid::from_u128(1));
    let dismissed = BadgeDismissed { athlete: ANA, session, badge, v: Version(v) };
    wall.choose(|room| room.fold(&dismissed.into()));
}

#[test]
fn an_athlete_without_a_live_session_is_away_since_they_came_or_went() {
    assert_eq!(told(&a_wall(), 5), (Attention::Away, at(0)));

    let mut wall = a_wall();
    wall.connected(ANA, left(0, 30));
    assert_eq!(told(&wall, 90), (Attention::Away, at(30)));
}

#[test]
fn whoever_is_not_on_the_roster_is_ignored() {
    let mut wall = a_wall();
    wall.see(BEN, glance(1, 1, 10));
    wall.connected(BEN, here(0));
    assert_eq!(wall.all(at(10)).len(), 1);
}

#[test]
fn a_tile_never_goes_back_within_a_session() {
    let mut wall = a_wall();
    wall.see(ANA, glance(1, 5, 10));
    wall.changed(at(10));

    wall.see(ANA, glance(1, 4, 20));
    wall.see(ANA, glance(1, 5, 20));

    assert_eq!(wall.changed(at(20)), None);
}

#[test]
fn a_session_that_ended_stays_off_when_old_news_of_it_comes() {
    let mut wall = a_wall();
    wall.see(ANA, Glance { phase: Phase::Finished, ..glance(1, 5, 10) });
    wall.see(ANA, glance(1, 4, 9));
    assert_eq!(tile(&wall, 11).glance, None);

    wall.see(ANA, glance(1, 6, 12));
    assert!(tile(&wall, 12).glance.is_some(), "reopened");
}

#[test]
fn of_two_live_sessions_the_one_with_the_newest_set_is_shown() {
    let mut wall = a_wall();
    wall.see(ANA, glance(1, 1, 10));
    wall.see(ANA, glance(2, 1, 8));
    assert_eq!(tile(&wall, 11).glance.unwrap().session, SessionId(Uuid::from_u128(1)));

    wall.see(ANA, Glance { phase: Phase::Finished, ..glance(1, 2, 10) });
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
        wall.see(ANA, wearing(glance(1, 1, 10), badges));
        assert_eq!(told(&wall, 10), (attention, at(10)), "{badges:?}");
    }
}

#[test]
fn a_rest_ends_in_silence() {
    let mut wall = a_wall();
    wall.see(ANA, resting(glance(1, 1, 10), 11, 60));
    wall.changed(at(12));

    assert_eq!(wall.next_flip(at(12)), Some(at(71)));
    assert_eq!(told(&wall, 70), (Attention::Resting, at(11)));
    assert_eq!(told(&wall, 75), (Attention::Working, at(71)));
}

#[test]
fn twice_the_planned_rest_without_a_set_is_a_stall() {
    let mut wall = a_wall();
    wall.see(ANA, glance(1, 1, 10));
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
    wall.see(ANA, resting(unplanned(glance(1, 1, 10)), 10, 90));
    assert_eq!(told(&wall, 190), (Attention::Stalled, at(190)));

    let mut wall = a_wall();
    wall.see(ANA, unplanned(glance(1, 1, 10)));
    assert_eq!(told(&wall, 370), (Attention::Stalled, at(370)));
}

#[test]
fn nobody_stalls_in_a_rest_they_announced() {
    let mut wall = a_wall();
    wall.see(ANA, resting(glance(1, 1, 10), 10, 300));
    assert_eq!(told(&wall, 309), (Attention::Resting, at(10)));
    assert_eq!(told(&wall, 310), (Attention::Stalled, at(310)));
}

#[test]
fn only_who_is_here_live_and_on_time_can_stall() {
    let mut absent = a_wall();
    absent.connected(ANA, left(0, 5));
    absent.see(ANA, glance(1, 1, 10));
    assert_eq!(told(&absent, 999).0, Attention::Working);

    let mut never_seen = Wall::new();
    never_seen.set_roster(&[ANA]);
    never_seen.see(ANA, glance(1, 1, 10));
    assert_eq!(told(&never_seen, 999).0, Attention::Working);

    let mut paused = a_wall();
    paused.see(ANA, Glance { phase: Phase::Paused, ..glance(1, 1, 10) });
    assert_eq!(told(&paused, 999).0, Attention::Working);

    let mut late = a_wall();
    late.see(ANA, wearing(glance(1, 1, 10), &[Badge::Late]));
    assert_eq!(told(&late, 999).0, Attention::Working);
}

#[test]
fn a_stall_ends_when_the_signal_is_lost_and_begins_again_with_who_comes_back() {
    let mut wall = a_wall();
    wall.see(ANA, glance(1, 1, 10));
    wall.connected(ANA, left(0, 140));
    assert_eq!(told(&wall, 150), (Attention::Stalled, at(130)));
    assert_eq!(told(&wall, 160), (Attention::Working, at(10)));

    wall.connected(ANA, here(300));
    assert_eq!(told(&wall, 300), (Attention::Stalled, at(300)));
}

#[test]
fn a_stall_adds_its_badge_under_a_louder_attention() {
    let mut wall = a_wall();
    wall.see(ANA, wearing(glance(1, 1, 10), &[Badge::Failed]));
    wall.changed(at(10));

    let (tiles, _) = wall.changed(at(131)).unwrap();

    assert_eq!((tiles[0].attention, tiles[0].since), (Attention::Failed, at(10)));
    assert_eq!(tiles[0].glance.as_ref().unwrap().badges, [Badge::Failed, Badge::Stalled]);
}

#[test]
fn a_phone_that_comes_back_within_the_grace_was_never_gone() {
    let mut wall = a_wall();
    wall.see(ANA, glance(1, 1, 10));
    wall.changed(at(10));

    wall.connected(ANA, left(0, 50));
    assert_eq!(wall.changed(at(50)), None);
    assert_eq!(wall.next_flip(at(50)), Some(at(70)));
    wall.connected(ANA, Connected { since: at(0), ..here(69) });

    assert_eq!(wall.changed(at(69)), None);
    assert_eq!(wall.changed(at(70)), None);
}

#[test]
fn who_lost_signal_while_a_session_runs_is_stale_from_the_end_of_the_grace() {
    let mut wall = a_wall();
    wall.see(ANA, glance(1, 1, 10));
    wall.connected(ANA, left(0, 50));
    wall.changed(at(69));
    assert!(!tile(&wall, 69).stale);
    assert_eq!(wall.next_flip(at(69)), Some(at(70)));

    let (tiles, _) = wall.changed(at(70)).unwrap();

    assert!(tiles[0].stale);
    assert_eq!(tiles[0].presence, Some(Presence { here: false, since: at(50) }));

    wall.connected(ANA, here(100));
    assert!(!tile(&wall, 100).stale, "back again");
}

#[test]
fn nothing_goes_stale_without_a_session_or_of_somebody_never_seen() {
    let mut without = a_wall();
    without.connected(ANA, left(0, 50));
    assert!(!tile(&without, 999).stale);

    let mut never_seen = Wall::new();
    never_seen.set_roster(&[ANA]);
    never_seen.see(ANA, glance(1, 1, 10));
    assert!(!tile(&never_seen, 999).stale);
}

#[test]
fn news_of_a_connection_that_came_out_of_order_changes_nothing() {
    let mut wall = a_wall();
    wall.connected(ANA, here(60));
    wall.connected(ANA, left(0, 50));
    assert_eq!(tile(&wall, 999).presence, Some(Presence { here: true, since: at(60) }));
}

#[test]
fn a_dismissed_badge_shows_no_more_and_lifts_no_attention() {
    let mut wall = a_wall();
    wall.see(ANA, wearing(glance(1, 5, 10), &[Badge::Failed, Badge::Pr]));
    wall.changed(at(10));

    dismiss(&mut wall, Badge::Failed, 5);

    let (tiles, _) = wall.changed(at(11)).unwrap();
    assert_eq!(tiles[0].attention, Attention::Pr);
    assert_eq!(badges(&wall, 11), [Badge::Pr]);
}

#[test]
fn a_dismissed_badge_stays_off_when_the_session_goes_on_without_a_new_set() {
    let mut wall = a_wall();
    wall.see(ANA, wearing(glance(1, 5, 10), &[Badge::Failed]));
    dismiss(&mut wall, Badge::Failed, 5);

    let last = glance(1, 5, 10).last;
    wall.see(ANA, Glance { last, ..wearing(glance(1, 6, 10), &[Badge::Failed]) });

    assert_eq!(badges(&wall, 11), []);
}

#[test]
fn a_newer_set_with_the_same_badge_shows_it_again() {
    let mut wall = a_wall();
    wall.see(ANA, wearing(glance(1, 5, 10), &[Badge::Failed]));
    dismiss(&mut wall, Badge::Failed, 5);

    wall.see(ANA, wearing(glance(1, 6, 40), &[Badge::Failed]));

    assert_eq!(told(&wall, 40), (Attention::Failed, at(40)));
}

#[test]
fn a_set_that_came_before_a_badge_was_dismissed_unseen_still_shows_it() {
    let mut wall = a_wall();
    wall.see(ANA, wearing(glance(1, 6, 10), &[Badge::Failed]));
    dismiss(&mut wall, Badge::Failed, 5);
    assert_eq!(badges(&wall, 11), [Badge::Failed]);
}

#[test]
fn a_dismissed_pain_stays_off_through_newer_sets_and_comes_back_with_newer_pain() {
    let hurting = |v, told: u64| {
        let pain = PainGlance {
            level: PainLevel::new(6).unwrap(),
            site: Site::clipped("knee"),
            at: at(20),
            v: Version(told),
        };
        wearing(Glance { pain: Some(pain), ..glance(1, v, 30) }, &[Badge::Pain])
    };
    let mut wall = a_wall();
    wall.see(ANA, hurting(5, 5));
    assert_eq!(told(&wall, 30), (Attention::Pain, at(20)));

    dismiss(&mut wall, Badge::Pain, 5);
    wall.see(ANA, hurting(6, 5));
    assert_eq!(told(&wall, 31).0, Attention::Working);

    wall.see(ANA, hurting(7, 7));
    assert_eq!(told(&wall, 32).0, Attention::Pain);
}

#[test]
fn a_stall_can_be_dismissed_before_and_while_it_lasts() {
    let mut wall = a_wall();
    wall.see(ANA, glance(1, 5, 10));
    wall.changed(at(140));
    dismiss(&mut wall, Badge::Stalled, 5);
    assert_eq!(told(&wall, 141).0, Attention::Working);

    let mut wall = a_wall();
    wall.see(ANA, glance(1, 5, 10));
    dismiss(&mut wall, Badge::Stalled, 5);
    wall.changed(at(20));
    assert_eq!(wall.next_flip(at(20)), None);
}

#[test]
fn who_is_pinned_comes_first_and_then_who_needs_the_coach_most_and_longest() {
    let mut wall = a_wall();
    let third = UserId(Uuid::from_u128(3));
    wall.set_roster(&[ANA, BEN, third]);
    wall.see(ANA, glance(1, 1, 10));
    wall.see(third, wearing(glance(3, 1, 30), &[Badge::Failed]));
    wall.see(BEN, wearing(glance(2, 1, 20), &[Badge::Failed]));
    let order = |wall: &Wall| wall.all(at(30)).iter().map(|tile| tile.athlete).collect::<Vec<_>>();
    assert_eq!(order(&wall), [BEN, third, ANA]);

    wall.choose(|room| room.fold(&AthletePinned { athlete: ANA }.into()));
    assert_eq!(order(&wall), [ANA, BEN, third]);
    assert!(tile(&wall, 30).pinned);
}

#[test]
fn who_leaves_the_roster_is_said_once() {
    let mut wall = a_wall();
    wall.changed(at(1));
    wall.set_roster(&[]);
    assert_eq!(wall.changed(at(2)), Some((Vec::new(), vec![ANA])));
    assert_eq!(wall.changed(at(3)), None);
}
