//! Which commands a session accepts, and as which events.

use spotter_protocol::{
    Actual, Complete, ErrorCode, ExerciseAdded, Fail, Finished, InstanceId, Millis, Noted, Paused, Phase,
    Place, PlannedExercise, PlannedSet, Pr, PrWithdrawn, Reopened, Rested, Resumed, SessionCommand,
    SessionEvent, SessionId, SetAdded, SetAmended, SetCompleted, SetFailed, SetId, SetSkipped, SetStatus,
    SetVoided, Start, Started, Timestamp, Version,
};
use spotter_protocol::{Recorded, Stamp};

use super::{Running, Session, Set};
use crate::{Ask, Brief, Needs};

/// Exercises of one session.
const EXERCISES_MAX: usize = 100;
/// Sets of one session.
const SETS_MAX: usize = 500;
/// Notes of one session.
const NOTES_MAX: usize = 500;
/// How long after its start a session takes commands: thirty days.
const OPEN_FOR_MICROS: i64 = 30 * 24 * 3600 * 1_000_000;
/// The longest rest: six hours. A longer one is a mistake of the phone.
const REST_MAX: Millis = Millis(6 * 3600 * 1000);

/// What `decide` will want to know: the workout to start by, and the bests in what is new to the session.
pub(super) fn needs(session: &Session, command: &SessionCommand) -> Needs {
    let place = match command {
        SessionCommand::Start(start) if session.0.is_none() => {
            return Needs { workout: start.workout, ..Needs::default() };
        }
        SessionCommand::Complete(Complete { place, .. }) | SessionCommand::Fail(Fail { place, .. }) => place,
        SessionCommand::Start(_)
        | SessionCommand::Skip(_)
        | SessionCommand::Amend(_)
        | SessionCommand::Void(_)
        | SessionCommand::Note(_)
        | SessionCommand::Rest(_)
        | SessionCommand::Pause(_)
        | SessionCommand::Resume(_)
        | SessionCommand::Finish(_)
        | SessionCommand::Reopen(_) => return Needs::default(),
    };
    match (&session.0, place) {
        (Some(running), Some(place)) if running.exercise(place.instance).is_none() => Needs {
            bests: vec![place.exercise.clone()],
            before: Some(running.started_at),
            ..Needs::default()
        },
        _ => Needs::default(),
    }
}

pub(super) fn decide(
    session: &Session,
    ask: &Ask<'_, SessionCommand>,
    brief: &Brief,
) -> Result<Vec<SessionEvent>, ErrorCode> {
    let Some(running) = &session.0 else {
        return match ask.command {
            SessionCommand::Start(command) => start(command, ask, brief).map(|started| vec![started.into()]),
            _ => Err(ErrorCode::NotFound),
        };
    };
    if ask.received_at.micros_since(running.started_at) > OPEN_FOR_MICROS {
        return Err(ErrorCode::Closed);
    }
    let events = running.judge(ask, brief)?;
    Ok(with_records(session, ask, events))
}

/// Begins by a workout's revision or by a title.
fn start(command: &Start, ask: &Ask<'_, SessionCommand>, brief: &Brief) -> Result<Started, ErrorCode> {
    match (&command.workout, &command.title) {
        (None, Some(title)) => {
            Ok(Started { workout: None, title: title.clone(), exercises: Vec::new(), bests: Vec::new() })
        }
        (Some(reference), None) => {
            let workout = brief.workout.as_ref().ok_or(ErrorCode::UnknownWorkout)?;
            let sets: usize = workout.exercises.iter().map(|exercise| exercise.sets.len()).sum();
            if workout.exercises.len() > EXERCISES_MAX || sets > SETS_MAX {
                return Err(ErrorCode::Full);
            }
            let session = SessionId(ask.id);
            let exercises = workout.exercises.iter().enumerate().map(|(e, exercise)| PlannedExercise {
                instance: InstanceId::planned(session, e),
                exercise: exercise.exercise.clone(),
                name: exercise.name.clone(),
                load_kind: exercise.load_kind,
                sets: exercise
                    .sets
                    .iter()
                    .enumerate()
                    .map(|(s, target)| PlannedSet {
                        set: SetId::planned(session, e, s),
                        target: target.clone(),
                    })
                    .collect(),
            });
            Ok(Started {
                workout: Some(*reference),
                title: workout.title.clone(),
                exercises: exercises.collect(),
                bests: brief.bests.clone(),
            })
        }
        (Some(_), Some(_)) | (None, None) => Err(ErrorCode::BadFrame),
    }
}

impl Running {
    fn judge(&self, ask: &Ask<'_, SessionCommand>, brief: &Brief) -> Result<Vec<SessionEvent>, ErrorCode> {
        match ask.command {
            SessionCommand::Start(_) => Err(ErrorCode::AlreadyStarted),
            SessionCommand::Complete(Complete { set, actual, place }) => {
                if !says_something(actual) {
                    return Err(ErrorCode::Empty);
                }
                let mut events = self.make_room(*set, place.as_ref(), brief)?;
                events.push(SetCompleted { set: *set, actual: actual.clone() }.into());
                Ok(events)
            }
            SessionCommand::Fail(Fail { set, actual, place }) => {
                let mut events = self.make_room(*set, place.as_ref(), brief)?;
                events.push(SetFailed { set: *set, actual: actual.clone() }.into());
                Ok(events)
            }
            SessionCommand::Skip(skip) => {
                self.to_be_logged(skip.set)?;
                Ok(vec![SetSkipped { set: skip.set, reason: skip.reason.clone() }.into()])
            }
            SessionCommand::Amend(amend) => {
                let set = self.known(amend.set)?;
                match set.status {
                    SetStatus::Performed if !says_something(&amend.actual) => Err(ErrorCode::Empty),
                    SetStatus::Performed | SetStatus::Failed => Ok(vec![
                        SetAmended {
                            set: amend.set,
                            actual: amend.actual.clone(),
                            reason: amend.reason.clone(),
                        }
                        .into(),
                    ]),
                    SetStatus::Planned | SetStatus::Skipped | SetStatus::Voided => Err(ErrorCode::NotLogged),
                }
            }
            SessionCommand::Void(void) => match self.known(void.set)?.log {
                Some(_) => Ok(vec![SetVoided { set: void.set, reason: void.reason.clone() }.into()]),
                None => Err(ErrorCode::NotLogged),
            },
            SessionCommand::Note(note) => {
                if let Some(set) = note.set {
                    self.known(set)?;
                }
                if self.notes.len() >= NOTES_MAX {
                    return Err(ErrorCode::Full);
                }
                Ok(vec![Noted { set: note.set, text: note.text.clone() }.into()])
            }
            SessionCommand::Rest(rest) => {
                if let Some(set) = rest.after {
                    self.known(set)?;
                }
                if rest.duration_ms > REST_MAX {
                    return Err(ErrorCode::BadFrame);
                }
                let effective = self.is_current(ask.at());
                if effective && self.phase == Phase::Finished {
                    return Err(ErrorCode::NotRunning);
                }
                let (after, start, duration_ms) = (rest.after, ask.corrected(rest.start), rest.duration_ms);
                Ok(vec![Rested { after, start, duration_ms, effective }.into()])
            }
            SessionCommand::Pause(_) => {
                self.turn_from(Phase::Live, ask.at()).map(|effective| vec![Paused { effective }.into()])
            }
            SessionCommand::Resume(_) => {
                self.turn_from(Phase::Paused, ask.at()).map(|effective| vec![Resumed { effective }.into()])
            }
            SessionCommand::Finish(_) => match self.phase {
                Phase::Live | Phase::Paused => Ok(vec![Finished {}.into()]),
                Phase::Finished | Phase::Planned => Err(ErrorCode::WrongPhase),
            },
            SessionCommand::Reopen(_) => match self.phase {
                Phase::Finished => Ok(vec![Reopened {}.into()]),
                Phase::Live | Phase::Paused | Phase::Planned => Err(ErrorCode::WrongPhase),
            },
        }
    }

    /// Checks that a set can be logged; one outside the plan first joins the session at its place.
    fn make_room(
        &self,
        id: SetId,
        place: Option<&Place>,
        brief: &Brief,
    ) -> Result<Vec<SessionEvent>, ErrorCode> {
        let (Some(place), None) = (place, self.set(id)) else {
            return self.to_be_logged(id).map(|()| Vec::new());
        };
        if self.sets().count() >= SETS_MAX {
            return Err(ErrorCode::Full);
        }
        let mut events = Vec::with_capacity(3);
        match self.exercise(place.instance) {
            Some(known) if known.exercise != place.exercise => return Err(ErrorCode::Misplaced),
            Some(_) => {}
            None if self.exercises.len() >= EXERCISES_MAX => return Err(ErrorCode::Full),
            None => {
                let exercise = PlannedExercise {
                    instance: place.instance,
                    exercise: place.exercise.clone(),
                    name: place.name.clone(),
                    load_kind: place.load_kind,
                    sets: Vec::new(),
                };
                let bests = brief.bests.iter().find(|bests| bests.exercise == place.exercise).cloned();
                events.push(ExerciseAdded { exercise, bests }.into());
            }
        }
        events.push(SetAdded { set: id, instance: place.instance, set_type: place.set_type }.into());
        Ok(events)
    }

    fn known(&self, id: SetId) -> Result<&Set, ErrorCode> {
        self.set(id).map(|(_, set)| set).ok_or(ErrorCode::UnknownSet)
    }

    fn to_be_logged(&self, id: SetId) -> Result<(), ErrorCode> {
        match self.known(id)?.status {
            SetStatus::Planned | SetStatus::Voided => Ok(()),
            SetStatus::Performed | SetStatus::Failed | SetStatus::Skipped => Err(ErrorCode::AlreadyLogged),
        }
    }

    /// Whether something at `at` is not older than the last change of phase.
    fn is_current(&self, at: Timestamp) -> bool {
        at >= self.phase_at
    }

    /// Whether a change away from `phase` takes effect: one older than the last change is only recorded.
    fn turn_from(&self, phase: Phase, at: Timestamp) -> Result<bool, ErrorCode> {
        match (self.is_current(at), self.phase == phase) {
            (false, _) => Ok(false),
            (true, true) => Ok(true),
            (true, false) => Err(ErrorCode::WrongPhase),
        }
    }
}

fn says_something(actual: &Actual) -> bool {
    actual.reps.is_some() || actual.seconds.is_some() || actual.metres.is_some()
}

/// Adds what `events` change about the records: announcements that no longer hold are withdrawn, and one
/// whose value changed is withdrawn and announced anew.
fn with_records(
    session: &Session,
    ask: &Ask<'_, SessionCommand>,
    mut events: Vec<SessionEvent>,
) -> Vec<SessionEvent> {
    let touches_sets = |event: &SessionEvent| {
        matches!(
            event,
            SessionEvent::SetCompleted(_)
                | SessionEvent::SetAmended(_)
                | SessionEvent::SetVoided(_)
                | SessionEvent::ExerciseAdded(_)
        )
    };
    if !events.iter().any(touches_sets) {
        return events;
    }
    let mut next = session.clone();
    for event in &events {
        super::apply::apply(
            &mut next,
            &Recorded { version: Version(0), stamp: stamp(ask), event: event.clone() },
        );
    }
    let Some(after) = &next.0 else { return events };
    let records = after.records_with_previous();
    let holds = |key, value| records.get(key).is_some_and(|(now, _)| now == value);
    for (key @ (set, record), value) in &after.announced {
        if !holds(key, value) {
            events.push(PrWithdrawn { set: *set, record: *record }.into());
        }
    }
    for (key @ (set, record), (value, previous)) in &records {
        if after.announced.get(key) != Some(value)
            && let Some((exercise, _)) = after.set(*set)
        {
            let exercise = exercise.exercise.clone();
            events.push(Pr { set: *set, exercise, record: *record, g: *value, previous_g: *previous }.into());
        }
    }
    events
}

fn stamp(ask: &Ask<'_, SessionCommand>) -> Stamp {
    Stamp {
        at: ask.at(),
        received_at: ask.received_at,
        device_at: ask.device_at,
        offset: ask.offset,
        author: ask.author,
        command: ask.command_id,
        client: ask.client,
        n: ask.n,
    }
}
