//! What is to be done in a session: the sets of a real workout, as phone and server both name them.

use spotter_protocol::{
    ExerciseView, InstanceId, Place, SessionId, SessionView, SetId, SetStatus, SetType, Title,
};
use uuid::Uuid;

use crate::log::{Done, DoneExercise, DoneSet};

/// One set to be done.
pub(crate) struct Todo<'a> {
    pub(crate) set: SetId,
    pub(crate) exercise: &'a DoneExercise,
    pub(crate) done: &'a DoneSet,
    pub(crate) place: Option<Place>,
}

/// The sets of a planned workout, by the ids that phone and server agree on.
pub(crate) fn planned(session: SessionId, done: &Done) -> Vec<Todo<'_>> {
    let exercises = done.exercises.iter().enumerate();
    let sets = exercises.flat_map(|(e, exercise)| {
        exercise.sets.iter().enumerate().map(move |(s, set)| Todo {
            set: SetId::planned(session, e, s),
            exercise,
            done: set,
            place: None,
        })
    });
    sets.collect()
}

/// The sets of a workout that is on no plan, each with its place. As many of an exercise as are known were
/// done before, in the same order.
pub(crate) fn placed<'a>(done: &'a Done, known: &[ExerciseView]) -> Vec<Todo<'a>> {
    let mut todo = Vec::new();
    for (number, exercise) in done.exercises.iter().enumerate() {
        let known = known.get(number).filter(|known| known.exercise == exercise.movement.id);
        let instance = known.map_or_else(|| InstanceId(Uuid::now_v7()), |known| known.instance);
        for set in exercise.sets.iter().skip(known.map_or(0, |known| known.sets.len())) {
            let place = place(exercise, instance, set.set_type);
            todo.push(Todo { set: SetId(Uuid::now_v7()), exercise, done: set, place: Some(place) });
        }
    }
    todo
}

/// What a session calls itself that follows a real workout and no plan.
pub(crate) fn own_title(done: &Done) -> Title {
    Title::clipped(&format!("{} (own plan)", done.title))
}

/// What is left to do in a running session.
pub(crate) fn left<'a>(done: &'a Done, session: SessionId, state: &SessionView) -> Vec<Todo<'a>> {
    match state.workout {
        Some(_) => planned(session, done).into_iter().filter(|todo| is_open(state, todo.set)).collect(),
        None => placed(done, &state.exercises),
    }
}

/// An instance of its own for a set that the plan does not have.
pub(crate) fn own_place(todo: &Todo<'_>) -> Place {
    place(todo.exercise, InstanceId(Uuid::now_v7()), todo.done.set_type)
}

fn place(exercise: &DoneExercise, instance: InstanceId, set_type: SetType) -> Place {
    let movement = &exercise.movement;
    let (exercise, name, load_kind) = (movement.id.clone(), movement.title.clone(), movement.load);
    Place { instance, exercise, name, load_kind, set_type }
}

/// Whether a set of a running session is still to be done.
fn is_open(state: &SessionView, set: SetId) -> bool {
    let sets = state.exercises.iter().flat_map(|exercise| &exercise.sets);
    sets.into_iter().any(|known| known.set == set && known.status == SetStatus::Planned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workouts;
    use spotter_protocol::{LoadKind, Phase, SetView, Timestamp, WorkoutRef};

    const SESSION: SessionId = SessionId(Uuid::from_u128(1));

    #[test]
    fn phone_and_server_agree_on_the_sets_of_a_plan() {
        let taken = workouts::taken().unwrap();
        let prescribed = workouts::all().unwrap();
        for (place, done) in taken.iter().enumerate() {
            let plan = prescribed.iter().find(|plan| plan.id == workouts::id(place, 0)).unwrap();
            let exercises = plan.exercises.iter().enumerate();
            let ids = exercises.flat_map(|(e, exercise)| {
                (0..exercise.sets.len()).map(move |s| SetId::planned(SESSION, e, s))
            });
            assert!(planned(SESSION, done).into_iter().map(|todo| todo.set).eq(ids), "{}", done.title);
        }
    }

    #[test]
    fn only_what_is_open_is_left_of_a_plan() {
        let done = &workouts::taken().unwrap()[0];
        let reference = WorkoutRef { id: workouts::id(0, 0), revision: 1 };
        let mut state = a_session(done, usize::MAX);
        state.workout = Some(reference);
        let ids: Vec<_> = planned(SESSION, done).into_iter().map(|todo| todo.set).collect();
        let closed = [SetStatus::Performed, SetStatus::Failed, SetStatus::Skipped, SetStatus::Voided];
        let sets = state.exercises.iter_mut().flat_map(|exercise| &mut exercise.sets);
        for (number, (known, id)) in sets.zip(&ids).enumerate() {
            (known.set, known.status) = (*id, closed.get(number).copied().unwrap_or(SetStatus::Planned));
        }

        let left: Vec<_> = left(done, SESSION, &state).into_iter().map(|todo| todo.set).collect();

        assert_eq!(left, ids[closed.len()..]);
    }

    #[test]
    fn a_session_of_ones_own_goes_on_after_the_last_set_in_the_same_exercise() {
        let done = &workouts::taken().unwrap()[0];
        let all: usize = done.exercises.iter().map(|exercise| exercise.sets.len()).sum();
        let logged = done.exercises[0].sets.len() + 1;
        let state = a_session(done, logged);

        let left = left(done, SESSION, &state);

        assert_eq!(left.len(), all - logged);
        let next = left[0].place.as_ref().unwrap();
        assert_eq!(
            (next.instance, &next.exercise),
            (state.exercises[1].instance, &state.exercises[1].exercise)
        );
    }

    #[test]
    fn every_set_that_is_replayed_can_be_logged() {
        let taken = workouts::taken().unwrap();
        let sets = taken.iter().flat_map(|done| &done.exercises).flat_map(|exercise| &exercise.sets);
        for set in sets {
            let said = set.reps.is_some() || set.seconds.is_some() || set.metres.is_some();
            assert!(said, "{set:?} would be refused as empty");
        }
    }

    /// A session without a plan in which the first `logged` sets of a workout were done.
    fn a_session(done: &Done, logged: usize) -> SessionView {
        let mut left = logged;
        let mut exercises = Vec::new();
        for (number, exercise) in done.exercises.iter().enumerate() {
            let count = exercise.sets.len().min(left);
            left -= count;
            if count > 0 {
                exercises.push(an_exercise(number as u128, exercise, count));
            }
        }
        SessionView {
            phase: Phase::Live,
            title: own_title(done),
            workout: None,
            started_at: Timestamp(0),
            finished_at: None,
            rest: None,
            exercises,
            notes: Vec::new(),
            done: 0,
            total: 0,
            volume_g: 0,
            readiness: None,
            pains: Vec::new(),
            cues: Vec::new(),
            adherence: Default::default(),
            missed_targets: 0,
            plan_v: Default::default(),
        }
    }

    fn an_exercise(number: u128, exercise: &DoneExercise, sets: usize) -> ExerciseView {
        let set = |place: usize| SetView {
            set: SetId(Uuid::from_u128(1000 * number + place as u128)),
            set_type: SetType::Working,
            target: None,
            own: false,
            status: SetStatus::Performed,
            actual: None,
            at: None,
            received_at: None,
            by: None,
            e1rm_g: None,
            prs: Vec::new(),
            amended: false,
            reason: None,
        };
        ExerciseView {
            instance: InstanceId(Uuid::from_u128(number)),
            exercise: exercise.movement.id.clone(),
            name: exercise.movement.title.clone(),
            load_kind: LoadKind::External,
            group: None,
            bests: None,
            sets: (0..sets).map(set).collect(),
        }
    }
}
