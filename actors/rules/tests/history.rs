//! A session's events and the view they lead to, as the rules make them: the file that holds the TypeScript
//! client's fold to these rules, and the session's stored form. Written with `UPDATE_GOLDEN=1`, compared otherwise.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

mod stored;

use std::path::PathBuf;

use serde_json::{Value, json};
use spotter_protocol::{
    Abandon, ActOnCue, Actual, Add, Address, Amend, Answer, Bests, ClientId, CommandId, Complete, Cue,
    CueGroupId, CueId, DeliverCue, DropSets, Effort, EffortScale, EntityView, Event, EventsFrame, ExerciseId,
    Fail, Feeling, Finish, Grams, Group, InstanceId, Load, LoadKind, Movement, Name, Note, NoteText, Pain,
    PainLevel, Patch, Pause, Place, PlannedExercise, PlannedSet, PrescribedExercise, PublishedEvent,
    Readiness, Reason, Reopen, Reorder, RepRange, Reps, Rest, Resume, SeeCue, SessionCommand, SessionId,
    SetId, SetType, Site, Skip, Slot, SnapshotFrame, Start, Swap, Target, Timestamp, Title, Unit, UserId,
    Version, View, Void, Workout, WorkoutId, WorkoutRef,
};
use spotter_rules::{Ask, Brief, Entity, Rules, Session, Verdict};
use uuid::Uuid;

const MINUTE: i64 = 60_000_000;
const START: i64 = 1_760_000_000_000_000;
const ANA: UserId = UserId(Uuid::from_u128(0x0199_c82c_c000_7000_8000_00a1_0000_00a1));
const COACH: UserId = UserId(Uuid::from_u128(0x0199_c82c_c000_7000_8000_00c0_0000_00c0));
const SESSION: SessionId = SessionId(Uuid::from_u128(0x0199_c82c_c000_7000_8000_005e_0000_005e));

fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(0x0199_c82c_c000_7000_8000_0000_0000_0000 + n)
}

fn movement(slug: &str) -> ExerciseId {
    slug.parse().unwrap()
}

fn kg(kilograms: u32, reps: u32) -> Actual {
    Actual {
        load: Load::new(kilograms * 1000, Unit::Kg).ok(),
        reps: Reps::new(reps).ok(),
        ..Actual::default()
    }
}

fn squats() -> Workout {
    let target = |set_type, kilograms: u32| Target {
        set_type,
        reps: Some(RepRange { min: Reps::new(5).unwrap(), max: Reps::new(6).ok() }),
        load: Load::new(kilograms * 1000, Unit::Kg).ok(),
        effort: Effort::new(EffortScale::Rpe, 80).ok(),
        ..Target::default()
    };
    let exercise = |slug: &str, name: &str, load_kind, sets| PrescribedExercise {
        exercise: movement(slug),
        name: Name::clipped(name),
        load_kind,
        group: None,
        note: None,
        sets,
    };
    let work = SetType::Working;
    Workout {
        id: WorkoutId(uuid(1)),
        revision: 3,
        title: Title::clipped("Lower A"),
        exercises: vec![
            exercise(
                "barbell-squat",
                "Squat",
                LoadKind::External,
                vec![target(SetType::Warmup, 60), target(work, 100), target(work, 100)],
            ),
            exercise("dumbbell-lunges", "Lunge", LoadKind::PerHand, vec![target(work, 20), target(work, 20)]),
        ],
    }
}

/// What is asked, how many minutes after the start it happened, and how many minutes later it arrived.
fn script() -> Vec<(i64, i64, SessionCommand)> {
    let set = |e, s| SetId::planned(SESSION, e, s);
    let complete = |set, actual| Complete { set, actual, place: None };
    let place = Place {
        instance: InstanceId(uuid(7)),
        exercise: movement("pull-up"),
        name: Name::clipped("Pull-up"),
        load_kind: LoadKind::Bodyweight,
        set_type: SetType::Amrap,
    };
    let extra = SetId(uuid(8));
    vec![
        (
            0,
            0,
            Start { workout: Some(WorkoutRef { id: WorkoutId(uuid(1)), revision: 3 }), title: None }.into(),
        ),
        (2, 0, complete(set(0, 0), kg(60, 5)).into()),
        (5, 0, complete(set(0, 1), kg(105, 5)).into()),
        (
            5,
            0,
            Rest {
                after: Some(set(0, 1)),
                start: Timestamp(START + 5 * MINUTE),
                duration_ms: spotter_protocol::Millis(180_000),
            }
            .into(),
        ),
        (6, 0, Note { set: Some(set(0, 1)), text: NoteText::clipped("deep, fast") }.into()),
        (9, 0, complete(set(0, 2), kg(110, 5)).into()),
        (
            10,
            0,
            Amend { set: set(0, 2), actual: kg(105, 5), reason: Some(Reason::clipped("misread the plates")) }
                .into(),
        ),
        (11, 0, Pause {}.into()),
        (13, 0, Resume {}.into()),
        (15, 0, Fail { set: set(1, 0), actual: kg(20, 3), place: None }.into()),
        (16, 0, complete(set(1, 1), kg(22, 6)).into()),
        (17, 0, Void { set: set(1, 1), reason: Some(Reason::clipped("wrong row")) }.into()),
        (19, 0, complete(set(1, 1), kg(24, 6)).into()),
        (
            21,
            0,
            Complete {
                set: extra,
                actual: Actual { reps: Reps::new(9).ok(), ..Actual::default() },
                place: Some(place),
            }
            .into(),
        ),
        (22, 0, Void { set: extra, reason: None }.into()),
        (22, 0, Readiness { feeling: feeling() }.into()),
        (
            22,
            0,
            Pain { level: level(6), site: Site::clipped("left knee"), set: Some(extra), text: None }.into(),
        ),
        (
            22,
            0,
            Cue {
                cue: cue(1),
                text: NoteText::clipped("chest up"),
                group: None,
                set: None,
                expires_ms: None,
            }
            .into(),
        ),
        (22, 0, cue_to_many().into()),
        (22, 0, DeliverCue { cue: cue(1) }.into()),
        (23, 0, SeeCue { cue: cue(1) }.into()),
        (23, 0, ActOnCue { cue: cue(2) }.into()),
        (23, 0, Add { exercise: planned(70, "bent-over-row", &[71, 72]), place: Some(1) }.into()),
        (23, 0, Add { exercise: planned(70, "bent-over-row", &[73]), place: None }.into()),
        (23, 0, complete(SetId(uuid(72)), kg(60, 8)).into()),
        (23, 0, DropSets { sets: vec![SetId(uuid(73))], instance: None }.into()),
        (23, 0, Swap { instance: InstanceId(uuid(70)), with: pendlay() }.into()),
        (23, 0, Reorder { order: order() }.into()),
        (23, 0, patch().into()),
        (23, 0, Abandon {}.into()),
        (24, 0, Finish {}.into()),
        (25, 0, Reopen {}.into()),
        (8, 20, Note { set: None, text: NoteText::clipped("written in the basement") }.into()),
        (4, 25, Void { set: set(0, 0), reason: None }.into()),
        (3, 27, complete(set(0, 0), kg(62, 5)).into()),
        (31, 0, Void { set: set(1, 0), reason: None }.into()),
        (32, 0, Skip { set: set(1, 0), reason: Some(Reason::clipped("knee")) }.into()),
        (33, 0, Finish {}.into()),
    ]
}

fn feeling() -> Feeling {
    let answer = |number: u8| Answer::try_from(number).unwrap();
    Feeling { sleep: answer(4), energy: answer(3), mood: answer(5), soreness: answer(2), stress: answer(1) }
}

fn level(level: u32) -> PainLevel {
    PainLevel::new(level).unwrap()
}

fn cue(number: u128) -> CueId {
    CueId(uuid(80 + number))
}

fn cue_to_many() -> Cue {
    Cue {
        cue: cue(2),
        text: NoteText::clipped("last one"),
        group: Some(CueGroupId(uuid(90))),
        set: Some(SetId::planned(SESSION, 1, 1)),
        expires_ms: Some(spotter_protocol::Millis(600_000)),
    }
}

fn planned(instance: u128, id: &str, sets: &[u128]) -> PlannedExercise {
    let target = Target { load: kg(60, 1).load, ..Target::default() };
    let set = |set: &u128| PlannedSet { set: SetId(uuid(*set)), target: target.clone() };
    PlannedExercise {
        instance: InstanceId(uuid(instance)),
        exercise: movement(id),
        name: Name::clipped(id),
        load_kind: LoadKind::External,
        group: None,
        sets: sets.iter().map(set).collect(),
    }
}

fn pendlay() -> Movement {
    let PlannedExercise { instance, exercise, name, load_kind, .. } = planned(75, "pendlay-row", &[]);
    Movement { instance, exercise, name, load_kind }
}

fn order() -> Vec<Slot> {
    let group = Group::try_from(1).ok();
    [InstanceId(uuid(75)), InstanceId::planned(SESSION, 0)].map(|instance| Slot { instance, group }).to_vec()
}

/// One more lunge, another row, and nothing else: the rows that are not logged go.
fn patch() -> Patch {
    let lunges =
        PlannedExercise { instance: InstanceId::planned(SESSION, 1), ..planned(0, "dumbbell-lunges", &[77]) };
    Patch { based_on: Version(99), exercises: vec![lunges, planned(76, "cable-row", &[78])] }
}

/// Who asks: most of it the athlete.
fn author(command: &SessionCommand) -> (UserId, ClientId) {
    match command {
        SessionCommand::Cue(_) | SessionCommand::Patch(_) => (COACH, ClientId(uuid(4))),
        SessionCommand::DeliverCue(_) | SessionCommand::Abandon(_) => (ANA, ClientId::SERVER),
        _ => (ANA, ClientId(uuid(2))),
    }
}

fn history() -> (Entity<Session>, Value) {
    let bests = Bests {
        exercise: movement("barbell-squat"),
        heaviest: Some(Grams(120_000)),
        e1rm: Some(Grams(120_000)),
        rep_max: vec![Grams(120_000), Grams(100_000), Grams(100_000), Grams(100_000), Grams(100_000)],
    };
    let brief = Brief { workout: Some(squats()), bests: vec![bests], ..Brief::default() };
    let to = Address::session(ANA, SESSION);
    let mut session: Entity<Session> = Entity::default();
    let mut frames = Vec::new();
    for (n, (minute, late, command)) in (1..).zip(script()) {
        let at = Timestamp(START + minute * MINUTE);
        let (author, client) = author(&command);
        // Given up only after hours of silence; what follows comes from a phone that was away.
        let late = if matches!(command, SessionCommand::Abandon(_)) { 13 * 60 } else { late };
        let ask = Ask {
            owner: ANA,
            id: SESSION.0,
            command: &command,
            command_id: CommandId(uuid(100 + u128::from(n))),
            author,
            client,
            n,
            after: 0,
            device_at: at,
            offset: 0,
            received_at: at.shifted(late * MINUTE + 250_000),
        };
        let Verdict::Accept(events) = session.judge(&ask, &brief) else { panic!("{command:?} is accepted") };
        session = session.after(&events);
        session.state().check_invariants();
        let published = events.into_iter().map(|recorded| PublishedEvent {
            v: recorded.version,
            at: recorded.stamp.at,
            received_at: recorded.stamp.received_at,
            by: recorded.stamp.author,
            ev: Event::from(recorded.event),
        });
        frames.push(EventsFrame { to, events: published.collect() });
    }
    let Some(state @ EntityView::Session(_)) = session.state().view(View::Athlete) else {
        panic!("a session")
    };
    let snapshot = SnapshotFrame { to, v: session.head(), view: View::Athlete, state };
    (session, json!({ "events": frames, "snapshot": snapshot }))
}

#[test]
fn the_clients_fold_is_held_to_these_rules() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../protocol/golden/session_history.json");
    let (_, history) = history();
    let made = serde_json::to_string_pretty(&history).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), made, "run with UPDATE_GOLDEN=1 to write it");
}

#[test]
fn a_session_is_read_in_every_form_it_was_ever_stored_in() {
    stored::hold(&history().0);
}
