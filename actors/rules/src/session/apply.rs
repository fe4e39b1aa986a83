//! How events change a session.

use spotter_protocol::{
    NoteView, Phase, PlannedExercise, PlannedSet, Recorded, RestView, SessionEvent, SetId, SetStatus,
    SetType, Stamp, Started,
};

use super::{Exercise, Log, Running, Session, Set};

/// Folds in one event. An event that fits nothing, which only a damaged journal holds, changes nothing.
pub(super) fn apply(session: &mut Session, recorded: &Recorded<SessionEvent>) {
    if let SessionEvent::Started(started) = &recorded.event {
        session.0 = Some(Box::new(begin(started, &recorded.stamp)));
    } else if let Some(running) = session.0.as_deref_mut() {
        running.fold(&recorded.event, &recorded.stamp);
    }
}

fn begin(started: &Started, stamp: &Stamp) -> Running {
    let exercises = started.exercises.iter().map(|planned| {
        let bests = started.bests.iter().find(|bests| bests.exercise == planned.exercise);
        join(planned, bests.cloned().map(Box::new))
    });
    Running {
        title: started.title.clone(),
        workout: started.workout,
        started_at: stamp.at,
        phase: Phase::Live,
        phase_at: stamp.at,
        finished_at: None,
        rest: None,
        exercises: exercises.collect(),
        notes: Vec::new(),
        announced: std::collections::BTreeMap::new(),
    }
}

fn join(planned: &PlannedExercise, bests: Option<Box<spotter_protocol::Bests>>) -> Exercise {
    let set = |set: &PlannedSet| new_set(set.set, set.target.set_type, Some(Box::new(set.target.clone())));
    Exercise {
        instance: planned.instance,
        exercise: planned.exercise.clone(),
        name: planned.name.clone(),
        load_kind: planned.load_kind,
        bests,
        sets: planned.sets.iter().map(set).collect(),
    }
}

fn new_set(id: SetId, set_type: SetType, target: Option<Box<spotter_protocol::Target>>) -> Set {
    Set { id, set_type, target, status: SetStatus::Planned, log: None, reason: None, amended: false }
}

impl Running {
    fn fold(&mut self, event: &SessionEvent, stamp: &Stamp) {
        match event {
            SessionEvent::Started(_) => {}
            SessionEvent::ExerciseAdded(added) => {
                self.exercises.push(join(&added.exercise, added.bests.clone().map(Box::new)));
            }
            SessionEvent::SetAdded(added) => {
                let exercise = self.exercises.iter_mut().find(|exercise| exercise.instance == added.instance);
                if let Some(exercise) = exercise {
                    exercise.sets.push(new_set(added.set, added.set_type, None));
                }
            }
            SessionEvent::SetCompleted(done) => self.log(done.set, SetStatus::Performed, &done.actual, stamp),
            SessionEvent::SetFailed(failed) => self.log(failed.set, SetStatus::Failed, &failed.actual, stamp),
            SessionEvent::SetSkipped(skipped) => {
                self.log(skipped.set, SetStatus::Skipped, &Default::default(), stamp);
                if let Some(set) = self.set_mut(skipped.set) {
                    set.reason.clone_from(&skipped.reason);
                }
            }
            SessionEvent::SetAmended(amended) => {
                let Some(set) = self.set_mut(amended.set) else { return };
                set.amended = true;
                set.reason.clone_from(&amended.reason);
                if let Some(log) = &mut set.log {
                    log.actual = amended.actual.clone();
                }
            }
            SessionEvent::SetVoided(voided) => {
                let Some(set) = self.set_mut(voided.set) else { return };
                set.status = SetStatus::Voided;
                set.log = None;
                set.amended = false;
                set.reason.clone_from(&voided.reason);
            }
            SessionEvent::Noted(noted) => {
                let (set, text) = (noted.set, noted.text.clone());
                self.notes.push(NoteView { set, text, by: stamp.author, at: stamp.at });
            }
            SessionEvent::Rested(rested) if rested.effective => {
                let (after, start, duration_ms) = (rested.after, rested.start, rested.duration_ms);
                self.rest = Some(RestView { after, start, duration_ms });
            }
            SessionEvent::Paused(paused) if paused.effective => self.turn(Phase::Paused, stamp),
            SessionEvent::Resumed(resumed) if resumed.effective => self.turn(Phase::Live, stamp),
            SessionEvent::Rested(_) | SessionEvent::Paused(_) | SessionEvent::Resumed(_) => {}
            SessionEvent::Finished(_) => {
                self.turn(Phase::Finished, stamp);
                self.finished_at = Some(self.phase_at);
                self.rest = None;
            }
            SessionEvent::Reopened(_) => {
                self.turn(Phase::Live, stamp);
                self.finished_at = None;
            }
            SessionEvent::Pr(pr) => {
                self.announced.insert((pr.set, pr.record), pr.g);
            }
            SessionEvent::PrWithdrawn(withdrawn) => {
                self.announced.remove(&(withdrawn.set, withdrawn.record));
            }
        }
    }

    fn log(&mut self, id: SetId, status: SetStatus, actual: &spotter_protocol::Actual, stamp: &Stamp) {
        let Some(set) = self.set_mut(id) else { return };
        let (actual, at, received_at, by) = (actual.clone(), stamp.at, stamp.received_at, stamp.author);
        set.status = status;
        set.reason = None;
        set.log = Some(Box::new(Log { actual, at, received_at, by }));
    }

    /// Changes the phase. Its time never goes back, nor before the start.
    fn turn(&mut self, phase: Phase, stamp: &Stamp) {
        self.phase = phase;
        self.phase_at = self.phase_at.max(stamp.at);
    }
}
