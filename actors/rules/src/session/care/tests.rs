use spotter_protocol::{
    Abandon, ActOnCue, Answer, Attention, Badge, Cue, CueId, CueState, DeliverCue, EntityView, ErrorCode,
    Feeling, Finish, Millis, NoteText, Pain, PainLevel, Phase, Readiness, Reopen, SeeCue, SessionCommand,
    Site, View,
};
use uuid::Uuid;

use crate::session::fixture::*;
use crate::session::{ABANDON_AFTER, CUES_MAX, PAINS_MAX};
use crate::{Rules, Wall};

const TWELVE_HOURS: i64 = 12 * 3600;

fn pain(level: u32, site: &str) -> SessionCommand {
    Pain { level: PainLevel::new(level).unwrap(), site: Site::clipped(site), set: None, text: None }.into()
}

fn cue(number: u128) -> Cue {
    let cue = CueId(Uuid::from_u128(number));
    Cue { cue, text: NoteText::clipped("chest up"), group: None, set: None, expires_ms: None }
}

fn see(number: u128) -> SeeCue {
    SeeCue { cue: CueId(Uuid::from_u128(number)) }
}

fn act(number: u128) -> ActOnCue {
    ActOnCue { cue: CueId(Uuid::from_u128(number)) }
}

fn deliver(number: u128) -> DeliverCue {
    DeliverCue { cue: CueId(Uuid::from_u128(number)) }
}

#[test]
fn readiness_is_the_mean_of_five_answers_and_the_last_told_counts() {
    let answer = |number: u8| Answer::try_from(number).unwrap();
    let told = |first, second, third, fourth, fifth| Readiness {
        feeling: Feeling {
            sleep: answer(first),
            energy: answer(second),
            mood: answer(third),
            soreness: answer(fourth),
            stress: answer(fifth),
        },
    };
    let mut floor = Floor::started();
    floor.tell(1, told(5, 5, 5, 1, 1)).unwrap();
    assert_eq!(floor.view().readiness.unwrap().score_tenths, 50, "sore and stressed is worse");
    floor.tell(2, told(1, 1, 1, 5, 5)).unwrap();
    assert_eq!(floor.view().readiness.unwrap().score_tenths, 10);
    floor.tell(3, told(4, 3, 3, 2, 3)).unwrap();
    assert_eq!(floor.view().readiness.unwrap().score_tenths, 34);
}

#[test]
fn pain_calls_the_coach_until_it_is_gone() {
    let mut floor = Floor::started();
    floor.tell(5, pain(6, "knee")).unwrap();
    floor.tell(6, pain(2, "back")).unwrap();
    assert_eq!(floor.glance().badges, [Badge::Pain]);
    assert_eq!(floor.glance().pain.unwrap().site.as_str(), "back");

    floor.tell(7, pain(0, "back")).unwrap();
    assert_eq!(floor.glance().pain.unwrap().site.as_str(), "knee");
    floor.tell(8, pain(0, "knee")).unwrap();
    assert_eq!((floor.glance().pain, floor.glance().badges), (None, vec![]));
    assert_eq!(floor.view().pains.len(), 4, "what was told stays told");
}

#[test]
fn pain_stands_above_everything_on_the_wall() {
    let mut floor = Floor::started();
    floor.tell(5, pain(6, "knee")).unwrap();
    floor.tell(6, fail(squat(1), kg(100, 1))).unwrap();

    let mut wall = Wall::default();
    wall.set_roster(&[ATHLETE]);
    wall.see(ATHLETE, floor.glance());
    let tile = &wall.all(moment(8))[0];
    assert_eq!(tile.attention, Attention::Pain);
    assert_eq!(tile.glance.as_ref().unwrap().badges, [Badge::Pain, Badge::Failed]);
}

#[test]
fn a_pain_told_late_is_kept_and_rings_no_alarm() {
    let mut floor = Floor::started();
    floor.tell_late(5, 7200, pain(8, "knee")).unwrap();
    assert!(floor.glance().pain.is_some());
    assert_eq!(floor.glance().badges, []);
}

#[test]
fn pains_are_bounded() {
    let mut floor = Floor::started();
    for number in 0..PAINS_MAX {
        floor.tell(number as i64, pain(3, "knee")).unwrap();
    }
    assert_eq!(floor.tell(999, pain(3, "knee")), Err(ErrorCode::Full));
}

#[test]
fn the_receipts_of_a_cue_come_in_order_and_imply_each_other() {
    let mut floor = Floor::started();
    floor.coach_tells(5, cue(1)).unwrap();
    assert_eq!(floor.glance().cue.unwrap().state, CueState::Sent);
    floor.server_tells(6, deliver(1)).unwrap();
    assert_eq!(floor.glance().cue.unwrap().state, CueState::Delivered);
    floor.tell(7, see(1)).unwrap();
    floor.tell(8, act(1)).unwrap();
    let told = &floor.view().cues[0];
    assert_eq!(
        (told.delivered_at, told.seen_at, told.acted_at),
        (Some(moment(6)), Some(moment(7)), Some(moment(8)))
    );

    floor.coach_tells(10, cue(2)).unwrap();
    floor.tell(11, act(2)).unwrap();
    let told = &floor.view().cues[1];
    assert_eq!((told.delivered_at, told.seen_at), (Some(moment(11)), Some(moment(11))));
    assert_eq!(floor.server_tells(12, deliver(2)), Err(ErrorCode::NoChange));
    assert_eq!(floor.tell(12, see(2)), Err(ErrorCode::NoChange));
    assert_eq!(floor.tell(12, see(3)), Err(ErrorCode::UnknownCue));
}

#[test]
fn a_cue_is_for_a_running_session_and_is_told_once() {
    let mut floor = Floor::started();
    floor.coach_tells(5, cue(1)).unwrap();
    assert_eq!(floor.coach_tells(6, cue(1)), Err(ErrorCode::NoChange));
    floor.tell(7, Finish {}).unwrap();
    assert_eq!(floor.coach_tells(8, cue(2)), Err(ErrorCode::NotRunning));
    floor.tell(9, see(1)).unwrap();
}

#[test]
fn cues_that_are_over_make_room_for_new_ones() {
    let mut floor = Floor::started();
    floor.coach_tells(1, Cue { expires_ms: Some(Millis(60_000)), ..cue(1) }).unwrap();
    for number in 2..=CUES_MAX {
        floor.coach_tells(2, cue(number as u128)).unwrap();
    }
    assert_eq!(floor.coach_tells(50, cue(500)), Err(ErrorCode::Full), "the first one still stands");
    floor.coach_tells(61, cue(500)).unwrap();
    assert_eq!(floor.view().cues.len(), CUES_MAX);
    assert_eq!(floor.tell(62, see(1)), Err(ErrorCode::UnknownCue), "it expired and was forgotten");
}

#[test]
fn screens_in_the_room_and_operators_see_nothing_private() {
    let mut floor = Floor::started();
    floor.tell(5, pain(6, "knee")).unwrap();
    floor.coach_tells(6, cue(1)).unwrap();
    for view in [View::Tv, View::Operator] {
        let Some(EntityView::Session(seen)) = floor.entity.state().view(view) else { panic!("a session") };
        assert_eq!((seen.readiness, seen.pains.len(), seen.cues.len()), (None, 0, 0));
    }
}

#[test]
fn a_silent_session_is_given_up_after_twelve_hours_and_not_before() {
    assert_eq!(ABANDON_AFTER, Millis(12 * 3600 * 1000));
    let mut floor = Floor::started();
    floor.tell(60, complete(squat(1), kg(100, 5))).unwrap();
    assert_eq!(floor.entity.state().reminder(), Some(moment(60 + TWELVE_HOURS)));

    assert_eq!(floor.server_tells(TWELVE_HOURS, Abandon {}), Err(ErrorCode::NotYet));
    floor.server_tells(60 + TWELVE_HOURS, Abandon {}).unwrap();
    assert_eq!(floor.view().phase, Phase::Abandoned);
    assert_eq!(floor.entity.state().reminder(), None);
    assert_eq!(floor.server_tells(70 + TWELVE_HOURS, Abandon {}), Err(ErrorCode::NoChange));
}

#[test]
fn a_late_finish_undoes_abandonment_at_its_own_time() {
    let mut floor = Floor::started();
    floor.server_tells(TWELVE_HOURS, Abandon {}).unwrap();
    floor.tell_late(3000, TWELVE_HOURS + 600, complete(squat(1), kg(100, 5))).unwrap();
    assert_eq!(floor.view().phase, Phase::Abandoned, "a set alone does not");
    floor.tell_late(3600, TWELVE_HOURS + 601, Finish {}).unwrap();

    let view = floor.view();
    assert_eq!((view.phase, view.finished_at), (Phase::Finished, Some(moment(3600))));
}

#[test]
fn an_abandoned_session_can_be_taken_up_again() {
    let mut floor = Floor::started();
    floor.server_tells(TWELVE_HOURS, Abandon {}).unwrap();
    floor.tell(TWELVE_HOURS + 60, Reopen {}).unwrap();
    assert_eq!(floor.view().phase, Phase::Live);
    assert_eq!(floor.entity.state().reminder(), Some(moment(2 * TWELVE_HOURS + 60)));
}
