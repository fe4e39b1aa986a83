//! Each choice once, its bounds, and random days.

use proptest::collection::vec;
use proptest::prelude::*;
use spotter_protocol::{ClientId, CommandId, Fault, Hide, Pin, Show, Stamp, Timestamp, Unpin};
use uuid::Uuid;

use super::*;
use crate::{Entity, Verdict};

const COACH: UserId = UserId(Uuid::from_u128(1));
const SESSION: SessionId = SessionId(Uuid::from_u128(50));
/// Athletes with a lower number are on the roster.
const ROSTER: u128 = 1_100;

fn athlete(number: u128) -> UserId {
    UserId(Uuid::from_u128(10_000 + number))
}

fn hide(number: u128) -> RoomCommand {
    Hide { athlete: athlete(number) }.into()
}

fn show(number: u128) -> RoomCommand {
    Show { athlete: athlete(number) }.into()
}

fn pin(number: u128) -> RoomCommand {
    Pin { athlete: athlete(number) }.into()
}

fn unpin(number: u128) -> RoomCommand {
    Unpin { athlete: athlete(number) }.into()
}

fn dismiss(number: u128, badge: Badge, v: u64) -> RoomCommand {
    Dismiss { athlete: athlete(number), session: SESSION, badge, v: Version(v) }.into()
}

/// Judges and applies command `n`.
fn tell(room: &mut Entity<Room>, n: u64, command: &RoomCommand) -> Verdict<RoomEvent> {
    let ask = Ask {
        owner: COACH,
        id: COACH.0,
        command,
        command_id: CommandId(Uuid::from_u128(u128::from(n))),
        author: COACH,
        client: ClientId(COACH.0),
        n,
        after: 0,
        device_at: Timestamp(0),
        offset: 0,
        received_at: Timestamp(0),
    };
    let roster = room.state().needs(command).roster;
    let brief = Brief { roster: (0..ROSTER).filter(|_| roster).map(athlete).collect(), ..Brief::default() };
    let verdict = room.judge(&ask, &brief);
    if let Verdict::Accept(events) = &verdict {
        *room = room.after(events);
    }
    verdict
}

/// Why the next command is refused, if it is.
fn refusal(room: &mut Entity<Room>, command: &RoomCommand) -> Option<ErrorCode> {
    match tell(room, room.head().0 + 1, command) {
        Verdict::Refuse(Fault { code, .. }) => Some(code),
        Verdict::Accept(_) | Verdict::Repeat(_) => None,
    }
}

fn a_room_after(commands: &[RoomCommand]) -> Entity<Room> {
    let mut room = Entity::default();
    for command in commands {
        assert_eq!(refusal(&mut room, command), None, "{command:?}");
    }
    room
}

/// Where an event of the server's own comes from.
fn stamp() -> Stamp {
    Stamp {
        at: Timestamp(0),
        received_at: Timestamp(0),
        device_at: Timestamp(0),
        offset: 0,
        author: COACH,
        command: CommandId(Uuid::nil()),
        client: ClientId::SERVER,
        n: 0,
    }
}

/// A room to which this has happened.
fn a_room_where(events: impl IntoIterator<Item = RoomEvent>) -> Entity<Room> {
    let numbered = events.into_iter().zip(1..);
    let recorded = numbered.map(|(event, v)| Recorded { version: Version(v), stamp: stamp(), event });
    Entity::default().after(&recorded.collect::<Vec<_>>())
}

#[test]
fn a_hidden_athlete_is_off_the_wall_until_shown() {
    let mut room = a_room_after(&[hide(3)]);
    assert!(room.state().hides(athlete(3)));

    assert_eq!(refusal(&mut room, &show(3)), None);
    assert!(!room.state().hides(athlete(3)));
}

#[test]
fn a_pinned_athlete_comes_first_until_unpinned() {
    let mut room = a_room_after(&[pin(3)]);
    assert!(room.state().pins(athlete(3)) && !room.state().pins(athlete(4)));

    assert_eq!(refusal(&mut room, &unpin(3)), None);
    assert!(!room.state().pins(athlete(3)));
}

#[test]
fn a_dismissed_badge_is_dealt_with_up_to_its_version_and_on_its_session() {
    let room = a_room_after(&[dismiss(3, Badge::Failed, 7)]);
    let dealt_with = |session, badge, v| room.state().has_dismissed(athlete(3), session, badge, Version(v));

    assert!(dealt_with(SESSION, Badge::Failed, 7) && dealt_with(SESSION, Badge::Failed, 2));
    assert!(!dealt_with(SESSION, Badge::Failed, 8), "a newer set");
    assert!(!dealt_with(SESSION, Badge::Overshoot, 7), "another badge");
    assert!(!dealt_with(SessionId(Uuid::from_u128(51)), Badge::Failed, 7), "another session");
    assert!(!room.state().has_dismissed(athlete(4), SESSION, Badge::Failed, Version(7)), "another athlete");
}

#[test]
fn what_is_so_already_is_refused() {
    let mut room = a_room_after(&[hide(3), pin(3), dismiss(3, Badge::Failed, 7)]);
    for command in
        [hide(3), show(4), pin(3), unpin(4), dismiss(3, Badge::Failed, 7), dismiss(3, Badge::Failed, 6)]
    {
        assert_eq!(refusal(&mut room, &command), Some(ErrorCode::NoChange), "{command:?}");
    }
}

#[test]
fn choices_are_about_athletes_of_the_roster() {
    let mut room = Entity::default();
    for command in [hide(ROSTER), pin(ROSTER), dismiss(ROSTER, Badge::Failed, 7)] {
        assert_eq!(refusal(&mut room, &command), Some(ErrorCode::NotOnRoster), "{command:?}");
    }
}

#[test]
fn who_left_the_roster_can_still_be_shown_and_unpinned() {
    let former = athlete(ROSTER);
    let mut room =
        a_room_where([AthleteHidden { athlete: former }.into(), AthletePinned { athlete: former }.into()]);
    assert_eq!(refusal(&mut room, &show(ROSTER)), None);
    assert_eq!(refusal(&mut room, &unpin(ROSTER)), None);
}

#[test]
fn hidden_and_pinned_athletes_are_bounded() {
    let hidden = (0..1_000).map(|number| AthleteHidden { athlete: athlete(number) }.into());
    let pinned = (0..1_000).map(|number| AthletePinned { athlete: athlete(number) }.into());
    let mut room = a_room_where(hidden.chain(pinned));
    assert_eq!(refusal(&mut room, &hide(1_050)), Some(ErrorCode::Full));
    assert_eq!(refusal(&mut room, &pin(1_050)), Some(ErrorCode::Full));
}

#[test]
fn of_too_many_dismissals_the_oldest_is_forgotten() {
    let mut room = Room::default();
    let failed = |number| BadgeDismissed {
        athlete: athlete(number),
        session: SESSION,
        badge: Badge::Failed,
        v: Version(1),
    };
    for number in 0..500 {
        room.fold(&failed(number).into());
    }
    // The first again: now the second is the oldest.
    room.fold(&BadgeDismissed { v: Version(2), ..failed(0) }.into());
    room.fold(&failed(500).into());

    let is_kept = |number| room.has_dismissed(athlete(number), SESSION, Badge::Failed, Version(1));
    assert_eq!(room.dismissed.len(), 500);
    assert!(is_kept(0) && !is_kept(1) && is_kept(2) && is_kept(500));
}

#[test]
fn a_room_has_a_view_before_anything_happened() {
    let view = Entity::<Room>::default().state().view(View::Coach);
    assert_eq!(view, Some(EntityView::Room(RoomView::default())));
}

#[test]
fn a_screen_is_told_none_of_the_choices() {
    let room = a_room_after(&[hide(3), pin(2), dismiss(2, Badge::Failed, 7)]);
    assert_eq!(room.state().view(View::Tv), Some(EntityView::Room(RoomView::default())));
    assert_ne!(room.state().view(View::Coach), Some(EntityView::Room(RoomView::default())));
}

fn a_command() -> impl Strategy<Value = RoomCommand> {
    let badge = prop::sample::select(vec![Badge::Failed, Badge::Pr, Badge::Stalled]);
    let number = prop_oneof![8 => 0..4_u128, 1 => Just(ROSTER)];
    (0..5_u8, number, badge, 1..9_u64).prop_map(|(which, number, badge, v)| match which {
        0 => hide(number),
        1 => show(number),
        2 => pin(number),
        3 => unpin(number),
        _ => dismiss(number, badge, v),
    })
}

proptest! {
    #[test]
    fn any_choices_replay_to_the_same_room_also_from_a_snapshot(
        day in vec((a_command(), 1..40_u64, prop::bool::weighted(0.1)), 0..60),
        cut: prop::sample::Index,
    ) {
        let mut room = Entity::<Room>::default();
        let (mut journal, mut stream) = (Vec::new(), 0);
        for (command, n, begins_a_stream) in day {
            if begins_a_stream {
                let rebased = room.rebase(stamp()).unwrap();
                room.apply(&rebased);
                stream = journal.len();
                journal.push(rebased);
            }
            let before = room.clone();
            match tell(&mut room, n, &command) {
                Verdict::Accept(events) => {
                    prop_assert!(matches!(tell(&mut room, n, &command), Verdict::Repeat(_)), "a retry changes nothing");
                    journal.extend(events);
                }
                Verdict::Repeat(_) | Verdict::Refuse(_) => prop_assert_eq!(&room, &before),
            }
        }
        prop_assert_eq!(&Entity::<Room>::default().after(&journal), &room, "replay equals live");

        let (head, tail) = journal.split_at(cut.index(journal.len() + 1));
        let stored = Entity::<Room>::default().after(head).to_stored().unwrap();
        let loaded = Entity::<Room>::from_stored(Room::FORM, &stored).unwrap();
        prop_assert_eq!(loaded.after(tail), room.clone(), "a snapshot and its tail equal both");
        prop_assert_eq!(Entity::replay(&journal[stream..]).unwrap(), room, "so does the newest stream");
    }

    #[test]
    fn a_newer_dismissal_takes_the_place_of_the_same_badge_s_earlier_one(versions in vec(1..50_u64, 1..20)) {
        let mut room = Entity::<Room>::default();
        for v in &versions {
            let _ = refusal(&mut room, &dismiss(0, Badge::Failed, *v));
        }
        let highest = Version(*versions.iter().max().unwrap());
        prop_assert_eq!(room.state().dismissed.len(), 1);
        prop_assert_eq!(room.state().dismissed[0].v, highest);
    }
}
