//! What people want of a plan and of each other, sensible or not.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use spotter_protocol::{
    ActOnCue, Add, Answer, Cue, CueId, DropSets, Feeling, Group, InstanceId, Load, LoadKind, Millis,
    Movement, Name, NoteText, Pain, PainLevel, Patch, PlannedExercise, PlannedSet, PrescribedExercise,
    Readiness, Reason, Reorder, RepRange, Reps, SeeCue, SessionCommand, SessionId, SetId, SetType, Site,
    Slot, Swap, Target, Title, Unit, Version, Workout, WorkoutId,
};
use uuid::Uuid;

/// Exercises of the plan that sessions start by, and sets of each.
const PLANNED: usize = 4;
const SETS_EACH: usize = 3;
/// Exercises that people add, swap in or patch in.
const MORE: u128 = 8;
const CUES: u128 = 12;

/// The plan that sessions start by.
pub(crate) fn workout() -> Workout {
    let exercise = |k: usize| PrescribedExercise {
        exercise: format!("planned-{k}").parse().unwrap(),
        name: Name::clipped(&format!("Planned {k}")),
        load_kind: LoadKind::External,
        group: (k < 2).then(|| Group::try_from(1).unwrap()),
        note: None,
        sets: vec![target(); SETS_EACH],
    };
    Workout {
        id: WorkoutId(Uuid::from_u128(0x901)),
        revision: 2,
        title: Title::clipped("Full body"),
        exercises: (0..PLANNED).map(exercise).collect(),
    }
}

fn target() -> Target {
    Target {
        set_type: SetType::Working,
        reps: Some(RepRange { min: Reps::new(5).unwrap(), max: None }),
        load: Load::new(80_000, Unit::Kg).ok(),
        ..Target::default()
    }
}

/// A set of the plan.
pub(crate) fn planned_set(chance: &mut StdRng, session: SessionId) -> SetId {
    SetId::planned(session, chance.random_range(0..PLANNED), chance.random_range(0..SETS_EACH))
}

fn instance(chance: &mut StdRng, session: SessionId) -> InstanceId {
    if chance.random() {
        InstanceId::planned(session, chance.random_range(0..PLANNED))
    } else {
        InstanceId(Uuid::from_u128(0xadd0 + chance.random_range(0..MORE)))
    }
}

fn movement(chance: &mut StdRng) -> Movement {
    let k = chance.random_range(0..MORE);
    Movement {
        instance: InstanceId(Uuid::from_u128(0xadd0 + k)),
        exercise: format!("added-{k}").parse().unwrap(),
        name: Name::clipped(&format!("Added {k}")),
        load_kind: LoadKind::PerHand,
    }
}

fn more(chance: &mut StdRng) -> PlannedExercise {
    let Movement { instance, exercise, name, load_kind } = movement(chance);
    let sets = (0..chance.random_range(1..3)).map(|_| {
        let set = SetId(Uuid::from_u128(0xadd_5e7 + chance.random_range(0..4 * MORE)));
        PlannedSet { set, target: target() }
    });
    let sets = sets.collect();
    PlannedExercise { instance, exercise, name, load_kind, group: None, sets }
}

/// What changes the plan of a session.
pub(crate) fn change(chance: &mut StdRng, session: SessionId) -> SessionCommand {
    match chance.random_range(0..6) {
        0..=1 => Add { exercise: more(chance), place: chance.random::<bool>().then_some(1) }.into(),
        2 => DropSets { sets: vec![planned_set(chance, session)], instance: None }.into(),
        3 => DropSets { sets: vec![], instance: Some(instance(chance, session)) }.into(),
        4 => Swap { instance: instance(chance, session), with: movement(chance) }.into(),
        _ => {
            let mut order: Vec<InstanceId> =
                (0..PLANNED).map(|place| InstanceId::planned(session, place)).collect();
            order.shuffle(chance);
            let group = Group::try_from(chance.random_range(1..4)).ok();
            let slot = |(place, instance)| Slot { instance, group: group.filter(|_| place < 2) };
            Reorder { order: order.into_iter().enumerate().map(slot).collect() }.into()
        }
    }
}

/// A coach's new plan for what remains, based on some version.
pub(crate) fn patch(chance: &mut StdRng) -> SessionCommand {
    let based_on = Version(*[1, 2, 3, 20, 60].choose(chance).unwrap());
    let exercises = (0..chance.random_range(1..3)).map(|_| more(chance)).collect();
    Patch { based_on, exercises }.into()
}

/// What people tell each other of how it goes.
pub(crate) fn care(chance: &mut StdRng) -> SessionCommand {
    let cue = CueId(Uuid::from_u128(0xc0e + chance.random_range(0..CUES)));
    match chance.random_range(0..6) {
        0..=1 => {
            let expires_ms = chance.random::<bool>().then_some(Millis(2_000));
            Cue { cue, text: NoteText::clipped("chest up"), group: None, set: None, expires_ms }.into()
        }
        2 => SeeCue { cue }.into(),
        3 => ActOnCue { cue }.into(),
        4 => {
            let level = PainLevel::new(chance.random_range(0..=10)).unwrap();
            let text = chance.random::<bool>().then(|| Reason::clipped("again"));
            Pain { level, site: Site::clipped("left knee"), set: None, text }.into()
        }
        _ => {
            let mut answer = || Answer::try_from(chance.random_range(1..=5)).unwrap();
            let feeling = Feeling {
                sleep: answer(),
                energy: answer(),
                mood: answer(),
                soreness: answer(),
                stress: answer(),
            };
            Readiness { feeling }.into()
        }
    }
}
