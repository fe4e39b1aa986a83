//! What a session remembers once it has started. Kept small: thousands of these stay in memory.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spotter_protocol::{
    Actual, ExerciseId, Group, InstanceId, LoadKind, Name, NoteView, Phase, PlannedExercise, Reason,
    RestView, SetId, SetStatus, SetType, Target, Timestamp, Title, UserId, Version, WorkoutRef,
};

use super::care::Care;
use super::record::{Bar, Lift, Record};
use super::{CUES_MAX, EXERCISES_MAX, NOTES_MAX, PAINS_MAX, SETS_MAX};

/// A session that has started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Log {
    pub(super) title: Title,
    pub(super) workout: Option<WorkoutRef>,
    pub(super) started_at: Timestamp,
    pub(super) stage: Stage,
    /// When the stage last changed. Never goes back: a change told late takes effect at the one before.
    pub(super) changed_at: Timestamp,
    /// When a command of a person's was last received.
    pub(super) heard_at: Timestamp,
    /// The version of the last change of the plan.
    pub(super) plan_v: Version,
    /// Prescribed working sets that the athlete took out.
    pub(super) dropped: u16,
    /// The newest effective rest.
    pub(super) rest: Option<RestView>,
    /// A state that is decided upon shares with the one before it all that stays: each is copied when it changes.
    pub(super) exercises: Vec<Arc<Exercise>>,
    /// Oldest first by their own time.
    pub(super) notes: Vec<NoteView>,
    /// The records announced and not withdrawn.
    pub(super) announced: Vec<Record>,
    pub(super) care: Option<Box<Care>>,
    /// Sets that left the plan, oldest first: a phone without signal may have done them.
    pub(super) gone: Vec<Gone>,
}

/// A set that left the plan, and where it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Gone {
    /// The exercise it was a set of, with this set alone.
    pub(super) home: PlannedExercise,
    pub(super) bests: Option<Bar>,
    /// When it left.
    pub(super) at: Timestamp,
    /// It went to another movement, and is asked for there as it was here.
    pub(super) swapped: bool,
}

/// Where a started session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    Live,
    Paused,
    Finished { at: Timestamp },
    Abandoned,
}

/// One exercise at one place of the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Exercise {
    pub(super) instance: InstanceId,
    pub(super) exercise: ExerciseId,
    pub(super) name: Name,
    pub(super) load_kind: LoadKind,
    pub(super) group: Option<Group>,
    /// The athlete's bests before this session; the same in every instance of the exercise.
    pub(super) bests: Option<Bar>,
    pub(super) sets: Vec<Set>,
}

/// One set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Set {
    pub(super) id: SetId,
    pub(super) plan: Plan,
    pub(super) outcome: Outcome,
    /// Of the last skip, amendment or voiding; gone when the set is logged again. Rare, hence boxed.
    pub(super) reason: Option<Box<Reason>>,
}

/// Where a set comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Plan {
    /// A coach asks for it.
    Prescribed(Target),
    /// The athlete planned it.
    Own(Target),
    /// It was logged without a plan.
    Added(SetType),
}

/// What became of a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Outcome {
    Planned,
    Done(Done),
    Skipped(Mark),
    /// The mark is that of the log taken back.
    Voided(Mark),
}

/// A set performed, or tried and missed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) mark: Mark,
    pub(super) missed: bool,
    pub(super) actual: Actual,
    pub(super) amended: bool,
}

/// Who logged a set, and its place in time. An amendment leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) v: Version,
    pub(super) at: Timestamp,
    pub(super) received_at: Timestamp,
    pub(super) by: UserId,
}

impl Log {
    pub(super) const fn phase(&self) -> Phase {
        match self.stage {
            Stage::Live => Phase::Live,
            Stage::Paused => Phase::Paused,
            Stage::Finished { .. } => Phase::Finished,
            Stage::Abandoned => Phase::Abandoned,
        }
    }

    pub(super) const fn finished_at(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Finished { at } => Some(at),
            Stage::Live | Stage::Paused | Stage::Abandoned => None,
        }
    }

    /// Every set with its exercise, in the session's order.
    pub(super) fn sets(&self) -> impl Iterator<Item = (&Exercise, &Set)> {
        self.exercises.iter().flat_map(|exercise| exercise.sets.iter().map(move |set| (&**exercise, set)))
    }

    pub(super) fn set(&self, id: SetId) -> Option<(&Exercise, &Set)> {
        self.sets().find(|(_, set)| set.id == id)
    }

    pub(super) fn set_mut(&mut self, id: SetId) -> Option<&mut Set> {
        let place = |exercise: &Arc<Exercise>| exercise.sets.iter().position(|set| set.id == id);
        self.exercises.iter_mut().find_map(|exercise| {
            let place = place(exercise)?;
            Arc::make_mut(exercise).sets.get_mut(place)
        })
    }

    pub(super) fn instance(&self, id: InstanceId) -> Option<&Exercise> {
        self.exercises.iter().find(|exercise| exercise.instance == id).map(Arc::as_ref)
    }

    pub(super) fn instance_mut(&mut self, id: InstanceId) -> Option<&mut Exercise> {
        self.exercises.iter_mut().find(|exercise| exercise.instance == id).map(Arc::make_mut)
    }

    /// Any instance of a movement: all hold the same bests.
    pub(super) fn movement(&self, id: &ExerciseId) -> Option<&Exercise> {
        self.exercises.iter().find(|exercise| exercise.exercise == *id).map(Arc::as_ref)
    }

    /// The eligible sets of a movement.
    pub(super) fn lifts<'a>(&'a self, movement: &'a ExerciseId) -> impl Iterator<Item = Lift> + 'a {
        let instances = self.exercises.iter().filter(move |exercise| exercise.exercise == *movement);
        instances.flat_map(|exercise| exercise.sets.iter().filter_map(|set| set.lift(exercise.load_kind)))
    }

    /// Every record that follows from the sets, in the order of announcement within each movement.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut seen = HashSet::new();
        let first = self.exercises.iter().filter(|exercise| seen.insert(&exercise.exercise));
        first
            .flat_map(|exercise| {
                let bar = exercise.bests.unwrap_or_default();
                bar.records(self.lifts(&exercise.exercise).collect())
            })
            .collect()
    }

    pub(super) fn check_invariants(&self) {
        let by_key = |records: &[Record]| {
            let mut sorted = records.to_vec();
            sorted.sort_unstable_by_key(|record| (record.set, record.kind));
            sorted
        };
        assert_eq!(by_key(&self.announced), by_key(&self.records()), "announced is derived");

        let sets: HashSet<SetId> = self.sets().map(|(_, set)| set.id).collect();
        assert_eq!(sets.len(), self.sets().count(), "no set occurs twice");
        let instances: HashSet<InstanceId> =
            self.exercises.iter().map(|exercise| exercise.instance).collect();
        assert_eq!(instances.len(), self.exercises.len(), "no instance occurs twice");
        for exercise in &self.exercises {
            let first = self.movement(&exercise.exercise).map(|first| first.bests);
            assert_eq!(first, Some(exercise.bests), "one movement has one set of bests");
        }
        assert!(sets.len() <= SETS_MAX && self.exercises.len() <= EXERCISES_MAX, "sets are bounded");
        assert!(self.notes.len() <= NOTES_MAX && self.notes.is_sorted_by_key(|note| note.at), "notes");

        assert!(self.gone.len() <= SETS_MAX, "sets that left are bounded");
        if let Some(care) = self.care() {
            assert!(care.pains.len() <= PAINS_MAX && care.pains.is_sorted_by_key(|pain| pain.at), "pains");
            assert!(care.cues.len() <= CUES_MAX, "cues are bounded");
            for cue in &care.cues {
                let in_order = cue.delivered_at >= cue.seen_at.and(cue.delivered_at)
                    && (cue.acted_at.is_none() || cue.seen_at.is_some())
                    && (cue.seen_at.is_none() || cue.delivered_at.is_some());
                assert!(in_order, "a cue that was acted on was seen, and one that was seen delivered");
            }
        }
        let adherence = self.adherence();
        assert!(adherence.performed <= adherence.prescribed, "performed is part of prescribed");

        let (done, total) = self.progress();
        assert!(done <= total && usize::from(total) <= sets.len(), "done is part of total");
        assert!(self.changed_at >= self.started_at, "nothing changes before the start");
        assert!(self.finished_at().is_none_or(|at| at >= self.started_at), "the end is after the start");
    }
}

impl Set {
    pub(super) const fn set_type(&self) -> SetType {
        match &self.plan {
            Plan::Prescribed(target) | Plan::Own(target) => target.set_type,
            Plan::Added(set_type) => *set_type,
        }
    }

    pub(super) const fn target(&self) -> Option<&Target> {
        match &self.plan {
            Plan::Prescribed(target) | Plan::Own(target) => Some(target),
            Plan::Added(_) => None,
        }
    }

    pub(super) const fn is_prescribed(&self) -> bool {
        matches!(self.plan, Plan::Prescribed(_))
    }

    /// Asked for by a coach, and no warm-up.
    pub(super) fn is_prescribed_work(&self) -> bool {
        self.is_prescribed() && self.set_type().counts()
    }

    pub(super) const fn status(&self) -> SetStatus {
        match &self.outcome {
            Outcome::Planned => SetStatus::Planned,
            Outcome::Done(Done { missed: false, .. }) => SetStatus::Performed,
            Outcome::Done(Done { missed: true, .. }) => SetStatus::Failed,
            Outcome::Skipped(_) => SetStatus::Skipped,
            Outcome::Voided(_) => SetStatus::Voided,
        }
    }

    pub(super) const fn mark(&self) -> Option<Mark> {
        match &self.outcome {
            Outcome::Planned => None,
            Outcome::Done(done) => Some(done.mark),
            Outcome::Skipped(mark) | Outcome::Voided(mark) => Some(*mark),
        }
    }

    pub(super) const fn done(&self) -> Option<&Done> {
        match &self.outcome {
            Outcome::Done(done) => Some(done),
            Outcome::Planned | Outcome::Skipped(_) | Outcome::Voided(_) => None,
        }
    }

    /// The set's lift, when it is eligible for records.
    pub(super) fn lift(&self, load_kind: LoadKind) -> Option<Lift> {
        let done = self.done().filter(|done| !done.missed)?;
        Lift::eligible(load_kind, self.set_type(), self.id, done.mark.at, &done.actual)
    }
}
