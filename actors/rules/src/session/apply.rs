//! Events folded into the state. Each arm is the whole effect of its event; clients fold views the same way.

use spotter_protocol::{
    Actual, Bests, ExerciseId, NoteView, PlannedExercise, PlannedSet, RestView, SessionEvent, SetAdded,
    SetId, Stamp, Started, Timestamp, Version,
};

use super::log::{Done, Exercise, Log, Mark, Outcome, Plan, Set, Stage};
use super::record::{Bar, Record};

impl Log {
    /// The state after `started`, at that moment.
    pub(super) fn started(started: &Started, at: Timestamp) -> Self {
        let exercise = |planned| exercise(planned, bar_of(&started.bests, &planned.exercise));
        Self {
            title: started.title.clone(),
            workout: started.workout,
            started_at: at,
            stage: Stage::Live,
            changed_at: at,
            rest: None,
            exercises: started.exercises.iter().map(exercise).collect(),
            notes: Vec::new(),
            announced: Vec::new(),
        }
    }

    /// Folds in an event that follows the start.
    pub(super) fn apply(&mut self, event: &SessionEvent, v: Version, stamp: &Stamp) {
        let mark = Mark { v, at: stamp.at, received_at: stamp.received_at, by: stamp.author };
        match event {
            SessionEvent::Started(_) => {}
            SessionEvent::ExerciseAdded(added) => {
                let bests = added.bests.as_ref().map(Bar::of);
                push(&mut self.exercises, exercise(&added.exercise, bests));
            }
            SessionEvent::SetAdded(added) => self.add_set(added),
            SessionEvent::SetCompleted(done) => self.note_done(done.set, mark, false, &done.actual),
            SessionEvent::SetFailed(done) => self.note_done(done.set, mark, true, &done.actual),
            SessionEvent::SetSkipped(skipped) => {
                self.change(skipped.set, |set| {
                    set.outcome = Outcome::Skipped(mark);
                    set.reason = skipped.reason.clone().map(Box::new);
                });
            }
            SessionEvent::SetAmended(amended) => {
                self.change(amended.set, |set| {
                    if let Outcome::Done(done) = &mut set.outcome {
                        done.actual = amended.actual.clone();
                        done.amended = true;
                    }
                    set.reason = amended.reason.clone().map(Box::new);
                });
            }
            SessionEvent::SetVoided(voided) => {
                self.change(voided.set, |set| {
                    if let Some(logged) = set.mark() {
                        set.outcome = Outcome::Voided(logged);
                    }
                    set.reason = voided.reason.clone().map(Box::new);
                });
            }
            SessionEvent::Noted(noted) => {
                let (set, text) = (noted.set, noted.text.clone());
                let place = self.notes.partition_point(|note| note.at <= stamp.at);
                self.notes.reserve_exact(1);
                self.notes.insert(place, NoteView { set, text, by: stamp.author, at: stamp.at });
            }
            SessionEvent::Rested(rest) if rest.effective => {
                let (after, start, duration_ms) = (rest.after, rest.start, rest.duration_ms);
                self.rest = Some(RestView { after, start, duration_ms });
            }
            SessionEvent::Paused(paused) if paused.effective => self.enter(Stage::Paused, stamp.at),
            SessionEvent::Resumed(resumed) if resumed.effective => self.enter(Stage::Live, stamp.at),
            SessionEvent::Rested(_) | SessionEvent::Paused(_) | SessionEvent::Resumed(_) => {}
            SessionEvent::Finished(_) => {
                self.enter(Stage::Finished { at: stamp.at.max(self.started_at) }, stamp.at);
                self.rest = None;
            }
            SessionEvent::Reopened(_) => self.enter(Stage::Live, stamp.at),
            SessionEvent::Pr(pr) => {
                let record = Record { set: pr.set, kind: pr.record, g: pr.g, previous_g: pr.previous_g };
                push(&mut self.announced, record);
            }
            SessionEvent::PrWithdrawn(gone) => {
                self.announced.retain(|record| (record.set, record.kind) != (gone.set, gone.record));
            }
        }
    }

    fn enter(&mut self, stage: Stage, at: Timestamp) {
        self.stage = stage;
        self.changed_at = self.changed_at.max(at);
    }

    fn add_set(&mut self, added: &SetAdded) {
        let instance = self.exercises.iter_mut().find(|exercise| exercise.instance == added.instance);
        if let Some(exercise) = instance {
            push(&mut exercise.sets, planned(added.set, Plan::Added(added.set_type)));
        }
    }

    fn note_done(&mut self, set: SetId, mark: Mark, missed: bool, actual: &Actual) {
        self.change(set, |set| {
            set.outcome = Outcome::Done(Done { mark, missed, actual: actual.clone(), amended: false });
            set.reason = None;
        });
    }

    fn change(&mut self, set: SetId, change: impl FnOnce(&mut Set)) {
        if let Some(set) = self.set_mut(set) {
            change(set);
        }
    }
}

fn exercise(planned: &PlannedExercise, bests: Option<Bar>) -> Exercise {
    Exercise {
        instance: planned.instance,
        exercise: planned.exercise.clone(),
        name: planned.name.clone(),
        load_kind: planned.load_kind,
        bests,
        sets: planned.sets.iter().map(prescribed).collect(),
    }
}

fn prescribed(set: &PlannedSet) -> Set {
    planned(set.set, Plan::Prescribed(set.target.clone()))
}

const fn planned(id: SetId, plan: Plan) -> Set {
    Set { id, plan, outcome: Outcome::Planned, reason: None }
}

fn bar_of(bests: &[Bests], exercise: &ExerciseId) -> Option<Bar> {
    bests.iter().find(|bests| bests.exercise == *exercise).map(Bar::of)
}

/// Grows by one place at a time: these lists are short and their spare room would outweigh them.
fn push<T>(list: &mut Vec<T>, item: T) {
    list.reserve_exact(1);
    list.push(item);
}
