//! What a wall shows of a session, from its state alone.

use spotter_protocol::{
    Badge, Effort, Glance, LastSet, Reps, RestGlance, SessionId, SetStatus, Target, Version,
};

use super::care::Care;
use super::derive::number;
use super::log::{Exercise, Log, Mark, Set, Stage};

/// An effort this far over the one asked for is noticed: 1.5 on the RPE scale, in tenths.
const OVERSHOOT_TENTHS: u8 = 15;

impl Log {
    /// The session at a glance at version `head`.
    pub(super) fn glance(&self, session: SessionId, head: Version) -> Glance {
        let (done, total) = self.progress();
        let last = self.last();
        let pain = self.care().and_then(Care::pain);
        let hurts = pain.as_ref().is_some_and(|(_, in_time)| *in_time);
        let of_set = last.map_or_else(Vec::new, |(_, set, mark)| self.badges(set, mark));
        let badges = hurts.then_some(Badge::Pain).into_iter().chain(of_set).collect();
        Glance {
            session,
            v: head,
            title: self.title.clone(),
            phase: self.phase(),
            started_at: self.started_at,
            active_at: last.map_or(self.started_at, |(_, _, mark)| mark.at),
            done,
            total,
            last: last.map(|(exercise, set, mark)| last_set(exercise, set, mark)),
            rest: self.rest_glance(last.map(|(_, _, mark)| mark)),
            pain: pain.as_ref().map(|(pain, _)| pain.clone()),
            cue: self.care().and_then(Care::newest_cue),
            badges,
        }
    }

    /// The set logged last by its own time, ties by id.
    fn last(&self) -> Option<(&Exercise, &Set, Mark)> {
        let logged = self.sets().filter(|(_, set)| set.is_logged());
        let marked = logged.filter_map(|(exercise, set)| Some((exercise, set, set.mark()?)));
        marked.max_by_key(|(_, set, mark)| (mark.at, set.id))
    }

    /// The rest, until a set is logged after its start or the session ends.
    fn rest_glance(&self, last: Option<Mark>) -> Option<RestGlance> {
        let running = match self.stage {
            Stage::Live | Stage::Paused => self.rest?,
            Stage::Finished { .. } | Stage::Abandoned => return None,
        };
        let over = last.is_some_and(|mark| mark.at > running.start);
        (!over).then_some(RestGlance { start: running.start, duration_ms: running.duration_ms })
    }

    /// What the last set deserves to be noticed for. A late one rings no alarm: it only says that it is late.
    fn badges(&self, set: &Set, mark: Mark) -> Vec<Badge> {
        if mark.at.is_late(mark.received_at) {
            return vec![Badge::Late];
        }
        let noticed = [
            (Badge::Failed, set.status() == SetStatus::Failed),
            (Badge::Overshoot, set.overshoots()),
            (Badge::MissedReps, set.misses_reps()),
            (Badge::Pr, !self.records_of(set.id).is_empty()),
            (Badge::OffPlan, self.workout.is_some() && !set.is_prescribed()),
        ];
        noticed.into_iter().filter_map(|(badge, is_so)| is_so.then_some(badge)).collect()
    }
}

impl Set {
    /// Harder than asked for, both told on the RPE scale.
    fn overshoots(&self) -> bool {
        let asked = self.target().and_then(|target| target.effort);
        let felt = self.done().and_then(|done| done.actual.effort);
        let over = |asked: Effort, felt: Effort| felt.rpe_tenths() >= asked.rpe_tenths() + OVERSHOOT_TENTHS;
        matches!((asked, felt), (Some(asked), Some(felt)) if over(asked, felt))
    }

    /// Performed, with fewer repetitions than the least asked for.
    pub(super) fn misses_reps(&self) -> bool {
        let least: Option<Reps> = self.target().and_then(least_reps);
        let done = self.done().filter(|done| !done.missed).and_then(|done| done.actual.reps);
        matches!((least, done), (Some(least), Some(done)) if done < least)
    }
}

fn least_reps(target: &Target) -> Option<Reps> {
    target.reps.map(|range| range.min)
}

fn last_set(exercise: &Exercise, set: &Set, mark: Mark) -> LastSet {
    let (mut n, mut k) = (0, None);
    for other in exercise.sets.iter().filter(|other| other.is_in_total()) {
        n += 1;
        k = k.or((other.id == set.id).then_some(n));
    }
    LastSet {
        exercise: exercise.name.clone(),
        k: number(k.unwrap_or(n)),
        n: number(n),
        set_type: set.set_type(),
        load_kind: exercise.load_kind,
        status: set.status(),
        target: set.target().cloned(),
        actual: set.done().map(|done| done.actual.clone()).unwrap_or_default(),
        at: mark.at,
        v: mark.v,
    }
}
