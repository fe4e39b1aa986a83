//! A session as others see it: views for subscribers, a glance for walls, rows for the read models.

use spotter_protocol::{
    Badge, ExerciseView, Glance, LastSet, NoteView, Phase, PrKind, Recorded, RestGlance, SessionEvent,
    SessionId, SessionView, SetId, SetStatus, SetView, Version, View,
};

use super::{Exercise, Log, Running, Session, Set};
use crate::{ReadRow, SessionRow, SetRow};

/// How far over the asked effort a set is worth a look: RPE 1.5, in tenths.
const OVERSHOOT_TENTHS: u8 = 15;

/// The state as `view` shows it.
pub(super) fn view(running: &Running, view: View) -> SessionView {
    let notes: Vec<NoteView> = match view {
        View::Athlete | View::Coach => running.notes.clone(),
        View::Tv | View::Operator => Vec::new(),
    };
    let (done, total) = running.progress();
    SessionView {
        phase: running.phase,
        title: running.title.clone(),
        workout: running.workout,
        started_at: running.started_at,
        finished_at: running.finished_at,
        rest: running.rest,
        exercises: running.exercises.iter().map(|exercise| view_exercise(running, exercise)).collect(),
        notes,
        done,
        total,
        volume_g: running.volume(),
    }
}

fn view_exercise(running: &Running, exercise: &Exercise) -> ExerciseView {
    ExerciseView {
        instance: exercise.instance,
        exercise: exercise.exercise.clone(),
        name: exercise.name.clone(),
        load_kind: exercise.load_kind,
        bests: exercise.bests.as_deref().cloned(),
        sets: exercise.sets.iter().map(|set| view_set(running, exercise, set)).collect(),
    }
}

fn view_set(running: &Running, exercise: &Exercise, set: &Set) -> SetView {
    let log = set.log.as_deref();
    let done = log.filter(|_| set.status != SetStatus::Skipped);
    SetView {
        set: set.id,
        set_type: set.set_type,
        target: set.target.as_deref().cloned(),
        status: set.status,
        actual: done.map(|log| log.actual.clone()),
        at: log.map(|log| log.at),
        received_at: log.map(|log| log.received_at),
        by: log.map(|log| log.by),
        e1rm_g: exercise.estimate(set),
        prs: running.records_of(set.id).collect(),
        amended: set.amended,
        reason: set.reason.clone(),
    }
}

/// What a wall shows at `head`.
pub(super) fn glance(running: &Running, session: SessionId, head: Version) -> Glance {
    let last = running
        .sets()
        .filter_map(|(exercise, set)| Some((exercise, set, set.log.as_deref()?)))
        .max_by_key(|(_, set, log)| (log.at, set.id));
    let active_at = last.map_or(running.started_at, |(_, _, log)| log.at.max(running.started_at));
    let (done, total) = running.progress();
    let rest = running.rest.filter(|rest| rest.start >= active_at && running.phase != Phase::Finished);
    Glance {
        session,
        v: head,
        title: running.title.clone(),
        phase: running.phase,
        started_at: running.started_at,
        active_at,
        done,
        total,
        last: last.map(|(exercise, set, log)| last_set(exercise, set, log)),
        rest: rest.map(|rest| RestGlance { start: rest.start, duration_ms: rest.duration_ms }),
        badges: last.map_or_else(Vec::new, |(_, set, log)| running.badges(set, log)),
    }
}

fn last_set(exercise: &Exercise, set: &Set, log: &Log) -> LastSet {
    let counts = |other: &&Set| other.status != SetStatus::Voided || other.target.is_some();
    let place = exercise.sets.iter().filter(counts).position(|other| other.id == set.id);
    let number = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    LastSet {
        exercise: exercise.name.clone(),
        k: number(place.map_or(0, |place| place + 1)),
        n: number(exercise.sets.iter().filter(counts).count()),
        set_type: set.set_type,
        load_kind: exercise.load_kind,
        status: set.status,
        target: set.target.as_deref().cloned(),
        actual: log.actual.clone(),
        at: log.at,
    }
}

impl Running {
    fn records_of(&self, set: SetId) -> impl Iterator<Item = PrKind> {
        self.announced.range((set, PrKind::Heaviest)..=(set, PrKind::E1rm)).map(|((_, record), _)| *record)
    }

    /// What the last set deserves to be noticed for. A late one rings no alarm: it says only that it is late.
    fn badges(&self, set: &Set, log: &Log) -> Vec<Badge> {
        if log.at.is_late(log.received_at) {
            return vec![Badge::Late];
        }
        let target = set.target.as_deref();
        let performed = set.status == SetStatus::Performed;
        let short = target.and_then(|target| target.reps).zip(log.actual.reps);
        let hard = target.and_then(|target| target.effort).zip(log.actual.effort);
        let noticed = [
            (Badge::Failed, set.status == SetStatus::Failed),
            (
                Badge::Overshoot,
                hard.is_some_and(|(asked, felt)| felt.rpe_tenths() >= asked.rpe_tenths() + OVERSHOOT_TENTHS),
            ),
            (Badge::MissedReps, performed && short.is_some_and(|(asked, reps)| reps < asked.min)),
            (Badge::Pr, self.records_of(set.id).next().is_some()),
            (Badge::OffPlan, self.workout.is_some() && target.is_none()),
        ];
        noticed.into_iter().filter(|(_, noticed)| *noticed).map(|(badge, _)| badge).collect()
    }
}

/// The rows that `events`, just applied, replace. Without events, as with a snapshot, the session's own.
pub(super) fn rows(
    session: &Session,
    id: SessionId,
    head: Version,
    events: &[Recorded<SessionEvent>],
) -> Vec<ReadRow> {
    let Some(running) = &session.0 else { return Vec::new() };
    let mut rows = Vec::new();
    if events.is_empty() || events.iter().any(|recorded| turns(&recorded.event)) {
        rows.push(ReadRow::Session(session_row(running, id, head)));
    }
    let mut touched: Vec<SetId> = events.iter().filter_map(|recorded| set_of(&recorded.event)).collect();
    touched.sort_unstable();
    touched.dedup();
    let found = touched.into_iter().filter_map(|set| running.set(set));
    rows.extend(found.map(|(exercise, set)| ReadRow::Set(set_row(exercise, set, id))));
    rows
}

/// Whether an event changes the phase.
const fn turns(event: &SessionEvent) -> bool {
    match event {
        SessionEvent::Started(_) | SessionEvent::Finished(_) | SessionEvent::Reopened(_) => true,
        SessionEvent::Paused(paused) => paused.effective,
        SessionEvent::Resumed(resumed) => resumed.effective,
        SessionEvent::ExerciseAdded(_)
        | SessionEvent::SetAdded(_)
        | SessionEvent::SetCompleted(_)
        | SessionEvent::SetFailed(_)
        | SessionEvent::SetSkipped(_)
        | SessionEvent::SetAmended(_)
        | SessionEvent::SetVoided(_)
        | SessionEvent::Noted(_)
        | SessionEvent::Rested(_)
        | SessionEvent::Pr(_)
        | SessionEvent::PrWithdrawn(_) => false,
    }
}

/// The set whose log an event changes.
const fn set_of(event: &SessionEvent) -> Option<SetId> {
    match event {
        SessionEvent::SetCompleted(event) => Some(event.set),
        SessionEvent::SetFailed(event) => Some(event.set),
        SessionEvent::SetSkipped(event) => Some(event.set),
        SessionEvent::SetAmended(event) => Some(event.set),
        SessionEvent::SetVoided(event) => Some(event.set),
        SessionEvent::Started(_)
        | SessionEvent::ExerciseAdded(_)
        | SessionEvent::SetAdded(_)
        | SessionEvent::Noted(_)
        | SessionEvent::Rested(_)
        | SessionEvent::Paused(_)
        | SessionEvent::Resumed(_)
        | SessionEvent::Finished(_)
        | SessionEvent::Reopened(_)
        | SessionEvent::Pr(_)
        | SessionEvent::PrWithdrawn(_) => None,
    }
}

fn session_row(running: &Running, session: SessionId, version: Version) -> SessionRow {
    let (done, total) = running.progress();
    SessionRow {
        session,
        phase: running.phase,
        title: running.title.clone(),
        workout: running.workout,
        started_at: running.started_at,
        finished_at: running.finished_at,
        version,
        done,
        total,
        volume_g: running.volume(),
    }
}

fn set_row(exercise: &Exercise, set: &Set, session: SessionId) -> SetRow {
    let log = set.log.as_deref();
    let actual = log.map(|log| log.actual.clone()).unwrap_or_default();
    SetRow {
        session,
        set: set.id,
        exercise: exercise.exercise.clone(),
        load_kind: exercise.load_kind,
        set_type: set.set_type,
        status: set.status,
        at: log.map(|log| log.at).unwrap_or_default(),
        received_at: log.map(|log| log.received_at).unwrap_or_default(),
        load: actual.load,
        reps: actual.reps,
        seconds: actual.seconds,
        metres: actual.metres,
        rpe_tenths: actual.effort.map(|effort| effort.rpe_tenths()),
        e1rm: exercise.lift(set).and_then(|_| exercise.estimate(set)),
    }
}
