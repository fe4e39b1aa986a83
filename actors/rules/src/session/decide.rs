//! Commands judged. The state is only read; what comes out is what will have happened.

use spotter_protocol::{
    Abandoned, Actual, Amend, Bests, ErrorCode, ExerciseAdded, ExerciseId, Finished, InstanceId, LoadKind,
    Note, Noted, Paused, Phase, Place, PlannedExercise, PlannedSet, Pr, PrWithdrawn, PrescribedExercise,
    Reopened, Rest, Rested, Resumed, SessionCommand, SessionEvent, SessionId, SetAdded, SetAmended,
    SetCompleted, SetFailed, SetId, SetSkipped, SetStatus, SetType, SetVoided, Skip, Start, Started, Title,
    Void, Workout, WorkoutRef,
};

use super::log::{Exercise, Log, Set};
use super::record::{Bar, Lift, Record};
use super::{EXERCISES_MAX, NOTES_MAX, REST_MAX, SETS_MAX, is_open};
use crate::{Ask, Brief, Needs};

type Decision = Result<Vec<SessionEvent>, ErrorCode>;
type SessionAsk<'a> = Ask<'a, SessionCommand>;

/// The start wants the workout with the bests in its exercises; a set outside the plan wants those in a
/// movement new to the session, as they stood when it began.
pub(super) fn needs(log: Option<&Log>, command: &SessionCommand) -> Needs {
    let (set, place) = match command {
        SessionCommand::Start(start) => {
            return Needs { workout: start.workout.filter(|_| log.is_none()), ..Needs::default() };
        }
        SessionCommand::Complete(done) => (done.set, &done.place),
        SessionCommand::Fail(done) => (done.set, &done.place),
        SessionCommand::Add(add) => return bests_of(log, [&add.exercise.exercise]),
        SessionCommand::Swap(swap) => return bests_of(log, [&swap.with.exercise]),
        SessionCommand::Patch(patch) => {
            return bests_of(log, patch.exercises.iter().map(|planned| &planned.exercise));
        }
        SessionCommand::DropSets(_)
        | SessionCommand::Reorder(_)
        | SessionCommand::Readiness(_)
        | SessionCommand::Pain(_)
        | SessionCommand::Cue(_)
        | SessionCommand::SeeCue(_)
        | SessionCommand::ActOnCue(_)
        | SessionCommand::DeliverCue(_)
        | SessionCommand::Abandon(_)
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
    match (log, place) {
        (Some(log), Some(place)) if log.set(set).is_none() => bests_of(Some(log), [&place.exercise]),
        (None | Some(_), _) => Needs::default(),
    }
}

/// The bests, as they stood when the session began, in those of `movements` that are new to it.
fn bests_of<'a>(log: Option<&Log>, movements: impl IntoIterator<Item = &'a ExerciseId>) -> Needs {
    let Some(log) = log else { return Needs::default() };
    let fresh = movements.into_iter().filter(|movement| log.movement(movement).is_none());
    let bests: Vec<ExerciseId> = fresh.cloned().collect();
    let before = (!bests.is_empty()).then_some(log.started_at);
    Needs { bests, before, ..Needs::default() }
}

pub(super) fn decide(log: Option<&Log>, ask: &SessionAsk<'_>, brief: &Brief) -> Decision {
    match (log, ask.command) {
        (None, SessionCommand::Start(begin)) => start(ask, begin, brief),
        (Some(_), SessionCommand::Start(_)) => Err(ErrorCode::AlreadyStarted),
        (None, _) => Err(ErrorCode::NotFound),
        (Some(log), SessionCommand::Complete(done)) => {
            let tried = Tried { set: done.set, actual: &done.actual, missed: false };
            log.open(ask)?.log_set(ask, &tried, done.place.as_ref(), brief)
        }
        (Some(log), SessionCommand::Fail(done)) => {
            let tried = Tried { set: done.set, actual: &done.actual, missed: true };
            log.open(ask)?.log_set(ask, &tried, done.place.as_ref(), brief)
        }
        (Some(log), SessionCommand::Skip(skip)) => log.open(ask)?.skip(ask, skip),
        (Some(log), SessionCommand::Amend(amend)) => log.open(ask)?.amend(amend),
        (Some(log), SessionCommand::Void(void)) => log.open(ask)?.void(void),
        (Some(log), SessionCommand::Note(note)) => log.open(ask)?.note(note),
        (Some(log), SessionCommand::Rest(rest)) => log.take_rest(ask, rest),
        (Some(log), SessionCommand::Pause(_)) => {
            let effective = log.effective(ask, Phase::Live)?;
            Ok(vec![Paused { effective }.into()])
        }
        (Some(log), SessionCommand::Resume(_)) => {
            let effective = log.effective(ask, Phase::Paused)?;
            Ok(vec![Resumed { effective }.into()])
        }
        // A finish told late still ends the session, at its own time: unlike a late pause, it must not be lost.
        (Some(log), SessionCommand::Finish(_)) => match log.phase() {
            Phase::Live | Phase::Paused | Phase::Abandoned => Ok(vec![Finished {}.into()]),
            Phase::Planned | Phase::Finished => Err(ErrorCode::WrongPhase),
        },
        (Some(log), SessionCommand::Reopen(_)) => match log.phase() {
            Phase::Finished | Phase::Abandoned => Ok(vec![Reopened {}.into()]),
            Phase::Planned | Phase::Live | Phase::Paused => Err(ErrorCode::WrongPhase),
        },
        (Some(log), SessionCommand::Abandon(_)) => match log.abandon_at() {
            Some(at) if ask.received_at >= at => Ok(vec![Abandoned {}.into()]),
            Some(_) => Err(ErrorCode::NotYet),
            None => Err(ErrorCode::NoChange),
        },
        (Some(log), SessionCommand::Add(add)) => log.open(ask)?.add_planned(add, by_coach(ask), brief),
        (Some(log), SessionCommand::DropSets(drop)) => log.open(ask)?.drop_sets(drop, by_coach(ask)),
        (Some(log), SessionCommand::Swap(swap)) => log.open(ask)?.swap(swap, brief),
        (Some(log), SessionCommand::Reorder(reorder)) => log.open(ask)?.reorder(reorder),
        (Some(log), SessionCommand::Patch(patch)) => log.open(ask)?.patch(patch, brief),
        (Some(log), SessionCommand::Readiness(readiness)) => log.open(ask)?.feel(readiness),
        (Some(log), SessionCommand::Pain(pain)) => log.open(ask)?.hurt(pain),
        (Some(log), SessionCommand::Cue(cue)) => log.open(ask)?.cue(ask, cue),
        (Some(log), SessionCommand::DeliverCue(deliver)) => log.deliver(deliver.cue),
        (Some(log), SessionCommand::SeeCue(see)) => log.open(ask)?.see(see.cue),
        (Some(log), SessionCommand::ActOnCue(act)) => log.open(ask)?.act(act.cue),
    }
}

/// Whether somebody else than the athlete asks: then it is a coach with the permission.
fn by_coach(ask: &SessionAsk<'_>) -> bool {
    ask.author != ask.owner
}

fn start(ask: &SessionAsk<'_>, start: &Start, brief: &Brief) -> Decision {
    let session = SessionId(ask.id);
    let started = match (start.workout, &start.title) {
        (Some(reference), None) => {
            let workout = brief.workout.as_ref().ok_or(ErrorCode::UnknownWorkout)?;
            planned(session, reference, workout, &brief.bests)?
        }
        (None, Some(title)) => ad_hoc(title),
        (Some(_), Some(_)) | (None, None) => return Err(ErrorCode::BadFrame),
    };
    Ok(vec![started.into()])
}

fn ad_hoc(title: &Title) -> Started {
    Started { workout: None, title: title.clone(), exercises: Vec::new(), bests: Vec::new() }
}

fn planned(
    session: SessionId,
    reference: WorkoutRef,
    workout: &Workout,
    bests: &[Bests],
) -> Result<Started, ErrorCode> {
    let sets: usize = workout.exercises.iter().map(|exercise| exercise.sets.len()).sum();
    if workout.exercises.len() > EXERCISES_MAX || sets > SETS_MAX {
        return Err(ErrorCode::Full);
    }
    let used = |bests: &&Bests| workout.exercises.iter().any(|planned| planned.exercise == bests.exercise);
    let exercises = workout.exercises.iter().enumerate();
    Ok(Started {
        workout: Some(reference),
        title: workout.title.clone(),
        exercises: exercises.map(|(place, planned)| copied(session, place, planned)).collect(),
        bests: bests.iter().filter(used).cloned().collect(),
    })
}

fn copied(session: SessionId, place: usize, prescribed: &PrescribedExercise) -> PlannedExercise {
    let sets = prescribed.sets.iter().enumerate();
    PlannedExercise {
        instance: InstanceId::planned(session, place),
        exercise: prescribed.exercise.clone(),
        name: prescribed.name.clone(),
        load_kind: prescribed.load_kind,
        group: prescribed.group,
        sets: sets
            .map(|(set, target)| PlannedSet {
                set: SetId::planned(session, place, set),
                target: target.clone(),
            })
            .collect(),
    }
}

/// A set as it was tried.
struct Tried<'a> {
    set: SetId,
    actual: &'a Actual,
    missed: bool,
}

impl Log {
    /// This session, while sets and remarks are still received.
    fn open(&self, ask: &SessionAsk<'_>) -> Result<&Self, ErrorCode> {
        is_open(self.started_at, ask.received_at).then_some(self).ok_or(ErrorCode::Closed)
    }

    /// Logs a set as performed or failed, adding it first where the plan lacks it.
    fn log_set(
        &self,
        ask: &SessionAsk<'_>,
        tried: &Tried<'_>,
        place: Option<&Place>,
        brief: &Brief,
    ) -> Decision {
        if !tried.missed && !says_something(tried.actual) {
            return Err(ErrorCode::Empty);
        }
        let back = self.bring_back(tried.set, ask.at());
        if !back.is_empty() {
            return self.after(ask, back, |there| there.log_set(ask, tried, place, brief));
        }
        let mut events = Vec::with_capacity(3);
        let home = match (self.set(tried.set), place) {
            (Some((exercise, set)), place) => {
                let elsewhere = |place: &Place| {
                    place.instance != exercise.instance || place.exercise != exercise.exercise
                };
                if place.is_some_and(elsewhere) {
                    return Err(ErrorCode::Misplaced);
                }
                may_be_logged(set)?;
                Home::of(exercise, set.set_type())
            }
            (None, Some(place)) => self.add(tried.set, place, brief, &mut events)?,
            (None, None) => return Err(ErrorCode::UnknownSet),
        };
        let (set, actual) = (tried.set, tried.actual.clone());
        if tried.missed {
            events.push(SetFailed { set, actual }.into());
        } else {
            let lift = Lift::eligible(home.load_kind, home.set_type, set, ask.at(), &actual);
            events.push(SetCompleted { set, actual }.into());
            // It was none before: while it is none, the records stay.
            if lift.is_some() {
                self.announce(&home, set, lift, &mut events);
            }
        }
        Ok(events)
    }

    /// Makes room for a set outside the plan; says what it is a set of.
    fn add<'a>(
        &self,
        set: SetId,
        place: &'a Place,
        brief: &Brief,
        events: &mut Vec<SessionEvent>,
    ) -> Result<Home<'a>, ErrorCode> {
        if self.sets().count() >= SETS_MAX {
            return Err(ErrorCode::Full);
        }
        let instance = self.instance(place.instance);
        if instance.is_some_and(|known| known.exercise != place.exercise) {
            return Err(ErrorCode::Misplaced);
        }
        let bests = self.bests_of(&place.exercise, brief);
        let bar = bests.as_ref().map(Bar::of);
        if instance.is_none() {
            if self.exercises.len() >= EXERCISES_MAX {
                return Err(ErrorCode::Full);
            }
            let exercise = PlannedExercise {
                instance: place.instance,
                exercise: place.exercise.clone(),
                name: place.name.clone(),
                load_kind: place.load_kind,
                group: None,
                sets: Vec::new(),
            };
            events.push(ExerciseAdded { exercise, place: None, prescribed: false, bests }.into());
        }
        events.push(SetAdded { set, instance: place.instance, set_type: place.set_type }.into());
        let load_kind = instance.map_or(place.load_kind, |known| known.load_kind);
        Ok(Home { movement: &place.exercise, load_kind, set_type: place.set_type, bar })
    }

    /// What is decided once `events` have changed the plan, behind them.
    fn after(
        &self,
        ask: &SessionAsk<'_>,
        mut events: Vec<SessionEvent>,
        decide: impl FnOnce(&Self) -> Decision,
    ) -> Decision {
        let mut there = self.clone();
        events.iter().for_each(|event| there.change_plan(event, ask.at(), self.plan_v));
        events.extend(decide(&there)?);
        Ok(events)
    }

    fn skip(&self, ask: &SessionAsk<'_>, skip: &Skip) -> Decision {
        let back = self.bring_back(skip.set, ask.at());
        if !back.is_empty() {
            return self.after(ask, back, |there| there.skip(ask, skip));
        }
        let (_, set) = self.set(skip.set).ok_or(ErrorCode::UnknownSet)?;
        may_be_logged(set)?;
        Ok(vec![SetSkipped { set: skip.set, reason: skip.reason.clone() }.into()])
    }

    fn amend(&self, amend: &Amend) -> Decision {
        let (exercise, set) = self.set(amend.set).ok_or(ErrorCode::UnknownSet)?;
        let done = set.done().ok_or(ErrorCode::NotLogged)?;
        if !done.missed && !says_something(&amend.actual) {
            return Err(ErrorCode::Empty);
        }
        let (actual, reason) = (amend.actual.clone(), amend.reason.clone());
        let mut events = vec![SetAmended { set: amend.set, actual, reason }.into()];
        if !done.missed {
            let home = Home::of(exercise, set.set_type());
            let lift = Lift::eligible(home.load_kind, home.set_type, set.id, done.mark.at, &amend.actual);
            self.announce(&home, set.id, lift, &mut events);
        }
        Ok(events)
    }

    fn void(&self, void: &Void) -> Decision {
        let (exercise, set) = self.set(void.set).ok_or(ErrorCode::UnknownSet)?;
        match set.status() {
            SetStatus::Performed | SetStatus::Failed | SetStatus::Skipped => {}
            SetStatus::Planned | SetStatus::Voided => return Err(ErrorCode::NotLogged),
        }
        let mut events = vec![SetVoided { set: void.set, reason: void.reason.clone() }.into()];
        self.announce(&Home::of(exercise, set.set_type()), set.id, None, &mut events);
        Ok(events)
    }

    fn note(&self, note: &Note) -> Decision {
        self.knows(note.set)?;
        if self.notes.len() >= NOTES_MAX {
            return Err(ErrorCode::Full);
        }
        Ok(vec![Noted { set: note.set, text: note.text.clone() }.into()])
    }

    fn take_rest(&self, ask: &SessionAsk<'_>, rest: &Rest) -> Decision {
        self.knows(rest.after)?;
        if rest.duration_ms > REST_MAX {
            return Err(ErrorCode::BadFrame);
        }
        let effective = ask.at() >= self.changed_at;
        if effective && matches!(self.phase(), Phase::Finished | Phase::Abandoned) {
            return Err(ErrorCode::NotRunning);
        }
        let (after, start, duration_ms) = (rest.after, ask.corrected(rest.start), rest.duration_ms);
        Ok(vec![Rested { after, start, duration_ms, effective }.into()])
    }

    /// Whether a change out of `phase` takes effect. One older than the last change does not, and is
    /// recorded whatever the phase: it was true when it was sent.
    fn effective(&self, ask: &SessionAsk<'_>, phase: Phase) -> Result<bool, ErrorCode> {
        match ask.at() >= self.changed_at {
            false => Ok(false),
            true if self.phase() == phase => Ok(true),
            true => Err(ErrorCode::WrongPhase),
        }
    }

    pub(super) fn knows(&self, set: Option<SetId>) -> Result<(), ErrorCode> {
        match set {
            Some(id) if !self.remembers(id) => Err(ErrorCode::UnknownSet),
            Some(_) | None => Ok(()),
        }
    }

    /// Says how the announced records of a movement change when `set` becomes `lift`: withdrawals first;
    /// one whose value changed is withdrawn and announced anew.
    fn announce(&self, home: &Home<'_>, set: SetId, lift: Option<Lift>, events: &mut Vec<SessionEvent>) {
        let others = self.lifts(home.movement).filter(|other| other.set != set);
        let records = home.bar.unwrap_or_default().records(others.chain(lift).collect());
        let in_movement = |record: &&Record| {
            self.set(record.set).is_some_and(|(exercise, _)| exercise.exercise == *home.movement)
        };
        let announced: Vec<Record> = self.announced.iter().filter(in_movement).copied().collect();
        let withdrawn = announced.iter().filter(|record| !records.contains(record));
        events.extend(withdrawn.map(|gone| PrWithdrawn { set: gone.set, record: gone.kind }.into()));
        let fresh = records.iter().filter(|record| !announced.contains(record));
        events.extend(fresh.map(|record| {
            Pr {
                set: record.set,
                exercise: home.movement.clone(),
                record: record.kind,
                g: record.g,
                previous_g: record.previous_g,
            }
            .into()
        }));
    }
}

/// What a set is a set of.
struct Home<'a> {
    movement: &'a ExerciseId,
    load_kind: LoadKind,
    set_type: SetType,
    bar: Option<Bar>,
}

impl<'a> Home<'a> {
    fn of(exercise: &'a Exercise, set_type: SetType) -> Self {
        Self { movement: &exercise.exercise, load_kind: exercise.load_kind, set_type, bar: exercise.bests }
    }
}

const fn may_be_logged(set: &Set) -> Result<(), ErrorCode> {
    match set.status() {
        SetStatus::Planned | SetStatus::Voided => Ok(()),
        SetStatus::Performed | SetStatus::Failed | SetStatus::Skipped => Err(ErrorCode::AlreadyLogged),
    }
}

const fn says_something(actual: &Actual) -> bool {
    actual.reps.is_some() || actual.seconds.is_some() || actual.metres.is_some()
}
