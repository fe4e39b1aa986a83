//! Each rule of the session once.

use spotter_protocol::{
    Actual, Badge, ErrorCode, Finish, Grams, LoadKind, Note, NoteText, Pause, Phase, PrKind, Reason, Reopen,
    Reps, Rest, Resume, Seconds, SessionEvent, SetId, SetStatus, SetType, Skip, Start, Title, View,
};
use uuid::Uuid;

use super::fixture::*;
use super::log::{Exercise, Log, Set};
use super::{EXERCISES_MAX, NOTES_MAX, REST_MAX, SETS_MAX};
use crate::{BestsRow, ReadRow, Rules};

const DAY: i64 = 24 * 60 * 60;

fn skip(set: SetId) -> Skip {
    Skip { set, reason: None }
}

fn note(text: &str) -> Note {
    Note { set: None, text: NoteText::clipped(text) }
}

fn rest(start: i64, seconds: u32) -> Rest {
    Rest { after: None, start: moment(start), duration_ms: spotter_protocol::Millis(seconds * 1000) }
}

/// The records among events, withdrawn ones marked by a minus.
fn records(events: &[SessionEvent]) -> Vec<String> {
    let told = |event: &SessionEvent| {
        if let SessionEvent::Pr(pr) = event {
            Some(format!("{:?} {} over {}", pr.record, pr.g.0, pr.previous_g.0))
        } else if let SessionEvent::PrWithdrawn(gone) = event {
            Some(format!("-{:?}", gone.record))
        } else {
            None
        }
    };
    events.iter().filter_map(told).collect()
}

// Starting

#[test]
fn nothing_can_be_done_before_the_start() {
    assert_eq!(Floor::empty().tell(0, complete(squat(1), kg(100, 5))), Err(ErrorCode::NotFound));
    assert_eq!(Floor::empty().tell(0, Finish {}), Err(ErrorCode::NotFound));
}

#[test]
fn a_session_starts_once() {
    let again = Start { workout: Some(PLAN), title: None };
    assert_eq!(Floor::started().tell(1, again), Err(ErrorCode::AlreadyStarted));
}

#[test]
fn a_start_names_a_workout_or_a_title_and_not_both() {
    let title = Some(Title::clipped("Mine"));
    assert_eq!(Floor::empty().tell(0, Start { workout: None, title: None }), Err(ErrorCode::BadFrame));
    assert_eq!(Floor::empty().tell(0, Start { workout: Some(PLAN), title }), Err(ErrorCode::BadFrame));
}

#[test]
fn an_unknown_revision_starts_nothing() {
    let other = spotter_protocol::WorkoutRef { revision: 2, ..PLAN };
    let start = Start { workout: Some(other), title: None };
    assert_eq!(Floor::empty().tell(0, start), Err(ErrorCode::UnknownWorkout));
}

#[test]
fn the_start_copies_the_plan_with_ids_that_a_phone_can_compute() {
    let floor = Floor::started();

    let squats = floor.exercise(0);
    assert_eq!(squats.bests, Some(squat_bests()));
    assert_eq!(squats.sets.iter().map(|set| set.set).collect::<Vec<_>>(), [squat(0), squat(1), squat(2)]);
    assert_eq!(squats.sets[1].target.as_ref(), Some(&workout().exercises[0].sets[1]));
    assert_eq!((floor.view().done, floor.view().total, floor.view().phase), (0, 6, Phase::Live));
}

// Logging

#[test]
fn a_set_is_logged_once() {
    let mut floor = Floor::started();
    floor.tell(60, complete(squat(1), kg(100, 5))).unwrap();

    assert_eq!(floor.tell(61, complete(squat(1), kg(100, 5))), Err(ErrorCode::AlreadyLogged));
    assert_eq!(floor.tell(62, fail(squat(1), kg(100, 2))), Err(ErrorCode::AlreadyLogged));
    assert_eq!(floor.tell(63, skip(squat(1))), Err(ErrorCode::AlreadyLogged));
}

#[test]
fn a_performed_set_says_what_was_done_and_a_failed_one_need_not() {
    let mut floor = Floor::started();
    let only_load = Actual { reps: None, ..kg(100, 0) };
    let hold = Actual { seconds: Some(Seconds::new(30).unwrap()), ..Actual::default() };

    assert_eq!(floor.tell(1, complete(squat(1), only_load)), Err(ErrorCode::Empty));
    assert!(floor.tell(2, complete(pull_up(), hold)).is_ok());
    assert!(floor.tell(3, fail(squat(1), Actual::default())).is_ok());
    assert_eq!(floor.set(squat(1)).status, SetStatus::Failed);
}

#[test]
fn a_set_outside_the_plan_brings_its_place() {
    let mut floor = Floor::started();
    assert_eq!(floor.tell(1, complete(SetId(Uuid::from_u128(9)), kg(60, 8))), Err(ErrorCode::UnknownSet));

    let events = floor.tell(2, outside(9, 90, "row", kg(60, 8))).unwrap();

    assert!(matches!(
        events[..],
        [SessionEvent::ExerciseAdded(_), SessionEvent::SetAdded(_), SessionEvent::SetCompleted(_)]
    ));
    let events = floor.tell(3, outside(10, 90, "row", kg(60, 8))).unwrap();
    assert!(matches!(events[..], [SessionEvent::SetAdded(_), SessionEvent::SetCompleted(_)]));
    assert_eq!((floor.view().done, floor.view().total), (2, 8));
}

#[test]
fn a_place_may_not_contradict_the_session() {
    let mut floor = Floor::started();
    floor.tell(1, outside(9, 90, "row", kg(60, 8))).unwrap();

    assert_eq!(floor.tell(2, outside(10, 90, "squat", kg(60, 8))), Err(ErrorCode::Misplaced));
    floor.tell(3, void(SetId(Uuid::from_u128(9)))).unwrap();
    assert_eq!(floor.tell(4, outside(9, 91, "row", kg(60, 8))), Err(ErrorCode::Misplaced));
}

#[test]
fn a_second_instance_of_a_movement_shares_its_bests() {
    let mut floor = Floor::started();
    let command = outside(9, 90, "squat", kg(111, 1));
    assert!(floor.entity.state().needs(&command).is_nothing());

    let events = floor.tell(1, command).unwrap();

    assert_eq!(floor.exercise(3).bests, Some(squat_bests()));
    assert_eq!(records(&events), ["Heaviest 111000 over 110000", "RepMax 111000 over 110000"]);
}

#[test]
fn the_bests_of_a_new_movement_are_asked_for_as_they_stood_at_the_start() {
    let needs = Floor::ad_hoc().entity.state().needs(&outside(9, 90, "squat", kg(100, 5)));
    assert_eq!((needs.bests, needs.before), (vec![slug("squat")], Some(moment(0))));
}

#[test]
fn a_session_holds_so_many_exercises_sets_and_remarks() {
    let mut floor = Floor::ad_hoc();
    for instance in 0..EXERCISES_MAX as u128 {
        floor.tell(1, outside(1000 + instance, instance, "row", kg(60, 8))).unwrap();
    }
    assert_eq!(floor.tell(2, outside(1, 999, "row", kg(60, 8))), Err(ErrorCode::Full));

    for set in EXERCISES_MAX..SETS_MAX {
        floor.tell(3, outside(1000 + set as u128, 0, "row", kg(60, 8))).unwrap();
    }
    assert_eq!(floor.tell(4, outside(1, 0, "row", kg(60, 8))), Err(ErrorCode::Full));

    for _ in 0..NOTES_MAX {
        floor.tell(5, note("again")).unwrap();
    }
    assert_eq!(floor.tell(6, note("once more")), Err(ErrorCode::Full));
}

// Correcting

#[test]
fn an_amendment_keeps_the_status_and_the_time() {
    let mut floor = Floor::started();
    floor.tell(60, fail(squat(1), kg(100, 3))).unwrap();

    floor.tell(500, amend(squat(1), kg(100, 4))).unwrap();

    let set = floor.set(squat(1));
    assert_eq!((set.status, set.at, set.amended), (SetStatus::Failed, Some(moment(60)), true));
    assert_eq!(set.actual, Some(kg(100, 4)));
}

#[test]
fn only_performed_and_failed_sets_are_amended() {
    let mut floor = Floor::started();
    floor.tell(1, skip(squat(2))).unwrap();

    assert_eq!(floor.tell(2, amend(squat(1), kg(1, 1))), Err(ErrorCode::NotLogged));
    assert_eq!(floor.tell(3, amend(squat(2), kg(1, 1))), Err(ErrorCode::NotLogged));
    assert_eq!(floor.tell(4, amend(SetId(Uuid::nil()), kg(1, 1))), Err(ErrorCode::UnknownSet));
}

#[test]
fn a_voided_set_keeps_its_target_and_takes_a_new_time() {
    let mut floor = Floor::started();
    floor.tell(60, complete(squat(1), kg(100, 5))).unwrap();
    floor.tell(70, void(squat(1))).unwrap();

    let voided = floor.set(squat(1));
    assert_eq!((voided.status, voided.at, voided.actual), (SetStatus::Voided, None, None));
    assert!(voided.target.is_some());
    assert_eq!(floor.tell(71, void(squat(1))), Err(ErrorCode::NotLogged));

    floor.tell(80, complete(squat(1), kg(90, 5))).unwrap();
    assert_eq!(floor.set(squat(1)).at, Some(moment(80)));
}

#[test]
fn a_reason_stands_until_the_set_is_logged_again() {
    let mut floor = Floor::started();
    floor.tell(1, Skip { set: squat(1), reason: Some(Reason::clipped("no rack")) }).unwrap();
    assert_eq!(floor.set(squat(1)).reason, Some(Reason::clipped("no rack")));

    floor.tell(2, void(squat(1))).unwrap();
    floor.tell(3, complete(squat(1), kg(100, 5))).unwrap();
    assert_eq!(floor.set(squat(1)).reason, None);
}

#[test]
fn voided_sets_outside_the_plan_leave_the_total() {
    let mut floor = Floor::started();
    floor.tell(1, outside(9, 90, "row", kg(60, 8))).unwrap();
    floor.tell(2, complete(squat(1), kg(100, 5))).unwrap();
    floor.tell(3, void(SetId(Uuid::from_u128(9)))).unwrap();
    floor.tell(4, void(squat(1))).unwrap();

    assert_eq!((floor.view().done, floor.view().total), (0, 6));
}

// Time

#[test]
fn sets_and_remarks_are_received_in_every_phase_for_thirty_days() {
    let mut floor = Floor::started();
    floor.tell(100, Finish {}).unwrap();

    assert!(floor.tell_late(50, 30 * DAY, complete(squat(1), kg(100, 5))).is_ok());
    assert!(floor.tell_late(51, 30 * DAY, note("sore")).is_ok());
    assert_eq!(floor.tell_late(52, 30 * DAY + 1, complete(squat(2), kg(100, 5))), Err(ErrorCode::Closed));
}

#[test]
fn remarks_stand_in_the_order_they_were_made() {
    let mut floor = Floor::started();
    floor.tell(60, note("second")).unwrap();
    floor.tell_late(30, 90, note("first")).unwrap();

    let said: Vec<String> = floor.view().notes.iter().map(|note| note.text.to_string()).collect();
    assert_eq!(said, ["first", "second"]);
}

#[test]
fn remarks_and_rests_name_known_sets() {
    let mut floor = Floor::started();
    let unknown = Some(SetId(Uuid::nil()));

    let lost = Note { set: unknown, ..note("lost") };
    assert_eq!(floor.tell(1, lost), Err(ErrorCode::UnknownSet));
    assert_eq!(floor.tell(1, Rest { after: unknown, ..rest(1, 60) }), Err(ErrorCode::UnknownSet));
    let long = Rest { duration_ms: spotter_protocol::Millis(REST_MAX.0 + 1), ..rest(1, 60) };
    assert_eq!(floor.tell(1, long), Err(ErrorCode::BadFrame));
}

#[test]
fn remarks_are_hidden_from_screens_and_operators() {
    let mut floor = Floor::started();
    floor.tell(1, note("knee hurts")).unwrap();

    for view in View::ALL {
        let Some(spotter_protocol::EntityView::Session(seen)) = floor.entity.state().view(view) else {
            panic!("a session has a view");
        };
        assert_eq!(seen.notes.len(), usize::from(matches!(view, View::Athlete | View::Coach)), "{view:?}");
    }
}

// Phases

#[test]
fn pause_resume_finish_and_reopen_each_need_their_phase() {
    let mut floor = Floor::started();
    assert_eq!(floor.tell(1, Resume {}), Err(ErrorCode::WrongPhase));
    assert_eq!(floor.tell(2, Reopen {}), Err(ErrorCode::WrongPhase));
    floor.tell(3, Pause {}).unwrap();
    assert_eq!(floor.tell(4, Pause {}), Err(ErrorCode::WrongPhase));
    floor.tell(5, Resume {}).unwrap();
    floor.tell(6, Finish {}).unwrap();
    assert_eq!(floor.tell(7, Finish {}), Err(ErrorCode::WrongPhase));
    assert_eq!(floor.tell(8, Pause {}), Err(ErrorCode::WrongPhase));
    assert_eq!(floor.tell(9, rest(9, 60)), Err(ErrorCode::NotRunning));
    assert_eq!(floor.view().finished_at, Some(moment(6)));
    floor.tell(10, Reopen {}).unwrap();
    assert_eq!((floor.view().phase, floor.view().finished_at), (Phase::Live, None));
}

#[test]
fn what_is_older_than_the_last_change_of_phase_is_recorded_without_effect() {
    let mut floor = Floor::started();
    floor.tell(100, Finish {}).unwrap();

    let events = floor.tell_late(50, 200, Pause {}).unwrap();
    assert!(matches!(&events[..], [SessionEvent::Paused(paused)] if !paused.effective));
    let events = floor.tell_late(60, 200, Resume {}).unwrap();
    assert!(matches!(&events[..], [SessionEvent::Resumed(resumed)] if !resumed.effective));
    let events = floor.tell_late(70, 200, rest(70, 90)).unwrap();
    assert!(matches!(&events[..], [SessionEvent::Rested(rested)] if !rested.effective));

    assert_eq!((floor.view().phase, floor.view().rest), (Phase::Finished, None));
}

#[test]
fn a_late_finish_ends_the_session_at_its_own_time_and_not_before_the_start() {
    let mut floor = Floor::started();
    floor.tell(100, Pause {}).unwrap();
    floor.tell_late(80, 200, Finish {}).unwrap();
    assert_eq!(floor.view().finished_at, Some(moment(80)));

    floor.tell(300, Reopen {}).unwrap();
    floor.tell_late(-50, 400, Finish {}).unwrap();
    assert_eq!(floor.view().finished_at, Some(moment(0)));
}

#[test]
fn a_rest_sent_again_replaces_the_one_under_way() {
    let mut floor = Floor::started();
    floor.tell(10, rest(10, 90)).unwrap();
    floor.tell(20, rest(10, 120)).unwrap();

    let resting = floor.view().rest.unwrap();
    assert_eq!((resting.start, resting.duration_ms.0), (moment(10), 120_000));
}

#[test]
fn a_rest_begins_by_the_corrected_clock() {
    let mut floor = Floor::started();
    let command = rest(5, 90).into();
    floor.send(&Sent { coach: false, client: 7, n: 1, after: 0, at: 65, offset: 60, received: 66, command });

    assert_eq!(floor.view().rest.unwrap().start, moment(65));
}

// Records

#[test]
fn a_heavier_set_is_a_record_and_a_tie_is_none() {
    let mut floor = Floor::started();

    let tie = floor.tell(1, complete(squat(1), kg(105, 5))).unwrap();
    let more = floor.tell(2, complete(squat(2), kg(112, 5))).unwrap();

    assert_eq!(records(&tie), Vec::<String>::new());
    assert_eq!(
        records(&more),
        ["Heaviest 112000 over 110000", "RepMax 112000 over 105000", "E1rm 130667 over 122500"]
    );
    assert_eq!(floor.set(squat(2)).prs, [PrKind::Heaviest, PrKind::RepMax, PrKind::E1rm]);
}

#[test]
fn the_first_value_is_a_baseline_for_each_number_of_repetitions() {
    let mut floor = Floor::started();

    assert!(records(&floor.tell(1, complete(curl(0), kg(20, 5))).unwrap()).is_empty());
    assert_eq!(
        records(&floor.tell(2, complete(curl(1), kg(20, 8))).unwrap()),
        ["E1rm 25333 over 23333"],
        "nothing was ever done eight times"
    );
}

#[test]
fn warm_ups_failures_bodyweight_and_long_sets_make_no_record() {
    let mut floor = Floor::started();
    floor.tell(1, fail(squat(1), kg(200, 5))).unwrap();

    for (set, actual) in [(squat(0), kg(200, 5)), (squat(2), kg(200, 11)), (pull_up(), kg(50, 5))] {
        assert!(records(&floor.tell(2, complete(set, actual)).unwrap()).is_empty());
    }
}

#[test]
fn a_late_set_withdraws_what_it_was_before() {
    let mut floor = Floor::started();
    floor.tell(100, complete(squat(2), kg(111, 1))).unwrap();

    let events = floor.tell_late(50, 4000, complete(squat(1), kg(111, 1))).unwrap();

    assert_eq!(
        records(&events),
        ["-Heaviest", "-RepMax", "Heaviest 111000 over 110000", "RepMax 111000 over 110000",]
    );
    assert_eq!(floor.set(squat(2)).prs, []);
}

#[test]
fn a_record_whose_value_changes_is_announced_anew() {
    let mut floor = Floor::started();
    floor.tell(1, complete(squat(1), kg(120, 1))).unwrap();

    let amended = floor.tell(2, amend(squat(1), kg(115, 1))).unwrap();
    let voided = floor.tell(3, void(squat(1))).unwrap();

    assert_eq!(
        records(&amended),
        ["-Heaviest", "-RepMax", "Heaviest 115000 over 110000", "RepMax 115000 over 110000"]
    );
    assert_eq!(records(&voided), ["-Heaviest", "-RepMax"]);
}

// What follows

#[test]
fn volume_counts_working_loads_and_both_hands() {
    let mut floor = Floor::started();
    floor.tell(1, complete(squat(0), kg(60, 10))).unwrap();
    floor.tell(2, complete(squat(1), kg(100, 5))).unwrap();
    floor.tell(3, fail(squat(2), kg(100, 3))).unwrap();
    floor.tell(4, complete(curl(0), kg(20, 15))).unwrap();
    floor.tell(5, complete(pull_up(), kg(10, 5))).unwrap();

    assert_eq!(floor.view().volume_g, 100_000 * 5 + 2 * 20_000 * 15);
}

#[test]
fn estimates_are_shown_to_twelve_repetitions_and_stored_to_ten() {
    let mut floor = Floor::started();
    floor.tell(1, complete(squat(1), kg(60, 12))).unwrap();
    assert_eq!(floor.set(squat(1)).e1rm_g, Some(Grams(84_000)));
    assert!(matches!(&floor.rows_of(1)[..], [ReadRow::Set(row)] if row.e1rm.is_none()));

    floor.tell(2, amend(squat(1), kg(60, 10))).unwrap();
    assert!(matches!(&floor.rows_of(1)[..], [ReadRow::Set(row)] if row.e1rm == Some(Grams(80_000))));
}

#[test]
fn rows_follow_logs_and_phases() {
    let mut floor = Floor::started();
    assert!(matches!(&floor.rows_of(1)[..], [ReadRow::Session(row)] if row.phase == Phase::Live));
    floor.tell(60, complete(squat(1), kg(120, 5))).unwrap();
    assert!(
        matches!(&floor.rows_of(4)[..], [ReadRow::Set(row)] if row.fresh),
        "a set and its three records are one"
    );
    floor.tell(70, void(squat(1))).unwrap();
    assert!(matches!(&floor.rows_of(4)[..], [ReadRow::Set(row)]
        if row.status == SetStatus::Voided && row.at == moment(60) && row.load.is_none() && !row.fresh));
    floor.tell(80, note("fine")).unwrap();
    assert!(floor.rows_of(1).is_empty());
    floor.tell(90, Finish {}).unwrap();
    assert!(matches!(&floor.rows_of(1)[..], [ReadRow::Session(row), ReadRow::Bests(_)]
        if row.finished_at == Some(moment(90)) && row.version == floor.entity.head()));
    assert!(matches!(&floor.rows_of(0)[..], [ReadRow::Session(_)]), "with a snapshot");
}

#[test]
fn a_session_at_rest_keeps_the_best_of_each_movement() {
    let best = |rows: &[ReadRow]| -> Vec<BestsRow> {
        let bests =
            rows.iter().filter_map(|row| if let ReadRow::Bests(row) = row { Some(row) } else { None });
        bests.cloned().collect()
    };
    let mut floor = Floor::started();
    floor.tell(10, complete(squat(1), kg(100, 3))).unwrap();
    floor.tell(20, complete(squat(2), kg(80, 12))).unwrap();
    floor.tell(30, complete(curl(0), kg(20, 15))).unwrap();
    floor.tell(40, complete(pull_up(), kg(10, 5))).unwrap();
    floor.tell(50, Finish {}).unwrap();

    let [curls, pull_ups, squats] = best(&floor.rows_of(1)).try_into().unwrap();
    assert_eq!(
        (curls.bests.heaviest, curls.bests.e1rm),
        (Some(Grams(20_000)), None),
        "an estimate too rough"
    );
    assert_eq!((pull_ups.span, pull_ups.bests.heaviest), (None, None), "of a body that is moved too");
    assert_eq!(squats.span, Some((moment(10), moment(20))));
    assert_eq!(squats.bests.rep_max, [[Grams(100_000); 3].as_slice(), &[Grams(80_000); 7]].concat());

    floor.tell(60, void(squat(1))).unwrap();
    let [squats] = best(&floor.rows_of(1)).try_into().unwrap();
    assert_eq!((squats.span, squats.bests.heaviest), (Some((moment(20), moment(20))), Some(Grams(80_000))));

    floor.tell(70, Reopen {}).unwrap();
    assert_eq!(best(&floor.rows_of(1)), [], "it is asked set by set again");
}

#[test]
fn the_newest_set_by_its_own_time_is_at_a_glance() {
    let mut floor = Floor::started();
    floor.tell(100, complete(squat(2), kg(100, 5))).unwrap();
    floor.tell_late(50, 110, complete(squat(1), kg(90, 5))).unwrap();

    let glance = floor.glance();
    let last = glance.last.unwrap();
    assert_eq!((last.k, last.n, last.at, glance.active_at), (3, 3, moment(100), moment(100)));
    assert_eq!((glance.done, glance.total, last.load_kind), (2, 6, LoadKind::External));
    assert_eq!(last.set_type, SetType::Working);
}

#[test]
fn the_last_set_wears_its_badges() {
    let badges = |command| {
        let mut floor = Floor::started();
        floor.tell(60, command).unwrap();
        floor.glance().badges
    };
    let hard = |tenths| Actual { effort: rpe(tenths), ..kg(100, 5) };

    assert_eq!(badges(complete(squat(1), hard(90))), []);
    assert_eq!(badges(complete(squat(1), hard(95))), [Badge::Overshoot]);
    assert_eq!(badges(complete(squat(1), kg(100, 4))), [Badge::MissedReps]);
    assert_eq!(badges(fail(squat(1), kg(100, 4))), [Badge::Failed]);
    assert_eq!(badges(complete(squat(1), kg(112, 5))), [Badge::Pr]);
    assert_eq!(badges(outside(9, 90, "row", kg(60, 8))), [Badge::OffPlan]);
}

#[test]
fn nothing_is_off_plan_without_a_plan() {
    let mut floor = Floor::ad_hoc();
    floor.tell(60, outside(9, 90, "row", kg(60, 8))).unwrap();
    assert_eq!(floor.glance().badges, []);
}

#[test]
fn a_late_set_rings_no_alarm() {
    let mut floor = Floor::started();
    floor.tell_late(60, 60 + 121, fail(squat(1), kg(100, 2))).unwrap();
    assert_eq!(floor.glance().badges, [Badge::Late]);
}

#[test]
fn a_rest_is_at_a_glance_until_the_next_set() {
    let mut floor = Floor::started();
    floor.tell(60, complete(squat(1), kg(100, 5))).unwrap();
    floor.tell(60, rest(60, 120)).unwrap();
    assert!(floor.glance().rest.is_some());

    floor.tell(150, complete(squat(2), kg(100, 5))).unwrap();
    assert_eq!(floor.glance().rest, None);
}

#[test]
fn reps_of_zero_are_a_missed_target_and_no_lift() {
    let mut floor = Floor::started();
    let none = Actual { reps: Some(Reps::new(0).unwrap()), ..kg(150, 0) };
    assert!(records(&floor.tell(1, complete(squat(1), none)).unwrap()).is_empty());
    assert_eq!(floor.glance().badges, [Badge::MissedReps]);
}

// Size

#[test]
fn a_session_of_24_logged_sets_is_small() {
    use std::mem::size_of;
    let mut floor = Floor::empty();
    floor.tell(0, Start { workout: Some(LONG_PLAN), title: None }).unwrap();
    for place in 0..24 {
        let set = SetId::planned(SESSION, place / 4, place % 4);
        floor.tell(place as i64, complete(set, kg(100, 5))).unwrap();
    }

    let log = floor.entity.state().log.as_deref().unwrap();
    let texts = log.exercises.iter().map(|each| each.exercise.as_str().len() + each.name.as_str().len());
    let sets: usize = log.exercises.iter().map(|each| each.sets.capacity()).sum();
    let bytes = size_of::<Log>()
        + log.exercises.capacity() * size_of::<Exercise>()
        + sets * size_of::<Set>()
        + texts.sum::<usize>();
    let stored = rmp_serde::to_vec_named(&floor.entity).unwrap().len();
    println!("{bytes} bytes in memory (a set {}), {stored} bytes stored", size_of::<Set>());
    assert!(bytes <= 5 * 1024, "{bytes} bytes in memory");
    assert!(stored <= 16 * 1024, "{stored} bytes stored");
}
