//! Any commands in any order, handed to an entity in memory as the engine hands them over: no panic, the
//! entity's own invariants hold, its events alone lead to the same state, it is stored and read back the same,
//! and a repeat changes nothing.
//!
//! The input is one byte for the kind of entity, then a record for each command: a byte that says who sends it, a
//! byte of minutes since the last, the length of a MessagePack `command` frame in two bytes (low one first), and
//! the frame.

use spotter_protocol::{
    ClientFrame, ClientId, Codec, Command, CommandFrame, LoadKind, Name, PrescribedExercise, Recorded,
    RepRange, Reps, Role, Rule, Target, Timestamp, Title, UserId, View, Workout, WorkoutId, rule,
};
use spotter_rules::{Ask, Brief, Entity, Inbox, Room, Rules, Session, Verdict};
use uuid::Uuid;

/// The people of the protocol's examples, so that commands taken from there have an effect.
const ATHLETE: UserId = UserId(id(0xa1));
const COACH: UserId = UserId(id(0xc0));
const OTHER: UserId = UserId(id(0xa2));
const SESSION: Uuid = id(0x5e);
const T0: i64 = 1_760_000_000_000_001;
const MINUTE: i64 = 60_000_000;
/// More commands than this show nothing new, and slow the search.
const COMMANDS_MAX: usize = 64;

const fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0199_c82c_c000_7000_8000_0000_0000_0000 | n << 32 | n)
}

/// Who sends a command.
#[derive(Clone, Copy)]
enum Sender {
    Owner,
    LinkedCoach,
    Server,
}

/// Hands over the commands that `data` holds.
pub(crate) fn check(data: &[u8]) {
    let Some((kind, records)) = data.split_first() else { return };
    match kind % 3 {
        0 => run::<Session>(ATHLETE, SESSION, records, Session::check_invariants),
        1 => run::<Inbox>(ATHLETE, ATHLETE.0, records, |_| {}),
        _ => run::<Room>(COACH, COACH.0, records, |_| {}),
    }
}

fn run<S: Rules<Command: TryFrom<Command>>>(
    owner: UserId,
    entity_id: Uuid,
    mut records: &[u8],
    check_invariants: impl Fn(&S),
) {
    let mut entity = Entity::<S>::default();
    let mut journal: Vec<Recorded<S::Event>> = Vec::new();
    let mut now = Timestamp(T0);
    for _ in 0..COMMANDS_MAX {
        let Some((sender, minutes, frame)) = next(&mut records) else { break };
        now = now.shifted(i64::from(minutes) * MINUTE);
        let Some((author, client, n, frame)) = admitted(owner, sender, frame) else { continue };
        let CommandFrame { id: command_id, after, at: device_at, command, .. } = frame;
        let Ok(command) = S::Command::try_from(command) else { continue };
        let ask = Ask {
            owner,
            id: entity_id,
            command: &command,
            command_id,
            author,
            client,
            n,
            after,
            device_at,
            offset: 0,
            received_at: now,
        };
        let Verdict::Accept(events) = entity.judge(&ask, &brief()) else { continue };
        assert!(!events.is_empty(), "an accepted command leaves an event");
        entity = entity.after(&events);
        check_invariants(entity.state());
        entity.state().rows(entity_id, entity.head(), &events);
        entity.state().glance(entity_id, entity.head());
        if client != ClientId::SERVER {
            let again = entity.judge(&ask, &brief());
            assert!(matches!(again, Verdict::Repeat(_)), "a repeat changes nothing: {again:?}");
        }
        journal.extend(events);
    }
    for view in View::ALL {
        entity.state().view(view);
    }
    assert_eq!(Entity::default().after(&journal), entity, "events alone lead to the state");
    reads_back(&entity);
}

fn reads_back<S: Rules>(entity: &Entity<S>) {
    let stored = rmp_serde::to_vec_named(entity).expect("every state has a stored form");
    let read: Entity<S> = rmp_serde::from_slice(&stored).expect("what was stored is read");
    assert_eq!(&read, entity, "a snapshot is the state");
}

/// The next record: who, how many minutes later, and what.
fn next(records: &mut &[u8]) -> Option<(Sender, u8, CommandFrame)> {
    loop {
        let (head, rest) = records.split_at_checked(4)?;
        let length = usize::from(u16::from_le_bytes([head[2], head[3]])).min(rest.len());
        let (frame, rest) = rest.split_at(length);
        *records = rest;
        let sender = match head[0] % 3 {
            0 => Sender::Owner,
            1 => Sender::LinkedCoach,
            _ => Sender::Server,
        };
        if let Ok(ClientFrame::Command(frame)) = ClientFrame::decode(Codec::MsgPack, frame) {
            return Some((sender, head[1], frame));
        }
    }
}

/// A command as it gets past the edge of the node: in the name of whom, and numbered how.
fn admitted(
    owner: UserId,
    sender: Sender,
    frame: CommandFrame,
) -> Option<(UserId, ClientId, u64, CommandFrame)> {
    let Rule { owner: roles, coach } = rule(frame.command.kind());
    let numbered = frame.client != ClientId::SERVER && frame.n > 0;
    match sender {
        Sender::Owner if numbered && roles.contains(&Role::Coach) => {
            Some((owner, frame.client, frame.n, frame))
        }
        Sender::LinkedCoach if numbered && coach.is_some() => Some((COACH, frame.client, frame.n, frame)),
        Sender::Server if roles.is_empty() && coach.is_none() => {
            Some((owner, ClientId::SERVER, 0, CommandFrame { after: 0, ..frame }))
        }
        Sender::Owner | Sender::LinkedCoach | Sender::Server => None,
    }
}

/// What the engine would read for a command: there is one workout, nobody has lifted before, and everybody is on
/// the roster.
fn brief() -> Brief {
    let target = Target {
        reps: Some(RepRange { min: Reps::new(5).expect("a number"), max: None }),
        ..Target::default()
    };
    let squat = PrescribedExercise {
        exercise: "barbell-back-squat".parse().expect("a slug"),
        name: Name::clipped("Squat"),
        load_kind: LoadKind::External,
        group: None,
        note: None,
        sets: vec![target.clone(), target],
    };
    let (id, revision) = (WorkoutId(id(0x30)), 3);
    let workout = Workout { id, revision, title: Title::clipped("Legs"), exercises: vec![squat] };
    Brief { workout: Some(workout), bests: Vec::new(), roster: vec![ATHLETE, OTHER] }
}
