//! Random histories: whatever is sent, in whatever order, by whomever, the session stays what its rules say.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use spotter_protocol::{
    Abandon, ActOnCue, Actual, Add, Answer, Bests, ClientId, Complete, Cue, CueId, DeliverCue, DropSets,
    ExerciseId, Fail, Feeling, Finish, Grams, Group, InstanceId, LoadKind, Movement, Name, Note, NoteText,
    Pain, PainLevel, Patch, Pause, PlannedExercise, PlannedSet, PrKind, Readiness, Reason, Reopen, Reorder,
    Rest, Resume, SeeCue, SessionCommand, SetId, SetStatus, SetType, SetView, Site, Skip, Slot, Stamp, Start,
    Swap, Target, Title, Version,
};
use uuid::Uuid;

use super::Session;
use super::fixture::*;
use crate::{Entity, ReadRow, Rules, SetRow, Verdict};

/// What a phone does next.
#[derive(Clone, Debug)]
enum Step {
    New {
        coach: bool,
        client: u128,
        at: i64,
        offset: i64,
        delay: i64,
        command: SessionCommand,
    },
    /// One of the commands so far once more, as a phone without an answer does.
    Repeat(prop::sample::Index),
}

const OUTSIDE: [(u128, u128, &str); 4] =
    [(9, 90, "row"), (10, 90, "row"), (11, 91, "squat"), (12, 92, "dip")];

/// The sets there are: six of the plan, and four outside.
fn set_id() -> impl Strategy<Value = SetId> {
    (0..10_usize).prop_map(|place| match place {
        0..3 => squat(place),
        3..5 => curl(place - 3),
        5 => pull_up(),
        _ => SetId(Uuid::from_u128(OUTSIDE[place - 6].0)),
    })
}

fn actual() -> impl Strategy<Value = Actual> {
    let nothing = Just(Actual::default());
    prop_oneof![9 => (95..125_u32, 0..13_u32).prop_map(|(load, reps)| kg(load, reps)), 1 => nothing]
}

fn placed(place: usize, actual: Actual) -> SessionCommand {
    let (set, instance, exercise) = OUTSIDE[place];
    outside(set, instance, exercise, actual)
}

fn command() -> impl Strategy<Value = SessionCommand> {
    let reason = prop::option::of(Just(Reason::clipped("typo")));
    let title = Some(Title::clipped("Open gym"));
    prop_oneof![
        1 => Just(Start { workout: None, title }.into()),
        8 => (set_id(), actual()).prop_map(|(set, actual)| complete(set, actual)),
        8 => (0..OUTSIDE.len(), actual()).prop_map(|(place, actual)| placed(place, actual)),
        1 => actual().prop_map(|actual| outside(9, 91, "row", actual)),
        3 => (set_id(), actual()).prop_map(|(set, actual)| fail(set, actual)),
        2 => (set_id(), reason).prop_map(|(set, reason)| Skip { set, reason }.into()),
        5 => (set_id(), actual()).prop_map(|(set, actual)| amend(set, actual)),
        5 => set_id().prop_map(void),
        1 => prop::option::of(set_id())
            .prop_map(|set| Note { set, text: NoteText::clipped("hm") }.into()),
        2 => (prop::option::of(set_id()), 0..600_i64).prop_map(|(after, start)| {
            let duration_ms = spotter_protocol::Millis(90_000);
            Rest { after, start: moment(start), duration_ms }.into()
        }),
        1 => Just(Pause {}.into()),
        1 => Just(Resume {}.into()),
        1 => Just(Finish {}.into()),
        1 => Just(Reopen {}.into()),
    ]
}

/// Exercises there may be: the plan's three, two to add and two to swap in, each with its movement.
fn movement() -> impl Strategy<Value = (InstanceId, &'static str)> {
    (0..7_usize).prop_map(|place| match place {
        0..3 => (InstanceId::planned(SESSION, place), ["squat", "curl", "pull-up"][place]),
        _ => (InstanceId(Uuid::from_u128(90 + place as u128)), ["row", "squat", "dip", "lunge"][place - 3]),
    })
}

/// An exercise as somebody plans it, with some sets that may be there already.
fn planned_exercise() -> impl Strategy<Value = PlannedExercise> {
    let set = prop_oneof![set_id(), (20..40_u128).prop_map(|id| SetId(Uuid::from_u128(id)))];
    let group = prop::option::of((1..4_u8).prop_map(|number| Group::try_from(number).unwrap()));
    (movement(), vec((set, 80..120_u32), 0..4), group).prop_map(|((instance, id), sets, group)| {
        PlannedExercise {
            instance,
            exercise: slug(id),
            name: Name::clipped(id),
            load_kind: LoadKind::External,
            group,
            sets: sets
                .into_iter()
                .map(|(set, load)| PlannedSet {
                    set,
                    target: Target { load: kg(load, 5).load, ..Target::default() },
                })
                .collect(),
        }
    })
}

/// What changes the plan, and what athlete and coach tell each other.
fn other_command() -> impl Strategy<Value = SessionCommand> {
    let level = (0..11_u32).prop_map(|level| PainLevel::new(level).unwrap());
    let answer = || (1..6_u8).prop_map(|number| Answer::try_from(number).unwrap());
    let feeling = (answer(), answer(), answer(), answer(), answer()).prop_map(
        |(sleep, energy, mood, soreness, stress)| Feeling { sleep, energy, mood, soreness, stress },
    );
    let cue_id = || (0..80_u128).prop_map(|id| CueId(Uuid::from_u128(id)));
    let instance = || movement().prop_map(|(instance, _)| instance);
    let group = || prop::option::of((1..4_u8).prop_map(|number| Group::try_from(number).unwrap()));
    prop_oneof![
        3 => (planned_exercise(), prop::option::of(0..5_u16))
            .prop_map(|(exercise, place)| Add { exercise, place }.into()),
        2 => vec(set_id(), 1..4).prop_map(|sets| DropSets { sets, instance: None }.into()),
        1 => instance().prop_map(|instance| DropSets { sets: vec![], instance: Some(instance) }.into()),
        2 => (instance(), movement()).prop_map(|(instance, (to, id))| {
            let with = Movement {
                instance: to,
                exercise: slug(id),
                name: Name::clipped(id),
                load_kind: LoadKind::External,
            };
            Swap { instance, with }.into()
        }),
        2 => vec((instance(), group()), 1..4).prop_map(|order| {
            let slot = |(instance, group)| Slot { instance, group };
            Reorder { order: order.into_iter().map(slot).collect() }.into()
        }),
        3 => (0..40_u64, vec(planned_exercise(), 0..4))
            .prop_map(|(based_on, exercises)| Patch { based_on: Version(based_on), exercises }.into()),
        1 => feeling.prop_map(|feeling| Readiness { feeling }.into()),
        2 => (level, 0..2_usize).prop_map(|(level, site)| {
            Pain { level, site: Site::clipped(["knee", "back"][site]), set: None, text: None }.into()
        }),
        3 => (cue_id(), prop::option::of(Just(spotter_protocol::Millis(60_000)))).prop_map(|(cue, expires_ms)| {
            Cue { cue, text: NoteText::clipped("chest up"), group: None, set: None, expires_ms }.into()
        }),
        1 => cue_id().prop_map(|cue| SeeCue { cue }.into()),
        1 => cue_id().prop_map(|cue| ActOnCue { cue }.into()),
        1 => cue_id().prop_map(|cue| DeliverCue { cue }.into()),
        1 => Just(Abandon {}.into()),
    ]
}

/// The server and three clients with clocks some seconds wrong; most commands come at once, some hours late, few
/// too late.
fn step_of(command: impl Strategy<Value = SessionCommand>) -> impl Strategy<Value = Step> {
    let delay = prop_oneof![6 => 0..3_i64, 3 => 0..60_000_i64, 1 => Just(31 * 24 * 3600)];
    let new = (any::<bool>(), 0..4_u128, -10..600_i64, -5..6_i64, delay, command).prop_map(
        |(coach, client, at, offset, delay, command)| {
            let coach = coach && client > 0;
            Step::New { coach, client, at, offset, delay, command }
        },
    );
    prop_oneof![9 => new, 1 => any::<prop::sample::Index>().prop_map(Step::Repeat)]
}

/// What is logged and corrected.
fn step() -> impl Strategy<Value = Step> {
    step_of(command())
}

/// Anything at all.
fn any_step() -> impl Strategy<Value = Step> {
    step_of(prop_oneof![command(), other_command()])
}

/// Runs a history. Each client sends as the protocol says: the next number, after the last one accepted.
fn run(is_planned: bool, steps: Vec<Step>) -> Floor {
    let mut floor = if is_planned { Floor::started() } else { Floor::ad_hoc() };
    let mut accepted: Vec<(Sent, Version)> = Vec::new();
    let mut newest: BTreeMap<(u128, bool), (u64, u64)> = BTreeMap::new();
    for step in steps {
        match step {
            Step::New { coach, client, at, offset, delay, command } => {
                // Client 1 has sent the start.
                let who = (client, coach);
                let (n, after) = newest.entry(who).or_insert(if who == (1, false) { (1, 1) } else { (0, 0) });
                // The server numbers nothing.
                *n += u64::from(client > 0);
                let (n, received, after_n) = (*n, at + delay, *after);
                let sent = Sent { coach, client, n, after: after_n, at, offset, received, command };
                let before = floor.entity.clone();
                match floor.send(&sent) {
                    Verdict::Accept(events) => {
                        assert_eq!(events[0].version, before.head().next(), "versions are consecutive");
                        assert!(events.windows(2).all(|pair| pair[0].version.next() == pair[1].version));
                        assert!(events.iter().all(|recorded| recorded.stamp.at <= moment(received)));
                        *after = n;
                        if client > 0 {
                            accepted.push((sent, floor.entity.head()));
                        }
                    }
                    Verdict::Refuse(fault) => {
                        assert_eq!(floor.entity, before, "{fault}: a refusal changes nothing");
                    }
                    Verdict::Repeat(_) => panic!("a new number is no repeat"),
                }
            }
            Step::Repeat(index) if !accepted.is_empty() => {
                let (sent, version) = index.get(&accepted);
                let before = floor.entity.clone();
                let later = Sent { received: sent.received + 3600, ..sent.clone() };
                assert_eq!(floor.send(&later), Verdict::Repeat(*version));
                assert_eq!(floor.entity, before, "a retry changes nothing");
            }
            Step::Repeat(_) => {}
        }
    }
    floor
}

fn replayed(journal: &[spotter_protocol::Recorded<spotter_protocol::SessionEvent>]) -> Entity<Session> {
    Entity::default().after(journal)
}

/// The sets that stand, in the session's order.
fn standing(floor: &Floor) -> Vec<SetView> {
    let sets = floor.view().exercises.into_iter().flat_map(|exercise| exercise.sets);
    sets.filter(|set| set.at.is_some()).collect()
}

/// What follows from the sets: volume, sets done, and of each set the estimate and the records.
#[derive(Debug, PartialEq)]
struct Derived {
    volume_g: u64,
    done: u16,
    sets: BTreeMap<SetId, (Option<Grams>, Vec<PrKind>)>,
}

fn derived(floor: &Floor) -> Derived {
    let (view, sets) = (floor.view(), standing(floor).into_iter());
    let sets = sets.map(|set| (set.set, (set.e1rm_g, set.prs))).collect();
    Derived { volume_g: view.volume_g, done: view.done, sets }
}

/// Logs what stands once and rightly, each set at its own time, the last first.
fn corrected(is_planned: bool, history: &Floor) -> Floor {
    let mut fresh = if is_planned { Floor::started() } else { Floor::ad_hoc() };
    let begin = moment(0).0;
    for set in standing(history).into_iter().rev() {
        let at = (set.at.unwrap().0 - begin) / 1_000_000;
        let actual = set.actual.clone().unwrap_or_default();
        let outside = OUTSIDE.iter().position(|(id, ..)| SetId(Uuid::from_u128(*id)) == set.set);
        let place = outside.map(|place| {
            let command = placed(place, kg(1, 1));
            let SessionCommand::Complete(complete) = command else { panic!("{command:?} has no place") };
            complete.place
        });
        let (id, place) = (set.set, place.flatten());
        let command: SessionCommand = match set.status {
            SetStatus::Performed => Complete { set: id, actual, place }.into(),
            SetStatus::Failed => Fail { set: id, actual, place }.into(),
            SetStatus::Skipped if place.is_none() => Skip { set: id, reason: None }.into(),
            // A set outside the plan can only be skipped once it was there.
            SetStatus::Skipped => {
                fresh.tell(at, Fail { set: id, actual, place }).unwrap();
                fresh.tell(at, void(id)).unwrap();
                Skip { set: id, reason: None }.into()
            }
            SetStatus::Planned | SetStatus::Voided => panic!("nothing stands there"),
        };
        fresh.tell(at, command).unwrap();
    }
    fresh
}

/// The best of some sets in an exercise, as an athlete's bests are defined.
fn bests_of<'a>(exercise: &ExerciseId, sets: impl Iterator<Item = &'a SetRow>) -> Bests {
    let counts = |set: &&SetRow| {
        let is_whole = matches!(set.load_kind, LoadKind::External | LoadKind::PerHand | LoadKind::Stack);
        let is_done = set.status == SetStatus::Performed && set.set_type != SetType::Warmup;
        set.exercise == *exercise && is_whole && is_done && load(set) > Grams(0)
    };
    let sets: Vec<&SetRow> = sets.filter(counts).collect();
    let for_reps = |least: u32| {
        let long_enough =
            sets.iter().filter(|set| set.reps.is_some_and(|reps| u32::from(reps.get()) >= least));
        long_enough.map(|set| load(set)).max()
    };
    Bests {
        exercise: exercise.clone(),
        heaviest: sets.iter().map(|set| load(set)).max(),
        e1rm: sets.iter().filter_map(|set| set.e1rm).max(),
        rep_max: (1..=10).map_while(for_reps).collect(),
    }
}

fn load(set: &SetRow) -> Grams {
    set.load.map_or(Grams(0), |load| load.grams())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_history_replays_to_the_same_session(planned: bool, steps in vec(any_step(), 0..60)) {
        let floor = run(planned, steps);
        prop_assert_eq!(replayed(&floor.journal), floor.entity);
    }

    #[test]
    fn a_snapshot_and_its_tail_are_the_full_replay(
        planned: bool,
        steps in vec(any_step(), 0..60),
        cut: prop::sample::Index,
    ) {
        let floor = run(planned, steps);
        let (head, tail) = floor.journal.split_at(cut.index(floor.journal.len() + 1));
        let stored = rmp_serde::to_vec_named(&replayed(head)).unwrap();
        let loaded: Entity<Session> = rmp_serde::from_slice(&stored).unwrap();
        prop_assert_eq!(loaded.after(tail), floor.entity);
    }

    #[test]
    fn a_later_stream_begins_with_all_of_the_session(planned: bool, steps in vec(any_step(), 0..60)) {
        let floor = run(planned, steps);
        let stamp = Stamp { client: ClientId::SERVER, n: 0, ..floor.journal[0].stamp };
        let rebased = floor.entity.rebase(stamp).unwrap();
        let after = floor.entity.after(std::slice::from_ref(&rebased));

        prop_assert_eq!(after.state(), floor.entity.state(), "nothing else changes");
        prop_assert_eq!(Entity::<Session>::replay(&[rebased]).unwrap(), after, "what it remembers too");
    }

    #[test]
    fn corrections_lead_where_the_corrected_history_leads(planned: bool, steps in vec(step(), 0..60)) {
        let floor = run(planned, steps);
        let fresh = corrected(planned, &floor);
        prop_assert_eq!(derived(&fresh), derived(&floor));
    }

    #[test]
    fn the_rows_written_along_the_way_are_those_of_the_end(planned: bool, steps in vec(any_step(), 0..60)) {
        let floor = run(planned, steps);
        let mut rows: BTreeMap<SetId, SetRow> = BTreeMap::new();
        let mut bests: BTreeMap<ExerciseId, Bests> = BTreeMap::new();
        let mut entity = Entity::<Session>::default();
        for recorded in &floor.journal {
            entity.apply(recorded);
            for row in entity.state().rows(SESSION.0, recorded.version, std::slice::from_ref(recorded)) {
                match row {
                    ReadRow::Set(row) => drop(rows.insert(row.set, row)),
                    ReadRow::Bests(row) => drop(bests.insert(row.bests.exercise.clone(), row.bests)),
                    ReadRow::Session(_) | ReadRow::Message(_) => {}
                }
            }
        }
        if !floor.view().phase.is_running() {
            for exercise in rows.values().map(|row| &row.exercise) {
                prop_assert_eq!(&bests[exercise], &bests_of(exercise, rows.values()));
            }
        }
        for set in standing(&floor) {
            let row = &rows[&set.set];
            prop_assert_eq!((row.status, Some(row.at)), (set.status, set.at));
            prop_assert_eq!(row.load, set.actual.as_ref().and_then(|actual| actual.load));
            prop_assert!(row.e1rm.is_none() || row.e1rm == set.e1rm_g);
        }
        let gone = rows.values().filter(|row| row.status == SetStatus::Voided).count();
        prop_assert_eq!(rows.len() - gone, standing(&floor).len());
    }
}
