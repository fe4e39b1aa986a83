//! A phone that plays a log: its athlete does what the log says, and nothing besides.

use std::time::Instant;

use spotter_protocol::{
    Add, Complete, ExerciseId, Finish, InstanceId, LoadKind, Millis, Name, PlannedExercise, PlannedSet, Rest,
    SetType, Target,
};
use uuid::Uuid;

use super::Phone;
use crate::athlete::now;
use crate::schedule::Act;

impl Phone {
    pub(super) fn play(&mut self, act: Act, planned: Instant) {
        match act {
            Act::Begin(title) => self.open_session(title, planned),
            Act::Exercise { exercise, name, sets } => self.plan_as_logged(exercise, name, &sets, planned),
            Act::Set(actual) => {
                self.number += 1;
                let set = self.stamp(self.number).set();
                self.push("set", Complete { set, actual, place: None }.into(), planned, Some(self.number));
            }
            Act::Rest(duration_ms) => self.rest(duration_ms, planned),
            Act::Finish => self.push("finish", Finish {}.into(), planned, None),
        }
    }

    fn plan_as_logged(&mut self, exercise: ExerciseId, name: Name, sets: &[SetType], planned: Instant) {
        let planned_set = |(number, set_type): (u32, &SetType)| PlannedSet {
            set: self.stamp(self.number + number).set(),
            target: Target { set_type: *set_type, ..Target::default() },
        };
        let exercise = PlannedExercise {
            instance: InstanceId(Uuid::now_v7()),
            exercise,
            name,
            load_kind: LoadKind::default(),
            group: None,
            sets: (1..).zip(sets).map(planned_set).collect(),
        };
        self.push("plan", Add { exercise, place: None }.into(), planned, None);
    }

    pub(super) fn rest(&mut self, duration_ms: Millis, planned: Instant) {
        let rest = Rest { after: None, start: now(), duration_ms };
        self.push("rest", rest.into(), planned, None);
    }
}
