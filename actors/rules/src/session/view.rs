//! The state as subscribers see it.

use spotter_protocol::{ExerciseView, PrKind, SessionView, SetId, SetView, View};

use super::log::{Exercise, Log, Set};

impl Log {
    /// The body of a snapshot. Remarks, readiness, pain and cues are for the athlete and linked coaches.
    pub(super) fn view(&self, view: View) -> SessionView {
        let (done, total) = self.progress();
        let private = matches!(view, View::Athlete | View::Coach);
        let care = self.care().filter(|_| private);
        SessionView {
            phase: self.phase(),
            title: self.title.clone(),
            workout: self.workout,
            started_at: self.started_at,
            finished_at: self.finished_at(),
            rest: self.rest,
            exercises: self.exercises.iter().map(|exercise| self.exercise_view(exercise)).collect(),
            notes: if private { self.notes.clone() } else { Vec::new() },
            done,
            total,
            volume_g: self.volume_g(),
            readiness: care.and_then(|care| care.readiness),
            pains: care.map_or_else(Vec::new, |care| care.pains.clone()),
            cues: care.map_or_else(Vec::new, |care| care.cues.clone()),
            adherence: self.adherence(),
            missed_targets: self.missed_targets(),
            plan_v: self.plan_v,
        }
    }

    fn exercise_view(&self, exercise: &Exercise) -> ExerciseView {
        ExerciseView {
            instance: exercise.instance,
            exercise: exercise.exercise.clone(),
            name: exercise.name.clone(),
            load_kind: exercise.load_kind,
            group: exercise.group,
            bests: exercise.bests.map(|bar| bar.bests(&exercise.exercise)),
            sets: exercise.sets.iter().map(|set| self.set_view(exercise, set)).collect(),
        }
    }

    fn set_view(&self, exercise: &Exercise, set: &Set) -> SetView {
        // A voided set keeps its place in time for the read model only: to a reader it has no log.
        let mark = set.mark().filter(|_| set.is_logged());
        let done = set.done();
        SetView {
            set: set.id,
            set_type: set.set_type(),
            target: set.target().cloned(),
            own: set.target().is_some() && !set.is_prescribed(),
            status: set.status(),
            actual: done.map(|done| done.actual.clone()),
            at: mark.map(|mark| mark.at),
            received_at: mark.map(|mark| mark.received_at),
            by: mark.map(|mark| mark.by),
            e1rm_g: set.estimate(exercise.load_kind),
            prs: self.records_of(set.id),
            amended: done.is_some_and(|done| done.amended),
            reason: set.reason.as_deref().cloned(),
        }
    }

    /// The records a set holds, in the order of their kinds.
    pub(super) fn records_of(&self, set: SetId) -> Vec<PrKind> {
        let held = self.announced.iter().filter(|record| record.set == set);
        let mut kinds: Vec<PrKind> = held.map(|record| record.kind).collect();
        kinds.sort_unstable();
        kinds
    }
}
