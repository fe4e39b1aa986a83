//! What follows from the sets: progress, volume, estimates, and the rows of the read models.

use std::collections::{BTreeMap, BTreeSet};

use spotter_protocol::{
    Adherence, ExerciseId, Grams, LoadKind, Recorded, Reps, SessionEvent, SessionId, SetId, SetStatus,
    Timestamp, Version,
};

use super::ABANDON_AFTER;
use super::log::{Done, Exercise, Log, Set};
use super::record::{Bar, is_whole};
use crate::estimate::e1rm;
use crate::{BestsRow, ReadRow, SessionRow, SetRow};

impl Log {
    /// Sets performed, failed or skipped, and sets in all. A voided set outside the plan is in neither.
    pub(super) fn progress(&self) -> (u16, u16) {
        let (done, total) = self.sets().fold((0, 0), |(done, total), (_, set)| {
            (done + usize::from(set.is_logged()), total + usize::from(set.is_in_total()))
        });
        (number(done), number(total))
    }

    /// When the session is given up unless something is heard before; absent when it is not running.
    pub(super) fn abandon_at(&self) -> Option<Timestamp> {
        self.phase().is_running().then(|| self.heard_at.plus(ABANDON_AFTER))
    }

    /// Performed among prescribed working sets.
    pub(super) fn adherence(&self) -> Adherence {
        let prescribed: Vec<&Set> =
            self.sets().map(|(_, set)| set).filter(|set| set.is_prescribed_work()).collect();
        let performed = prescribed.iter().filter(|set| set.status() == SetStatus::Performed);
        Adherence {
            performed: number(performed.count()),
            prescribed: number(prescribed.len() + usize::from(self.dropped)),
        }
    }

    /// Prescribed sets that were missed, or fell short of the least repetitions asked for.
    pub(super) fn missed_targets(&self) -> u16 {
        let prescribed = self.sets().map(|(_, set)| set).filter(|set| set.is_prescribed());
        let missed = prescribed.filter(|set| set.status() == SetStatus::Failed || set.misses_reps());
        number(missed.count())
    }

    /// Repetitions times load in grams, over performed sets that count and whose whole load is known.
    pub(super) fn volume_g(&self) -> u64 {
        self.sets().map(|(exercise, set)| set.volume_g(exercise.load_kind)).sum()
    }

    /// The rows that change with `events`, which led to `head`: one for each set whose log changed, the session's own
    /// when its phase changed, and, when the session is at rest by then, the best of each movement that changed with
    /// them, which is all of them with the phase. Without events only the session's.
    pub(super) fn rows(
        &self,
        session: SessionId,
        head: Version,
        events: &[Recorded<SessionEvent>],
    ) -> Vec<ReadRow> {
        let mut touched: BTreeMap<SetId, bool> = BTreeMap::new();
        for (set, fresh) in events.iter().filter_map(|recorded| logged(&recorded.event)) {
            *touched.entry(set).or_default() |= fresh;
        }
        let sets = touched.iter().filter_map(|(id, fresh)| {
            let (exercise, set) = self.set(*id)?;
            set.row(session, exercise, *fresh)
        });
        let mut rows: Vec<ReadRow> = sets.map(ReadRow::Set).collect();
        let turns = events.iter().any(|recorded| changes_phase(&recorded.event));
        if events.is_empty() || turns {
            rows.push(ReadRow::Session(self.row(session, head)));
        }
        if !self.phase().is_running() {
            let changed = |set: &Set| touched.contains_key(&set.id) || (turns && set.mark().is_some());
            let changed = self.sets().filter(|(_, set)| changed(set)).map(|(exercise, _)| &exercise.exercise);
            let changed: BTreeSet<&ExerciseId> = changed.collect();
            rows.extend(changed.into_iter().map(|movement| ReadRow::Bests(self.best(session, movement))));
        }
        rows
    }

    /// The best of this session in a movement.
    fn best(&self, session: SessionId, movement: &ExerciseId) -> BestsRow {
        let mut bar = Bar::default();
        let mut span: Option<(Timestamp, Timestamp)> = None;
        for (exercise, set) in self.sets().filter(|(exercise, _)| exercise.exercise == *movement) {
            let Some((done, load)) = set.moved(exercise.load_kind) else { continue };
            bar.rise(load, done.actual.reps, set.lift(exercise.load_kind).map(|lift| lift.e1rm));
            let at = done.mark.at;
            span = Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        }
        BestsRow { session, bests: bar.bests(movement), span }
    }

    fn row(&self, session: SessionId, version: Version) -> SessionRow {
        let (done, total) = self.progress();
        SessionRow {
            session,
            phase: self.phase(),
            title: self.title.clone(),
            workout: self.workout,
            started_at: self.started_at,
            finished_at: self.finished_at(),
            version,
            done,
            total,
            volume_g: self.volume_g(),
        }
    }
}

impl Set {
    /// Performed, failed or skipped.
    pub(super) const fn is_logged(&self) -> bool {
        match self.status() {
            SetStatus::Performed | SetStatus::Failed | SetStatus::Skipped => true,
            SetStatus::Planned | SetStatus::Voided => false,
        }
    }

    /// All but voided sets outside the plan: those were never to be.
    pub(super) fn is_in_total(&self) -> bool {
        self.is_prescribed() || self.status() != SetStatus::Voided
    }

    /// The estimated one-repetition maximum to show, rough above ten repetitions.
    pub(super) fn estimate(&self, load_kind: LoadKind) -> Option<Grams> {
        let (load, reps) = self.counted(load_kind)?;
        e1rm(load, reps).map(|estimate| estimate.grams)
    }

    fn volume_g(&self, load_kind: LoadKind) -> u64 {
        let hands = if load_kind == LoadKind::PerHand { 2 } else { 1 };
        self.counted(load_kind).map_or(0, |(load, reps)| u64::from(load.0) * u64::from(reps.get()) * hands)
    }

    /// Load and repetitions of a set that moved something.
    fn counted(&self, load_kind: LoadKind) -> Option<(Grams, Reps)> {
        let (done, load) = self.moved(load_kind)?;
        Some((load, done.actual.reps?))
    }

    /// What was done with which load, when the set is performed, counts, and its whole load is known and above zero.
    fn moved(&self, load_kind: LoadKind) -> Option<(&Done, Grams)> {
        let done = self.done().filter(|done| !done.missed)?;
        let load = done.actual.load?.grams();
        let counts = is_whole(load_kind) && self.set_type().counts() && load > Grams(0);
        counts.then_some((done, load))
    }

    fn row(&self, session: SessionId, exercise: &Exercise, fresh: bool) -> Option<SetRow> {
        let mark = self.mark()?;
        let actual = self.done().map(|done| done.actual.clone()).unwrap_or_default();
        Some(SetRow {
            session,
            set: self.id,
            exercise: exercise.exercise.clone(),
            load_kind: exercise.load_kind,
            set_type: self.set_type(),
            status: self.status(),
            at: mark.at,
            received_at: mark.received_at,
            load: actual.load,
            reps: actual.reps,
            seconds: actual.seconds,
            metres: actual.metres,
            rpe_tenths: actual.effort.map(|effort| effort.rpe_tenths()),
            e1rm: self.lift(exercise.load_kind).map(|lift| lift.e1rm),
            fresh,
        })
    }
}

/// A count as it travels; the bounds of a session are far below the range.
pub(super) fn number(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// The set whose log an event changes, and whether it is logged by it.
const fn logged(event: &SessionEvent) -> Option<(SetId, bool)> {
    match event {
        SessionEvent::SetCompleted(done) => Some((done.set, true)),
        SessionEvent::SetFailed(failed) => Some((failed.set, true)),
        SessionEvent::SetSkipped(skipped) => Some((skipped.set, true)),
        SessionEvent::SetAmended(amended) => Some((amended.set, false)),
        SessionEvent::SetVoided(voided) => Some((voided.set, false)),
        SessionEvent::Started(_)
        | SessionEvent::ExerciseAdded(_)
        | SessionEvent::SetAdded(_)
        | SessionEvent::SetsAdded(_)
        | SessionEvent::SetsDropped(_)
        | SessionEvent::ExerciseSwapped(_)
        | SessionEvent::Reordered(_)
        | SessionEvent::PlanPatched(_)
        | SessionEvent::ReadinessNoted(_)
        | SessionEvent::PainNoted(_)
        | SessionEvent::Cued(_)
        | SessionEvent::CueDelivered(_)
        | SessionEvent::CueSeen(_)
        | SessionEvent::CueActed(_)
        | SessionEvent::Abandoned(_)
        | SessionEvent::SessionRebased(_)
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

const fn changes_phase(event: &SessionEvent) -> bool {
    match event {
        SessionEvent::Started(_)
        | SessionEvent::Finished(_)
        | SessionEvent::Reopened(_)
        | SessionEvent::Abandoned(_) => true,
        SessionEvent::Paused(paused) => paused.effective,
        SessionEvent::Resumed(resumed) => resumed.effective,
        SessionEvent::ExerciseAdded(_)
        | SessionEvent::SetAdded(_)
        | SessionEvent::SessionRebased(_)
        | SessionEvent::SetCompleted(_)
        | SessionEvent::SetFailed(_)
        | SessionEvent::SetSkipped(_)
        | SessionEvent::SetAmended(_)
        | SessionEvent::SetVoided(_)
        | SessionEvent::Noted(_)
        | SessionEvent::Rested(_)
        | SessionEvent::Pr(_)
        | SessionEvent::PrWithdrawn(_)
        | SessionEvent::SetsAdded(_)
        | SessionEvent::SetsDropped(_)
        | SessionEvent::ExerciseSwapped(_)
        | SessionEvent::Reordered(_)
        | SessionEvent::PlanPatched(_)
        | SessionEvent::ReadinessNoted(_)
        | SessionEvent::PainNoted(_)
        | SessionEvent::Cued(_)
        | SessionEvent::CueDelivered(_)
        | SessionEvent::CueSeen(_)
        | SessionEvent::CueActed(_) => false,
    }
}

#[cfg(test)]
mod tests;
