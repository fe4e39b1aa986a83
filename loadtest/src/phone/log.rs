//! What the athlete of a scenario does: sessions, their exercises, and what is logged in them.

use std::time::Instant;

use spotter_client::Outbox;
use spotter_protocol::{
    Actual, Add, Address, Complete, Finish, InstanceId, Load, LoadKind, Millis, Name, Note, NoteText,
    PlannedExercise, PlannedSet, Reps, SessionId, SetType, Start, Target, Title, Unit,
};
use uuid::Uuid;

use super::{Phone, Session};
use crate::athlete::movement;
use crate::ledger::Stamp;
use crate::schedule::Task;

/// Sets of an exercise, planned with one command.
const SETS: u32 = 10;
/// Sets of a session; the next one belongs to another.
const SESSION_SETS: u32 = 100;
/// Commands of a session; a session that is full of notes and rests ends too.
const SESSION_COMMANDS: u32 = 250;

impl Phone {
    /// Begins another session, and plans its first exercise.
    pub(super) fn begin(&mut self, planned: Instant) {
        self.open_session(Title::clipped("Load"), planned);
        self.plan(planned);
    }

    pub(super) fn open_session(&mut self, title: Title, planned: Instant) {
        // A set that was planned and left is not planned again elsewhere.
        self.number = self.number.next_multiple_of(SETS);
        let to = Address::session(self.owner.user, SessionId(Uuid::now_v7()));
        let outbox = Outbox::new(self.line.client, to);
        self.sessions.push(Session { to, outbox, sets: 0, commands: 0 });
        self.ledger().open(to, self.owner.gym, self.owner.athlete);
        self.push("start", Start { workout: None, title: Some(title) }.into(), planned, None);
    }

    /// Plans the next exercise.
    fn plan(&mut self, planned: Instant) {
        // Warm-ups make no records: a set is one event.
        let target = Target { set_type: SetType::Warmup, ..Target::default() };
        let sets = (1..=SETS)
            .map(|set| PlannedSet { set: self.stamp(self.number + set).set(), target: target.clone() });
        let exercise = PlannedExercise {
            instance: InstanceId(Uuid::now_v7()),
            exercise: movement(),
            name: Name::clipped("Barbell Squat"),
            load_kind: LoadKind::default(),
            group: None,
            sets: sets.collect(),
        };
        self.push("plan", Add { exercise, place: None }.into(), planned, None);
    }

    pub(super) fn log(&mut self, task: Task, planned: Instant) {
        let full = |session: &Session| session.sets == SESSION_SETS || session.commands >= SESSION_COMMANDS;
        if self.sessions.last().is_none_or(full) {
            self.begin(planned);
        }
        match task {
            Task::Set => self.log_set(planned),
            Task::Rest => self.rest(Millis(120_000), planned),
            Task::Note => {
                let text = "slow on the way up; ".repeat(self.owner.note_bytes / 20 + 1);
                let text = NoteText::clipped(&text[..self.owner.note_bytes]);
                self.push("note", Note { set: None, text }.into(), planned, None);
            }
            Task::Message(coach) => {
                let planned = self.has_signal.then_some(planned);
                self.talk.message(self.owner.coaches[coach], planned);
            }
            Task::Finish => {
                self.push("finish", Finish {}.into(), planned, None);
                self.begin(planned);
            }
        }
    }

    fn log_set(&mut self, planned: Instant) {
        let Some(session) = self.sessions.last_mut() else { return };
        let place = session.sets % SETS;
        let new_exercise = place == 0 && session.sets > 0;
        session.sets += 1;
        if new_exercise {
            self.plan(planned);
        }
        self.number += 1;
        let load = Load::new(60_000 + place * 2_500, Unit::Kg).ok();
        let actual = Actual { load, reps: Reps::new(5).ok(), ..Actual::default() };
        let set = self.stamp(self.number).set();
        self.push("set", Complete { set, actual, place: None }.into(), planned, Some(self.number));
    }

    pub(super) fn stamp(&self, number: u32) -> Stamp {
        Stamp { run: self.owner.run, gym: self.owner.gym, athlete: self.owner.athlete, number }
    }
}
