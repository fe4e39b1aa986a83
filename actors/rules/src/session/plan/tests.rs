use spotter_protocol::{
    Add, Adherence, DropSets, ErrorCode, Group, InstanceId, Load, LoadKind, Movement, Name, Patch,
    PlannedExercise, PlannedSet, RepRange, Reps, SetId, SetStatus, Skip, Slot, Swap, Target, Unit, Version,
};
use uuid::Uuid;

use crate::session::fixture::*;

fn instance(number: u128) -> InstanceId {
    InstanceId(Uuid::from_u128(number))
}

fn set(number: u128) -> SetId {
    SetId(Uuid::from_u128(number))
}

fn at_kg(load: u32) -> Target {
    Target { load: kg(load, 1).load, ..Target::default() }
}

fn planned(number: u128, movement: &str, sets: &[SetId]) -> PlannedExercise {
    PlannedExercise {
        instance: instance(number),
        exercise: slug(movement),
        name: Name::clipped(movement),
        load_kind: LoadKind::External,
        group: None,
        sets: sets.iter().map(|set| PlannedSet { set: *set, target: at_kg(60) }).collect(),
    }
}

/// What the session holds of its first exercise, as a plan.
fn squats(sets: &[SetId]) -> PlannedExercise {
    PlannedExercise { instance: InstanceId::planned(SESSION, 0), ..planned(0, "squat", sets) }
}

fn names(floor: &Floor) -> Vec<String> {
    floor.view().exercises.iter().map(|exercise| exercise.exercise.as_str().to_owned()).collect()
}

fn front_squat() -> Movement {
    Movement {
        instance: instance(50),
        exercise: slug("front-squat"),
        name: Name::clipped("Front squat"),
        load_kind: LoadKind::External,
    }
}

#[test]
fn an_athlete_adds_an_exercise_where_they_want_it() {
    let mut floor = Floor::started();
    floor.tell(5, Add { exercise: planned(40, "row", &[set(41), set(42)]), place: Some(1) }).unwrap();

    assert_eq!(names(&floor), ["squat", "row", "curl", "pull-up"]);
    assert_eq!(floor.set(set(41)).target, Some(at_kg(60)));
    assert_eq!(floor.view().total, 8);
    floor.tell(9, complete(set(41), kg(60, 8))).unwrap();
    assert_eq!(floor.view().adherence, Adherence { performed: 0, prescribed: 5 }, "nobody prescribed it");
}

#[test]
fn what_a_coach_adds_is_prescribed() {
    let mut floor = Floor::started();
    floor.coach_tells(5, Add { exercise: squats(&[set(41)]), place: None }).unwrap();
    floor.tell(9, complete(set(41), kg(60, 8))).unwrap();

    assert_eq!(floor.exercise(0).sets.len(), 4);
    assert_eq!(floor.view().adherence, Adherence { performed: 1, prescribed: 6 });
}

#[test]
fn an_added_set_is_new_and_of_its_movement() {
    let mut floor = Floor::started();
    let again = Add { exercise: planned(40, "row", &[squat(0)]), place: None };
    let twice = Add { exercise: planned(40, "row", &[set(1), set(1)]), place: None };
    let other = Add { exercise: PlannedExercise { exercise: slug("row"), ..squats(&[set(1)]) }, place: None };

    assert_eq!(floor.tell(5, again), Err(ErrorCode::Misplaced));
    assert_eq!(floor.tell(5, twice), Err(ErrorCode::Misplaced));
    assert_eq!(floor.tell(5, other), Err(ErrorCode::Misplaced));
    assert_eq!(floor.tell(5, Add { exercise: squats(&[]), place: None }), Err(ErrorCode::NoChange));
}

#[test]
fn bests_are_known_of_a_lift_that_joins_midway() {
    let mut floor = Floor::ad_hoc();
    floor.tell(5, Add { exercise: squats(&[set(1)]), place: None }).unwrap();

    assert_eq!(floor.exercise(0).bests, Some(squat_bests()));
    floor.tell(9, complete(set(1), kg(120, 1))).unwrap();
    assert!(!floor.set(set(1)).prs.is_empty());
}

#[test]
fn a_dropped_set_leaves_and_stays_prescribed_when_the_athlete_dropped_it() {
    let mut floor = Floor::started();
    floor.tell(5, DropSets { sets: vec![squat(2)], instance: None }).unwrap();
    assert_eq!(floor.exercise(0).sets.len(), 2);
    assert_eq!(floor.view().adherence.prescribed, 5, "two squats, two curls, one pull-up");

    floor.coach_tells(6, DropSets { sets: vec![curl(0)], instance: None }).unwrap();
    assert_eq!(floor.view().adherence.prescribed, 4, "a coach asks for less");
}

#[test]
fn an_exercise_leaves_with_its_last_set() {
    let mut floor = Floor::started();
    floor.tell(5, DropSets { sets: vec![], instance: Some(InstanceId::planned(SESSION, 1)) }).unwrap();
    assert_eq!(names(&floor), ["squat", "pull-up"]);

    floor.tell(6, Add { exercise: planned(40, "row", &[]), place: None }).unwrap();
    floor.tell(7, DropSets { sets: vec![], instance: Some(instance(40)) }).unwrap();
    assert_eq!(names(&floor), ["squat", "pull-up"]);
}

#[test]
fn what_is_logged_cannot_be_dropped_and_a_late_drop_takes_what_is_left() {
    let mut floor = Floor::started();
    floor.tell(5, complete(squat(1), kg(100, 5))).unwrap();

    let logged = DropSets { sets: vec![squat(1)], instance: None };
    assert_eq!(floor.tell(6, logged), Err(ErrorCode::AlreadyLogged));
    floor.tell_late(4, 900, DropSets { sets: vec![squat(1), squat(2)], instance: None }).unwrap();
    assert_eq!(floor.exercise(0).sets.iter().map(|set| set.set).collect::<Vec<_>>(), [squat(0), squat(1)]);

    let unknown = DropSets { sets: vec![set(99)], instance: None };
    assert_eq!(floor.tell(7, unknown), Err(ErrorCode::UnknownSet));
    let nowhere = DropSets { sets: vec![], instance: Some(instance(99)) };
    assert_eq!(floor.tell(7, nowhere), Err(ErrorCode::UnknownExercise));
    assert_eq!(floor.tell(7, DropSets { sets: vec![], instance: None }), Err(ErrorCode::BadFrame));
}

#[test]
fn a_swap_moves_the_open_sets_without_their_load_and_leaves_the_logged_ones() {
    let mut floor = Floor::started();
    floor.tell(5, complete(squat(1), kg(100, 5))).unwrap();
    floor.tell(6, Swap { instance: InstanceId::planned(SESSION, 0), with: front_squat() }).unwrap();

    assert_eq!(names(&floor), ["squat", "front-squat", "curl", "pull-up"]);
    assert_eq!(floor.exercise(0).sets.len(), 1);
    let moved = floor.set(squat(2)).target.unwrap();
    assert_eq!(
        (moved.load, moved.reps),
        (None, RepRange { min: Reps::new(5).unwrap(), max: Reps::new(8).ok() }.into())
    );
    floor.tell(9, complete(squat(2), kg(80, 5))).unwrap();
    assert_eq!(floor.view().adherence.performed, 2, "a prescribed set stays one");
}

#[test]
fn a_swap_of_everything_takes_the_place() {
    let mut floor = Floor::started();
    floor.tell(6, Swap { instance: InstanceId::planned(SESSION, 0), with: front_squat() }).unwrap();
    assert_eq!(names(&floor), ["front-squat", "curl", "pull-up"]);

    let again = Swap { instance: InstanceId::planned(SESSION, 1), with: front_squat() };
    assert_eq!(floor.tell(7, again), Err(ErrorCode::Misplaced));
    let nothing = Swap { instance: instance(99), with: Movement { instance: instance(51), ..front_squat() } };
    assert_eq!(floor.tell(7, nothing), Err(ErrorCode::UnknownExercise));
}

#[test]
fn exercises_change_their_order_and_form_groups() {
    let mut floor = Floor::started();
    let group = Group::try_from(1).ok();
    let slot = |place, group| Slot { instance: InstanceId::planned(SESSION, place), group };
    let order = vec![slot(2, group), slot(0, group)];
    floor.tell(5, spotter_protocol::Reorder { order: order.clone() }).unwrap();

    assert_eq!(names(&floor), ["pull-up", "squat", "curl"]);
    let groups: Vec<_> = floor.view().exercises.iter().map(|exercise| exercise.group).collect();
    assert_eq!(groups, [group, group, None]);
    assert_eq!(floor.tell(6, spotter_protocol::Reorder { order }), Err(ErrorCode::NoChange));
    let twice = vec![slot(0, None), slot(0, None)];
    assert_eq!(floor.tell(6, spotter_protocol::Reorder { order: twice }), Err(ErrorCode::BadFrame));
}

#[test]
fn a_patch_replaces_what_remains_and_keeps_what_is_logged() {
    let mut floor = Floor::started();
    floor.tell(5, complete(squat(1), kg(100, 5))).unwrap();
    let based_on = floor.view().plan_v;
    let heavier = PlannedSet { set: squat(2), target: at_kg(110) };
    let squats = PlannedExercise { sets: vec![heavier], ..squats(&[squat(1)]) };
    floor
        .coach_tells(9, Patch { based_on, exercises: vec![planned(60, "row", &[set(61)]), squats] })
        .unwrap();

    assert_eq!(names(&floor), ["row", "squat"]);
    let sets: Vec<_> = floor.exercise(1).sets.iter().map(|set| (set.set, set.status)).collect();
    assert_eq!(sets, [(squat(1), SetStatus::Performed), (squat(2), SetStatus::Planned)]);
    assert_eq!(floor.set(squat(2)).target.unwrap().load, Load::new(110_000, Unit::Kg).ok());
    assert_eq!(floor.view().adherence, Adherence { performed: 1, prescribed: 3 });
}

#[test]
fn a_patch_of_an_outdated_plan_is_refused_and_a_logged_set_outdates_nothing() {
    let mut floor = Floor::started();
    let based_on = floor.view().plan_v;
    floor.tell(5, complete(squat(1), kg(100, 5))).unwrap();
    floor.tell(6, outside(9, 90, "row", kg(50, 8))).unwrap();
    assert_eq!(floor.view().plan_v, based_on);

    floor.tell(7, DropSets { sets: vec![curl(0)], instance: None }).unwrap();
    let patch = Patch { based_on, exercises: vec![squats(&[squat(0)])] };
    assert_eq!(floor.coach_tells(8, patch.clone()), Err(ErrorCode::Outdated));
    floor.coach_tells(9, Patch { based_on: floor.view().plan_v, ..patch }).unwrap();
}

#[test]
fn a_patch_cannot_move_a_set_nor_name_one_twice() {
    let mut floor = Floor::started();
    let based_on = Version(99);
    for exercises in [
        vec![squats(&[curl(0)])],
        vec![squats(&[squat(0), squat(0)])],
        vec![squats(&[]), squats(&[])],
        vec![PlannedExercise { exercise: slug("row"), ..squats(&[]) }],
    ] {
        assert_eq!(floor.coach_tells(5, Patch { based_on, exercises }), Err(ErrorCode::Misplaced));
    }
}

#[test]
fn a_full_session_takes_no_more() {
    let mut floor = Floor::started();
    let many: Vec<SetId> = (1000..1600).map(set).collect();
    assert_eq!(floor.tell(5, Add { exercise: planned(40, "row", &many), place: None }), Err(ErrorCode::Full));
    let patch = Patch { based_on: Version(9), exercises: vec![planned(40, "row", &many)] };
    assert_eq!(floor.coach_tells(5, patch), Err(ErrorCode::Full));
}

#[test]
fn missed_targets_are_failed_sets_and_those_below_the_least_repetitions() {
    let mut floor = Floor::started();
    floor.tell(5, complete(squat(1), kg(100, 3))).unwrap();
    floor.tell(6, fail(squat(2), kg(100, 1))).unwrap();
    floor.tell(7, Skip { set: curl(0), reason: None }).unwrap();

    assert_eq!(floor.view().missed_targets, 2);
    assert_eq!(floor.view().adherence, Adherence { performed: 1, prescribed: 5 });
}

#[test]
fn a_set_that_left_the_plan_comes_back_when_a_phone_without_signal_had_done_it() {
    let mut floor = Floor::started();
    let based_on = floor.view().plan_v;
    floor.coach_tells(100, Patch { based_on, exercises: vec![squats(&[squat(1)])] }).unwrap();
    assert_eq!(names(&floor), ["squat"]);

    floor.tell_late(50, 5000, complete(squat(2), kg(100, 5))).unwrap();
    floor.tell_late(60, 5001, fail(curl(0), kg(10, 2))).unwrap();
    floor.tell_late(70, 5002, Skip { set: pull_up(), reason: None }).unwrap();

    assert_eq!(names(&floor), ["squat", "curl", "pull-up"]);
    assert_eq!(floor.set(squat(2)).status, SetStatus::Performed);
    assert_eq!(floor.set(squat(2)).target.unwrap().load, Load::new(100_000, Unit::Kg).ok());
    assert_eq!(floor.exercise(1).load_kind, LoadKind::PerHand);
    assert_eq!(
        floor.view().adherence,
        Adherence { performed: 0, prescribed: 1 },
        "the coach had taken them out"
    );
}

#[test]
fn a_note_on_a_set_that_left_is_kept() {
    let mut floor = Floor::started();
    floor.tell(5, DropSets { sets: vec![squat(2)], instance: None }).unwrap();
    let text = spotter_protocol::NoteText::clipped("felt heavy");
    floor.tell_late(4, 900, spotter_protocol::Note { set: Some(squat(2)), text }).unwrap();
    assert_eq!(floor.view().notes.len(), 1);
}

#[test]
fn a_set_done_before_a_swap_is_of_the_old_movement() {
    let mut floor = Floor::started();
    floor.coach_tells(100, Swap { instance: InstanceId::planned(SESSION, 0), with: front_squat() }).unwrap();
    floor.tell_late(50, 5000, complete(squat(1), kg(120, 3))).unwrap();
    floor.tell_late(150, 5001, complete(squat(2), kg(80, 5))).unwrap();

    let movement = |id| {
        let exercises = floor.view().exercises;
        let home = exercises.into_iter().find(|exercise| exercise.sets.iter().any(|set| set.set == id));
        home.unwrap().exercise.as_str().to_owned()
    };
    assert_eq!((movement(squat(1)), movement(squat(2))), ("squat".to_owned(), "front-squat".to_owned()));
    assert!(!floor.set(squat(1)).prs.is_empty(), "against the bests of the squat");
    assert_eq!(floor.view().adherence, Adherence { performed: 2, prescribed: 5 });
}
