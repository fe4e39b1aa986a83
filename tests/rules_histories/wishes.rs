//! What people want to do, sensible or not.

use rand::RngExt;
use rand::rngs::StdRng;
use spotter_protocol::{
    Actual, Address, Amend, Badge, Command, Complete, Dismiss, EntityKind, Fail, Finish, Hide, InboxCommand,
    InstanceId, Load, LoadKind, Message, MessageId, MessageText, Millis, Name, Note, NoteText, Pause, Pin,
    Place, Read, ReadNotifications, Reason, Reopen, Reps, Rest, Resume, RoomCommand, SessionCommand,
    SessionId, SetId, SetType, Show, Skip, Start, Timestamp, Title, Unit, Unpin, Version, Void,
};
use uuid::Uuid;

use crate::{ATHLETES, athlete, plans};

/// Sets that may be spoken of; most of them exist sooner or later.
const SETS: u128 = 60;
/// Exercises that may be spoken of.
const EXERCISES: u128 = 15;

/// Something a person asks of the entity; a session begins by being started.
pub(crate) fn wish(chance: &mut StdRng, to: Address, at: Timestamp, begins: bool) -> Command {
    match to.kind {
        EntityKind::Session if begins => start(chance).into(),
        EntityKind::Session => Command::Session(of_session(chance, SessionId(to.id), at)),
        EntityKind::Room => Command::Room(of_room(chance)),
        EntityKind::Inbox => Command::Inbox(of_inbox(chance)),
    }
}

fn start(chance: &mut StdRng) -> Start {
    let workout = chance.random::<bool>().then(|| plans::workout().reference());
    Start { title: workout.is_none().then(|| Title::clipped("Open gym")), workout }
}

fn of_room(chance: &mut StdRng) -> RoomCommand {
    // One of them is on no roster.
    let athlete = athlete(chance.random_range(0..=ATHLETES));
    match chance.random_range(0..5) {
        0 => Hide { athlete }.into(),
        1 => Show { athlete }.into(),
        2 => Pin { athlete }.into(),
        3 => Unpin { athlete }.into(),
        _ => {
            let session = SessionId(Uuid::from_u128(chance.random_range(0..3)));
            let (badge, v) = (Badge::Failed, Version(chance.random_range(1..40)));
            Dismiss { athlete, session, badge, v }.into()
        }
    }
}

fn of_inbox(chance: &mut StdRng) -> InboxCommand {
    // Now and then to oneself, which is refused.
    let with = athlete(chance.random_range(0..2));
    let through = Version(chance.random_range(0..200));
    match chance.random_range(0..4) {
        0 => Read { with, through }.into(),
        1 => ReadNotifications { through }.into(),
        _ => {
            let (id, text) = (MessageId(Uuid::from_u128(chance.random())), MessageText::clipped("good set"));
            Message { to: with, id, text, about: None }.into()
        }
    }
}

fn of_session(chance: &mut StdRng, session: SessionId, at: Timestamp) -> SessionCommand {
    let set = if chance.random_ratio(1, 3) {
        plans::planned_set(chance, session)
    } else {
        SetId(Uuid::from_u128(0x5e7 + chance.random_range(0..SETS)))
    };
    let reason = chance.random::<bool>().then(|| Reason::clipped("typed it wrong"));
    match chance.random_range(0..44) {
        0..=10 => Complete { set, actual: actual(chance), place: Some(place(chance)) }.into(),
        11..=12 => Fail { set, actual: actual(chance), place: Some(place(chance)) }.into(),
        13..=14 => Complete { set, actual: actual(chance), place: None }.into(),
        15 => Skip { set, reason }.into(),
        16..=18 => Amend { set, actual: actual(chance), reason }.into(),
        19..=20 => Void { set, reason }.into(),
        21..=23 => {
            let set = chance.random::<bool>().then_some(set);
            Note { set, text: NoteText::clipped("felt good") }.into()
        }
        24..=25 => {
            Rest { after: None, start: at, duration_ms: Millis(chance.random_range(0..300_000)) }.into()
        }
        26 => Pause {}.into(),
        27 => Resume {}.into(),
        28 => Finish {}.into(),
        29 => Reopen {}.into(),
        30..=35 => plans::change(chance, session),
        36 => plans::patch(chance),
        37..=42 => plans::care(chance),
        _ => start(chance).into(),
    }
}

fn place(chance: &mut StdRng) -> Place {
    let k = chance.random_range(0..EXERCISES);
    Place {
        instance: InstanceId(Uuid::from_u128(0x1157 + k)),
        exercise: format!("lift-{k}").parse().unwrap(),
        name: Name::clipped(&format!("Lift {k}")),
        load_kind: LoadKind::External,
        set_type: SetType::Working,
    }
}

fn actual(chance: &mut StdRng) -> Actual {
    let load = Load::new(chance.random_range(20..200) * 1000, Unit::Kg).ok();
    let reps = Reps::new(chance.random_range(0..12)).ok();
    Actual { load, reps, ..Actual::default() }
}
