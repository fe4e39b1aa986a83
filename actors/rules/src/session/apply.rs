//! Events folded into the state. Each arm is the whole effect of its event; clients fold views the same way.

use std::sync::Arc;

use spotter_protocol::{
    Actual, Bests, ClientId, ExerciseId, NoteView, Recorded, RestView, SessionEvent, SetAdded, SetId, Stamp,
    Started, Timestamp, Version,
};

use super::log::{Done, Log, Mark, Outcome, Plan, Set, Stage};
use super::plan::exercise;
use super::record::{Bar, Record};

impl Log {
    /// The state after `started`, at that moment.
    pub(super) fn started(started: &Started, stamp: &Stamp, version: Version) -> Self {
        let at = stamp.at;
        let join = |planned| exercise(planned, bar_of(&started.bests, &planned.exercise), true);
        Self {
            title: started.title.clone(),
            workout: started.workout,
            started_at: at,
            stage: Stage::Live,
            changed_at: at,
            rest: None,
            exercises: started.exercises.iter().map(join).map(Arc::new).collect(),
            notes: Vec::new(),
            announced: Vec::new(),
            heard_at: stamp.received_at,
            plan_v: version,
            dropped: 0,
            care: None,
            gone: Vec::new(),
        }
    }

    /// Folds in an event that follows the start.
    pub(super) fn apply(&mut self, recorded: &Recorded<SessionEvent>) {
        let (event, stamp) = (&recorded.event, &recorded.stamp);
        if stamp.client != ClientId::SERVER {
            self.heard_at = self.heard_at.max(stamp.received_at);
        }
        let mark =
            Mark { v: recorded.version, at: stamp.at, received_at: stamp.received_at, by: stamp.author };
        match event {
            SessionEvent::Started(_) | SessionEvent::SessionRebased(_) => {}
            SessionEvent::ExerciseAdded(_)
            | SessionEvent::SetsAdded(_)
            | SessionEvent::SetsDropped(_)
            | SessionEvent::ExerciseSwapped(_)
            | SessionEvent::Reordered(_)
            | SessionEvent::PlanPatched(_) => self.change_plan(event, stamp.at, recorded.version),
            SessionEvent::ReadinessNoted(_)
            | SessionEvent::PainNoted(_)
            | SessionEvent::Cued(_)
            | SessionEvent::CueDelivered(_)
            | SessionEvent::CueSeen(_)
            | SessionEvent::CueActed(_) => self.take_care(event, recorded.version, stamp),
            SessionEvent::Abandoned(_) => {
                self.enter(Stage::Abandoned, stamp.at);
                self.rest = None;
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
        if let Some(exercise) = self.instance_mut(added.instance) {
            let plan = Plan::Added(added.set_type);
            push(&mut exercise.sets, Set { id: added.set, plan, outcome: Outcome::Planned, reason: None });
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

fn bar_of(bests: &[Bests], exercise: &ExerciseId) -> Option<Bar> {
    bests.iter().find(|bests| bests.exercise == *exercise).map(Bar::of)
}

/// Grows by one place at a time: these lists are short and their spare room would outweigh them.
fn push<T>(list: &mut Vec<T>, item: T) {
    list.reserve_exact(1);
    list.push(item);
}
