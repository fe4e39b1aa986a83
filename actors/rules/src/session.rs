//! The workout session: what may be logged when, and what follows from it.
//!
//! `decide` judges commands, `apply` folds events, `derive` computes what follows from the sets alone, `show`
//! turns the state into views, glances and rows. Nothing derived is stored except announced records, which
//! `check_invariants` holds equal to what is derived.

mod apply;
mod decide;
mod derive;
mod show;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use spotter_protocol::{
    Actual, Bests, EntityKind, EntityView, ErrorCode, ExerciseId, Glance, Grams, InstanceId, LoadKind, Name,
    NoteView, Phase, PrKind, Reason, Recorded, RestView, SessionCommand, SessionEvent, SessionId, SetId,
    SetStatus, SetType, Target, Timestamp, Title, UserId, Version, View, WorkoutRef,
};

use crate::{Ask, Brief, Needs, ReadRow, Rules};

/// A session; empty until it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session(Option<Box<Running>>);

/// A session that has started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Running {
    title: Title,
    workout: Option<WorkoutRef>,
    started_at: Timestamp,
    phase: Phase,
    /// When the phase last changed, by the time of what changed it.
    phase_at: Timestamp,
    finished_at: Option<Timestamp>,
    rest: Option<RestView>,
    exercises: Vec<Exercise>,
    notes: Vec<NoteView>,
    /// The records announced and not withdrawn, with their values.
    announced: BTreeMap<(SetId, PrKind), Grams>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Exercise {
    instance: InstanceId,
    exercise: ExerciseId,
    name: Name,
    load_kind: LoadKind,
    bests: Option<Box<Bests>>,
    sets: Vec<Set>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Set {
    id: SetId,
    set_type: SetType,
    /// Absent outside the plan.
    target: Option<Box<Target>>,
    status: SetStatus,
    /// Present while the set is performed, failed or skipped.
    log: Option<Box<Log>>,
    reason: Option<Reason>,
    amended: bool,
}

/// What was logged for a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Log {
    actual: Actual,
    at: Timestamp,
    received_at: Timestamp,
    by: UserId,
}

impl Set {
    /// What was done, if the set was performed.
    fn performed(&self) -> Option<&Log> {
        self.log.as_deref().filter(|_| self.status == SetStatus::Performed)
    }
}

impl Running {
    fn sets(&self) -> impl Iterator<Item = (&Exercise, &Set)> {
        self.exercises.iter().flat_map(|exercise| exercise.sets.iter().map(move |set| (exercise, set)))
    }

    fn set(&self, id: SetId) -> Option<(&Exercise, &Set)> {
        self.sets().find(|(_, set)| set.id == id)
    }

    fn set_mut(&mut self, id: SetId) -> Option<&mut Set> {
        self.exercises.iter_mut().flat_map(|exercise| &mut exercise.sets).find(|set| set.id == id)
    }

    fn exercise(&self, instance: InstanceId) -> Option<&Exercise> {
        self.exercises.iter().find(|exercise| exercise.instance == instance)
    }
}

impl Session {
    /// Panics unless what the state stores agrees with what follows from its sets. For tests: a shell that
    /// finds a broken invariant has nothing better to do than end.
    pub fn check_invariants(&self) {
        let Some(running) = &self.0 else { return };
        assert_eq!(running.announced, running.records(), "announced records are the derived ones");
        let mut ids: Vec<SetId> = running.sets().map(|(_, set)| set.id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "a set is in one place");
        for (_, set) in running.sets() {
            let logged = matches!(set.status, SetStatus::Performed | SetStatus::Failed | SetStatus::Skipped);
            assert_eq!(set.log.is_some(), logged, "a log stands with a status that has one");
        }
        assert_eq!(running.finished_at.is_some(), running.phase == Phase::Finished);
    }
}

impl Rules for Session {
    type Command = SessionCommand;
    type Event = SessionEvent;

    const KIND: EntityKind = EntityKind::Session;
    const SNAPSHOT_SCHEMA: u16 = 1;

    fn needs(&self, command: &SessionCommand) -> Needs {
        decide::needs(self, command)
    }

    fn decide(&self, ask: &Ask<'_, SessionCommand>, brief: &Brief) -> Result<Vec<SessionEvent>, ErrorCode> {
        decide::decide(self, ask, brief)
    }

    fn apply(&mut self, recorded: &Recorded<SessionEvent>) {
        apply::apply(self, recorded);
    }

    fn rows(&self, id: uuid::Uuid, head: Version, events: &[Recorded<SessionEvent>]) -> Vec<ReadRow> {
        show::rows(self, SessionId(id), head, events)
    }

    fn view(&self, view: View) -> Option<EntityView> {
        self.0.as_deref().map(|running| EntityView::Session(show::view(running, view)))
    }

    fn glance(&self, id: uuid::Uuid, head: Version) -> Option<Glance> {
        self.0.as_deref().map(|running| show::glance(running, SessionId(id), head))
    }
}
