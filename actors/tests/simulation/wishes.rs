//! What people want to do, sensible or not.

use rand::RngExt;
use rand::rngs::StdRng;
use spotter_protocol::{
    Actual, Address, Command, Complete, Cue, CueId, EntityKind, Finish, Hide, InboxCommand, InstanceId,
    LoadKind, Message, MessageId, MessageText, Name, Note, NoteText, Pause, Pin, Place, Read, Reopen, Reps,
    Resume, RoomCommand, SessionCommand, SetId, SetType, Show, Start, Title, Unpin, Version, Void,
};
use uuid::Uuid;

use crate::world::{ATHLETES, athlete};

/// Something a person asks of an entity as their `n`th command; a session begins by being started.
pub(crate) fn wish(chance: &mut StdRng, to: Address, n: u64) -> Command {
    match to.kind {
        EntityKind::Session if n == 1 => start().into(),
        EntityKind::Session => Command::Session(of_session(chance)),
        EntityKind::Room => Command::Room(of_room(chance)),
        EntityKind::Inbox => Command::Inbox(of_inbox(chance)),
    }
}

fn start() -> Start {
    Start { workout: None, title: Some(Title::clipped("Open gym")) }
}

fn of_room(chance: &mut StdRng) -> RoomCommand {
    let athlete = athlete(chance.random_range(0..ATHLETES));
    match chance.random_range(0..4) {
        0 => Hide { athlete }.into(),
        1 => Show { athlete }.into(),
        2 => Pin { athlete }.into(),
        _ => Unpin { athlete }.into(),
    }
}

fn of_inbox(chance: &mut StdRng) -> InboxCommand {
    // Now and then to oneself, which is refused.
    let to = athlete(chance.random_range(0..2));
    if chance.random_ratio(1, 4) {
        return Read { with: to, through: Version(chance.random_range(0..60)) }.into();
    }
    let (id, text) = (MessageId(Uuid::from_u128(chance.random())), MessageText::clipped("good set"));
    Message { to, id, text, about: None }.into()
}

fn of_session(chance: &mut StdRng) -> SessionCommand {
    let set = SetId(Uuid::from_u128(0x5e7 + chance.random_range(0..40)));
    match chance.random_range(0..20) {
        0..=8 => Complete { set, actual: actual(), place: Some(place(chance)) }.into(),
        9..=10 => Complete { set, actual: actual(), place: None }.into(),
        11..=13 => Note { set: None, text: NoteText::clipped("felt good") }.into(),
        14 => Void { set, reason: None }.into(),
        15 => Pause {}.into(),
        16 => Resume {}.into(),
        17 => {
            let cue = CueId(Uuid::from_u128(chance.random()));
            Cue { cue, text: NoteText::clipped("chest up"), group: None, set: None, expires_ms: None }.into()
        }
        18 if chance.random() => Finish {}.into(),
        18 => Reopen {}.into(),
        _ => start().into(),
    }
}

fn place(chance: &mut StdRng) -> Place {
    let k = chance.random_range(0..6);
    Place {
        instance: InstanceId(Uuid::from_u128(0x1157 + k)),
        exercise: format!("lift-{k}").parse().unwrap(),
        name: Name::clipped(&format!("Lift {k}")),
        load_kind: LoadKind::Bodyweight,
        set_type: SetType::Working,
    }
}

fn actual() -> Actual {
    Actual { reps: Reps::new(5).ok(), ..Actual::default() }
}
